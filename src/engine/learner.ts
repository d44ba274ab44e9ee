// SPDX-License-Identifier: GPL-2.0-only
// The heart: what follows from a sighting, from the passing of time, from what WireGuard has. It keeps the ledger, and
// answers with a plan of what is to be done in the kernel. No I/O.

import { writeAddress } from '../address.ts';
import { formatPrefix } from '../address-text.ts';
import type { Device, Scope, Sighting } from '../model.ts';
import { type Owners, ownersOf } from '../owners.ts';
import { inScope, isLinkLocal } from '../scope.ts';
import type { Sessions } from '../sessions.ts';
import type { Departure, Entry, ForgetReason, Ledger } from './ledger.ts';
import type { Moving } from './moving.ts';
import { type Denial, emptyPlan, type Plan, withoutPassing } from './plan.ts';
import type { Room, Watched } from './room.ts';

const EXPIRED: Departure = { event: 'expired' };
const RELEASED: Departure = { event: 'released' };

/** How long a peer may be missing, as while its configuration is replaced, before its addresses are free again. */
const PEER_GRACE = 60_000;

export class Learner {
  /** Peers with entries that WireGuard did not have at the last comparison, since when. */
  readonly #missing = new Map<string, number>();
  /** By interface: when it was last looked for what is to expire. */
  readonly #swept = new Map<string, number>();
  /** By interface: the scope that all entries were in when it was last looked, as a text, and how many changes ago. */
  readonly #scoped = new Map<string, { readonly scope: string; readonly additions: number }>();

  readonly #ledger: Ledger;
  readonly #sessions: Sessions;
  readonly #room: Room;
  readonly #moving: Moving;

  constructor(ledger: Ledger, sessions: Sessions, room: Room, moving: Moving) {
    this.#ledger = ledger;
    this.#sessions = sessions;
    this.#room = room;
    this.#moving = moving;
  }

  /**
   * `dump` tells what WireGuard has now, undefined if the interface is gone: since the kernel saw a packet,
   * configuration may have given its source to another peer. It is asked once, and only if something is to be added; to move
   * something takes one that is fresh.
   */
  consider(
    sightings: readonly Sighting[],
    watched: ReadonlyMap<number, Watched>,
    dump: (on: Watched, isFresh: boolean) => Device | undefined,
  ): Plan {
    const plan = emptyPlan();
    const adding = new Set<Entry>();
    const owners = new Map<Watched, Owners | undefined>();
    const ownersOn = (on: Watched, isFresh = false) => {
      if (isFresh || !owners.has(on)) {
        const device = dump(on, isFresh);
        owners.set(on, device && ownersOf(device));
      }
      return owners.get(on);
    };
    for (const sighting of sightings) {
      const on = watched.get(sighting.ifindex);
      if (on) this.#considerOne(plan, adding, sighting, on, ownersOn);
    }
    return withoutPassing(plan);
  }

