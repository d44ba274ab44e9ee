// SPDX-License-Identifier: GPL-2.0-only
// What has happened since the start, in numbers.

import type { Arrival, Departure, Entry, Follower } from './ledger.ts';
import type { Denial } from './plan.ts';

type Change = (Arrival | Departure)['event'];

export interface Totals {
  /** Addresses, by what became of them: each time counts. */
  readonly addresses: Readonly<Record<Change, number>>;
  /** … of the forgotten ones, those that another peer has taken over by itself. */
  readonly taken: number;
  /** Packets of denied attempts that the kernel has told of, by reason. */
  readonly denied: Readonly<Record<Denial['reason'], number>>;
  /** Packets that WireGuard had refused, which the kernel has taken back. */
  readonly delivered: number;
  /** … and which it has not. */
  readonly deliveryFailed: number;
  /** Changes by others that were found, though they should have been told. */
  readonly missed: number;
}

export class Tally implements Follower {
  readonly #addresses: Record<Change, number> = {
    learned: 0,
    restored: 0,
    given: 0,
    adopted: 0,
    expired: 0,
    evicted: 0,
    forgotten: 0,
    released: 0,
  };
  readonly #denied: Record<Denial['reason'], number> = {
    owned: 0,
    scope: 0,
    reserved: 0,
    rate: 0,
    'in-use': 0,
  };
  #taken = 0;
  #delivered = 0;
  #deliveryFailed = 0;

  present(_: Entry, { event }: Arrival): void {
    this.#addresses[event]++;
  }

  gone(_: Entry, departure: Departure): void {
    this.#addresses[departure.event]++;
    if (departure.event === 'forgotten' && departure.reason === 'taken') this.#taken++;
  }

  deny({ reason, count }: Denial): void {
    this.#denied[reason] += count;
  }

  deliver(isTaken: boolean): void {
    if (isTaken) this.#delivered++;
    else this.#deliveryFailed++;
  }

  totals(): Omit<Totals, 'missed'> {
    return {
      addresses: { ...this.#addresses },
      taken: this.#taken,
      denied: { ...this.#denied },
      delivered: this.#delivered,
      deliveryFailed: this.#deliveryFailed,
    };
  }
}
