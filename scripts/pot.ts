// SPDX-License-Identifier: GPL-2.0-only
// Collects the page's texts for translators into luci/po/templates/wg-slaacer.pot, in the form of LuCI's own templates
// (build/i18n-scan.pl), and brings the catalogues of all languages up to date with them.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Language, languages, poFile } from './languages.ts';
import { type Catalogue, type Entry, formatPo, parsePo } from './po.ts';

export const TEMPLATE = 'luci/po/templates/wg-slaacer.pot';

/** All texts in luci/, of problems, options and the menu. */
export function collect(): Entry[] {
  const places = new Map<string, Set<string>>();
  const add = (text: string, place: string) => places.set(text, (places.get(text) ?? new Set()).add(place));
  for (const file of [...filesIn('luci', /\.ts$/), 'src/words/price.ts', 'src/words/problems.ts']) {
    for (const { text } of translatable(readFileSync(file, 'utf8'), file)) add(text, file);
  }
  const settings = 'src/settings.ts';
  for (const [, text] of readFileSync(settings, 'utf8').matchAll(/\ballowed:\s+'(.+?)'/g))
    add(text!, settings);
  for (const file of filesIn('files/usr/share', /\.json$/)) {
    for (const [, text] of readFileSync(file, 'utf8').matchAll(/"(?:title|description)": "(.+)"/g))
      add(text!, file);
  }
  return [...places].map(([id, files]) => ({ id, text: '', places: [...files] }));
}

export function template(): string {
  return formatPo({
    comment: '',
    header: 'Content-Type: text/plain; charset=UTF-8\n',
    entries: collect(),
  });
}

/** The catalogue with the texts that there are now; those that have changed are to be translated again. */
export function merge({ code, plurals }: Language, entries: readonly Entry[], former?: Catalogue): Catalogue {
  const known = new Map(former?.entries.map(({ id, text }) => [id, text]));
  return {
    comment: former?.comment ?? COMMENT,
    header: [
      `Language: ${code}`,
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=UTF-8',
      'Content-Transfer-Encoding: 8bit',
      `Plural-Forms: ${plurals}`,
      '',
    ].join('\n'),
    entries: entries.map((entry) => ({ ...entry, text: known.get(entry.id) ?? '' })),
  };
}

const COMMENT = `# SPDX-License-Identifier: GPL-2.0-only
# Translated by a machine: a native reader has yet to read it.
`;

function filesIn(folder: string, pattern: RegExp): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => pattern.test(name))
    .map((name) => `${folder}/${name}`)
    .sort();
}

/** What stands in _('…'). Throws if there is anything else: nobody could find, or translate, that. */
export function translatable(source: string, file: string): { text: string; line: number }[] {
  return [...source.matchAll(/(?<![\w.])_\(\s*/g)].map(({ index, 0: call }) => {
    const line = source.slice(0, index).split('\n').length;
    const [, single, double] =
      /^(?:'([^'\\\n]*)'|"([^"\\\n]*)"),?\s*\)/.exec(source.slice(index + call.length)) ?? [];
    const text = single ?? double;
    if (text === undefined)
      throw new Error(`${file}:${line}: _() takes one literal text without a backslash`);
    return { text, line };
  });
}

if (process.argv[1] === import.meta.filename) {
  process.chdir(join(import.meta.dirname, '..'));
  writeFileSync(TEMPLATE, template());
  const entries = collect();
  for (const language of languages) {
    const file = poFile(language.code);
    const former = existsSync(file) ? parsePo(readFileSync(file, 'utf8')) : undefined;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, formatPo(merge(language, entries, former)));
  }
}
