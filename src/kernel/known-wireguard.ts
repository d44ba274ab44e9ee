// SPDX-License-Identifier: GPL-2.0-only
// WireGuard as it is known: what it said last, with what we have changed since, for as long as nobody else has.
//
// Why nobody is robbed (law 1). To add an address takes it from whoever has it, and the kernel does not say from whom. But
// it tells of others' changes, before they begin and when they are done, and notes which of the addresses that we have on
// record others give to whom. So:
//
//  1. The caller puts the address on record, then asks for it to be added, on the strength of what it has been shown.
//  2. If another change has begun since that was read, it is read again; what has changed hands meanwhile is left out.
//  3. It is added. Generic netlink lets in one request at a time, so another change is over by now, or comes after it.
//  4. If one has begun since 2, its notes tell what it gave to others before we took it: they get it back. A wider prefix
//     of theirs needs no note, as ours does not take it away: it is read, and what it covers is withdrawn.
//  5. That is looked at again until no other change has begun. Then the event of the change leads to a comparison.
//
// Nothing else can change allowed IPs: they go with their peer, which only such a request removes, or with the interface.

import type { Clock } from '../clock.ts';
import type { AllowedIp, Device, Peer } from '../model.ts';
import { ownersOf } from '../owners.ts';
import type { Changes } from './changes.ts';
import type { WireGuard } from './ports.ts';
import type { GenetlinkWireGuard } from './wireguard.ts';

/** So often is it read again at most if others change it meanwhile. */
const ATTEMPTS = 3;

/** So many changes by others in the time that a request takes are more than there can be. */
const MOST_CHANGES = 20;

type MutablePeer = { -readonly [Key in keyof Peer]: Peer[Key] } & { addresses: string[] };

/** What is known of a device. */
class Known {
  readonly device: Device;
  /** How many changes by others it has for certain, and whether it has no more than those. */
  readonly since: number;
  readonly era: number;
  isSure: boolean;
  #peers: Map<string, MutablePeer> | undefined;

  constructor(device: Device, since: number, era: number, isSure: boolean) {
    this.device = device;
    this.since = since;
    this.era = era;
    this.isSure = isSure;
  }

  peer(key: string): MutablePeer | undefined {
    this.#peers ??= new Map(this.device.peers.map((peer) => [peer.key, peer as MutablePeer]));
    return this.#peers.get(key);
  }

  noteAdded(entries: readonly AllowedIp[]): void {
    const owners = ownersOf(this.device);
    for (const { peer: key, address, length = 128 } of entries) {
      const peer = this.peer(key);
      if (!peer) continue;
      if (length !== 128) {
        this.isSure = false;
        return;
      }
      const owner = owners.ofItself(address);
      if (owner === key) continue;
      if (owner !== undefined) without(this.peer(owner)!.addresses, address);
      peer.addresses.push(address);
      owners.note(address, peer.key);
    }
  }

  noteRemoved(entries: readonly AllowedIp[]): void {
    const owners = ownersOf(this.device);
    for (const { peer: key, address, length = 128 } of entries) {
      if (length !== 128) this.isSure = false;
      if (owners.ofItself(address) !== key) continue;
      without(this.peer(key)!.addresses, address);
      owners.note(address, undefined);
    }
  }
}

export class KnownWireGuard implements WireGuard {
  readonly #known = new Map<string, Known>();
  #changes: Changes | undefined;
  #missed = 0;

  readonly #kernel: GenetlinkWireGuard;
  readonly #clock: Pick<Clock, 'wall'>;

  constructor(kernel: GenetlinkWireGuard, clock: Pick<Clock, 'wall'>) {
    this.#kernel = kernel;
    this.#clock = clock;
  }

  get missed(): number {
    return this.#missed;
  }

  /** What tells of others' changes from now on. */
  follow(changes: Changes | undefined): void {
    this.#changes = changes;
    this.#known.clear();
  }

  dump(name: string, isFresh = false): Device | undefined {
    const known = this.#known.get(name);
    return !isFresh && known && this.#isCurrent(known) ? known.device : this.#read(name)?.device;
  }

