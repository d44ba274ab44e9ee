// SPDX-License-Identifier: GPL-2.0-only
// What goes to the system's log: one line for each thing that happened, as far as it matters.

import type { Clock } from '../clock.ts';
import type { EngineEvent } from '../engine/events.ts';
import type { Problem } from '../problem.ts';
import { type LogLevel, logLevels } from '../settings.ts';
import { describeEvent } from '../words/describe.ts';
import { describeProblem, inOneLine } from '../words/problems.ts';
import { oneLine } from '../words/text.ts';

/** Denied addresses are told one by one up to so many in a minute: peers must not push out what else is logged. */
const DENIED_LINES = 10;
const MINUTE = 60_000;

export class Log {
  level: LogLevel = 'info';
  #deniedSince = Number.NEGATIVE_INFINITY;
  #denied = 0;

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
    if (logLevels.indexOf(level) <= logLevels.indexOf(this.level)) this.#write(level, oneLine(text));
  }

  problem(problem: Problem): void {
    this.line('warn', inOneLine(describeProblem(problem)));
  }

  event(event: EngineEvent): void {
    if (event.event === 'problem') this.problem(event);
    else if (event.event === 'denied' && this.level !== 'debug') this.#attempt(event);
    else this.line(isRoutine(event) ? 'debug' : 'info', this.#inWords(event));
  }

  #attempt(event: EngineEvent): void {
    if (this.#clock.now() - this.#deniedSince >= MINUTE) {
      this.#deniedSince = this.#clock.now();
      this.#denied = 0;
    }
    this.#denied++;
    if (this.#denied <= DENIED_LINES) this.line('info', this.#inWords(event));
    if (this.#denied === DENIED_LINES) {
      this.line('info', 'more denied addresses are not logged for a minute: see wg-slaacer denied');
    }
  }

  #inWords(event: EngineEvent): string {
    return describeEvent(event, (key) => {
      const name = 'interface' in event ? this.#nameOf(event.interface, key) : undefined;
      return name === undefined ? key : name.slice(0, 64);
    });
  }
}

/** What was learned before is still there: after a restart that is told of each address. */
function isRoutine({ event }: EngineEvent): boolean {
  return event === 'restored' || event === 'adopted';
}
