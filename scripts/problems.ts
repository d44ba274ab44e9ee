// SPDX-License-Identifier: GPL-2.0-only
// Writes docs/problems.md: every problem of the catalogue with what it says and how to cure it.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProblemCode } from '../src/problem.ts';
import { catalogue, meaningOf, type Translate } from '../src/words/problems.ts';

export const PAGE = 'docs/problems.md';
export const CATALOGUE = 'src/words/problems.ts';

type Words = (_: Translate, data: object) => readonly [message: string, hint: string];
type Value = string | boolean;

const untranslated: Translate = (text) => text;

/** One way of wording a problem, and the values of the data that lead to it. */
interface Variant {
  readonly message: string;
  readonly hint: string;
  readonly values: Value[];
}

/** All that the catalogue compares data with. */
function comparedValues(source: string): Value[] {
  const texts = [...source.matchAll(/(?:case|===) '([^']*)'/g)].map(([, text]) => text!);
  return [...new Set(['', ...texts]), true, false];
}

function variantsOf(words: Words, candidates: readonly Value[]): Variant[] {
  const asked = new Set<string>();
  const choices = (): Map<string, Value>[] =>
    [...asked].reduce<Map<string, Value>[]>(
      (all, key) => all.flatMap((chosen) => candidates.map((value) => new Map([...chosen, [key, value]]))),
      [new Map()],
    );
  const word = (chosen: ReadonlyMap<string, Value>) =>
    words(
      untranslated,
      new Proxy(
        {},
        {
          get(_, key: string) {
            asked.add(key);
            return chosen.get(key) ?? '';
          },
        },
      ),
    ) as ReturnType<Words> | undefined;
  word(new Map()); // which tells what is asked for
  const variants: Variant[] = [];
  for (const chosen of choices()) {
    const worded = word(chosen);
    if (!worded) continue; // no such value
    const [message, hint] = worded;
    const same = variants.find((variant) => variant.message === message && variant.hint === hint);
    if (same) same.values.push(...chosen.values());
    else variants.push({ message, hint, values: [...chosen.values()] });
  }
  return variants;
}

function section(code: string, variants: readonly Variant[]): string {
  const messages = [...new Set(variants.map(({ message }) => message))];
  const texts = messages.map((message) => {
    const hints = variants.filter((variant) => variant.message === message);
    if (hints.length === 1) return `> ${message}\n\nCure: ${hints[0]!.hint}`;
    const lines = hints
      .map(({ hint, values }) => ({ hint, errors: values.includes('') ? 'any other' : values.join(', ') }))
      .sort((one, other) => Number(one.errors === 'any other') - Number(other.errors === 'any other'));
    return `> ${message}\n\nCure, by the error:\n\n${lines.map(({ hint, errors }) => `- ${errors}: ${hint}`).join('\n')}`;
  });
  return `## ${code}\n\n${texts.join('\n\n')}\n`;
}

export function page(): string {
  const source = readFileSync(CATALOGUE, 'utf8');
  const candidates = comparedValues(source);
  const codes = Object.keys(catalogue) as ProblemCode[];
  const sections = codes.map((code) => section(code, variantsOf(catalogue[code] as Words, candidates)));
  const errors = new Map<string, string[]>();
  for (const error of candidates) {
    const meaning = typeof error === 'string' && meaningOf(untranslated, error);
    if (meaning) errors.set(meaning, [...(errors.get(meaning) ?? []), error]);
  }
  const meanings = [...errors].map(([meaning, names]) => `- ${names.join(', ')}: ${meaning}\n`);
  return `<!-- SPDX-License-Identifier: GPL-2.0-only -->

# Problems

All that \`wg-slaacer status\`, the log and the page may name as a problem, by its code, with the cure. In braces stands what
differs from case to case; \`npm run format\` writes this file from the catalogue in \`${CATALOGUE}\`.

${sections.join('\n')}
## What {meaning} says

It is the error of a system call, where one of these, in words; \`{detail}\` is the call.

${meanings.join('')}`;
}

if (process.argv[1] === import.meta.filename) {
  process.chdir(join(import.meta.dirname, '..'));
  writeFileSync(PAGE, page());
}
