// SPDX-License-Identifier: GPL-2.0-only
// Which peer had which address, from when to when. What is present is in the ledger; what has ended is kept here.

import type { Clock } from '../clock.ts';
import type { Arrival, Departure, Entry, Follower, ForgetReason } from '../engine/ledger.ts';
import type { PeerAddress } from '../model.ts';

/** How a stay has ended; an interrupted one while nobody looked, at the latest when the system was started. */
export type End = Departure['event'] | 'interrupted';

/** The time for which a peer has, or had, an address, in seconds since 1970 as the clock has it now. */
export interface Stay extends PeerAddress {
  readonly interface: string;
  readonly from: number;
  readonly lastSeen: number;
  /** Undefined while it goes on. */
  readonly to?: number;
  readonly how: 'present' | End;
  /** Why it was forgotten. */
  readonly reason?: ForgetReason;
}

/** Which stays are meant: all, but for what is told. Times are seconds since 1970. */
export interface Choice {
  readonly address?: string | undefined;
  readonly peer?: string | undefined;
  /** Those that went on at this time. */
  readonly at?: number | undefined;
  /** Those that had not ended by this time. */
  readonly since?: number | undefined;
}

/** How many that have ended are kept; a new one takes the place of the oldest. */
export const MOST_STAYS = 4_096;

/**
 * Milliseconds of the monotonic clock, so that a clock that is set does not bend what this process has seen. Below 0:
 * milliseconds since 1970, negated, as an earlier process has written them.
 */
type Instant = number;

interface Ended extends PeerAddress {
  readonly interface: string;
  readonly from: Instant;
  readonly lastSeen: Instant;
  readonly to: Instant;
  readonly how: End;
  readonly reason: ForgetReason | undefined;
}

export class History implements Follower {
  /** Full, it is a ring that begins at `#oldest`. */
  #ended: Ended[] = [];
  #oldest = 0;
  /** By interface and address: what was present when an earlier process wrote it, and has not come back. */
  readonly #interrupted = new Map<string, Ended>();
  /** When what is present began, if earlier than the ledger can know. */
  readonly #began = new WeakMap<Readonly<Entry>, Instant>();
  /** Texts that are the same are held once only. */
  readonly #texts = new Map<string, string>();

  readonly #clock: Clock;
  readonly #present: () => readonly Readonly<Entry>[];
  readonly #onChange: () => void;

  /** `present` has the ledger's entries with their times of last use; `onChange` is told when a stay begins or ends. */
  constructor(clock: Clock, present: () => readonly Readonly<Entry>[], onChange: () => void) {
    this.#clock = clock;
    this.#present = present;
    this.#onChange = onChange;
  }

  present(entry: Readonly<Entry>, { event }: Arrival): void {
    const before = this.#interrupted.get(keyOf(entry));
    const goesOn = before?.peer === entry.peer && event === 'adopted';
    if (before) {
      this.#interrupted.delete(keyOf(entry));
      if (goesOn) this.#began.set(entry, before.from);
      else this.#keep(before);
    }
    if (!goesOn && event !== 'restored') this.#onChange();
  }

