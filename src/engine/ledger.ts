// SPDX-License-Identifier: GPL-2.0-only
// Who uses which learned address since when, and the feed of it: whoever follows can keep a replica.

import type { PeerAddress } from '../model.ts';

export interface Entry extends PeerAddress {
  readonly interface: string;
  /** Milliseconds of the monotonic clock. */
  readonly learned: number;
  lastSeen: number;
  /** When the kernel last was known to have it among the peer's allowed IPs; a later sighting means it was wiped. */
  confirmed: number;
}

/** How an address came to be a learned one, or to be in WireGuard again. */
export type Arrival =
  | {
      readonly event: 'learned';
      /** From the packet that revealed the address until the address was allowed, in milliseconds. */
      readonly took: number;
      /** Whether that packet was delivered. */
      readonly delivered: boolean;
    }
  | { readonly event: 'restored' }
  /** It was another peer's until somebody asked for it to be moved. */
  | { readonly event: 'given' }
  /** It was learned before this process began. */
  | { readonly event: 'adopted' };

/**
 * Why an address is forgotten: on request, or its interface, scope or owner changed, or its peer is gone, or it was given to
 * another peer, or taken over by one, or nothing would remember it.
 */
export type ForgetReason = 'user' | 'disabled' | 'scope' | 'owned' | 'peer' | 'given' | 'taken' | 'stopped';

/** Why an address is no longer a learned one; a released one is configured for its peer, and stays in force. */
export type Departure =
  | { readonly event: 'expired' }
  | { readonly event: 'evicted' }
  | { readonly event: 'released' }
  | { readonly event: 'forgotten'; readonly reason: ForgetReason };

/** Whoever keeps a replica of the ledger. It is told of what is in force, not of what is attempted. */
export interface Follower {
  /**
   * These are about to be in force, before their peers can use them: what must be done first is done when this returns.
   * `from` is what has been in force of one that moves, which its peer cannot use then.
   */
  coming?(entries: readonly Readonly<Entry>[], from?: Readonly<Entry>): void;
  /** They were not put in force, or moved, after all. What was is present. */
  stayedAway?(entries: readonly Readonly<Entry>[]): void;
  /** May be called again for an entry that is present already. */
  present(entry: Readonly<Entry>, arrival: Arrival): void;
  gone(entry: Readonly<Entry>, departure: Departure): void;
}

export class Ledger {
  readonly #followers: Follower[] = [];
  readonly #byInterface = new Map<string, Map<string, Entry>>();
  /** By interface, of all that are or were in it: when the least recently used one was last used. */
  readonly #oldest = new Map<string, number>();
  #additions = 0;
  readonly #byPeer = new Map<string, Map<string, Set<Entry>>>();

  /** Begins with all that is there. */
  follow(follower: Follower): void {
    this.#followers.push(follower);
    for (const entry of this.entries()) follower.present(entry, { event: 'adopted' });
  }

  tellComing(entries: readonly Entry[], from?: Entry): void {
    for (const follower of this.#followers) follower.coming?.(entries, from);
  }

  tellStayedAway(entries: readonly Entry[]): void {
    for (const follower of this.#followers) follower.stayedAway?.(entries);
  }

  tellPresent(entry: Entry, arrival: Arrival): void {
    for (const follower of this.#followers) follower.present(entry, arrival);
  }

  tellGone(entry: Entry, departure: Departure): void {
    for (const follower of this.#followers) follower.gone(entry, departure);
  }

  get(name: string, address: string): Entry | undefined {
    return this.#byInterface.get(name)?.get(address);
  }

  /** Entries of an interface, or of all, in the order in which they were learned. */
  *entries(name?: string): Iterable<Entry> {
    for (const [key, entries] of this.#byInterface)
      if (name === undefined || name === key) yield* entries.values();
  }

  /** Those that have entries. */
  interfaces(): ReadonlySet<string> {
    return new Set(this.#byInterface.keys());
  }

  /** The peers that have entries on an interface. */
  peers(name: string): readonly string[] {
    return [...(this.#byPeer.get(name)?.keys() ?? [])];
  }

  /** A peer's entries on an interface. */
  ofPeer(name: string, peer: string): ReadonlySet<Entry> {
    return this.#byPeer.get(name)?.get(peer) ?? none;
  }

  /** A peer's key as its other entries have it: texts that are the same are held once only. */
  keyOf(name: string, peer: string): string {
    const [other] = this.ofPeer(name, peer);
    return other?.peer ?? peer;
  }

  count(name: string): number {
    return this.#byInterface.get(name)?.size ?? 0;
  }

  /** How many times an entry was put into it. */
  get additions(): number {
    return this.#additions;
  }

  /** No entry of an interface was last used before; Infinity if there is none. */
  oldest(name: string): number {
    return this.#byInterface.has(name) ? this.#oldest.get(name)! : Number.POSITIVE_INFINITY;
  }

  /** Since entries are used, and deleted, oldest() says less and less. From now on it is exact again. */
  findOldest(name: string): void {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { lastSeen } of this.entries(name)) if (lastSeen < oldest) oldest = lastSeen;
    this.#oldest.set(name, oldest);
  }

  /** Replaces an entry for the same address. */
  put(entry: Entry): void {
    this.#additions++;
    this.#oldest.set(entry.interface, Math.min(this.oldest(entry.interface), entry.lastSeen));
    const present = this.get(entry.interface, entry.address);
    if (present) this.delete(present);
    mapOf(this.#byInterface, entry.interface, () => new Map<string, Entry>()).set(entry.address, entry);
    const peers = mapOf(this.#byPeer, entry.interface, () => new Map<string, Set<Entry>>());
    mapOf(peers, entry.peer, () => new Set<Entry>()).add(entry);
  }

  /** No error if it is not there. */
  delete(entry: Entry): void {
    const entries = this.#byInterface.get(entry.interface);
    if (entries?.get(entry.address) !== entry) return;
    entries.delete(entry.address);
    if (entries.size === 0) this.#byInterface.delete(entry.interface);
    const peers = this.#byPeer.get(entry.interface);
    const ofPeer = peers?.get(entry.peer);
    ofPeer?.delete(entry);
    if (ofPeer?.size === 0) peers?.delete(entry.peer);
    if (peers?.size === 0) this.#byPeer.delete(entry.interface);
  }
}

const none: ReadonlySet<Entry> = new Set();

function mapOf<Key, Value>(map: Map<Key, Value>, key: Key, create: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}
