// SPDX-License-Identifier: GPL-2.0-only
// Asks traffic.py in the guest to send packets.

import { fileURLToPath } from 'node:url';
import type { Guest } from './guest.ts';
import type { Process } from './process.ts';

/** The port at which the router accepts TCP connections and swallows UDP packets. */
export const TRAFFIC_PORT = 7;

/** What is to be reached: a host, by an address in a prefix, after so many advertisements in all; in milliseconds. */
export interface Reach {
  to: string;
  prefix: string;
  advertisements: number;
  /** Whether it sends something meanwhile. */
  busy: boolean;
  timeout: number;
}

type Request =
  | { operation: 'requests'; seconds: number }
  | ({ netns: string } & (
      | { operation: 'connect'; from: string; to: string; port: number; timeout: number }
      | {
          operation: 'ping';
          from: string;
          to: string;
          count: number;
          interval: number;
          timeout: number;
        }
      | { operation: 'address'; prefix: string; timeout: number }
      | { operation: 'online'; address: string; prefix: string; to: string; timeout: number }
      | ({ operation: 'reach' } & Reach)
      | { operation: 'solicit'; from: string; message: string; hops: number; count: number }
      | { operation: 'send'; from: string; to: string; payload: string; count: number }
      | { operation: 'flood'; prefix: string; to: string; first: number; count: number; pps: number }
    ));

const started = new WeakMap<Guest, Promise<Traffic>>();

export class Traffic {
  readonly #process: Process;
  #nextId = 1;

  /** A guest's, which serves all its labs. */
  static of(guest: Guest): Promise<Traffic> {
    const traffic = started.get(guest) ?? Traffic.#start(guest);
    started.set(guest, traffic);
    return traffic;
  }

  static async #start(guest: Guest): Promise<Traffic> {
    const script = fileURLToPath(new URL('traffic.py', import.meta.url));
    const process = guest.spawn(`exec /usr/bin/python3 -IBS '${script}'`);
    await process.waitFor(/^ready$/, 120_000);
    return new Traffic(process);
  }

  private constructor(process: Process) {
    this.#process = process;
  }

  /** Resolves to the operation's result; rejects if it failed or took over `timeout` milliseconds. */
  async ask<T>(request: Request, timeout: number): Promise<T> {
    const id = this.#nextId++;
    const before = this.#process.lines.length;
    this.#process.write(`${JSON.stringify({ id, ...request })}\n`);
    const line = await this.#process.waitFor((text) => text.startsWith(`{"id": ${id},`), timeout, before);
    const { result, error } = JSON.parse(line) as { result: T; error?: string };
    if (error !== undefined) throw new Error(error);
    return result;
  }
}
