// SPDX-License-Identifier: GPL-2.0-only
// When what has to be known after a reboot is written: seldom, as flash wears out, and only what has changed.

import type { Clock } from '../clock.ts';
import type { StateFile } from '../kernel/ports.ts';
import { failureOf, type Problem } from '../problem.ts';
import { decodeState, encodeState, type State } from './state.ts';

/** Shortest time between two writes, whatever peers do, in milliseconds. */
const INTERVAL = 600_000;
/** What changes changes often at first, and may be back soon: a change has to wait for so many milliseconds. */
const DELAY = 60_000;

export class StateKeeper {
  /** What the file says; undefined if it could not be read. */
  #written: string | undefined;
  /** Whether it is somebody else's. */
  #isForeign = false;
  #lastAttempt = Number.NEGATIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;
  #problems: readonly Problem[] = [];

  readonly #file: StateFile;
  readonly #clock: Clock;
  readonly #collect: () => State;
  readonly #report: (problem: Problem) => void;

  /** `collect` answers with what there is to know now; `report` is told of what comes up between two looks. */
  constructor(file: StateFile, clock: Clock, collect: () => State, report: (problem: Problem) => void) {
    this.#file = file;
    this.#clock = clock;
    this.#collect = collect;
    this.#report = report;
  }

  problems(): readonly Problem[] {
    return this.#problems;
  }

  /** What an earlier process has written; what cannot be read is as if it had not been written. */
  read(): State {
    return this.#load() ?? { addresses: [], advertised: new Map() };
  }

  /** There may be something else to know. */
  note(): void {
    if (this.#isForeign) return;
    const wait = Math.max(DELAY, this.#lastAttempt + INTERVAL - this.#clock.now());
    this.#cancelTimer ??= this.#clock.after(wait, () => {
      this.#cancelTimer = undefined;
      if (!this.#write()) this.note();
    });
  }

  /** Writes what has changed. */
  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#write();
  }

  /** Undefined if it cannot be read, or is not ours. */
  #load(): State | undefined {
    const { path: file } = this.#file;
    try {
      const text = this.#file.read();
      const { unreadable, isForeign, ...state } = decodeState(text);
      this.#written = text;
      this.#isForeign = isForeign;
      if (isForeign) this.#problems = [{ code: 'state-foreign', data: { file } }];
      else
        this.#problems = unreadable > 0 ? [{ code: 'state-corrupt', data: { file, lines: unreadable } }] : [];
      return isForeign ? undefined : state;
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  /** Whether there is nothing left to write. What could not be read may be anything, and is not written over. */
  #write(): boolean {
    if (this.#written === undefined && !this.#load()) return this.#isForeign;
    const text = encodeState(this.#collect());
    if (this.#isForeign || text === this.#written) return true;
    this.#lastAttempt = this.#clock.now();
    try {
      this.#file.write(text);
      this.#written = text;
      this.#problems = [];
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  #fail(error: unknown): void {
    this.#problems = [{ code: 'state-failed', data: { file: this.#file.path, ...failureOf(error) } }];
    for (const problem of this.#problems) this.#report(problem);
  }
}
