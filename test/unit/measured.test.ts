// SPDX-License-Identifier: GPL-2.0-only
// What npm run bench makes of what it has measured.

import { describe, expect, test } from 'vitest';
import type { Figure } from '../bench/measurement.ts';
import { measurements } from '../bench/measurements.ts';
import { PANELS, plot } from '../bench/plot.ts';
import { resultsOf } from '../bench/report.ts';
import { median, worst } from '../bench/statistics.ts';
import { formatValue, resultLines } from '../bench/table.ts';

const figures: Figure[] = [
  { key: 'packets.known', title: 'A packet', unit: 'instructions', better: 'lower' },
  { key: 'idle.available', title: '… memory', unit: 'MB', better: 'lower' },
];

const results = resultsOf(
  figures,
  new Map([
    ['no hook', { 'packets.known': 27_212.4 }],
    ['fexit', { 'packets.known': 27_900, 'idle.available': 9.87 }],
    ['rival', { 'packets.known': 28_600, 'idle.available': undefined }],
  ]),
);

describe('statistics', () => {
  test('the median is the middle one, or between the two in the middle, in whatever order they come', () => {
    expect(median([5, 100, 1])).toBe(5);
    expect(median([10, 9, 2, 4])).toBe(6.5);
  });

  test('the worst is the largest', () => {
    expect(worst([5, 100, 1])).toBe(100);
  });

  test('without values there is neither', () => {
    expect([median([]), worst([])]).toEqual([undefined, undefined]);
  });
});

describe('the report', () => {
  test('has null for what a learner cannot do', () => {
    expect(results.map(({ key, values }) => [key, values])).toEqual([
      ['packets.known', { 'no hook': 27_212.4, fexit: 27_900, rival: 28_600 }],
      ['idle.available', { 'no hook': null, fexit: 9.87, rival: null }],
    ]);
  });

  test('no two figures have the same key', () => {
    const keys = measurements.flatMap((measurement) => measurement.figures.map(({ key }) => key));
    expect(keys).toEqual([...new Set(keys)]);
  });
});

describe('the table', () => {
  test('has a line for each figure and a column for each learner', () => {
    expect(resultLines(results)).toEqual([
      'FIGURE    UNIT          no hook   fexit   rival  BETTER',
      'A packet  instructions   27,212  27,900  28,600  lower',
      '… memory  MB                  –    9.87       –  lower',
    ]);
  });

  test.each([
    [undefined, '–'],
    [null, '–'],
    [0, '0'],
    [0.01234, '0.01'],
    [0.999, '1'],
    [9.876, '9.88'],
    [98.76, '98.8'],
    [12_345.6, '12,346'],
    [-240.4, '-240'],
  ])('%s is shown as %s', (value, text) => {
    expect(formatValue(value)).toBe(text);
  });
});

describe('the plot', () => {
  const svg = plot({ kernel: '6.12', date: '', results });

  test('has a bar for each learner that has a value, as long as its value', () => {
    const bars = [...svg.matchAll(/<rect .*?width="(\d+)".*?fill="(.*?)"/g)];
    const widths = bars.map(([, width]) => Number(width));
    expect(widths).toHaveLength(4);
    expect(widths[1]! / widths[2]!).toBeCloseTo(27_900 / 28_600, 2);
    expect(new Set(bars.slice(0, 3).map(([, , colour]) => colour)).size).toBe(3);
    expect(bars[3]![2]).toBe(bars[1]![2]); // a learner keeps its colour
  });

  test('names the figures it shows, and no others', () => {
    const titles = [...svg.matchAll(/class="title".*?>(.*?)</g)].map(([, title]) => title);
    const shown = PANELS.filter(({ key }) => figures.some((figure) => figure.key === key));
    expect(titles).toEqual(shown.map(({ title }) => title));
  });

  test('shows figures that there are', () => {
    const keys = measurements.flatMap((measurement) => measurement.figures.map(({ key }) => key));
    expect(keys).toEqual(expect.arrayContaining(PANELS.map(({ key }) => key)));
  });
});
