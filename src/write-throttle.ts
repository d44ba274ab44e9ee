// SPDX-License-Identifier: GPL-2.0-only
// When a file on flash is written, which wears out: seldom, however often there is something to write.

import type { Clock } from './clock.ts';

/** Shortest time between two attempts, in milliseconds. */
const INTERVAL = 600_000;
/** What changes changes often at first, and may be back soon: a change has to wait for so many milliseconds. */
const DELAY = 60_000;

export class WriteThrottle {
  #lastAttempt = Number.NEGATIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;

  readonly #clock: Clock;
  readonly #write: () => 'written' | 'unchanged' | 'failed';

  /** `write` is called again if it has failed, without being asked for; if there was nothing to write, it was no attempt. */
  constructor(clock: Clock, write: () => 'written' | 'unchanged' | 'failed') {
    this.#clock = clock;
    this.#write = write;
  }

  /** There may be something to write. */
  note(): void {
    const wait = Math.max(DELAY, this.#lastAttempt + INTERVAL - this.#clock.now());
    this.#cancelTimer ??= this.#clock.after(wait, () => {
      this.#cancelTimer = undefined;
      const outcome = this.#write();
      if (outcome !== 'unchanged') this.#lastAttempt = this.#clock.now();
      if (outcome === 'failed') this.note();
    });
  }

  /** Writes a last time. */
  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#write();
  }
}
