// SPDX-License-Identifier: GPL-2.0-only
// Denied attempts, for people to look at. Bounded, and no peer can push out the others'.

import type { Entry, Follower } from './ledger.ts';
import type { Denial } from './plan.ts';

export interface DenialRecord extends Denial {
  /** Milliseconds of the monotonic clock. */
  readonly last: number;
}

const PER_PEER = 32;
const TOTAL = 1024;

export class Denials implements Follower {
  /** Oldest first. */
  readonly #records = new Map<string, DenialRecord>();
  /** How many there are of each peer on an interface. */
  readonly #counts = new Map<string, number>();

  add(denial: Denial, now: number): void {
    const key = keyOf(denial);
    const count = (this.#records.get(key)?.count ?? 0) + denial.count;
    this.#delete(key);
    this.#records.set(key, { ...denial, count, last: now });
    const peer = peerOf(denial);
    const ofPeer = (this.#counts.get(peer) ?? 0) + 1;
    this.#counts.set(peer, ofPeer);
    if (ofPeer > PER_PEER) this.#deleteOldest((record) => peerOf(record) === peer);
    else if (this.#records.size > TOTAL) this.#deleteOldest(() => true);
  }

  /** It is that peer's by now. */
  present({ interface: name, peer, address }: Readonly<Entry>): void {
    if (this.#records.size > 0) this.#delete(keyOf({ interface: name, peer, address, reason: 'owned' }));
  }

  gone(): void {}

  /** Newest first. */
  list(): DenialRecord[] {
    return [...this.#records.values()].reverse();
  }

  #deleteOldest(matches: (record: DenialRecord) => boolean): void {
    for (const [key, record] of this.#records) {
      if (!matches(record)) continue;
      this.#delete(key);
      return;
    }
  }

  #delete(key: string): void {
    const record = this.#records.get(key);
    if (!record) return;
    this.#records.delete(key);
    const peer = peerOf(record);
    const left = this.#counts.get(peer)! - 1;
    if (left > 0) this.#counts.set(peer, left);
    else this.#counts.delete(peer);
  }
}

function keyOf({ interface: name, peer, address, reason }: Omit<Denial, 'count'>): string {
  return [name, peer, address, reason].join(' ');
}

function peerOf({ interface: name, peer }: Denial): string {
  return `${name} ${peer}`;
}
