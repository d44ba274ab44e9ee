// SPDX-License-Identifier: GPL-2.0-only

import type { Clock } from '../../src/clock.ts';

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** Time that passes when a test says so. */
export class FakeClock implements Clock {
  /** By how many milliseconds timers fire before they are due, as setTimeout's may. */
  early = 0;
  /** By how many milliseconds somebody has set the clock on the wall. */
  set = 0;
  #time = 1_000_000;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#time;
  }

  wall(): number {
    return Date.UTC(2026, 0) + this.set + this.#time;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { due: this.#time + milliseconds - this.early, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** In how many milliseconds each timer fires, the next one first. */
  pending(): number[] {
    return this.#sorted().map(({ due }) => due - this.#time);
  }

  /** Lets time pass and fires what is due meanwhile, each at its time. */
  advance(milliseconds: number): void {
    const until = this.#time + milliseconds;
    for (;;) {
      const [next] = this.#sorted();
      if (!next || next.due > until) break;
      this.#timers.delete(next);
      this.#time = Math.max(this.#time, next.due);
      next.callback();
    }
    this.#time = Math.max(this.#time, until);
  }

  /** Lets time pass while something is under way, so that no timer can fire. */
  delay(milliseconds: number): void {
    this.#time += milliseconds;
  }

  /** As when the process that waited for them has died. */
  dropTimers(): void {
    this.#timers.clear();
  }

  #sorted(): Timer[] {
    return [...this.#timers].sort((a, b) => a.due - b.due);
  }
}
