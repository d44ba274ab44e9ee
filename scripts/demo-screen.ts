// SPDX-License-Identifier: GPL-2.0-only
// What the demo shows.

import { styleText } from 'node:util';
import type { EngineEvent } from '../src/engine/events.ts';
import { describeEvent } from '../src/words/describe.ts';
import type { PingResult } from '../test/bed/client.ts';

type Style = Parameters<typeof styleText>[0];

const styles: Partial<Record<EngineEvent['event'], Style>> = {
  learned: 'green',
  restored: 'green',
  denied: 'red',
  evicted: 'yellow',
  expired: 'yellow',
  problem: 'red',
};

/** Refusals shown of one scene; the rest is only counted. */
const MOST_DENIED = 8;

const paint = (style: Style, text: string) => (process.stdout.isTTY ? styleText(style, text) : text);
const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

export class Screen {
  readonly #start = Date.now();
  readonly #counts = new Map<string, number>();
  /** Milliseconds, by the peer's name. */
  readonly #took = new Map<string, number[]>();
  #deniedInScene = 0;

  readonly #names: ReadonlyMap<string, string>;

  /** `names`: of the peers, by public key. */
  constructor(names: ReadonlyMap<string, string>) {
    this.#names = names;
  }

  scene(text: string): void {
    this.#deniedInScene = 0;
    console.log(`\n${paint('bold', text)}`);
  }

  event(event: EngineEvent): void {
    this.#count(event.event === 'denied' ? `denied (${event.reason})` : event.event);
    if (event.event === 'learned') this.#noteTook(this.#names.get(event.peer) ?? event.peer, event.took);
    if (event.event === 'denied' && ++this.#deniedInScene > MOST_DENIED) {
      if (this.#deniedInScene === MOST_DENIED + 1) this.#line('…', 'and more refusals of this kind');
      return;
    }
    const text = describeEvent(event, (key) => this.#names.get(key) ?? key);
    this.#line('wg-slaacer', paint(styles[event.event] ?? 'dim', text));
  }

  ping(client: string, from: string, { sent, received, rtts }: PingResult): void {
    const times = rtts.slice(0, 3).map((rtt) => `${Math.round(rtt)} ms`);
    this.#line(
      client,
      `${received} of ${sent} pings from ${from} answered (${times.join(', ')}${rtts.length > 3 ? ' …' : ''})`,
    );
  }

  connection(client: string, from: string, milliseconds: number): void {
    this.#line(client, `TCP connection from ${from} open after ${Math.round(milliseconds)} ms`);
  }

  summary(allowedIps: Readonly<Record<string, readonly string[]>>, refused: number): void {
    console.log(`\n${paint('bold', 'In the end')}`);
    for (const [name, list] of Object.entries(allowedIps)) {
      console.log(`  ${name.padEnd(8)} ${list.join('\n           ') || '–'}`);
    }
    const counts = [...this.#counts].map(([what, count]) => `${count} ${what}`).join(', ');
    console.log(`
  Told:     ${counts}.
  WireGuard refused ${refused} packets in all; the first packets of what was learned were delivered after all.
  From a first packet until its address was allowed (median, in emulation): ${this.#medians()}.`);
  }

  #noteTook(name: string, milliseconds: number): void {
    this.#took.set(name, [...(this.#took.get(name) ?? []), milliseconds]);
  }

  #medians(): string {
    return [...this.#took].map(([name, times]) => `${name} ${Math.round(median(times))} ms`).join(', ');
  }

  #count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  #line(who: string, text: string): void {
    const seconds = ((Date.now() - this.#start) / 1000).toFixed(1).padStart(6);
    console.log(`${paint('dim', `${seconds} s`)}  ${who.padEnd(10)}  ${text}`);
  }
}
