// SPDX-License-Identifier: GPL-2.0-only
// UCI's text format, read and written as libuci does it, but for what nobody here writes (`;`, `package`).

export interface Section {
  /** Made up if the file gives none. */
  name: string;
  readonly anonymous: boolean;
  readonly type: string;
  readonly options: Map<string, string | string[]>;
}

const NAME = /^[A-Za-z0-9_]+$/;
const TYPE = /^[!-~]+$/;

/** Throws Error if the whole file is to be refused. */
export function parseUci(text: string): Section[] {
  const sections: Section[] = [];
  for (const [keyword, first, second, ...rest] of lines(text)) {
    if (rest.length > 0 || first === undefined) throw new Error(`wrong number of words after ${keyword}`);
    if (keyword === 'config') {
      if (!TYPE.test(first) || (second && !NAME.test(second)))
        throw new Error(`bad section ${first} ${second}`);
      addSection(sections, first, second);
      continue;
    }
    const options = sections.at(-1)?.options;
    if (options === undefined || second === undefined || !NAME.test(first))
      throw new Error(`bad option ${first}`);
    if (keyword === 'option') options.set(first, second);
    else if (keyword === 'list') addToList(options, first, second);
    else throw new Error(`unknown word ${keyword}`);
  }
  return sections;
}

/** The section of this name, new if there is none. */
export function addSection(sections: Section[], type: string, name?: string): Section {
  const present = name && sections.find((section) => section.name === name);
  if (present) return present;
  const section: Section = {
    name: name || anonymousName(sections.length + 1, type),
    anonymous: !name,
    type,
    options: new Map(),
  };
  sections.push(section);
  return section;
}

export function addToList(options: Map<string, string | string[]>, name: string, value: string): void {
  const present = options.get(name);
  options.set(name, [...(present === undefined ? [] : [present].flat()), value]);
}

/** `cfg`, the section's place and a hash (djb2) of its type. */
function anonymousName(place: number, type: string): string {
  let hash = 5381;
  for (const byte of Buffer.from(type)) hash = (Math.imul(hash, 33) + byte) >>> 0;
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
  return `cfg${hex(place, 2)}${hex(hash & 0xffff, 4)}`;
}

export function printUci(sections: readonly Section[]): string {
  const quoted = (value: string) => `'${value.replaceAll("'", "'\\''")}'`;
  const blocks = sections.map(({ type, name, anonymous, options }) => {
    const values = [...options].map(([option, value]) =>
      Array.isArray(value)
        ? value.map((element) => `\tlist ${option} ${quoted(element)}\n`).join('')
        : `\toption ${option} ${quoted(value)}\n`,
    );
    return `\nconfig ${type}${anonymous ? '' : ` ${quoted(name)}`}\n${values.join('')}`;
  });
  return `${blocks.join('')}\n`;
}

/** The words of each line that has any. Within quotes a line may go on in the next. */
function* lines(text: string): Generator<[string, ...string[]]> {
  let words: string[] = [];
  let word: string | undefined;
  let quote = '';
  const end = () => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (quote !== '' && character === quote) quote = '';
    else if (character === '\\' && quote !== "'") word = (word ?? '') + (text[++i] ?? '');
    else if (quote !== '') word += character;
    else if (character === "'" || character === '"') {
      quote = character;
      word ??= '';
    } else if (character === '#' && word === undefined) {
      while (i + 1 < text.length && text[i + 1] !== '\n') i++;
    } else if (character === '\n') {
      end();
      if (words.length > 0) yield words as [string, ...string[]];
      words = [];
    } else if (/\s/.test(character)) end();
    else word = (word ?? '') + character;
  }
  if (quote !== '') throw new Error('a quote does not end');
  end();
  if (words.length > 0) yield words as [string, ...string[]];
}
