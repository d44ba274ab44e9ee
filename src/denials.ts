// SPDX-License-Identifier: GPL-2.0-only
// Refused attempts, for people to look at. Bounded, and no peer can push out the others'.

import type { Denial } from './learner.ts';

export interface DenialRecord extends Denial {
  /** Milliseconds of the monotonic clock. */
  readonly last: number;
}

const PER_PEER = 32;
const TOTAL = 1024;

export class Denials {
  /** Oldest first. */
  private readonly records = new Map<string, DenialRecord>();

  add(denial: Denial, now: number): void {
    const key = [denial.interface, denial.peer, denial.address, denial.reason].join(' ');
    const count = (this.records.get(key)?.count ?? 0) + denial.count;
    this.records.delete(key);
    this.records.set(key, { ...denial, count, last: now });
    this.trim(`${denial.interface} ${denial.peer} `);
  }

  /** Newest first. */
  list(): DenialRecord[] {
    return [...this.records.values()].reverse();
  }

  private trim(ofPeer: string): void {
    const keys = [...this.records.keys()];
    const own = keys.filter((key) => key.startsWith(ofPeer));
    if (own.length > PER_PEER) this.records.delete(own[0]!);
    else if (keys.length > TOTAL) this.records.delete(keys[0]!);
  }
}
