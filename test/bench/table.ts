// SPDX-License-Identifier: GPL-2.0-only
// What was measured, to read.

import { type Column, tableLines } from '../../src/cli/table.ts';
import type { Result } from './report.ts';

/** Lines: a figure each, a column for each learner that has one. */
export function resultLines(results: readonly Result[]): string[] {
  const learners = [...new Set(results.flatMap(({ values }) => Object.keys(values)))];
  const columns: Column<Result>[] = [
    { title: 'FIGURE', text: ({ title }) => title },
    { title: 'UNIT', text: ({ unit }) => unit },
    ...learners.map((name) => ({
      title: name,
      right: true,
      text: ({ values }: Result) => formatValue(values[name]),
    })),
    { title: 'BETTER', text: ({ better }) => better },
  ];
  return tableLines(columns, results, { columns: Number.POSITIVE_INFINITY, colour: false, now: 0 });
}

/** Three digits, or all before the point: "0.0123", "1.23", "12.3", "12,345"; "–" without a value. */
export function formatValue(value: number | null | undefined): string {
  if (value === undefined || value === null) return '–';
  const before = Math.abs(value) >= 1 ? Math.floor(Math.log10(Math.abs(value))) + 1 : 1;
  return value.toLocaleString('en', { maximumFractionDigits: Math.max(0, 3 - before) });
}
