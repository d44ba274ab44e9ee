// SPDX-License-Identifier: GPL-2.0-only
// The heart: what follows from a sighting, from the passing of time, from what WireGuard has. It keeps the ledger, and
// answers with a plan of what is to be done in the kernel. No I/O.

import { type AddressBytes, contains, type Prefix, parseAddress } from '../address.ts';
import { type Device, type PeerAddress, type Scope, SESSION, type Sighting, type Verdict } from '../model.ts';
import { inScope, isLinkLocal } from '../scope.ts';
import type { InterfaceSettings } from '../settings.ts';
import type { Departure, Entry, ForgetReason, Ledger } from './ledger.ts';
import { Sessions } from './sessions.ts';

/** An interface on which addresses are learned. */
export interface Watched {
  readonly name: string;
  readonly ifindex: number;
  readonly settings: InterfaceSettings;
  readonly scope: Scope;
}

export interface Addition {
  readonly entry: Entry;
  readonly event: 'learned' | 'restored';
  /** The time of the sighting that led to it, and whether its packet was accepted. */
  readonly seen?: number;
  readonly accepted?: boolean;
}

export interface Removal {
  readonly entry: Entry;
  readonly departure: Departure;
}

/** From one peer to another. */
export interface Move {
  readonly from: Entry;
  readonly to: Entry;
  readonly reason: 'given' | 'taken';
}

export interface Denial extends PeerAddress {
  readonly interface: string;
  readonly reason: Exclude<Verdict, 'candidate' | 'restore'>;
  readonly count: number;
  /** With `owned`: whose it is. */
  readonly owner?: string;
}

/** Why an address cannot be given to a peer. */
export interface Refusal {
  readonly code: 'away' | 'unknown-peer' | 'not-learned' | 'configured' | 'session' | 'failed';
  /** Whose it is. */
  readonly owner?: string;
}

/** What is known of the owner of an address that another peer was denied; nothing if it has none by now. */
export interface Standing {
  /** It may be there; it can send nothing now, so the address may be given away; or the address is not a learned one. */
  readonly state?: 'present' | 'silent' | 'configured';
  /** Seconds since it shook hands or used the address; absent if it has done neither since the interface was made. */
  readonly silent?: number;
}

export interface Delivery {
  readonly entry: Entry;
  readonly ifindex: number;
  readonly packet: Uint8Array;
}

/** To be done in this order: move, withdraw, add, deliver. The ledger already has it so. */
export interface Plan {
  readonly move: Move[];
  readonly remove: Removal[];
  readonly add: Addition[];
  readonly deliver: Delivery[];
  readonly denied: Denial[];
  /** Interfaces whose allowed IPs something else has changed: compare them with the ledger. */
  readonly wiped: Set<string>;
}

const EXPIRED: Departure = { event: 'expired' };
const EVICTED: Departure = { event: 'evicted' };
const RELEASED: Departure = { event: 'released' };

/** How long a peer may be missing, as while its configuration is replaced, before its addresses are free again. */
const PEER_GRACE = 60_000;

const MINUTE = 60_000;

export class Learner {
  /** Peers with entries that WireGuard did not have at the last comparison, since when. */
  readonly #missing = new Map<string, number>();
  readonly #sessions = new Sessions();

  readonly #ledger: Ledger;
  readonly #lastSeen: (entry: Entry) => number | undefined;

  /** `lastSeen` asks the kernel when an entry was last used; undefined if it does not know. */
  constructor(ledger: Ledger, lastSeen: (entry: Entry) => number | undefined) {
    this.#ledger = ledger;
    this.#lastSeen = lastSeen;
  }

  /**
   * `dump` tells what WireGuard has now, undefined if the interface is gone: since the kernel saw a packet,
   * configuration may have given its source to another peer. It is asked once, and only if something is to be added.
   */
  consider(
    sightings: readonly Sighting[],
    watched: ReadonlyMap<number, Watched>,
    dump: (on: Watched) => Device | undefined,
  ): Plan {
    const plan = emptyPlan();
    const adding = new Set<Entry>();
    const owners = new Map<Watched, Owners | undefined>();
    const ownersOn = (on: Watched) => {
      if (!owners.has(on)) {
        const device = dump(on);
        if (device) this.#sessions.note(on.name, device, sightings.at(-1)!.time);
        owners.set(on, device && new Owners(device, sightings.length));
      }
      return owners.get(on);
    };
    for (const sighting of sightings) {
      const on = watched.get(sighting.ifindex);
      if (on) this.#considerOne(plan, adding, sighting, on, () => ownersOn(on));
    }
    return withoutPassing(plan);
  }

