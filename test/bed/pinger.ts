// SPDX-License-Identifier: GPL-2.0-only

import { type Host, ROUTER } from './client.ts';
import type { Process } from './process.ts';

/** Pings the router, or what is told, from one address until it is stopped. */
export class Pinger {
  readonly #process: Process;

  /** Resolves with the first answer. `interval` is in seconds. */
  static async start(host: Host, from: string, to = ROUTER, interval = 0.05): Promise<Pinger> {
    const pinger = new Pinger(host.spawn(`exec ping -n -I ${from} -i ${interval} ${to}`));
    await pinger.#process.waitFor(/icmp_seq=/, 30_000);
    return pinger;
  }

  private constructor(process: Process) {
    this.#process = process;
  }

  /** Resolves when so many further requests, or later ones, have been answered. */
  async more(count: number): Promise<void> {
    const last = Math.max(...this.#process.lines.map(numberOf));
    await this.#process.waitFor((line) => numberOf(line) >= last + count, 30_000);
  }

  /** How many requests were answered, and the numbers of those before the last answer that were not answered once. */
  async stop(): Promise<{ answered: number; lost: number[] }> {
    this.#process.kill('SIGINT');
    await this.#process.exit;
    const answers = new Map<number, number>();
    for (const line of this.#process.lines) {
      const number = numberOf(line);
      if (number > 0) answers.set(number, (answers.get(number) ?? 0) + 1);
    }
    const sent = Array.from({ length: Math.max(...answers.keys()) }, (_, index) => index + 1);
    return { answered: answers.size, lost: sent.filter((number) => answers.get(number) !== 1) };
  }
}

/** Of the request that a line of ping's tells the answer to; 0 if it tells something else. */
function numberOf(line: string): number {
  return Number(/ bytes from .* icmp_seq=(\d+) /.exec(line)?.[1] ?? 0);
}
