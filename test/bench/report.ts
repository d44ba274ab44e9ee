// SPDX-License-Identifier: GPL-2.0-only
// What was measured, for programs.

import type { Figure, Values } from './measurement.ts';

/** A figure of all learners by their names; null: it cannot do it. Absent: it was not asked for. */
export interface Result extends Figure {
  readonly values: Readonly<Record<string, number | null>>;
}

export interface Report {
  /** The series of the guests' kernel, and when it was done. */
  readonly kernel: string;
  readonly date: string;
  readonly results: readonly Result[];
}

/** `measured`: by learner, what each measurement has found. */
export function resultsOf(figures: readonly Figure[], measured: ReadonlyMap<string, Values>): Result[] {
  return figures.map((figure) => ({
    ...figure,
    values: Object.fromEntries([...measured].map(([name, values]) => [name, values[figure.key] ?? null])),
  }));
}