  gone(entry: Readonly<Entry>, departure: Departure): void {
    this.#keep({
      interface: this.#shared(entry.interface),
      address: entry.address,
      peer: this.#shared(entry.peer),
      from: this.#began.get(entry) ?? entry.learned,
      lastSeen: entry.lastSeen,
      to: this.#clock.now(),
      how: departure.event,
      reason: departure.event === 'forgotten' ? departure.reason : undefined,
    });
    this.#onChange();
  }

  /** Those that began last come first. */
  stays({ address, peer, at, since }: Choice = {}): Stay[] {
    const isMeant = (each: PeerAddress) =>
      (address === undefined || each.address === address) && (peer === undefined || each.peer === peer);
    const isThen = ({ from, to = Number.POSITIVE_INFINITY }: Stay) =>
      (at === undefined || (from <= at && at <= to)) && (since === undefined || since <= to);
    const offset = this.#clock.wall() - this.#clock.now();
    const present = this.#present()
      .filter(isMeant)
      .map((entry) => this.#stayOf(entry, offset));
    const ended = [...this.#ended.slice(this.#oldest), ...this.#ended.slice(0, this.#oldest)];
    const earlier = [...ended, ...this.#interrupted.values()].filter(isMeant);
    return [...earlier.map((each) => endedStay(each, offset)), ...present]
      .reverse()
      .filter(isThen)
      .sort((one, other) => other.from - one.from);
  }

  /** Takes in what an earlier process has kept, the oldest first: until `written`, in seconds since 1970. */
  recall(stays: readonly Stay[], written: number): void {
    const entries = new Map(this.#present().map((entry) => [keyOf(entry), entry]));
    const known = new Set(this.stays().map(beginOf));
    const recalled: Ended[] = [];
    for (const stay of stays.filter((stay) => !known.has(beginOf(stay)))) {
      const entry = stay.to === undefined ? entries.get(keyOf(stay)) : undefined;
      const ended = this.#endedOf(stay, written);
      if (stay.to !== undefined || (entry && entry.peer !== stay.peer)) recalled.push(ended);
      else if (entry) this.#began.set(entry, ended.from);
      else this.#interrupted.set(keyOf(stay), ended);
    }
    const since = [...this.#ended.slice(this.#oldest), ...this.#ended.slice(0, this.#oldest)];
    this.#ended = [...recalled, ...since].slice(-MOST_STAYS);
    this.#oldest = 0;
  }

  #keep(ended: Ended): void {
    if (this.#ended.length < MOST_STAYS) this.#ended.push(ended);
    else {
      this.#ended[this.#oldest] = ended;
      this.#oldest = (this.#oldest + 1) % MOST_STAYS;
    }
  }

  #stayOf(entry: Readonly<Entry>, offset: number): Stay {
    const { interface: name, address, peer } = entry;
    const from = secondsOf(this.#began.get(entry) ?? entry.learned, offset);
    const lastSeen = Math.max(from, secondsOf(entry.lastSeen, offset));
    return { interface: name, address, peer, from, lastSeen, how: 'present' };
  }

  #endedOf(
    { interface: name, address, peer, from, lastSeen, to, how, reason }: Stay,
    written: number,
  ): Ended {
    return {
      interface: this.#shared(name),
      address,
      peer: this.#shared(peer),
      from: -1_000 * from,
      lastSeen: -1_000 * lastSeen,
      to: -1_000 * (to ?? Math.max(written, lastSeen)),
      how: how === 'present' ? 'interrupted' : how,
      reason,
    };
  }

  #shared(text: string): string {
    const known = this.#texts.get(text);
    if (known === undefined) this.#texts.set(text, text);
    return known ?? text;
  }
}

/** A clock that was set back may have it end before it began: then it has lasted no time. */
function endedStay(ended: Ended, offset: number): Stay {
  const { interface: name, address, peer, how, reason } = ended;
  const from = secondsOf(ended.from, offset);
  const lastSeen = Math.max(from, secondsOf(ended.lastSeen, offset));
  const to = Math.max(lastSeen, secondsOf(ended.to, offset));
  return { interface: name, address, peer, from, lastSeen, to, how, ...(reason && { reason }) };
}

/** `offset` is what the wall's clock is ahead of the monotonic one, in milliseconds. */
function secondsOf(instant: Instant, offset: number): number {
  return Math.round((instant < 0 ? -instant : instant + offset) / 1_000);
}

function keyOf({ interface: name, address }: Pick<Stay, 'interface' | 'address'>): string {
  return `${name} ${address}`;
}

function beginOf({ interface: name, address, peer, from }: Stay): string {
  return `${name} ${address} ${peer} ${from}`;
}