  #considerOne(
    plan: Plan,
    adding: Set<Entry>,
    sighting: Sighting,
    on: Watched,
    ownersOn: (on: Watched, isFresh?: boolean) => Owners | undefined,
  ): void {
    const { verdict, address, sender: peer } = sighting;
    if (verdict === 'owned' && this.#moving.takeOver(plan, sighting, on, () => ownersOn(on, true))) return;
    if (verdict !== 'candidate' && verdict !== 'restore') {
      plan.denied.push(denialOf(on, sighting, verdict, sighting.owner));
      return;
    }
    const known = this.#ledger.get(on.name, address);
    const isAllowed = known?.peer === peer && (adding.has(known) || sighting.time <= known.confirmed);
    const isOthers = known !== undefined && known.peer !== peer;
    const owner = isAllowed ? peer : isOthers ? known.peer : ownersOn(on)?.of(address);
    if (owner !== undefined && owner !== peer) {
      plan.denied.push(denialOf(on, sighting, 'owned', owner));
      if (known) plan.wiped.add(on.name);
      return;
    }
    const entry = isAllowed ? known : ownersOn(on) && this.#allow(plan, known, sighting, on);
    if (!entry) return;
    if (!isAllowed) adding.add(entry);
    entry.lastSeen = Math.max(entry.lastSeen, sighting.time);
    if (sighting.packet) plan.deliver.push({ entry, ifindex: on.ifindex, packet: sighting.packet });
  }

  /** Restores what is known, else learns, if it still may be. */
  #allow(plan: Plan, known: Entry | undefined, sighting: Sighting, on: Watched): Entry | undefined {
    const { address, sender: peer, time } = sighting;
    if (known) {
      plan.add.push({ entry: known, event: 'restored', seen: time });
      plan.wiped.add(on.name);
      return known;
    }
    // Withdrawn, or no longer in scope, since the kernel saw it: its next packet will be judged anew.
    if (sighting.verdict === 'restore' || !isInScope(on.scope, address)) return undefined;
    // What cost no token pushes nothing out: else one token would buy several changes.
    if (sighting.repeat && this.#room.surplus(on, peer, 1) > 0) return undefined;
    plan.remove.push(...this.#room.make(on, peer, 1));
    const key = this.#ledger.keyOf(on.name, peer);
    const entry = { interface: on.name, address, peer: key, learned: time, lastSeen: time, confirmed: time };
    this.#ledger.put(entry);
    plan.add.push({ entry, event: 'learned', seen: time, accepted: sighting.accepted === true });
    return entry;
  }

  /** Withdraws what peers have too much of. */
  limit(on: Watched): Plan {
    const plan = emptyPlan();
    for (const peer of this.#ledger.peers(on.name)) plan.remove.push(...this.#room.make(on, peer, 0));
    return plan;
  }

  /** Withdraws what was not used for its lifetime. */
  expire(now: number, watched: Iterable<Watched>): Plan {
    const plan = emptyPlan();
    for (const on of watched) {
      if (now < this.#nextExpiryOn(on)) continue;
      const isDue = (entry: Entry) => entry.lastSeen + on.settings.lifetime <= now;
      for (const entry of [...this.#ledger.entries(on.name)].filter(isDue)) {
        this.#room.refresh(entry);
        if (isDue(entry)) this.#remove(plan, entry, EXPIRED);
      }
      this.#ledger.findOldest(on.name);
      this.#swept.set(on.name, now);
    }
    return plan;
  }

  /**
   * Advertisements go to the link-local address that a peer used last, and no packet need ever come from there: it
   * counts as used whenever the peer shows itself by a handshake. `wall` is the time since 1970 in milliseconds.
   */
  noteHandshakes(name: string, device: Device, now: number, wall: number): void {
    this.#sessions.note(name, device, now, wall);
    for (const { key, latestHandshake } of device.peers)
      this.#noteShown(name, key, latestHandshake, now, wall);
  }

  /** A peer has just done so. */
  shakeHands(name: string, peer: string, now: number, wall: number): void {
    const latest = Math.floor(wall / 1_000);
    this.#sessions.shake(name, peer, latest, now);
    this.#noteShown(name, peer, latest, now, wall);
  }

  #noteShown(name: string, peer: string, latestHandshake: number, now: number, wall: number): void {
    const entries = [...this.#ledger.ofPeer(name, peer)].filter(({ address }) => isLinkLocal(address));
    if (entries.length > 1) for (const entry of entries) this.#room.refresh(entry);
    const [last] = entries.sort((a, b) => b.lastSeen - a.lastSeen);
    const found = this.#sessions.found(name, peer) ?? now;
    const age = Math.max(now - found, wall - 1_000 * latestHandshake); // the clock may have been set back
    if (last) last.lastSeen = Math.max(last.lastSeen, now - age);
  }

  /**
   * The earliest time at which something may expire; Infinity if nothing can. Addresses do so together, and up to a thirtieth
   * of their lifetime late: else there would be as many times as there are addresses.
   */
  nextExpiry(watched: Iterable<Watched>): number {
    return Math.min(Number.POSITIVE_INFINITY, ...[...watched].map((on) => this.#nextExpiryOn(on)));
  }

  #nextExpiryOn({ name, settings: { lifetime } }: Watched): number {
    const swept = this.#swept.get(name) ?? Number.NEGATIVE_INFINITY;
    return Math.max(this.#ledger.oldest(name) + lifetime, swept + lifetime / 30);
  }

  /**
   * Compares the ledger with what WireGuard has: brings back what was wiped, and lets go what is another peer's by
   * configuration now, or whose peer is no more: at once if that is known to be gone, else after a while.
   */
  reconcile(
    name: string,
    device: Device,
    now: number,
    isGone: (peer: string) => boolean = () => false,
  ): Plan {
    const plan = emptyPlan();
    this.#confirm(name, device, now);
    const peers = new Set(device.peers.map(({ key }) => key));
    const owners = ownersOf(device);
    for (const key of this.#missing.keys()) {
      const [of, peer] = key.split(' ') as [string, string];
      if (of === name && peers.has(peer)) this.#missing.delete(key);
    }
    for (const entry of [...this.#ledger.entries(name)]) {
      if (entry.confirmed === now) continue;
      const owner = owners.of(entry.address);
      if (owner !== undefined && owner !== entry.peer) {
        this.#remove(plan, entry, { event: 'forgotten', reason: 'owned' });
      } else if (peers.has(entry.peer)) {
        plan.add.push({ entry, event: 'restored' });
      } else {
        const key = `${name} ${entry.peer}`;
        const since = this.#missing.get(key) ?? now;
        this.#missing.set(key, since);
        if (now - since >= PEER_GRACE || isGone(entry.peer))
          this.#remove(plan, entry, { event: 'forgotten', reason: 'peer' });
      }
    }
    for (const key of this.#missing.keys()) {
      const [of, peer] = key.split(' ') as [string, string];
      if (this.#ledger.ofPeer(of, peer).size === 0) this.#missing.delete(key);
    }
    return plan;
  }

  /** Notes which entries WireGuard has just as they are in the ledger: mostly all. */
  #confirm(name: string, device: Device, now: number): void {
    for (const entry of this.#ledger.entries(name)) entry.confirmed = Number.NEGATIVE_INFINITY;
    for (const { key, addresses } of device.peers) {
      for (const address of addresses) {
        const entry = this.#ledger.get(name, address);
        if (entry?.peer === key) entry.confirmed = now;
      }
    }
  }

  /** The earliest time after `since` at which a missing peer's addresses become free; Infinity if there is none. */
  nextRelease(since: number): number {
    const ends = [...this.#missing.values()].map((missing) => missing + PEER_GRACE);
    return Math.min(Number.POSITIVE_INFINITY, ...ends.filter((end) => end > since));
  }

  /** Of an interface that was not there: how long its peers have been missing counts from now. */
  welcome(name: string): void {
    for (const key of this.#missing.keys()) if (key.startsWith(`${name} `)) this.#missing.delete(key);
  }

  /** Withdraws what is no longer in an interface's scope. */
  rescope({ name, scope }: Watched): Plan {
    const seen = { scope: textOf(scope), additions: this.#ledger.additions };
    const last = this.#scoped.get(name);
    if (last?.scope === seen.scope && last.additions === seen.additions) return emptyPlan();
    this.#scoped.set(name, seen);
    const outside = [...this.#ledger.entries(name)].filter(({ address }) => !isInScope(scope, address));
    return this.forget(outside, 'scope');
  }

  forget(entries: Iterable<Entry>, reason: ForgetReason): Plan {
    const plan = emptyPlan();
    const departure = { event: 'forgotten', reason } as const;
    for (const entry of [...entries]) {
      this.#room.refresh(entry); // followers are told of the last use
      this.#remove(plan, entry, departure);
    }
    return plan;
  }

  /** What is configured for its peer by now stays in force, but is no longer ours. */
  release(entries: Iterable<Entry>): Plan {
    const plan = emptyPlan();
    for (const entry of [...entries]) this.#remove(plan, entry, RELEASED);
    return plan;
  }

  #remove(plan: Plan, entry: Entry, departure: Departure): void {
    this.#ledger.delete(entry);
    plan.remove.push({ entry, departure });
  }
}

/** Used again for each address: to make a buffer takes longer than to fill it. */
const scratch = Buffer.alloc(16);

function isInScope(scope: Scope, address: string): boolean {
  return writeAddress(address, scratch, 0) && inScope(scope, scratch);
}

function textOf({ learn, reserved }: Scope): string {
  return [learn, reserved].map((prefixes) => prefixes.map(formatPrefix).join(' ')).join(', ');
}

function denialOf(
  { name }: Watched,
  { address, sender: peer, count }: Sighting,
  reason: Denial['reason'],
  owner: string | undefined,
): Denial {
  return { interface: name, address, peer, reason, count, ...(owner !== undefined && { owner }) };
}
