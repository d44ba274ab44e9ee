// SPDX-License-Identifier: GPL-2.0-only
// Catalogues of gettext: texts of the page, and what they are in another language.

export interface Entry {
  readonly id: string;
  /** Empty: not translated yet. */
  readonly text: string;
  /** Files that have the text. */
  readonly places: readonly string[];
}

export interface Catalogue {
  /** Lines that begin with #, each with its end. */
  readonly comment: string;
  /** "Language: de\n" and the like. */
  readonly header: string;
  readonly entries: readonly Entry[];
}

/** Reads a catalogue without plural forms and contexts, which the page does not use; throws at what it cannot read. */
export function parsePo(source: string): Catalogue {
  const [head = '', ...rest] = source.trim().split(/\n\n+/);
  const comment = /^(?:#.*\n)*/.exec(head)![0];
  const first = parseEntry(head.slice(comment.length));
  return { comment, header: first.text, entries: rest.map(parseEntry) };
}

function parseEntry(paragraph: string): Entry {
  const places: string[] = [];
  const texts = { msgid: '', msgstr: '' };
  let current: keyof typeof texts | undefined;
  for (const line of paragraph.split('\n')) {
    const [, place] = /^#: (.+)$/.exec(line) ?? [];
    if (place !== undefined) places.push(...place.split(' '));
    if (line.startsWith('#')) continue;
    const [, keyword, text] = /^(?:(msgid|msgstr) )?(".*")$/.exec(line) ?? [];
    if (keyword !== undefined) current = keyword as keyof typeof texts;
    if (text === undefined || current === undefined) throw new Error(`not understood: ${line}`);
    texts[current] += JSON.parse(text);
  }
  return { id: texts.msgid, text: texts.msgstr, places };
}

export function formatPo({ comment, header, entries }: Catalogue): string {
  const lines = header
    .split(/(?<=\n)/)
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');
  return [`${comment}msgid ""\nmsgstr ""\n${lines}`, ...entries.map(formatEntry)].join('\n');
}

function formatEntry({ id, text, places }: Entry): string {
  const from = places.map((place) => `#: ${place}\n`).join('');
  return `${from}msgid ${JSON.stringify(id)}\nmsgstr ${JSON.stringify(text)}\n`;
}

/** What must be the same in a text and its translation: {device}, %d, %s … */
export function placeholders(text: string): string[] {
  return [...text.matchAll(/\{\w+\}|%[a-z]/g)].map(([each]) => each).sort();
}
