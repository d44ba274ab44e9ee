// SPDX-License-Identifier: GPL-2.0-only
// Keeps the history in a file.

import type { Clock } from '../clock.ts';
import type { StateFile } from '../kernel/ports.ts';
import { failureOf, type Problem } from '../problem.ts';
import { WriteThrottle } from '../write-throttle.ts';
import type { History } from './history.ts';
import { decodeHistory, encodeHistory } from './history-text.ts';

export class HistoryKeeper {
  /** Of what the file said when it was last read or written. */
  #known = stampOf('');
  readonly #throttle: WriteThrottle;

  readonly #file: StateFile;
  readonly #clock: Clock;
  readonly #history: History;
  readonly #tell: (problems: readonly Problem[]) => void;

  /** Has the history take in what the file says. `tell` is told of what is in the way, each time it is looked at. */
  constructor(file: StateFile, clock: Clock, history: History, tell: (problems: readonly Problem[]) => void) {
    this.#file = file;
    this.#clock = clock;
    this.#history = history;
    this.#tell = tell;
    this.#throttle = new WriteThrottle(clock, () => (this.#write() ? 'written' : 'failed'));
    this.#attempt(() => this.#takeIn());
  }

  get path(): string {
    return this.#file.path;
  }

  /** The history has changed. */
  note(): void {
    this.#throttle.note();
  }

  /** Writes it a last time. */
  stop(): void {
    this.#throttle.stop();
  }

  /** Whether it is written. */
  #write(): boolean {
    return this.#attempt(() => {
      // What the file says by now may be what it said before its disk was mounted: nothing is written over unread.
      const problems = this.#takeIn();
      if (problems.some(({ code }) => code === 'history-foreign')) return problems;
      const text = encodeHistory(this.#history.stays(), Math.round(this.#clock.wall() / 1_000));
      this.#file.write(text);
      this.#known = stampOf(text);
      return [];
    });
  }

  /** Answers with what is wrong with the file. */
  #takeIn(): readonly Problem[] {
    const { path: file } = this.#file;
    const text = this.#file.read();
    if (stampOf(text) === this.#known) return [];
    const { stays, written, unreadable, isForeign } = decodeHistory(text);
    if (isForeign) return [{ code: 'history-foreign', data: { file } }];
    this.#known = stampOf(text);
    this.#history.recall(stays, written);
    return unreadable > 0 ? [{ code: 'history-corrupt', data: { file, lines: unreadable } }] : [];
  }

  /** Whether all is well but for what the file has said. */
  #attempt(act: () => readonly Problem[]): boolean {
    try {
      const problems = act();
      this.#tell(problems);
      return problems.length === 0;
    } catch (error) {
      this.#tell([{ code: 'history-failed', data: { file: this.#file.path, ...failureOf(error) } }]);
      return false;
    }
  }
}

/** Tells one text of ours from another, which would take much memory. */
function stampOf(text: string): string {
  const [, written = ''] = /^written (\d+)$/m.exec(text) ?? [];
  return `${text.length} ${written}`;
}
