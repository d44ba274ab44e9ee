// SPDX-License-Identifier: GPL-2.0-only
// The times that clients took, as a table. They are told, not judged.

import type { Outcomes } from './world.ts';

const seconds = (milliseconds: number) => (milliseconds / 1_000).toFixed(1);

/** Columns have headings; rows are of systems in the order of `names`. */
export class Times {
  readonly #columns: [heading: string, cells: string[]][];

  constructor(heading: string, names: readonly string[]) {
    this.#columns = [[heading, [...names]]];
  }

  add(heading: string, outcomes: Outcomes): void {
    const cells = [...outcomes.values()].map((outcome) =>
      outcome.status === 'rejected'
        ? 'failed'
        : `${seconds(outcome.value.advertised)} / ${seconds(outcome.value.online)}`,
    );
    this.#columns.push([heading, cells]);
  }

  toString(): string {
    const padded = this.#columns.map(([heading, cells]) => {
      const width = Math.max(...[heading, ...cells].map(({ length }) => length));
      return [heading, ...cells].map((cell) => cell.padEnd(width));
    });
    return padded[0]!.map((_, row) => padded.map((column) => column[row]).join('  ')).join('\n');
  }
}
