// SPDX-License-Identifier: GPL-2.0-only

import { beforeEach, expect, it } from 'vitest';
import { Backlog } from '../../src/kernel/backlog.ts';

let handled: string[];
let backlog: Backlog;
beforeEach(() => {
  handled = [];
  backlog = new Backlog((part) => handled.push(part.toString()));
});

const parts = (...texts: string[]) => texts.map((text) => Buffer.from(text));
const turn = () => new Promise((resolve) => setImmediate(resolve));

it('handles a part at once, and each of the others in its turn', async () => {
  backlog.add(parts('a', 'b', 'c'));
  expect(handled).toEqual(['a']);
  await turn();
  expect(handled).toEqual(['a', 'b']);
  backlog.add(parts('d'));
  expect(handled).toEqual(['a', 'b']);
  for (let n = 0; n < 3; n++) await turn();
  expect(handled).toEqual(['a', 'b', 'c', 'd']);
  backlog.add(parts('e'));
  expect(handled.at(-1)).toBe('e');
  backlog.add([]);
  expect(handled).toHaveLength(5);
});

it('loses what is too much, and none of what waits', async () => {
  const large = 'x'.repeat(1_500_000);
  backlog.add(parts('a', large, large, large, 'lost'));
  for (let n = 0; n < 6; n++) await turn();
  expect(handled.map(({ length }) => length)).toEqual([1, 1_500_000, 1_500_000, 1_500_000]);
  backlog.add(parts('b'));
  expect(handled.at(-1)).toBe('b');
});

it('handles nothing any more once it is closed, even while a part is handled', async () => {
  const ending: Backlog = new Backlog((part) => {
    handled.push(part.toString());
    ending.close();
  });
  ending.add(parts('a', 'b', 'c'));
  for (let n = 0; n < 3; n++) await turn();
  expect(handled).toEqual(['a']);
});
