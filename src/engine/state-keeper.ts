// SPDX-License-Identifier: GPL-2.0-only
// Keeps what has to be known after a reboot in a file, which is written only if that has changed.

import type { Clock } from '../clock.ts';
import type { StateFile } from '../kernel/ports.ts';
import { failureOf, type Problem } from '../problem.ts';
import { WriteThrottle } from '../write-throttle.ts';
import { decodeState, encodeState, type State } from './state.ts';

export class StateKeeper {
  /** What the file says; undefined if it could not be read. */
  #written: string | undefined;
  /** Whether it is somebody else's. */
  #isForeign = false;
  readonly #throttle: WriteThrottle;
  #problems: readonly Problem[] = [];

  readonly #file: StateFile;
  readonly #collect: () => State;
  readonly #report: (problem: Problem) => void;

  /** `collect` answers with what there is to know now; `report` is told of what comes up between two looks. */
  constructor(file: StateFile, clock: Clock, collect: () => State, report: (problem: Problem) => void) {
    this.#file = file;
    this.#collect = collect;
    this.#report = report;
    this.#throttle = new WriteThrottle(clock, () => this.#write());
  }

  problems(): readonly Problem[] {
    return this.#problems;
  }

  /** What an earlier process has written; what cannot be read is as if it had not been written. */
  read(): State {
    return this.#load() ?? { addresses: [], advertised: new Map() };
  }

  /** There may be something else to know. With a look of the engine it is seen at once if not, so that no timer is needed. */
  note(isLook = false): void {
    if (this.#isForeign || (isLook && this.#written === this.#text())) return;
    this.#throttle.note();
  }

  /** Writes what has changed. */
  stop(): void {
    this.#throttle.stop();
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

  /** What could not be read may be anything, and is not written over. */
  #write(): 'written' | 'unchanged' | 'failed' {
    if (this.#written === undefined && !this.#load()) return this.#isForeign ? 'unchanged' : 'failed';
    const text = this.#text();
    if (this.#isForeign || text === this.#written) return 'unchanged';
    try {
      this.#file.write(text);
      this.#written = text;
      this.#problems = [];
      return 'written';
    } catch (error) {
      this.#fail(error);
      return 'failed';
    }
  }

  #text(): string {
    return encodeState(this.#collect());
  }

  #fail(error: unknown): void {
    this.#problems = [{ code: 'state-failed', data: { file: this.#file.path, ...failureOf(error) } }];
    for (const problem of this.#problems) this.#report(problem);
  }
}
