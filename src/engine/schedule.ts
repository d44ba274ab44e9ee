// SPDX-License-Identifier: GPL-2.0-only
// The engine's one timer.

import type { Clock } from '../clock.ts';

/** No sooner than in so many milliseconds: what is due at nearly the same time is done at once. */
const SHORTEST = 250;

/** Calls back at the time that is set, once. All times are milliseconds of the monotonic clock. */
export class Schedule {
  #due = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;

  readonly #clock: Clock;
  readonly #onDue: () => void;

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Instead of what was set before; Infinity: never. */
  set(time: number): void {
    this.#cancel?.();
    this.#due = time;
    this.#cancel = undefined;
    if (time === Number.POSITIVE_INFINITY) return;
    const delay = Math.max(SHORTEST, time - this.#clock.now());
    this.#cancel = this.#clock.after(delay, this.#onDue);
  }

  /** Unless it is set to an earlier time. */
  setNoLater(time: number): void {
    if (time < this.#due) this.set(time);
  }

  /** Whether a time has come, or is so near that a timer set for it would be late: timers may be early by a little. */
  hasCome(time: number): boolean {
    return this.#clock.now() + SHORTEST >= time;
  }

  stop(): void {
    this.set(Number.POSITIVE_INFINITY);
  }
}