  #considerOne(
    plan: Plan,
    adding: Set<Entry>,
    sighting: Sighting,
    on: Watched,
    owners: () => Owners | undefined,
  ): void {
    const { verdict, address, sender: peer } = sighting;
    if (verdict === 'owned' && on.settings.takeover && this.#takeOver(plan, sighting, on, owners)) return;
    if (verdict !== 'candidate' && verdict !== 'restore') {
      plan.denied.push(denialOf(on, sighting, verdict, sighting.owner));
      return;
    }
    const known = this.#ledger.get(on.name, address);
    const isAllowed = known?.peer === peer && (adding.has(known) || sighting.time <= known.confirmed);
    const isOthers = known !== undefined && known.peer !== peer;
    const owner = isAllowed ? peer : isOthers ? known.peer : owners()?.of(address);
    if (owner !== undefined && owner !== peer) {
      plan.denied.push(denialOf(on, sighting, 'owned', owner));
      if (known) plan.wiped.add(on.name);
      return;
    }
    const entry = isAllowed ? known : owners() && this.#allow(plan, known, sighting, on);
    if (!entry) return;
    if (!isAllowed) adding.add(entry);
    entry.lastSeen = Math.max(entry.lastSeen, sighting.time);
    if (sighting.packet) plan.deliver.push({ entry, ifindex: on.ifindex, packet: sighting.packet });
  }

  /**
   * Moves an address from a peer that has neither a session nor used it for as long as one lasts. It pushes nothing out, and
   * there are no more in a minute than the rate allows to learn: it costs no token. False: it stays where it is.
   */
  #takeOver(
    plan: Plan,
    { address, sender: peer, owner, time }: Sighting,
    on: Watched,
    owners: () => Owners | undefined,
  ): boolean {
    const known = this.#ledger.get(on.name, address);
    if (!known || known.peer !== owner || known.peer === peer) return false;
    this.refresh(known);
    if (time - known.lastSeen < SESSION || !inScope(on.scope, parseAddress(address)!)) return false;
    if (this.#surplus(on, peer, 1) > 0 || !this.#isWithinRate(on, peer, time)) return false;
    const present = owners(); // and sessions are known by now
    if (!present?.isLearnedOf(known) || this.#sessions.mayBe(on.name, known.peer, time)) return false;
    this.#move(plan, known, peer, time, 'taken');
    return true;
  }

  #isWithinRate({ name, settings: { rate, burst } }: Watched, peer: string, now: number): boolean {
    const recent = [...this.#ledger.ofPeer(name, peer)].filter(({ learned }) => learned > now - MINUTE);
    return rate === 0 || recent.length < rate + burst;
  }

  /** Another peer is to have a learned address, whoever has it. What is too much for that peer makes room. */
  give(on: Watched, entry: Entry, peer: string, now: number): Plan {
    const plan = emptyPlan();
    this.#makeRoom(plan, on, peer, 1);
    this.#move(plan, entry, peer, now, 'given');
    return plan;
  }

  #move(plan: Plan, from: Entry, peer: string, now: number, reason: Move['reason']): void {
    const key = this.#ledger.keyOf(from.interface, peer);
    const to = { ...from, peer: key, learned: now, lastSeen: now, confirmed: now };
    this.#ledger.put(to);
    plan.move.push({ from, to, reason });
  }

  /** Why an address cannot be given to a peer, if so; `device` is as it is now. */
  refusalOf(
    { name }: Watched,
    device: Device,
    address: string,
    peer: string,
    now: number,
  ): Refusal | undefined {
    this.#sessions.note(name, device, now);
    const entry = this.#ledger.get(name, address);
    const owners = new Owners(device);
    const owner = entry?.peer ?? owners.of(address);
    if (!device.peers.some(({ key }) => key === peer)) return { code: 'unknown-peer' };
    if (owner === undefined) return { code: 'not-learned' };
    if (owner === peer && entry) return undefined;
    if (!entry || !owners.isLearnedOf(entry)) return { code: 'configured', owner };
    return this.#sessions.mayBe(name, owner, now) ? { code: 'session', owner } : undefined;
  }

  /** `wall` is the time since 1970 in milliseconds; `owners` are those of now, if it is not just now that it was denied. */
  standingOf(
    { interface: name, address, owner }: Denial,
    now: number,
    wall: number,
    owners?: Pick<Owners, 'of' | 'isLearnedOf'>,
  ): Standing {
    if (owner === undefined) return {};
    const entry = this.#ledger.get(name, address);
    const learned = entry?.peer === owner ? entry : undefined;
    if (!learned && owners && owners.of(address) !== owner) return {};
    if (learned) this.refresh(learned);
    const handshake = this.#sessions.latest(name, owner);
    const silent = Math.min(
      handshake === undefined ? Number.POSITIVE_INFINITY : wall / 1_000 - handshake,
      learned ? (now - learned.lastSeen) / 1_000 : Number.POSITIVE_INFINITY,
    );
    const isPresent = this.#sessions.mayBe(name, owner, now);
    const isLearned = learned !== undefined && (owners?.isLearnedOf(learned) ?? true);
    return {
      state: isLearned ? (isPresent ? 'present' : 'silent') : 'configured',
      ...(silent < Number.POSITIVE_INFINITY && { silent: Math.max(0, Math.floor(silent)) }),
    };
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
    if (sighting.verdict === 'restore' || !inScope(on.scope, parseAddress(address)!)) return undefined;
    // What cost no token pushes nothing out: else one token would buy several changes.
    if (sighting.repeat && this.#surplus(on, peer, 1) > 0) return undefined;
    this.#makeRoom(plan, on, peer, 1);
    const key = this.#ledger.keyOf(on.name, peer);
    const entry = { interface: on.name, address, peer: key, learned: time, lastSeen: time, confirmed: time };
    this.#ledger.put(entry);
    plan.add.push({ entry, event: 'learned', seen: time, accepted: sighting.accepted === true });
    return entry;
  }

  /** Evicts the least recently used addresses of a peer until there is room for so many others. */
  #makeRoom(plan: Plan, on: Watched, peer: string, others: number): void {
    const surplus = this.#surplus(on, peer, others);
    if (surplus <= 0) return;
    const entries = [...this.#ledger.ofPeer(on.name, peer)];
    for (const entry of entries) this.refresh(entry);
    entries.sort((a, b) => a.lastSeen - b.lastSeen);
    for (const entry of entries.slice(0, surplus)) this.#remove(plan, entry, EVICTED);
  }

  /** By how many a peer would be over its number of addresses, had it so many others. */
  #surplus({ name, settings }: Watched, peer: string, others: number): number {
    return this.#ledger.ofPeer(name, peer).size + others - settings.maxAddresses;
  }

  /** Withdraws what peers have too much of. */
  limit(on: Watched): Plan {
    const plan = emptyPlan();
    const peers = new Set([...this.#ledger.entries(on.name)].map(({ peer }) => peer));
    for (const peer of peers) this.#makeRoom(plan, on, peer, 0);
    return plan;
  }

  /** Withdraws what was not used for its lifetime. */
  expire(now: number, watched: Iterable<Watched>): Plan {
    const plan = emptyPlan();
    for (const { name, settings } of watched) {
      const isDue = (entry: Entry) => entry.lastSeen + settings.lifetime <= now;
      for (const entry of [...this.#ledger.entries(name)].filter(isDue)) {
        this.refresh(entry);
        if (isDue(entry)) this.#remove(plan, entry, EXPIRED);
      }
    }
    return plan;
  }

  /**
   * Advertisements go to the link-local address that a peer used last, and no packet need ever come from there: it
   * counts as used whenever the peer shows itself by a handshake. `wall` is the time since 1970 in milliseconds.
   */
  noteHandshakes(name: string, device: Device, now: number, wall: number): void {
    this.#sessions.note(name, device, now);
    for (const { key, latestHandshake } of device.peers) {
      const entries = [...this.#ledger.ofPeer(name, key)].filter(({ address }) => isLinkLocal(address));
      if (entries.length > 1) for (const entry of entries) this.refresh(entry);
      const [last] = entries.sort((a, b) => b.lastSeen - a.lastSeen);
      const found = this.#sessions.found(name, key) ?? now;
      const age = Math.max(now - found, wall - 1_000 * latestHandshake); // the clock may have been set back
      if (last) last.lastSeen = Math.max(last.lastSeen, now - age);
    }
  }

  /** The earliest time at which something may expire; Infinity if nothing can. */
  nextExpiry(watched: Iterable<Watched>): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { name, settings } of watched) {
      for (const entry of this.#ledger.entries(name))
        next = Math.min(next, entry.lastSeen + settings.lifetime);
    }
    return next;
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
    const owners = new Owners(device);
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

  /** Of an interface that was not there: how long its peers have been missing counts from now. */
  welcome(name: string): void {
    for (const key of this.#missing.keys()) if (key.startsWith(`${name} `)) this.#missing.delete(key);
  }

  /** Withdraws what is no longer in an interface's scope. */
  rescope({ name, scope }: Watched): Plan {
    const outside = [...this.#ledger.entries(name)].filter(
      ({ address }) => !inScope(scope, parseAddress(address)!),
    );
    return this.forget(outside, 'scope');
  }

  forget(entries: Iterable<Entry>, reason: ForgetReason): Plan {
    const plan = emptyPlan();
    const departure = { event: 'forgotten', reason } as const;
    for (const entry of [...entries]) this.#remove(plan, entry, departure);
    return plan;
  }

  /** What is configured for its peer by now stays in force, but is no longer ours. */
  release(entries: Iterable<Entry>): Plan {
    const plan = emptyPlan();
    for (const entry of [...entries]) this.#remove(plan, entry, RELEASED);
    return plan;
  }

  /** Brings an entry's last-seen time up to date. */
  refresh(entry: Entry): void {
    entry.lastSeen = Math.max(entry.lastSeen, this.#lastSeen(entry) ?? 0);
  }

  #remove(plan: Plan, entry: Entry, departure: Departure): void {
    this.#ledger.delete(entry);
    plan.remove.push({ entry, departure });
  }
}

function denialOf(
  { name }: Watched,
  { address, sender: peer, count }: Sighting,
  reason: Denial['reason'],
  owner: string | undefined,
): Denial {
  return { interface: name, address, peer, reason, count, ...(owner !== undefined && { owner }) };
}

function emptyPlan(): Plan {
  return { move: [], remove: [], add: [], deliver: [], denied: [], wiped: new Set() };
}

/**
 * Leaves out what a plan would add and remove again, when a peer uses more at once than it may have. What was to be
 * restored is removed still, as the kernel remembers it.
 */
function withoutPassing(plan: Plan): Plan {
  if (plan.remove.length === 0) return plan;
  const removed = new Set(plan.remove.map(({ entry }) => entry));
  const isPassing = ({ entry }: { entry: Entry }) => removed.has(entry);
  const fresh = new Set(plan.add.filter(({ event }) => event === 'learned').map(({ entry }) => entry));
  return {
    ...plan,
    remove: plan.remove.filter(({ entry }) => !fresh.has(entry)),
    add: plan.add.filter((addition) => !isPassing(addition)),
    deliver: plan.deliver.filter((delivery) => !isPassing(delivery)),
  };
}

/** So many searches take as long as an index of all. */
const SEARCHES = 20;

/** Whose an address is, by the longest match among all peers' allowed IPs. */
export class Owners {
  /** The owners of single addresses; made when it pays. */
  #index: Map<string, string> | undefined;
  /** The wider ones: few, where peers are many. */
  readonly #prefixes: readonly { prefix: Prefix; owner: string }[];

  readonly #device: Device;
  #searches;

  /** `searches`: how many there are going to be, as far as that is known. */
  constructor(device: Device, searches = 0) {
    this.#device = device;
    this.#searches = searches;
    this.#prefixes = device.peers.flatMap(({ key: owner, prefixes }) =>
      prefixes.map((prefix) => ({ prefix, owner })),
    );
  }

  of(address: string): string | undefined {
    if (!this.#index && ++this.#searches >= SEARCHES) this.#index = this.#makeIndex();
    const owner = this.#index
      ? this.#index.get(address)
      : this.#device.peers.find(({ addresses }) => addresses.includes(address))?.key;
    if (owner !== undefined || this.#prefixes.length === 0) return owner;
    return this.#search(parseAddress(address)!);
  }

  /** Whether an address is its peer's, or nobody's for now, by itself: no allowed IP that is wider has anything to say on it. */
  isLearnedOf({ address, peer }: Entry): boolean {
    const owner = this.of(address);
    const isWide = this.#search(parseAddress(address)!) !== undefined;
    return (owner === undefined || owner === peer) && !isWide;
  }

  #makeIndex(): Map<string, string> {
    const index = new Map<string, string>();
    for (const { key, addresses } of this.#device.peers)
      for (const address of addresses) index.set(address, key);
    return index;
  }

  /** Among the prefixes that are wider than an address. */
  #search(address: AddressBytes): string | undefined {
    let longest = -1;
    let owner: string | undefined;
    for (const held of this.#prefixes) {
      if (held.prefix.length <= longest || !contains(held.prefix, address)) continue;
      longest = held.prefix.length;
      owner = held.owner;
    }
    return owner;
  }
}
