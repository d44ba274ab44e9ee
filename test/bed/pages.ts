// SPDX-License-Identifier: GPL-2.0-only
// The documentation's commands, and where they are to be run.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** README and the pages that people read, by their paths. */
export const pages: readonly string[] = [
  'README.md',
  'test/kernel/README.md',
  ...readdirSync(`${root}docs`)
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => `docs/${name}`),
];

export const readPage = (name: string) => readFileSync(`${root}${name}`, 'utf8');

export interface Block {
  readonly page: string;
  /** The heading that it stands under. */
  readonly section: string;
  /** From the comment above it: "runs: router", "not run: …". Empty if there is none. */
  readonly mark: string;
  /** What is typed. */
  readonly commands: string;
  /** What is shown to come of it; empty where nothing is. */
  readonly output: string;
}

/** The blocks of shell commands, of which those of a console show what comes of them. */
export function blocksOf(page: string): Block[] {
  const text = readPage(page);
  return [...text.matchAll(/(?:<!-- ([^\n]*) -->\n\n)?^```(sh|console)\n(.*?)^```$/gms)].map((match) => {
    const [, mark = '', kind, content = ''] = match;
    const section =
      [
        ...text
          .slice(0, match.index)
          .replace(/^```.*?^```$/gms, '')
          .matchAll(/^#+ (.*)$/gm),
      ].at(-1)?.[1] ?? '';
    const [first = '', ...rest] = content.split('\n');
    return kind === 'sh'
      ? { page, section, mark, commands: content, output: '' }
      : { page, section, mark, commands: first.replace(/^.*?[#$] /, ''), output: rest.join('\n') };
  });
}

/** The blocks that are to be run in one place. */
export const blocksFor = (place: string) =>
  pages.flatMap(blocksOf).filter(({ mark }) => mark === `runs: ${place}`);
