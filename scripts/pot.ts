// SPDX-License-Identifier: GPL-2.0-only
// Collects the page's texts for translators into luci/po/templates/wg-slaacer.pot, in the form of LuCI's own
// templates (build/i18n-scan.pl).

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const TEMPLATE = 'luci/po/templates/wg-slaacer.pot';

/** The template of all texts in luci/ and the menu. */
export function template(): string {
  const places = new Map<string, string[]>();
  const add = (text: string, place: string) => places.set(text, [...(places.get(text) ?? []), place]);
  for (const file of [...filesIn('luci', /\.ts$/), 'src/words/price.ts', 'src/words/problems.ts']) {
    for (const { text, line } of translatable(readFileSync(file, 'utf8'), file)) add(text, `${file}:${line}`);
  }
  const settings = 'src/settings.ts';
  readFileSync(settings, 'utf8')
    .split('\n')
    .forEach((line, index) => {
      const [, text] = /\ballowed: '(.+?)'/.exec(line) ?? [];
      if (text) add(text, `${settings}:${index + 1}`);
    });
  for (const file of filesIn('files/usr/share', /\.json$/)) {
    const lines = readFileSync(file, 'utf8').split('\n');
    lines.forEach((line, index) => {
      const [, text] = /"(?:title|description)": "(.+)"/.exec(line) ?? [];
      if (text) add(text, `${file}:${index + 1}`);
    });
  }
  const entries = [...places].map(
    ([text, lines]) =>
      `${lines.map((place) => `#: ${place}\n`).join('')}msgid ${JSON.stringify(text)}\nmsgstr ""\n`,
  );
  return ['msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n', ...entries].join('\n');
}

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
}
