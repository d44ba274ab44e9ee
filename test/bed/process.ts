// SPDX-License-Identifier: GPL-2.0-only
// A program that runs in the guest, as the host sees it.

import { constants } from 'node:os';
import type { Time } from './guest-time.ts';

type Send = (request: { input: Uint8Array } | { end: true } | { kill: number }) => void;

interface Waiter {
  check(): void;
}

export class Process {
  readonly command: string;
  /** Complete lines of standard output and standard error so far, in the order of their arrival. */
  readonly lines: string[] = [];
  readonly #send: Send;
  readonly #time: Time;
  readonly #exit: Promise<number>;
  readonly #chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  readonly #partial = { stdout: '', stderr: '' };
  readonly #listeners: ((line: string) => void)[] = [];
  readonly #waiters = new Set<Waiter>();
  #settle!: { resolve(code: number): void; reject(error: Error): void };

  constructor(command: string, time: Time, send: Send) {
    this.command = command;
    this.#time = time;
    this.#send = send;
    this.#exit = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Not everyone who starts a program waits for its end.
    this.#exit.catch(() => {});
  }

  /** Resolves to the exit code: 128 + n if signal n ended it. Whoever asks for this waits. */
  get exit(): Promise<number> {
    return this.#time.during(this.#exit);
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#chunks.stdout);
  }

  get stderr(): Buffer {
    return Buffer.concat(this.#chunks.stderr);
  }

  /** Writes to the program's standard input. */
  write(data: string | Uint8Array): void {
    this.#send({ input: Buffer.from(data as Uint8Array) });
  }

  /** Ends the program's standard input. */
  end(): void {
    this.#send({ end: true });
  }

  /** Signals the program and all that it has started. */
  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.#send({ kill: constants.signals[signal] });
  }

  /**
   * Resolves to the first line that matches, be it there already or still to come within `timeout` milliseconds. `from`
   * is the number of lines to leave out: with `lines.length` only new ones count.
   */
  waitFor(match: RegExp | ((line: string) => boolean), timeout = 10_000, from = 0): Promise<string> {
    const matches = typeof match === 'function' ? match : (line: string) => match.test(line);
    const there = this.lines.slice(from).find(matches);
    if (there !== undefined) return Promise.resolve(there);
    let next = Math.max(from, this.lines.length);
    const line = new Promise<string>((resolve, reject) => {
      const timer = this.#time.within(timeout);
      const finish = () => {
        timer.cancel();
        this.#waiters.delete(waiter);
      };
      const fail = (why: string) => {
        if (!this.#waiters.has(waiter)) return;
        finish();
        const output = this.lines.join('\n');
        reject(new Error(`${this.command}: ${why} without a line that matches ${match}; output:\n${output}`));
      };
      const check = () => {
        while (next < this.lines.length) {
          const line = this.lines[next++]!;
          if (!matches(line)) continue;
          finish();
          return resolve(line);
        }
      };
      const waiter = { check };
      this.#waiters.add(waiter);
      void timer.over.then(() => fail(`${timeout} ms passed`));
      this.#exit.then(
        (code) => fail(`exited with ${code}`),
        (error) => fail(error.message),
      );
    });
    return this.#time.during(line);
  }

  /** Calls back with every line, be it there already or still to come. */
  onLine(listener: (line: string) => void): void {
    for (const line of this.lines) listener(line);
    this.#listeners.push(listener);
  }

  /** For Guest: output has come. */
  addOutput(stream: 'stdout' | 'stderr', data: Buffer): void {
    this.#chunks[stream].push(data);
    const lines = (this.#partial[stream] + data.toString()).split('\n');
    this.#partial[stream] = lines.pop()!;
    this.#addLines(lines);
  }

  #addLines(lines: string[]): void {
    this.lines.push(...lines);
    for (const listener of this.#listeners) for (const line of lines) listener(line);
    for (const waiter of this.#waiters) waiter.check();
  }

  /** For Guest: the program has ended. */
  ended(code: number): void {
    this.#addLines(Object.values(this.#partial).filter((line) => line !== ''));
    this.#settle.resolve(code);
  }

  /** For Guest: the whole guest has ended. */
  lost(): void {
    this.#settle.reject(new Error(`${this.command}: the guest has stopped`));
  }
}