  add(name: string, entries: readonly AllowedIp[]): void {
    const seen = this.#known.get(name);
    const known = this.#latest(name);
    const due = seen && known && seen !== known ? withoutOthers(entries, seen.device, known.device) : entries;
    this.#change(name, known, due, () => this.#kernel.add(name, due));
    known?.noteAdded(due);
    if (known && this.#giveBack(name, known, due)) this.#withdrawCovered(name, due, (seen ?? known).device);
  }

  remove(name: string, entries: readonly AllowedIp[]): void {
    const known = this.#latest(name);
    this.#change(name, known, entries, () => this.#kernel.remove(name, entries, known?.device));
    known?.noteRemoved(entries);
    if (known) this.#giveBack(name, known, entries);
  }

  /** A peer has a new session. */
  noteHandshake(ifindex: number, key: string): void {
    for (const known of this.#known.values()) {
      const peer = known.device.ifindex === ifindex ? known.peer(key) : undefined;
      if (peer) peer.latestHandshake = Math.floor(this.#clock.wall() / 1_000);
    }
  }

  close(): void {
    this.#kernel.close();
  }

  #isCurrent({ since, era, isSure }: Known): boolean {
    const now = this.#changes?.read();
    return isSure && now?.begun === since && now.era === era;
  }

  /** Undefined if nothing tells of changes, or there is no such device. */
  #latest(name: string): Known | undefined {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const known = this.#known.get(name);
      if (known && this.#isCurrent(known)) return known;
      if (!this.#changes?.read() || !this.#read(name)) return undefined;
    }
    return this.#known.get(name);
  }

  #read(name: string): Pick<Known, 'device'> | undefined {
    const before = this.#changes?.read();
    const device = this.#kernel.dump(name);
    const after = this.#changes?.read();
    const last = this.#known.get(name);
    this.#known.delete(name);
    if (!device || !before || !after) return device && { device };
    this.#identify();
    const isSure = before.begun === before.done && after.begun === before.begun;
    const known = new Known(device, before.done, before.era, isSure);
    const isSame = last?.since === known.since && last.era === known.era;
    if (isSure && last?.isSure && isSame && differs(last.device, device)) this.#missed++;
    if (isSure && !isSame) this.#changes?.dropClaims(known.since);
    this.#known.set(name, known);
    return known;
  }

  /** After an error it is not known what is in force, and how much of it was another's. */
  #change(name: string, known: Known | undefined, entries: readonly AllowedIp[], act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#known.delete(name);
      if (known) this.#giveBack(name, known, entries);
      throw error;
    }
  }

  /** A socket that had to be opened anew has another port. */
  #identify(): void {
    if (this.#kernel.port !== undefined) this.#changes?.except(this.#kernel.port);
  }

  /** What others have given to peers since that was known, and we have taken from them; whether others have changed anything. */
  #giveBack(name: string, known: Known, entries: readonly AllowedIp[]): boolean {
    let begun = known.isSure ? known.since : undefined;
    this.#identify();
    for (let attempt = 0; attempt < MOST_CHANGES; attempt++) {
      const now = this.#changes?.read()?.begun;
      if (now === undefined || now === begun) break;
      begun = now;
      const ours = new Set(entries.map(({ address }) => address));
      const taken = this.#changes!.claimsSince(known.since).filter(
        ({ ifindex, address }) => ifindex === known.device.ifindex && ours.has(address),
      );
      if (taken.length > 0) this.#kernel.add(name, taken);
    }
    if (known.isSure && begun === known.since) return false;
    known.isSure = false;
    return true;
  }

  /** What is in a wider prefix of another peer that was not there when the caller looked. */
  #withdrawCovered(name: string, entries: readonly AllowedIp[], seen: Device): void {
    const device = this.#read(name)?.device;
    if (!device) return;
    const [before, now] = [ownersOf(seen), ownersOf(device)];
    const covered = entries.filter(({ address, peer }) => {
      const owner = now.ofRange(address);
      return owner !== undefined && owner !== peer && owner !== before.ofRange(address);
    });
    if (covered.length > 0) this.remove(name, covered);
  }
}

/** Without what has become another peer's between two looks. */
function withoutOthers(entries: readonly AllowedIp[], before: Device, now: Device): readonly AllowedIp[] {
  return entries.filter(({ address, peer }) => {
    const owner = ownersOf(now).of(address);
    return owner === undefined || owner === peer || owner === ownersOf(before).of(address);
  });
}

/** Whether their peers or allowed IPs differ. */
function differs(one: Device, other: Device): boolean {
  if (one.ifindex !== other.ifindex) return false; // that is told otherwise
  if (one.peers.length !== other.peers.length) return true;
  const peers = new Map(one.peers.map((peer) => [peer.key, peer]));
  return other.peers.some(({ key, addresses, prefixes }) => {
    const peer = peers.get(key);
    if (peer?.addresses.length !== addresses.length || peer.prefixes.length !== prefixes.length) return true;
    const known = new Set(peer.addresses);
    return !addresses.every((address) => known.has(address));
  });
}

function without(addresses: string[], address: string): void {
  addresses.splice(addresses.indexOf(address), 1);
}
