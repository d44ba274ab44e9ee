// SPDX-License-Identifier: GPL-2.0-only
// A program that runs in the guest, as the host sees it.

type Send = (request: { input: string | null } | { kill: NodeJS.Signals }) => void;

interface Waiter {
  check(): boolean;
  fail(why: string): void;
}

export class Process {
  readonly command: string;
  /** Complete lines of standard output and standard error so far, in the order of their arrival. */
  readonly lines: string[] = [];
  /** Resolves to the exit code: 128 + n if signal n ended it. */
  readonly exit: Promise<number>;
  readonly #send: Send;
  readonly #chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  readonly #partial = { stdout: '', stderr: '' };
  readonly #listeners: ((line: string) => void)[] = [];
  readonly #waiters = new Set<Waiter>();
  #settle!: { resolve(code: number): void; reject(error: Error): void };

  constructor(command: string, send: Send) {
    this.command = command;
    this.#send = send;
    this.exit = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Not everyone who starts a program waits for its end.
    this.exit.catch(() => {});
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#chunks.stdout);
  }

  get stderr(): Buffer {
    return Buffer.concat(this.#chunks.stderr);
  }

  /** Writes to the program's standard input. */
  write(data: string | Uint8Array): void {
    this.#send({ input: Buffer.from(data as Uint8Array).toString('base64') });
  }

  /** Ends the program's standard input. */
  end(): void {
    this.#send({ input: null });
  }

  /** Signals the program and all that it has started. */
  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.#send({ kill: signal });
  }

  /**
   * Resolves to the first line that matches, be it there already or still to come. `from` is the number of lines to
   * leave out: with `lines.length` only new ones count.
   */
  waitFor(match: RegExp | ((line: string) => boolean), timeout = 10_000, from = 0): Promise<string> {
    const matches = typeof match === 'function' ? match : (line: string) => match.test(line);
    let next = from;
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        finish();
        reject(
          new Error(
            `${this.command}: ${why} without a line that matches ${match}; output:\n${this.lines.join('\n')}`,
          ),
        );
      };
      const check = () => {
        while (next < this.lines.length) {
          const line = this.lines[next++]!;
          if (!matches(line)) continue;
          finish();
          resolve(line);
          return true;
        }
        return false;
      };
      const waiter = { check, fail };
      const timer = setTimeout(() => fail(`${timeout} ms passed`), timeout);
      const finish = () => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
      };
      this.#waiters.add(waiter);
      if (!check())
        this.exit.then(
          (code) => this.#waiters.has(waiter) && fail(`exited with ${code}`),
          (error) => fail(error.message),
        );
    });
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
