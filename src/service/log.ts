// SPDX-License-Identifier: GPL-2.0-only
// What goes to the system's log: one line for each thing that happened, as far as it matters.

import type { Clock } from '../clock.ts';
import type { EngineEvent } from '../engine/events.ts';
import type { Problem } from '../problem.ts';
import { type LogLevel, logLevels } from '../settings.ts';
import { cureOf, describeEvent } from '../words/describe.ts';
import { describeProblem, inOneLine } from '../words/problems.ts';
import { oneLine } from '../words/text.ts';

/**
 * What peers cause is told one by one up to so many in a minute, and where to see the rest: without a rate, too, they must
 * not push out what else is logged.
 */
const bounds: Partial<Record<EngineEvent['event'], { readonly lines: number; readonly command: string }>> = {
  denied: { lines: 10, command: 'denied' },
  learned: { lines: 60, command: 'addresses' },
  expired: { lines: 60, command: 'watch' },
  evicted: { lines: 60, command: 'watch' },
  forgotten: { lines: 60, command: 'watch' },
};
const MINUTE = 60_000;

export class Log {
  level: LogLevel = 'info';
  /** Of each kind of event that is bounded, the minute that has begun with one, and how many there were in it. */
  readonly #counts = new Map<EngineEvent['event'], { readonly since: number; count: number }>();

  readonly #clock: Clock;
  readonly #write: (level: LogLevel, line: string) => void;
  /** What to call a peer of an interface; undefined if it has no name. */
  readonly #nameOf: (name: string, peer: string) => string | undefined;

  constructor(
    clock: Clock,
    write: (level: LogLevel, line: string) => void,
    nameOf: (name: string, peer: string) => string | undefined,
  ) {
    this.#clock = clock;
    this.#write = write;
    this.#nameOf = nameOf;
  }

  line(level: LogLevel, text: string): void {
    if (this.#isLogged(level)) this.#write(level, oneLine(text));
  }

  #isLogged(level: LogLevel): boolean {
    return logLevels.indexOf(level) <= logLevels.indexOf(this.level);
  }

  problem(problem: Problem): void {
    this.line('warn', inOneLine(describeProblem(problem)));
  }

  event(event: EngineEvent): void {
    if (event.event === 'problem') {
      this.problem(event);
      return;
    }
    const level = isRoutine(event) ? 'debug' : 'info';
    if (!this.#isLogged(level)) return; // before it is put into words: a restart has one for each address
    const bound = this.level === 'debug' ? undefined : bounds[event.event];
    const count = bound ? this.#count(event) : 0;
    if (bound && count > bound.lines) return;
    this.line(level, this.#inWords(event));
    if (count === bound?.lines)
      this.line(
        'info',
        `more ${event.event} addresses are not logged for a minute: see wg-slaacer ${bound.command}`,
      );
  }

  /** The how-manieth of its kind in a minute it is. */
  #count({ event }: EngineEvent): number {
    const now = this.#clock.now();
    let minute = this.#counts.get(event);
    if (!minute || now - minute.since >= MINUTE) {
      minute = { since: now, count: 0 };
      this.#counts.set(event, minute);
    }
    return ++minute.count;
  }

  #inWords(event: EngineEvent): string {
    const nameOf = (key: string) => {
      const name = 'interface' in event ? this.#nameOf(event.interface, key) : undefined;
      return name === undefined ? key : name.slice(0, 64);
    };
    const cure = event.event === 'denied' && event.owner ? cureOf(event, nameOf(event.owner)) : '';
    return describeEvent(event, nameOf) + (cure && `; ${cure}`);
  }
}

/** What was learned before is still there: after a restart that is told of each address. */
function isRoutine({ event }: EngineEvent): boolean {
  return event === 'restored' || event === 'adopted';
}
