// SPDX-License-Identifier: GPL-2.0-only
// How time passes in a guest.

import { closeSync, openSync, readdirSync, readlinkSync, readSync, writeSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import type { Machine } from './machine.ts';
import { encode, type Report, type Request } from './messages.ts';

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
  /** For a time-out: no shorter than that, and as long as it takes where the host's speed decides how fast a guest is. */
  within(milliseconds: number): Timer;
  /** Waits for something that happens in the guest. */
  during<T>(promise: Promise<T>): Promise<T>;
  /** The agent has said something. */
  reported(report: Report): void;
  /** It is there no more. */
  ended(): void;
}

/** As it passes on the host. Time-outs are `patience` times as long. */
export class HostTime implements Time {
  readonly #port: Duplex;
  readonly #patience: number;

  constructor(port: Duplex, patience: number) {
    this.#port = port;
    this.#patience = patience;
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

  within(milliseconds: number): Timer {
    return this.after(milliseconds * this.#patience);
  }

  during<T>(promise: Promise<T>): Promise<T> {
    return promise;
  }

  reported(): void {}

  ended(): void {}
}

/** Milliseconds of the host's, the only limit of that kind: a guest that has said nothing for so long hangs. */
const HUNG = 600_000;

/** The agent's (agent.c): u32 size, u32 whether more follows, data. */
const MAILBOX = 4096;
const MAILBOX_HEADER = 8;

/** Of QEMU's descriptors, the one that at-gate.py reads of. */
const OUTLET = 10;

/** Milliseconds of the host's until a machine that stands still is put to sleep. */
const UNUSED = 100;

/**
 * It passes only while something is waited for that happens in the guest. The agent stops the machine with each report;
 * what is asked of it meanwhile is in its memory when the machine goes on: at the same instruction, whatever the host is
 * doing.
 */
export class OwnTime implements Time {
  readonly #qemu: Machine['qemu'];
  readonly #port: Duplex;
  readonly #hangs: () => void;
  readonly #timers = new Map<number, () => void>();
  /** The machine's memory, a file, and where in it the mailbox is. */
  #memory = -1;
  #mailbox = 0;
  /** What the machine stands still at until a byte is read of it. */
  #gate = -1;
  /** For the agent, not yet in the mailbox. */
  #requests: Buffer = Buffer.alloc(0);
  /** Whether the mailbox has the first part of them. */
  #isPartial = false;
  /** How many wait for something. */
  #waiting = 0;
  #state: 'running' | 'stopping' | 'stopped' | 'going on' | 'ended' = 'running';
  #now = 0;
  #nextId = -1;
  #watchdog: NodeJS.Timeout | undefined;
  #sleep: NodeJS.Timeout | undefined;

  /** `hangs` is called if the guest says nothing any more. */
  constructor({ qemu, port }: Machine, hangs: () => void) {
    this.#qemu = qemu;
    this.#port = port;
    this.#hangs = hangs;
  }

  now(): number {
    return this.#now;
  }

  send(request: Request): void {
    this.#requests = Buffer.concat([this.#requests, encode(request)]);
    // Of several that wait at once, one may ask for something while the guest runs for the others.
    if (this.#state !== 'running') return;
    this.#state = 'stopping';
    this.#port.write('stop');
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

  within(milliseconds: number): Timer {
    return this.after(milliseconds);
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

  reported({ id, now, kind, data }: Report): void {
    this.#now = now;
    // It stops after every report.
    if (this.#state === 'running') this.#state = 'stopping';
    if (kind === 'ready') this.#open(Number(data.readBigUInt64LE(0)));
    if (kind === 'stopped') this.#stopped();
    if (kind !== 'waited') return;
    this.#timers.get(id)?.();
    this.#timers.delete(id);
  }

  ended(): void {
    clearTimeout(this.#watchdog);
    clearTimeout(this.#sleep);
    this.#state = 'ended';
    for (const file of [this.#memory, this.#gate]) if (file >= 0) closeSync(file);
    this.#memory = this.#gate = -1;
  }

  #open(mailbox: number): void {
    const files = `/proc/${this.#qemu.pid}/fd`;
    const name = readdirSync(files).find((file) =>
      readlinkSync(`${files}/${file}`).startsWith('/memfd:memory-backend-memfd'),
    );
    this.#memory = openSync(`${files}/${name}`, 'r+');
    this.#mailbox = mailbox;
    this.#gate = openSync(`${files}/${OUTLET}`, 'r');
  }

  #stopped(): void {
    clearTimeout(this.#watchdog);
    if (this.#state === 'ended') return;
    this.#state = 'stopped';
    // At the gate QEMU tries again ten thousand times a second.
    this.#sleep = setTimeout(() => this.#qemu.kill('SIGSTOP'), UNUSED);
    if (this.#isPartial) this.#goOn();
    else this.#goOnSoon();
  }

  /** As soon as whoever has waited for a report has read it and said what is next. */
  #goOnSoon(): void {
    if (this.#state !== 'stopped' || this.#waiting === 0) return;
    this.#state = 'going on';
    setImmediate(() => {
      if (this.#state !== 'going on') return;
      this.#state = 'stopped';
      if (this.#waiting > 0) this.#goOn();
    });
  }

  #goOn(): void {
    const part = this.#requests.subarray(0, MAILBOX - MAILBOX_HEADER);
    this.#requests = this.#requests.subarray(part.length);
    this.#isPartial = this.#requests.length > 0;
    const header = Buffer.alloc(MAILBOX_HEADER);
    header.writeUInt32LE(part.length, 0);
    header.writeUInt32LE(Number(this.#isPartial), 4);
    writeSync(this.#memory, Buffer.concat([header, part]), 0, header.length + part.length, this.#mailbox);
    this.#state = this.#isPartial ? 'stopping' : 'running';
    this.#watchdog = setTimeout(this.#hangs, HUNG);
    clearTimeout(this.#sleep);
    this.#qemu.kill('SIGCONT');
    readSync(this.#gate, Buffer.alloc(1));
  }
}
