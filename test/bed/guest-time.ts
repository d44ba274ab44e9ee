// SPDX-License-Identifier: GPL-2.0-only
// How time passes in a guest.

import type { Duplex } from 'node:stream';
import { encode, type Report, type Request } from './messages.ts';
import { Monitor } from './monitor.ts';

/** A span of time that can be waited for, or no longer. */
export interface Timer {
  readonly over: Promise<void>;
  cancel(): void;
}

export interface Time {
  /** Milliseconds, by the clock that the guest's time is. */
  now(): number;
  /** Asks something of the agent. */
  send(request: Request): void;
  after(milliseconds: number): Timer;
  /** Waits for something that happens in the guest. */
  during<T>(promise: Promise<T>): Promise<T>;
  /** The agent has said something. */
  reported(report: Report): void;
  /** It is there no more. */
  ended(): void;
}

/** As it passes on the host. */
export class HostTime implements Time {
  readonly #port: Duplex;

  constructor(port: Duplex) {
    this.#port = port;
  }

  now(): number {
    return Date.now();
  }

  send(request: Request): void {
    this.#port.write(encode(request));
  }

  after(milliseconds: number): Timer {
    let timer: NodeJS.Timeout;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds);
    });
    return { over, cancel: () => clearTimeout(timer) };
  }

  during<T>(promise: Promise<T>): Promise<T> {
    return promise;
  }

  reported(): void {}

  ended(): void {}
}

/** Milliseconds of the host's, the only limit of that kind: a guest that has said nothing for so long hangs. */
const HUNG = 600_000;

/**
 * It passes only while something is waited for that happens in the guest. The agent stops the machine with each report;
 * what is asked of it meanwhile is there when the machine goes on, at the same instruction whatever the host is doing.
 */
export class OwnTime implements Time {
  readonly #port: Duplex;
  readonly #monitor: Monitor;
  readonly #hangs: () => void;
  readonly #timers = new Map<number, () => void>();
  /** Requests for the agent that is not running. */
  #requests: Buffer[] = [];
  /** How many wait for something. */
  #waiting = 0;
  #state: 'running' | 'stopping' | 'stopped' | 'going on' | 'ended' = 'running';
  #now = 0;
  #nextId = -1;
  #watchdog: NodeJS.Timeout | undefined;

  /** `hangs` is called if the guest says nothing any more. */
  constructor(port: Duplex, monitor: Duplex, hangs: () => void) {
    this.#port = port;
    this.#monitor = new Monitor(monitor, () => this.#stopped());
    this.#hangs = hangs;
  }

  now(): number {
    return this.#now;
  }

  send(request: Request): void {
    this.#requests.push(encode(request));
    // Of several that wait at once, one may ask for something while the guest runs for the others.
    if (this.#state !== 'running') return;
    this.#state = 'stopping';
    void this.#monitor.execute('stop');
  }

  after(milliseconds: number): Timer {
    const id = this.#nextId--;
    const over = new Promise<void>((resolve) => this.#timers.set(id, resolve));
    this.send({ id, wait: milliseconds });
    const cancel = () => {
      if (this.#timers.delete(id)) this.send({ id, wait: -1 });
    };
    return { over, cancel };
  }

  async during<T>(promise: Promise<T>): Promise<T> {
    this.#waiting++;
    this.#goOnSoon();
    try {
      return await promise;
    } finally {
      this.#waiting--;
    }
  }

  reported({ id, now, kind }: Report): void {
    this.#now = now;
    // It stops after every report.
    if (this.#state === 'running') this.#state = 'stopping';
    if (kind !== 'waited') return;
    this.#timers.get(id)?.();
    this.#timers.delete(id);
  }

  ended(): void {
    clearTimeout(this.#watchdog);
    this.#state = 'ended';
  }

  #stopped(): void {
    clearTimeout(this.#watchdog);
    this.#state = 'stopped';
    this.#goOnSoon();
  }

  /** As soon as whoever has waited for a report has read it and said what is next. */
  #goOnSoon(): void {
    if (this.#state !== 'stopped' || this.#waiting === 0) return;
    this.#state = 'going on';
    setImmediate(() => setImmediate(() => this.#goOn()));
  }

  #goOn(): void {
    if (this.#state !== 'going on') return;
    this.#state = this.#waiting > 0 ? 'running' : 'stopped';
    if (this.#state === 'stopped') return;
    // Before the machine goes on, as it is the first that QEMU then reads.
    if (this.#requests.length > 0) this.#port.write(Buffer.concat(this.#requests));
    this.#requests = [];
    this.#watchdog = setTimeout(this.#hangs, HUNG);
    void this.#monitor.execute('cont');
  }
}
