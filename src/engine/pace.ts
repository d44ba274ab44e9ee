// SPDX-License-Identifier: GPL-2.0-only
// How long until everything is looked at again although nothing has been told.

/** In milliseconds: what was wiped is back within 30 s, even if nothing tells of it. */
const SHORTEST = 25_000;
/** Where whatever changes is told, a look finds only what has been missed, and what no event tells of, as the passing of time. */
const LONGEST = 600_000;

export class Pace {
  #interval = SHORTEST;
  #isHurried = false;

  /** Milliseconds from the last look to the next. */
  get interval(): number {
    return this.#interval;
  }

  /** There has been a look, as its time had come or for another reason. `isTold`: no change of anything will go unnoticed. */
  note(wasDue: boolean, isTold: boolean): void {
    const isCalm = isTold && wasDue && !this.#isHurried;
    this.#interval = isCalm ? Math.min(2 * this.#interval, LONGEST) : SHORTEST;
    this.#isHurried = false;
  }

  /** Something has failed, or goes on that is to be looked after: the next look comes soon. */
  hurry(): void {
    this.#interval = SHORTEST;
    this.#isHurried = true;
  }
}
