// SPDX-License-Identifier: GPL-2.0-only

import { displayWidth, plain, truncate } from '../words/text.ts';
import { type Screen, styled } from './screen.ts';

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  /** As numbers are. */
  readonly right?: boolean;
  /** Is cut off where the line would not fit otherwise. */
  readonly flexible?: boolean;
}

const GAP = 2;
/** Enough of a flexible column to recognize what it says. */
const LEAST = 8;

/** Lines of aligned columns under their titles. */
export function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  screen: Screen,
): string[] {
  const cells = rows.map((row) => columns.map(({ text }) => plain(text(row))));
  const titles = columns.map(({ title }) => title);
  const widths = columns.map((_, i) => Math.max(...[titles, ...cells].map((line) => displayWidth(line[i]!))));
  const excess = widths.reduce((sum, width) => sum + width + GAP, -GAP) - screen.columns;
  const flexible = columns.findIndex((column) => column.flexible);
  if (excess > 0 && flexible >= 0) widths[flexible] = Math.max(LEAST, widths[flexible]! - excess);

  const line = (texts: readonly string[]) =>
    texts
      .map((text, i) => {
        const shown = truncate(text, widths[i]!);
        const padding = ' '.repeat(widths[i]! - displayWidth(shown));
        return columns[i]!.right ? padding + shown : shown + padding;
      })
      .join(' '.repeat(GAP))
      .trimEnd();
  return [styled(screen, 'bold', line(titles)), ...cells.map(line)];
}
