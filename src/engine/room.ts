// SPDX-License-Identifier: GPL-2.0-only
// How many addresses a peer may have, and which of them make room for others.

import type { Scope } from '../model.ts';
import type { InterfaceSettings } from '../settings.ts';
import type { Entry, Ledger } from './ledger.ts';
import type { Removal } from './plan.ts';

/** An interface on which addresses are learned. */
export interface Watched {
  readonly name: string;
  readonly ifindex: number;
  readonly settings: InterfaceSettings;
  readonly scope: Scope;
}

export class Room {
  readonly #ledger: Ledger;
  readonly #lastSeen: (entry: Entry) => number | undefined;

  /** `lastSeen` asks the kernel when an entry was last used; undefined if it does not know. */
  constructor(ledger: Ledger, lastSeen: (entry: Entry) => number | undefined) {
    this.#ledger = ledger;
    this.#lastSeen = lastSeen;
  }

  /** By how many a peer would be over its number of addresses, had it so many others. */
  surplus({ name, settings }: Watched, peer: string, others: number): number {
    return this.#ledger.ofPeer(name, peer).size + others - settings.maxAddresses;
  }

  /** Evicts the least recently used addresses of a peer until there is room for so many others. */
  make(on: Watched, peer: string, others: number): Removal[] {
    const surplus = this.surplus(on, peer, others);
    if (surplus <= 0) return [];
    const entries = [...this.#ledger.ofPeer(on.name, peer)];
    for (const entry of entries) this.refresh(entry);
    entries.sort((a, b) => a.lastSeen - b.lastSeen);
    const evicted = entries.slice(0, surplus);
    for (const entry of evicted) this.#ledger.delete(entry);
    return evicted.map((entry) => ({ entry, departure: { event: 'evicted' } }));
  }

  /** Brings an entry's last-seen time up to date. */
  refresh(entry: Entry): void {
    entry.lastSeen = Math.max(entry.lastSeen, this.#lastSeen(entry) ?? 0);
  }
}
