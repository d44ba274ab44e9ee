// SPDX-License-Identifier: GPL-2.0-only

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { translatable } from '../../scripts/pot.ts';
import { CATALOGUE, PAGE, page } from '../../scripts/problems.ts';
import { catalogue } from '../../src/words/problems.ts';

it('docs/problems.md has every problem, with all that may be said of it (npm run format writes it)', () => {
  const text = page();
  expect(readFileSync(PAGE, 'utf8')).toBe(text);
  for (const code of Object.keys(catalogue)) expect(text).toContain(`\n## ${code}\n`);
  const missing = translatable(readFileSync(CATALOGUE, 'utf8'), CATALOGUE).filter(
    (each) => !text.includes(each.text),
  );
  expect(missing).toEqual([]);
});
