// SPDX-License-Identifier: GPL-2.0-only

import { describe, expect, it } from 'vitest';
import type { Screen } from '../../src/cli/screen.ts';
import { tableLines } from '../../src/cli/table.ts';
import { ago, ahead, span } from '../../src/words/ages.ts';
import { displayWidth, plain, truncate } from '../../src/words/text.ts';

const screen: Screen = { columns: 20, colour: false, now: 0 };

describe('text on a terminal', () => {
  it.each([
    ['', 0],
    ['phone', 5],
    ['電話', 4],
    ['📱', 2],
    ['e\u0301', 1],
    ['…', 1],
  ])('takes the room that is seen: %s', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  it.each([
    ['colours', '\u001b[31mred\u001b[0m', 'red'],
    ['the terminal’s title', '\u001b]0;gotcha\u0007x', 'x'],
    ['line breaks and tabs', 'a\r\nb\tc', 'abc'],
    ['C1 controls', 'a\u009b31mb\u0085', 'ab'],
    ['turns of direction', 'a\u202eb\u2066c', 'abc'],
    ['a lone escape', 'a\u001b', 'a'],
  ])('never has %s', (_, text, expected) => {
    expect(plain(text)).toBe(expected);
  });

  it.each([
    ['phone', 5, 'phone'],
    ['telephone', 5, 'tele…'],
    ['電話番号', 6, '電話…'],
    ['電話番号', 7, '電話番…'],
    ['ab', 1, '…'],
  ])('is cut to what fits: %s to %i', (text, width, expected) => {
    expect(truncate(text, width)).toBe(expected);
  });
});

describe('ages', () => {
  it.each([
    [-5, '0 s'],
    [59.9, '59 s'],
    [60, '1 min'],
    [7_199, '119 min'],
    [7_200, '2 h'],
    [172_799, '47 h'],
    [172_800, '2 d'],
    [86_400 * 999, '999 d'],
  ])('of %d seconds', (seconds, expected) => {
    expect(span(seconds)).toBe(expected);
  });

  it('are of the past or the future', () => {
    expect(ago(100, 300)).toBe('3 min ago');
    expect(ago(300, 100)).toBe('just now');
    expect(ahead(82_800)).toBe('in 23 h');
    expect(ahead(-1)).toBe('now');
  });
});

describe('a table', () => {
  const columns = [
    { title: 'NAME', text: ([name]: string[]) => name!, flexible: true },
    { title: 'N', text: ([, count]: string[]) => count!, right: true },
  ];

  it('aligns what it shows, by its width', () => {
    const rows = [
      ['電話', '1'],
      ['laptop', '12'],
    ];
    expect(tableLines(columns, rows, screen)).toEqual(['NAME     N', '電話     1', 'laptop  12']);
  });

  it('cuts off the flexible column where a line would be too long', () => {
    const lines = tableLines(columns, [['a very long description of a phone', '12345']], screen);
    expect(lines).toEqual(['NAME               N', 'a very long …  12345']);
  });

  it('has bold titles where there are colours', () => {
    const [title] = tableLines(columns, [['a', '1']], { ...screen, colour: true });
    expect(title).toBe('\u001b[1mNAME  N\u001b[22m');
  });
});
