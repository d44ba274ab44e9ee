// SPDX-License-Identifier: GPL-2.0-only

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contains, type Prefix, parseAddress, parsePrefix } from '../../src/address.ts';
import { formatAddress, formatPrefix } from '../../src/address-text.ts';
import type { KnownPrefixes } from '../../src/kernel/bpf-sightings.ts';
import { type KernelSide, Lending, strangers } from '../../src/kernel/lending/lending.ts';
import { type Learned, withOffered } from '../../src/kernel/lending/offers.ts';
import {
  type AllowedIp,
  type Device,
  type Limits,
  type Loan,
  type Peer,
  type Scope,
  SESSION,
  type Sighting,
  type Verdict,
} from '../../src/model.ts';
import { routerSolicitation } from '../../src/packets/solicitation.ts';
import { parseAllowedIps } from './allowed-ips.ts';
import { alice, bob, carol, nameOf, prefixes } from './bench.ts';
import { FakeClock } from './fake-clock.ts';

const limits: Limits = { rate: 5, burst: 16 };

const scope = (learn: readonly string[] = ['2001:db8:1::/64'], reserved: readonly string[] = []): Scope => ({
  learn: prefixes(...learn, 'fe80::/64'),
  reserved: prefixes('ff00::/8', '2001:db8:1::/128', '2001:db8:1::1/128', 'fe80::1/128', ...reserved),
});

/** What is lent of that. */
const halves = ['2001:db8:1::/65', '2001:db8:1:0:8000::/65', 'fe80::/65', 'fe80::8000:0:0:0/65'];
const whole = [...halves, 'ff02::/127'];

interface FakePeer {
  endpoint: string | undefined;
  rxBytes: number;
  latestHandshake: number;
}

/** One WireGuard interface, its socket filters and their maps; and the engine, as far as it matters here. */
class World implements KernelSide {
  readonly clock = new FakeClock();
  name = 'wg1';
  ifindex = 7;
  readonly peers = new Map<string, FakePeer>();
  /** Whose each allowed IP is: never two peers'. */
  readonly allowed = new Map<string, string>();
  /** What the administrator has given to a peer, as far as nobody has taken it. */
  readonly configuration = new Map<string, string>();
  readonly records = new Map<string, { name: string; peer: string }>();
  readonly tokens = new Map<string, number>();
  /** Calls in order. */
  log: string[] = [];
  seen: Sighting[] = [];
  rechecks = 0;
  /** What must never happen, and did. */
  readonly outrages: string[] = [];
  attributed: string | undefined;
  scope: Scope | undefined;
  configured: readonly Prefix[] = [];
  offered: readonly Prefix[] = [];
  /** Their peers. */
  readonly learnedAddresses = new Map<string, string>();
  /** When they were last used, other than at the very beginning. */
  readonly used = new Map<string, number>();
  limits: Limits = limits;
  /** Whether the engine lets who uses what is offered have it. */
  takesOver = true;
  lending = this.newLending();
  /** After so many allowed IPs, adding fails, once. */
  failAdd: number | undefined;
  failRemove = false;
  failAsk = false;
  #refusals = 0;
  readonly #bytes = new Map<string, number>([[strangers, 0]]);
  #lastTraffic: ReadonlyMap<string, number> = new Map();
  #watched = new Set<string>();
  /** Accepted, but not yet through the socket filter. */
  #inFlight: { peer: string; address: string }[] = [];
  #queue: Sighting[] = [];

  newLending(former?: string): Lending {
    return new Lending({ name: this.name, ifindex: this.ifindex }, this, former);
  }

  // What happens in the world

  addPeer(peer: string, ...allowedIps: string[]): void {
    const latestHandshake = this.clock.wall() / 1_000 - this.peers.size;
    this.peers.set(peer, { endpoint: `${nameOf(peer)}'s`, rxBytes: 0, latestHandshake });
    for (const text of allowedIps) this.configurePrefix(peer, text);
  }

  removePeer(peer: string): void {
    this.peers.delete(peer);
    for (const table of [this.allowed, this.configuration])
      for (const [text, owner] of table) if (owner === peer) table.delete(text);
  }

  configurePrefix(peer: string, text: string): void {
    this.allowed.set(text, peer);
    this.configuration.set(text, peer);
  }

  /** `wg syncconf` with what is configured. */
  wipe(): void {
    this.allowed.clear();
    for (const [text, peer] of this.configuration) this.allowed.set(text, peer);
  }

  /** A packet from a peer, of which the socket filter sees when it `isSlow` what is accepted somewhat later. */
  packet(peer: string, address: string, { size = 128, isSlow = false } = {}): boolean {
    const sender = this.peers.get(peer)!;
    const second = Math.floor(this.clock.wall() / 1_000);
    if (second - sender.latestHandshake >= 120) sender.latestHandshake = second; // it has to have a session
    const text = sender.endpoint && this.#watched.has(sender.endpoint) ? sender.endpoint : strangers;
    this.#bytes.set(text, (this.#bytes.get(text) ?? 0) + size);
    if (this.#ownerOf(address) !== peer) {
      this.#refusals++;
      return false;
    }
    sender.rxBytes += size;
    if (isSlow) this.#inFlight.push({ peer, address });
    else this.#filter(peer, address);
    return true;
  }

  #ownerOf(address: string): string | undefined {
    const bytes = parseAddress(address)!;
    let best: { length: number; owner: string } | undefined;
    for (const [text, owner] of this.allowed) {
      const prefix = parsePrefix(text)!;
      if (contains(prefix, bytes) && prefix.length >= (best?.length ?? 0))
        best = { length: prefix.length, owner };
    }
    return best?.owner;
  }

  /** bpf/lending.h */
  #filter(peer: string, address: string): void {
    const owner = this.learnedAddresses.get(address);
    if (owner !== undefined && !this.offered.some(({ bytes }) => formatAddress(bytes) === address)) {
      // What a removed peer had is nobody's in WireGuard.
      if (owner !== peer && this.peers.has(owner))
        this.outrages.push(`${address} of ${nameOf(owner)} used by ${nameOf(peer)}`);
      this.used.set(address, this.clock.now());
      return;
    }
    if (this.attributed === undefined) return;
    if (owner !== undefined) {
      if (this.attributed !== peer) this.outrages.push(`${address} attributed to ${nameOf(this.attributed)}`);
      this.sight('owned', address, this.attributed, owner);
      return;
    }
    const longest = (all: readonly Prefix[]) =>
      Math.max(
        -1,
        ...all.filter((prefix) => contains(prefix, parseAddress(address)!)).map(({ length }) => length),
      );
    const [configured, reserved, learn] = [this.configured, this.scope!.reserved, this.scope!.learn].map(
      longest,
    ) as [number, number, number];
    if (configured >= Math.max(reserved, learn)) return;
    // Told since it was configured, if at all: see() finds out.
    const isConfigured = [...this.configuration.keys()].some((text) =>
      contains(parsePrefix(text)!, parseAddress(address)!),
    );
    if (this.attributed !== peer && !isConfigured)
      this.outrages.push(`${address} of ${nameOf(peer)} attributed to ${nameOf(this.attributed)}`);
    this.sight(reserved >= learn ? 'reserved' : 'candidate', address, this.attributed);
  }

  sight(verdict: Verdict, address: string, sender: string, owner?: string): void {
    const { ifindex } = this;
    const sighting = { time: this.clock.now(), ifindex, verdict, count: 1, address, sender };
    this.#queue.push(owner === undefined ? sighting : { ...sighting, owner });
  }

  // The lender's part

  configure(scopeNow = scope()): void {
    this.lending.configure({ name: this.name, ifindex: this.ifindex }, this.limits, scopeNow);
  }

  /** Whether it was worth finding out about. */
  look(): boolean {
    const before = this.#lastTraffic;
    const now = new Map(this.#bytes);
    this.#lastTraffic = now;
    const isWorth = this.lending.look(before, now);
    if (isWorth) this.lending.investigate(now);
    return isWorth;
  }

  flush(): void {
    const batch = this.#queue.splice(0);
    if (batch.length > 0) this.lending.see(batch);
  }

  /** A packet, and all that comes of it at once. */
  sends(peer: string, address: string): boolean {
    const isAccepted = this.packet(peer, address);
    this.look();
    this.flush();
    return isAccepted;
  }

  // What a test wants to know

  get borrower(): string | undefined {
    return this.lending.loan && nameOf(this.lending.loan.peer);
  }

  /** What is neither configured nor learned, by peer. */
  lent(): Record<string, string[]> {
    const lent: Record<string, string[]> = {};
    for (const [text, peer] of this.allowed) {
      const isLearned = this.learnedAddresses.get(text.replace('/128', '')) === peer;
      if (this.configuration.get(text) === peer || isLearned) continue;
      lent[nameOf(peer)] = [...(lent[nameOf(peer)] ?? []), text];
    }
    return lent;
  }

  onRecord(): Record<string, string> {
    return Object.fromEntries([...this.records].map(([text, { peer }]) => [text, nameOf(peer)]));
  }

  takeLog(): string[] {
    return this.log.splice(0);
  }

  sighted(): string[] {
    return this.seen
      .splice(0)
      .map(
        ({ verdict, address, sender, accepted }) =>
          `${verdict} ${address} ${nameOf(sender)}${accepted ? ' accepted' : ''}`,
      );
  }

  // KernelSide

  readonly observer = {
    see: (sightings: Sighting[]) => {
      this.seen.push(...sightings);
      for (const { verdict, address, sender } of sightings) {
        const isWelcome = verdict === 'candidate' || (verdict === 'owned' && this.takesOver);
        if (!isWelcome || !this.peers.has(sender)) continue;
        this.learnedAddresses.set(address, sender);
        this.allowed.set(`${address}/128`, sender);
      }
    },
    shakeHands: () => {},
    recheck: () => {
      this.rechecks++;
      for (const [address, peer] of this.learnedAddresses) {
        if (this.peers.has(peer)) this.allowed.set(`${address}/128`, peer);
      }
      this.configure(this.scope);
    },
  };

  readonly wireguard = {
    dump: (name: string): Device | undefined => {
      if (name !== this.name) return undefined;
      const peers = [...this.peers].map(
        ([key, { endpoint, rxBytes, latestHandshake }]): Peer => ({
          key,
          rxBytes,
          latestHandshake,
          ...(endpoint !== undefined && { endpoint: { address: new Uint8Array(16), port: 1 } }),
          ...parseAllowedIps([...this.allowed].filter(([, owner]) => owner === key).map(([text]) => text)),
        }),
      );
      return { ifindex: this.ifindex, listenPort: 51820, peers };
    },
    add: (name: string, entries: readonly AllowedIp[]) => {
      if (name !== this.name) throw new Error('ENODEV');
      this.log.push(`add ${nameOf(entries[0]!.peer)}`);
      const isLoan = entries.some(({ length = 128 }) => length < 128);
      if (isLoan && this.attributed !== undefined) this.outrages.push('a loan moved while it is attributed');
      for (const entry of entries) {
        if (this.failAdd !== undefined && this.failAdd-- === 0) {
          this.failAdd = undefined;
          throw new Error('ENOMEM: add');
        }
        this.#addOne(entry);
      }
    },
    remove: (name: string, entries: readonly AllowedIp[]) => {
      if (name !== this.name) throw new Error('ENODEV');
      if (this.failRemove) throw new Error('ENOMEM: remove');
      this.log.push(`remove ${nameOf(entries[0]!.peer)} ${entries.length}`);
      for (const { peer, address, length = 128 } of entries) {
        const text = `${address}/${length}`;
        if (this.allowed.get(text) !== peer) continue;
        if (this.configuration.get(text) === peer)
          this.outrages.push(`${text} is configured, and was removed`);
        this.allowed.delete(text);
      }
    },
    close: () => {},
  };

  #addOne({ peer, address, length = 128 }: AllowedIp): void {
    const text = `${address}/${length}`;
    for (const [other] of this.configuration) {
      const prefix = parsePrefix(other)!;
      if (prefix.length <= length && contains(prefix, parseAddress(address)!))
        this.outrages.push(`${text} lent, although ${other} is configured`);
    }
    if (this.records.get(text)?.peer !== peer && this.learnedAddresses.get(address) !== peer)
      this.outrages.push(`${text} lent without a record`);
    if (this.peers.has(peer)) this.allowed.set(text, peer); // UPDATE_ONLY
  }

  after(milliseconds: number, callback: () => void): () => void {
    return this.clock.after(milliseconds, callback);
  }

  refused(): number {
    return this.#refusals;
  }

  put(_: Limits, scope: Scope, { configured = [], offered = [] }: KnownPrefixes): void {
    for (const { bytes } of offered) {
      const owner = this.allowed.get(`${formatAddress(bytes)}/128`);
      if (this.offered.length === 0 && owner === undefined)
        this.outrages.push('what the borrower uses passes for used by its peer');
    }
    this.scope = scope;
    this.configured = configured;
    this.offered = offered;
  }

  attribute(peer: string | undefined): void {
    this.log.push(`attribute ${peer === undefined ? 'nobody' : nameOf(peer)}`);
    this.attributed = peer;
  }

  record({ name }: { name: string }, { peer, allowedIps }: Loan): void {
    this.log.push(`record ${nameOf(peer)}`);
    for (const prefix of allowedIps) this.records.set(formatPrefix(prefix), { name, peer });
  }

  strike(_: { name: string }, { peer, allowedIps }: Loan): void {
    this.log.push(`strike ${nameOf(peer)} ${allowedIps.length}`);
    for (const prefix of allowedIps) this.records.delete(formatPrefix(prefix));
  }

  settle(): void {
    this.log.push('settle');
    for (const { peer, address } of this.#inFlight.splice(0)) this.#filter(peer, address);
  }

  ask(from?: Uint8Array): void {
    this.log.push(from ? `ask from ${formatAddress(from)}` : 'ask');
  }

  learned(): Map<string, Learned> {
    return new Map(
      [...this.learnedAddresses].map(([address, peer]) => [
        address,
        { peer, lastSeen: this.used.get(address) ?? 0 },
      ]),
    );
  }

  nextToken(peer: string): number {
    return this.tokens.get(peer) ?? 0;
  }

  watchEndpoints(device: Device): Map<string, string> {
    const texts = new Map(
      device.peers.flatMap(({ key, endpoint }) =>
        endpoint ? [[key, this.peers.get(key)!.endpoint!] as const] : [],
      ),
    );
    this.#watched = new Set(texts.values());
    for (const text of this.#watched) if (!this.#bytes.has(text)) this.#bytes.set(text, 0);
    for (const text of this.#bytes.keys())
      if (text !== strangers && !this.#watched.has(text)) this.#bytes.delete(text);
    return texts;
  }

  traffic(): ReadonlyMap<string, number> {
    return new Map(this.#bytes);
  }
}

let world: World;

beforeEach(() => {
  world = new World();
  world.addPeer(alice);
  world.addPeer(bob);
  world.configure();
  world.look();
  world.takeLog();
});

afterEach(() => expect(world.outrages).toEqual([]));

describe('a loan', () => {
  it('is nobody’s as long as nothing is refused', () => {
    world.configurePrefix(alice, '2001:db8:9::/64');
    world.configure();
    expect(world.sends(alice, '2001:db8:9::5')).toBe(true);
    expect(world.borrower).toBeUndefined();
    expect(world.lent()).toEqual({});
    expect(world.clock.pending()).toEqual([]);
  });

  it('goes to who sent what was refused, so that it is accepted and seen the next time', () => {
    expect(world.sends(bob, '2001:db8:1::5')).toBe(false);
    expect(world.lent()).toEqual({ bob: whole });
    expect(world.sends(bob, '2001:db8:1::5')).toBe(true);
    expect(world.sighted()).toEqual(['candidate 2001:db8:1::5 bob accepted']);
  });

  it('makes up for the solicitation that a link-local address has lost, and for nothing else', () => {
    for (const address of ['fe80::5', '2001:db8:1::5']) {
      world.sends(bob, address);
      world.sends(bob, address);
    }
    const packets = world.seen.map(({ packet }) => packet);
    expect(packets).toEqual([routerSolicitation(parseAddress('fe80::5')!), undefined]);
  });

  it('is on record before it is made, and attributed only when all of before is settled', () => {
    world.sends(bob, '2001:db8:1::5');
    expect(world.takeLog()).toEqual([
      'attribute nobody',
      'record bob',
      'add bob',
      'settle',
      'attribute bob',
      'ask',
      'ask from 2001:db8:1::1',
    ]);
    expect(world.onRecord()).toEqual(Object.fromEntries(whole.map((text) => [text, 'bob'])));
  });

  it('that moves is nobody’s meanwhile, and what remains of it is not given back first', () => {
    world.sends(bob, '2001:db8:1::5');
    world.sends(bob, '2001:db8:1::5');
    world.takeLog();
    world.sends(alice, '2001:db8:1::6');
    expect(world.takeLog().slice(0, 5)).toEqual([
      'attribute nobody',
      'record alice',
      'add alice',
      'settle',
      'attribute alice',
    ]);
    expect(world.lent()).toEqual({ alice: whole });
    expect(world.onRecord()).toEqual(Object.fromEntries(whole.map((text) => [text, 'alice'])));
  });

  it('that moves does not make what was on its way from one borrower another’s', () => {
    world.sends(bob, '2001:db8:1::5');
    world.sends(bob, '2001:db8:1::5');
    world.packet(bob, '2001:db8:1::7', { isSlow: true });
    world.sends(alice, '2001:db8:1::6');
    expect(world.borrower).toBe('alice');
    expect(world.sighted()).toEqual(['candidate 2001:db8:1::5 bob accepted']);
  });

  it('is withdrawn at the end', () => {
    world.sends(bob, '2001:db8:1::5');
    world.takeLog();
    world.lending.end();
    expect(world.takeLog()).toEqual(['attribute nobody', 'remove bob 5', 'strike bob 5']);
    expect(world.lent()).toEqual({});
    expect(world.onRecord()).toEqual({});
    expect(world.lending.loan).toBeUndefined();
  });

  it('leaves no timer behind at the end', () => {
    world.sends(bob, '2001:db8:1::5');
    world.sends(alice, '2001:db8:1::6');
    expect(world.clock.pending()).not.toEqual([]);
    world.lending.end();
    expect(world.clock.pending()).toEqual([]);
  });

  it('is not taken from another interface of that name, but struck', () => {
    world.sends(bob, '2001:db8:1::5');
    world.ifindex = 8;
    world.takeLog();
    world.lending.end();
    expect(world.takeLog()).toEqual(['attribute nobody', 'strike bob 5']);
  });

  it('is not made where the interface is another by now', () => {
    world.packet(bob, '2001:db8:1::5');
    world.ifindex = 8;
    world.look();
    expect(world.borrower).toBeUndefined();
    expect(world.takeLog()).toEqual([]);
  });

  it('goes to nobody who may register no more addresses, until it may', () => {
    world.tokens.set(bob, world.clock.now() + 12_000);
    world.sends(bob, '2001:db8:1::5');
    expect(world.borrower).toBeUndefined();
    world.clock.advance(12_000);
    world.sends(bob, '2001:db8:1::5');
    expect(world.borrower).toBe('bob');
  });

  it('is none if all nodes’ address is all that could be lent', () => {
    world.configurePrefix(alice, '2001:db8:1::/64');
    world.configurePrefix(alice, 'fe80::/64');
    world.sends(bob, '2001:db8:1::5');
    expect(world.borrower).toBeUndefined();
    expect(world.lent()).toEqual({});
    expect(world.onRecord()).toEqual({});
  });

  it('does not ask where all nodes’ address is a peer’s', () => {
    world.configurePrefix(alice, 'ff02::/16');
    world.sends(bob, '2001:db8:1::5');
    expect(world.lent()).toEqual({ bob: halves });
    expect(world.takeLog().filter((entry) => entry.startsWith('ask'))).toEqual([]);
  });
});

describe('the next suspect', () => {
  it('gets the loan at once if it was useful', () => {
    world.sends(bob, '2001:db8:1::5');
    world.sends(bob, '2001:db8:1::5');
    world.sends(alice, '2001:db8:1::6');
    expect(world.borrower).toBe('alice');
    expect(world.sends(alice, '2001:db8:1::6')).toBe(true);
    expect(world.sends(bob, '2001:db8:1::5')).toBe(true);
  });

  it('gets it when what came before another suspect was useful', () => {
    world.sends(bob, '2001:db8:1::5');
    world.sends(alice, '2001:db8:1::6');
    expect(world.borrower).toBe('bob');
    world.sends(bob, '2001:db8:1::5');
    expect(world.borrower).toBe('alice');
  });

  it('gets it after the other’s trial', () => {
    world.sends(bob, '2001:db8:1::5');
    world.clock.advance(300);
    world.sends(alice, '2001:db8:1::6');
    world.clock.advance(999);
    expect(world.borrower).toBe('bob');
    world.clock.advance(1);
    expect(world.borrower).toBe('alice');
  });

  it('gets it after the trial of each that was before it', () => {
    world.addPeer(carol);
    world.configure();
    world.look();
    for (const peer of [carol, bob, alice]) {
      world.sends(peer, '2001:db8:1::5');
      world.clock.advance(1);
    }
    const borrowers = [world.borrower];
    for (let i = 0; i < 3; i++) {
      world.clock.advance(1_300);
      borrowers.push(world.borrower);
    }
    expect(borrowers).toEqual(['carol', 'bob', 'alice', 'alice']);
  });

  it('gets it at once if the borrower goes on offending', () => {
    world.sends(bob, '2001:db8:9::5');
    world.clock.advance(300);
    world.sends(bob, '2001:db8:9::5'); // may have been on its way
    world.clock.advance(300);
    world.sends(bob, '2001:db8:9::5');
    expect(world.borrower).toBe('bob');
    world.sends(alice, '2001:db8:1::6');
    expect(world.borrower).toBe('alice');
  });

  it('does not get it if it is gone by then, and the borrower keeps nothing unknown', () => {
    world.sends(bob, '2001:db8:1::5');
    world.sends(alice, '2001:db8:1::6');
    world.removePeer(alice);
    world.sends(bob, '2001:db8:1::5');
    expect(world.borrower).not.toBe('alice');
    world.sends(bob, '2001:db8:1::7');
    expect(world.outrages.splice(0)).toEqual([]);
    world.lending.end();
    expect(world.lent()).toEqual({});
  });

  it('does not get it sooner for what the borrower may have sent before it had the loan', () => {
    world.sends(bob, '2001:db8:1::5');
    world.sends(bob, '2001:db8:9::5');
    world.sends(alice, '2001:db8:1::6');
    expect(world.borrower).toBe('bob');
    world.clock.advance(1_300);
    expect(world.borrower).toBe('alice');
  });

  it('does not get it back while it waits for another', () => {
    world.sends(bob, '2001:db8:9::5');
    world.sends(bob, '2001:db8:9::5');
    world.sends(bob, '2001:db8:9::5');
    world.sends(alice, '2001:db8:1::6');
    expect(world.borrower).toBe('alice');
    world.sends(alice, '2001:db8:1::6');
    expect(world.sends(bob, '2001:db8:9::5')).toBe(false);
    expect(world.borrower).toBe('alice');
    world.clock.advance(4_000);
    world.sends(bob, '2001:db8:9::5');
    expect(world.borrower).toBe('bob');
  });
});

describe('the borrower', () => {
  beforeEach(() => void world.sends(bob, '2001:db8:1::5'));

  it('keeps the loan although it offends, if nobody else needs it', () => {
    world.takeLog();
    for (let i = 0; i < 5; i++) {
      world.sends(bob, '2001:db8:9::5');
      world.clock.advance(10_000);
    }
    expect(world.borrower).toBe('bob');
    expect(world.takeLog()).toEqual([]);
    expect(world.sends(bob, '2001:db8:1::5')).toBe(true);
  });

  it('loses it when it is over its rate, and gets none until it has a token', () => {
    world.tokens.set(bob, world.clock.now() + 5_000);
    world.sight('rate', '2001:db8:1::7', bob);
    world.flush();
    expect(world.sighted()).toEqual(['rate 2001:db8:1::7 bob']);
    expect(world.lent()).toEqual({});
    expect(world.attributed).toBeUndefined();
    world.clock.advance(4_999);
    world.packet(bob, '2001:db8:1::7');
    expect(world.look()).toBe(false);
    expect(world.borrower).toBeUndefined();
    world.clock.advance(1);
    world.sends(bob, '2001:db8:1::7');
    expect(world.borrower).toBe('bob');
  });

  describe.each([
    ['that is over its rate', 'rate'],
    ['that has to wait for another loan', 'reserved'],
  ] as const)('%s', (_, verdict) => {
    const wiped = '2001:db8:1::9';
    /** Whether its next packet brings it back. */
    const isRestored = () => {
      world.learnedAddresses.set(wiped, bob);
      world.packet(bob, wiped);
      world.rechecks = 0;
      expect(world.look()).toBe(false);
      expect(world.allowed.get(`${wiped}/128`) === bob).toBe(world.rechecks === 1);
      return world.rechecks === 1;
    };

    beforeEach(() => {
      if (verdict === 'rate') world.tokens.set(bob, world.clock.now() + 60_000);
      world.sight(verdict, '2001:db8:1::1', bob);
      world.flush();
    });

    it('has what was wiped restored at its next packet all the same', () => {
      world.configurePrefix(bob, '2001:db8:1::a/128');
      world.sends(bob, '2001:db8:1::a');
      expect(isRestored()).toBe(true);
    });

    it('has it restored within 3 s if it goes on being refused', () => {
      world.sends(bob, '2001:db8:9::5');
      world.clock.advance(2_999);
      expect(isRestored()).toBe(false);
      world.clock.advance(1);
      expect(isRestored()).toBe(true);
    });
  });

  it('loses it for a second at least', () => {
    world.sight('rate', '2001:db8:1::7', bob);
    world.flush();
    world.clock.advance(999);
    world.sends(bob, '2001:db8:1::7');
    expect(world.borrower).toBeUndefined();
    world.clock.advance(1);
    world.sends(bob, '2001:db8:1::7');
    expect(world.borrower).toBe('bob');
  });

  it('loses it when it uses a reserved address, for longer than if it had not helped', () => {
    expect(world.sends(bob, '2001:db8:1::1')).toBe(true);
    expect(world.sighted()).toEqual(['reserved 2001:db8:1::1 bob']);
    expect(world.lent()).toEqual({});
    world.clock.advance(3_999);
    world.sends(bob, '2001:db8:1::1');
    expect(world.borrower).toBeUndefined();
    world.clock.advance(1);
    world.sends(bob, '2001:db8:1::1');
    expect(world.borrower).toBe('bob');
  });

  it('does not lose it for what another did with it before', () => {
    world.sends(bob, '2001:db8:1::5');
    world.sends(alice, '2001:db8:1::6');
    world.sends(alice, '2001:db8:1::6');
    expect(world.borrower).toBe('alice');
    world.sight('reserved', '2001:db8:1::1', bob);
    world.flush();
    expect(world.borrower).toBe('alice');
  });

  it('makes room for another suspect when it breaks a law', () => {
    world.sends(alice, '2001:db8:1::6');
    expect(world.borrower).toBe('bob');
    world.sends(bob, '2001:db8:1::1');
    expect(world.borrower).toBe('alice');
  });

  it('that is removed is not to keep the loan from others', () => {
    world.removePeer(bob);
    for (let i = 0; i < 3; i++) {
      world.sends(alice, '2001:db8:1::6');
      world.clock.advance(1_500);
    }
    expect(world.borrower).toBe('alice');
  });
});

describe('what is configured', () => {
  it('is what is neither learned nor lent', () => {
    world.configurePrefix(alice, '2001:db8:1::a/128');
    world.configurePrefix(alice, '2001:db8:2::/64');
    world.sends(bob, '2001:db8:1::5');
    world.sends(bob, '2001:db8:1::5');
    world.configure();
    expect(world.configured.map(formatPrefix)).toEqual(['2001:db8:1::a/128', '2001:db8:2::/64']);
  });

  it('may be an address that is another peer’s in the records', () => {
    world.learnedAddresses.set('2001:db8:1::a', bob);
    world.configurePrefix(alice, '2001:db8:1::a/128');
    world.configure();
    expect(world.configured.map(formatPrefix)).toEqual(['2001:db8:1::a/128']);
  });

  it('and appears later, is no longer lent', () => {
    world.sends(bob, '2001:db8:1::5');
    world.configurePrefix(alice, '2001:db8:1::/64');
    world.takeLog();
    world.configure();
    expect(world.lent()).toEqual({ bob: whole.slice(2) });
    expect(world.onRecord()).toEqual(Object.fromEntries(whole.slice(2).map((text) => [text, 'bob'])));
    expect(world.takeLog().slice(0, 5)).toEqual([
      'attribute nobody',
      'remove bob 2',
      'strike bob 2',
      'record bob',
      'add bob',
    ]);
    expect(world.packet(alice, '2001:db8:1::77')).toBe(true);
    expect(world.attributed).toBe(bob);
  });

  it('and appears within what is lent is given back as soon as its peer uses it', () => {
    world.sends(bob, '2001:db8:1::5');
    world.configurePrefix(alice, '2001:db8:1::/64');
    expect(world.sends(alice, '2001:db8:1::77')).toBe(false);
    expect(Object.values(world.lent()).flat().sort()).toEqual(whole.slice(2).sort());
    expect(world.sends(alice, '2001:db8:1::77')).toBe(true);
    expect(world.sighted()).toEqual([]);
  });

  it('and disappears, can be lent', () => {
    world.configurePrefix(alice, '2001:db8:1::/64');
    world.configure();
    world.sends(bob, 'fe80::5');
    expect(world.lent()).toEqual({ bob: whole.slice(2) });
    world.removePeer(alice);
    world.configure();
    expect(world.lent().bob!.sort()).toEqual([...whole].sort());
  });

  it('and was one half of what is lent, is left to its peer', () => {
    world.sends(bob, '2001:db8:1::5');
    world.configurePrefix(alice, halves[0]!);
    world.sends(bob, '2001:db8:9::6');
    expect(world.lent()).toEqual({ bob: whole.slice(1) });
    expect(world.allowed.get(halves[0]!)).toBe(alice);
    world.lending.end();
    expect(world.allowed.get(halves[0]!)).toBe(alice);
    expect(world.onRecord()).toEqual({});
  });

  it('is nothing to learn, though the filter did not know it yet', () => {
    world.sends(bob, '2001:db8:1::5');
    world.configurePrefix(alice, '2001:db8:1:0:5::/80');
    expect(world.packet(alice, '2001:db8:1:0:5::1')).toBe(true);
    world.packet(bob, '2001:db8:1::5');
    world.flush();
    expect(world.sighted()).toEqual(['candidate 2001:db8:1::5 bob accepted']);
  });

  it('is not changed when the scope changes what is lent', () => {
    world.sends(bob, '2001:db8:1::5');
    world.configure(scope(['2001:db8:2::/64']));
    expect(world.lent()).toEqual({
      bob: [...whole.slice(2), '2001:db8:2::/65', '2001:db8:2:0:8000::/65'],
    });
    expect(Object.keys(world.onRecord()).sort()).toEqual(
      [...whole.slice(2), '2001:db8:2::/65', '2001:db8:2:0:8000::/65'].sort(),
    );
    expect(world.attributed).toBe(bob);
    world.lending.end();
    expect(world.lent()).toEqual({});
  });
});

describe('when something has wiped', () => {
  beforeEach(() => {
    world.sends(bob, '2001:db8:1::5');
    world.sends(bob, '2001:db8:1::5');
    world.rechecks = 0;
    world.takeLog();
  });

  it('the loan, everything is looked at again, and then lent to the same peer', () => {
    world.wipe();
    expect(world.sends(bob, '2001:db8:1::5')).toBe(false);
    expect(world.rechecks).toBe(1);
    expect(world.lent()).toEqual({ bob: whole });
    expect(world.onRecord()).toEqual(Object.fromEntries(whole.map((text) => [text, 'bob'])));
    expect(world.sends(bob, '2001:db8:1::5')).toBe(true);
    expect(world.sends(bob, '2001:db8:1::6')).toBe(true);
  });

  it('the loan, what was seen before is told, and what was wiped is there again', () => {
    world.packet(bob, '2001:db8:1::6');
    world.wipe();
    world.flush();
    expect(world.rechecks).toBe(1);
    expect(world.sighted()).toContain('candidate 2001:db8:1::6 bob accepted');
    expect(world.lent()).toEqual({ bob: whole });
    expect(world.sends(bob, '2001:db8:1::5')).toBe(true);
  });

  it('an address, nobody is blamed for using it', () => {
    world.sends(alice, '2001:db8:1::6');
    expect(world.borrower).toBe('alice');
    world.allowed.delete('2001:db8:1::5/128');
    expect(world.sends(bob, '2001:db8:1::5')).toBe(false);
    expect(world.rechecks).toBe(1);
    expect(world.borrower).toBe('alice');
    expect(world.sends(bob, '2001:db8:1::5')).toBe(true);
    world.sends(alice, '2001:db8:9::5');
    world.clock.advance(5_000);
    expect(world.borrower).toBe('alice');
  });

  it('an address of a peer that is gone, that is no wipe', () => {
    world.learnedAddresses.set('2001:db8:1::9', carol);
    world.sends(alice, '2001:db8:1::6');
    expect(world.rechecks).toBe(0);
    expect(world.borrower).toBe('alice');
  });
});

describe('who had a loan from an earlier process', () => {
  const restart = (former: string) => {
    world.lending = world.newLending(former);
  };

  it('gets it back at once, but only once', () => {
    restart(bob);
    world.configure();
    expect(world.lent()).toEqual({ bob: whole });
    expect(world.sends(bob, '2001:db8:1::5')).toBe(true);
    expect(world.sighted()).toEqual(['candidate 2001:db8:1::5 bob accepted']);
    world.lending.end();
    world.configure();
    expect(world.borrower).toBeUndefined();
  });

  it('makes room for others at once', () => {
    restart(bob);
    world.configure();
    world.look();
    world.sends(alice, '2001:db8:1::6');
    expect(world.borrower).toBe('alice');
  });

  it('gets it as soon as the interface is there', () => {
    restart(bob);
    world.ifindex = 8;
    world.lending.configure({ name: 'wg1', ifindex: 7 }, limits, scope());
    world.ifindex = 7;
    world.lending.configure({ name: 'wg1', ifindex: 7 }, limits, scope());
    expect(world.borrower).toBe('bob');
  });

  it('and is gone, does not keep it from others', () => {
    restart(carol);
    world.configure();
    world.look();
    for (let i = 0; i < 3; i++) {
      world.sends(alice, '2001:db8:1::6');
      world.clock.advance(1_500);
    }
    expect(world.borrower).toBe('alice');
  });
});

describe('renaming an interface', () => {
  it('renames it on record', () => {
    world.sends(bob, '2001:db8:1::5');
    world.name = 'wg9';
    world.configure();
    expect([...world.records.values()].map(({ name }) => name)).toEqual(whole.map(() => 'wg9'));
    world.lending.end();
    expect(world.lent()).toEqual({});
  });
});

describe('what fails', () => {
  it('when lending is withdrawn, struck and passed on', () => {
    world.failAdd = 2;
    world.packet(bob, '2001:db8:1::5');
    expect(() => world.look()).toThrow('ENOMEM: add');
    expect(world.lent()).toEqual({});
    expect(world.onRecord()).toEqual({});
    expect(world.attributed).toBeUndefined();
    expect(world.lending.loan).toBeUndefined();
  });

  it('does not keep it from being lent the next time', () => {
    world.failAdd = 0;
    world.packet(bob, '2001:db8:1::5');
    expect(() => world.look()).toThrow('ENOMEM: add');
    world.sends(bob, '2001:db8:1::5');
    expect(world.lent()).toEqual({ bob: whole });
  });

  it.each([0, 2])('when a loan moves leaves none of it with either (after %s)', (count) => {
    world.sends(bob, '2001:db8:1::5');
    world.sends(bob, '2001:db8:1::5');
    world.failAdd = count;
    world.packet(alice, '2001:db8:1::6');
    expect(() => world.look()).toThrow('ENOMEM: add');
    expect(world.attributed).toBeUndefined();
    expect(world.lent()).toEqual({});
    expect(world.onRecord()).toEqual({});
  });

  it('when withdrawing stays on record, unattributed', () => {
    world.sends(bob, '2001:db8:1::5');
    world.failRemove = true;
    expect(() => world.lending.end()).toThrow('ENOMEM: remove');
    expect(world.attributed).toBeUndefined();
    expect(world.onRecord()).toEqual(Object.fromEntries(whole.map((text) => [text, 'bob'])));
  });

  it('when withdrawing for a broken law does not leave for good a loan of which nothing is seen', () => {
    world.sends(bob, '2001:db8:1::5');
    world.failRemove = true;
    world.packet(bob, '2001:db8:1::1');
    expect(() => world.flush()).toThrow('ENOMEM: remove');
    world.failRemove = false;
    for (let i = 0; i < 3; i++) {
      world.clock.advance(20_000);
      world.configure();
      world.sends(bob, '2001:db8:9::5');
    }
    // Either withdrawn, or seen again.
    expect([world.lent(), world.attributed]).not.toEqual([{ bob: whole }, undefined]);
  });
});

describe('a peer that goes on offending', () => {
  const offend = (times: number) => {
    for (let i = 0; i < times; i++) {
      world.sends(bob, '2001:db8:9::5');
      world.clock.advance(70_000);
    }
  };

  it('is told of, once', () => {
    offend(3);
    expect(world.lending.problems()).toEqual([]);
    expect(world.rechecks).toBe(0);
    offend(3);
    expect(world.lending.problems()).toEqual([{ code: 'refused-peer', data: { device: 'wg1', peer: bob } }]);
    expect(world.rechecks).toBe(1);
  });

  it('is no longer told of when its loan was of use', () => {
    offend(6);
    world.sends(bob, '2001:db8:1::5');
    world.sends(alice, '2001:db8:1::6');
    expect(world.lending.problems()).toEqual([]);
    expect(world.rechecks).toBe(2);
  });
});

describe('a peer without a session', () => {
  /** Alice's device has got another key: it is Bob now, and comes from where Alice came from. */
  const replaceKey = () => {
    world.peers.get(alice)!.latestHandshake -= 200;
    world.peers.get(bob)!.endpoint = world.peers.get(alice)!.endpoint;
    world.lending = world.newLending();
    world.configure();
  };

  it('is not accused of what another one sends from the same endpoint, nor lent anything', () => {
    replaceKey();
    for (let i = 0; i < 10; i++) {
      world.sends(bob, '2001:db8:9::5');
      expect(world.borrower).not.toBe('alice');
      world.clock.advance(70_000);
    }
    expect(world.lending.problems().map(({ data }) => data)).toEqual([{ device: 'wg1', peer: bob }]);
    world.sends(bob, '2001:db8:1::5');
    world.sends(bob, '2001:db8:1::5');
    expect(world.borrower).toBe('bob');
  });

  it('is no longer told of', () => {
    for (let i = 0; i < 6; i++) {
      world.sends(bob, '2001:db8:9::5');
      world.clock.advance(70_000);
    }
    expect(world.lending.problems()).toHaveLength(1);
    world.clock.advance(200_000);
    expect(world.lending.problems()).toEqual([]);
  });

  it.each([-1, 1])('is not known by a clock that is set, be it by years: %i', (direction) => {
    world.sends(alice, '2001:db8:1::6');
    world.clock.set = direction * 1e11;
    world.sends(bob, '2001:db8:1::5');
    world.clock.advance(2_000);
    world.sends(bob, '2001:db8:1::5');
    expect(world.borrower).toBe('bob');
  });
});

describe('where peers may take over addresses', () => {
  const five = '2001:db8:1::5';

  /** Alice has an address, of which nothing has been heard for long; bob uses it, and has all that can be lent. */
  function wanted({ silence = SESSION, takeover = true } = {}): void {
    if (!world.learnedAddresses.has(five)) for (let n = 0; n < 2; n++) world.sends(alice, five);
    world.clock.advance(silence);
    world.limits = { ...limits, takeover };
    world.configure();
    world.look();
    world.sends(bob, five);
    world.sends(bob, five); // it may have been sent before the loan
    world.takeLog();
    world.rechecks = 0;
    world.seen = [];
  }

  const owner = () => nameOf(world.allowed.get(`${five}/128`) ?? 'nobody');
  /** Whose it is for the engine. */
  const apparent = () => {
    const device = withOffered(world.wireguard.dump('wg1')!, world.lending.offered);
    return device.peers.filter(({ addresses }) => addresses.includes(five)).map(({ key }) => nameOf(key));
  };

  it('a silent peer’s is not in WireGuard for a trial of who is refused even with the loan, who gets it by using it', () => {
    wanted();
    expect(world.sends(bob, five)).toBe(false);
    expect(world.takeLog()).toEqual([
      'attribute nobody',
      'remove alice 1',
      'settle',
      'attribute bob',
      'ask',
      'ask from 2001:db8:1::1',
    ]);
    expect([owner(), apparent()]).toEqual(['nobody', ['alice']]);
    expect(world.sends(bob, five)).toBe(true);
    expect(world.seen).toMatchObject([{ verdict: 'owned', owner: alice, sender: bob, accepted: true }]);
    expect([owner(), apparent()]).toEqual(['bob', ['bob']]);
    world.clock.advance(1_300);
    expect([owner(), world.lending.offered]).toEqual(['bob', []]);
    expect(world.lending.problems()).toEqual([]);
    expect(world.rechecks).toBe(0);
    expect(world.clock.pending()).toEqual([]);
  });

  it('it is there again when nobody has used it in that time, and nobody was told that it was wiped', () => {
    wanted();
    world.sends(bob, five);
    world.look();
    world.clock.advance(1_299);
    expect(owner()).toBe('nobody');
    world.clock.advance(1);
    expect([owner(), apparent(), world.rechecks]).toEqual(['alice', ['alice'], 0]);
    expect(world.used.has(five)).toBe(false);
    expect(world.offered).toEqual([]);
    expect(world.clock.pending()).toEqual([]);
  });

  it.each([
    ['that is not wanted', { takeover: false }],
    ['it was used less than 3 minutes ago', { silence: SESSION - 1_000 }],
  ])('it stays where it is if %s', (_, how) => {
    wanted(how);
    for (let n = 0; n < 3; n++) world.sends(bob, five);
    expect([owner(), world.lending.offered]).toEqual(['alice', []]);
  });

  it('it stays where it is if its peer may have a session, or anything wider has a say', () => {
    wanted();
    world.peers.get(alice)!.latestHandshake = world.clock.wall() / 1_000 - 179;
    world.sends(bob, five);
    world.peers.get(alice)!.latestHandshake = 0;
    world.configurePrefix(alice, '2001:db8:1::/96');
    world.clock.advance(SESSION);
    for (let n = 0; n < 3; n++) world.sends(bob, five);
    expect([owner(), world.lending.offered]).toEqual(['alice', []]);
  });

  it('it is offered as soon as its peer is silent, though nothing was refused since that shook hands', () => {
    world.sends(alice, five);
    world.sends(alice, five);
    world.clock.advance(10 * SESSION);
    world.peers.get(alice)!.latestHandshake = world.clock.wall() / 1_000;
    world.configure(); // as the engine has it every 25 s
    world.clock.advance(SESSION);
    wanted({ silence: 0 });
    world.sends(bob, five);
    expect(owner()).toBe('nobody');
  });

  it('its peer that comes back has it again after the trial at the latest', () => {
    wanted();
    world.sends(bob, five);
    expect(world.sends(alice, five)).toBe(false);
    world.clock.advance(1_300);
    expect(world.sends(alice, five)).toBe(true);
    expect(owner()).toBe('alice');
  });

  it('it is there again when nothing is lent any more, and when something has wiped all', () => {
    wanted();
    world.sends(bob, five);
    world.wipe();
    world.packet(bob, five);
    world.look();
    expect([owner(), world.lending.offered]).toEqual(['alice', []]);
    world.clock.advance(SESSION);
    world.sends(bob, five);
    world.sends(bob, five);
    expect(owner()).toBe('nobody');
    world.lending.end();
    expect(owner()).toBe('alice');
    expect(world.clock.pending()).toEqual([]);
  });

  it('it is not put back if it was forgotten, or configured for somebody else meanwhile', () => {
    wanted();
    world.sends(bob, five);
    world.learnedAddresses.delete(five);
    world.clock.advance(1_300);
    expect(owner()).toBe('nobody');
    wanted();
    world.sends(bob, five);
    world.addPeer(carol, `${five}/128`);
    world.clock.advance(1_300);
    expect(owner()).toBe('carol');
  });

  it('who uses it and may not have it is no better off than before', () => {
    world.takesOver = false;
    wanted();
    world.sends(bob, five);
    world.sends(bob, five);
    expect(world.borrower).toBeUndefined();
    expect(owner()).toBe('alice');
    world.sends(bob, five);
    expect(world.borrower).toBeUndefined();
  });
});

describe('a look', () => {
  it('finds nothing where nothing was refused, however much came', () => {
    world.configurePrefix(alice, '2001:db8:9::/64');
    world.configure();
    world.packet(alice, '2001:db8:9::5');
    expect(world.look()).toBe(false);
  });

  it('finds nothing where nothing came', () => {
    expect(world.look()).toBe(false);
  });

  it('does not care for what a peer sends that waits for another loan', () => {
    world.sends(bob, '2001:db8:9::5');
    world.sends(bob, '2001:db8:9::5');
    world.sends(bob, '2001:db8:9::5');
    expect(world.sends(bob, '2001:db8:9::5')).toBe(false);
    world.packet(bob, '2001:db8:9::5');
    expect(world.look()).toBe(false);
    world.packet(alice, '2001:db8:1::6');
    expect(world.look()).toBe(true);
    expect(world.borrower).toBe('alice');
  });

  it('that finds nobody to blame leads to who has a session', () => {
    world.packet(alice, '2001:db8:9::5');
    world.configure();
    world.peers.get(alice)!.latestHandshake -= 200;
    world.lending = world.newLending();
    world.configure();
    world.addPeer(carol);
    world.packet(carol, '2001:db8:1::5');
    world.removePeer(carol);
    world.look();
    expect(world.borrower).toBe('bob');
    world.clock.advance(1_300);
    expect(world.borrower).toBe('bob');
  });

  it('cares for what comes from no known endpoint', () => {
    world.peers.get(bob)!.endpoint = 'elsewhere';
    world.packet(bob, '2001:db8:1::5');
    expect(world.look()).toBe(true);
    expect(world.borrower).toBe('bob');
  });
});

describe('whatever happens', () => {
  const peers = [alice, bob, carol];
  const peer = fc.constantFrom(...peers);
  const addresses = ['2001:db8:1::5', '2001:db8:1::6', '2001:db8:1:0:8000::7', 'fe80::5'];
  const address = fc.constantFrom(...addresses, '2001:db8:9::5', '2001:db8:1::1');
  const wide = ['2001:db8:1::/64', '2001:db8::/32', 'fe80::/65', 'ff02::/16'];
  const prefix = fc.constantFrom(...wide, '2001:db8:1:0:8000::/68', '2001:db8:1::6/128');
  const name = fc.constantFrom('wg1', 'wg2');
  const learn = fc.constantFrom(
    ['2001:db8:1::/64'],
    ['2001:db8:1::/63', '2001:db8:1::/65'],
    ['2001:db8:9::/64'],
  );

  type Step =
    | { readonly act: 'send' | 'slow'; readonly peer: string; readonly address: string }
    | { readonly act: 'wait'; readonly time: number }
    | { readonly act: 'give'; readonly peer: string; readonly prefix: string }
    | { readonly act: 'wipe' | 'recheck' }
    | { readonly act: 'rename'; readonly name: string }
    | { readonly act: 'scope'; readonly learn: readonly string[] }
    | { readonly act: 'leave' | 'join'; readonly peer: string }
    | { readonly act: 'failAdd'; readonly count: number }
    | { readonly act: 'failRemove'; readonly fails: boolean };

  const packets: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ act: fc.constant('send' as const), peer, address }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant('slow' as const), peer, address }) },
    { weight: 2, arbitrary: fc.record({ act: fc.constant('wait' as const), time: fc.nat(5_000) }) },
  );
  const changes: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ act: fc.constant('give' as const), peer, prefix }),
    fc.record({ act: fc.constantFrom('wipe' as const, 'recheck' as const) }),
    fc.record({ act: fc.constant('rename' as const), name }),
    fc.record({ act: fc.constant('scope' as const), learn }),
  );
  const departures: fc.Arbitrary<Step> = fc.record({ act: fc.constantFrom('leave', 'join'), peer });
  const failAdd: fc.Arbitrary<Step> = fc.record({ act: fc.constant('failAdd'), count: fc.nat(6) });
  const failRemove: fc.Arbitrary<Step> = fc.record({ act: fc.constant('failRemove'), fails: fc.boolean() });

  const learnedIn = (prefix: Prefix) =>
    [...world.learnedAddresses.keys()].some((address) => contains(prefix, parseAddress(address)!));
  // Nothing tells a loan from the same prefix that is configured meanwhile for the same peer, nor an address that is
  // learned from one that is configured.
  const isOnLoan = (peer: string, text: string) =>
    world.lending.loan?.peer === peer && world.lending.loan.allowedIps.map(formatPrefix).includes(text);
  const mayGive = (peer: string, text: string) =>
    world.peers.has(peer) && !learnedIn(parsePrefix(text)!) && !isOnLoan(peer, text);

  function take(step: Step): void {
    if (step.act === 'send' && world.peers.has(step.peer)) world.sends(step.peer, step.address);
    if (step.act === 'slow' && world.peers.has(step.peer))
      world.packet(step.peer, step.address, { isSlow: true });
    if (step.act === 'wait') world.clock.advance(step.time);
    if (step.act === 'give' && mayGive(step.peer, step.prefix)) world.configurePrefix(step.peer, step.prefix);
    if (step.act === 'wipe') world.wipe();
    if (step.act === 'rename') world.name = step.name;
    if (step.act === 'leave') world.removePeer(step.peer);
    if (step.act === 'join' && !world.peers.has(step.peer)) {
      world.addPeer(step.peer);
      world.observer.recheck(); // which gives it back what it had learned
    }
    if (step.act === 'failAdd') world.failAdd = step.count;
    if (step.act === 'failRemove') world.failRemove = step.fails;
    if (step.act === 'scope') world.configure(scope(step.learn));
    else if (step.act !== 'send' && step.act !== 'slow') world.configure(world.scope);
  }

  function begin(): void {
    world = new World();
    for (const each of peers) world.addPeer(each);
    world.configure();
  }

  function check(): void {
    expect(world.outrages).toEqual([]);
    for (const [text, owner] of world.configuration) expect(world.allowed.get(text)).toBe(owner);
    // Two have parts of it only if one could neither be given the rest nor be rid of its own: then nothing is seen of it.
    if (!world.failRemove || world.attributed) expect(Object.keys(world.lent()).length).toBeLessThan(2);
    expect(Object.keys(world.onRecord())).toEqual(expect.arrayContaining(Object.values(world.lent()).flat()));
  }

  function conclude(): void {
    expect(world.attributed).toBeUndefined();
    expect(world.lent()).toEqual({});
    expect(world.onRecord()).toEqual({});
  }

  const law = 'nothing configured is lent or lost, no address taken for another’s, and nothing left behind';
  const oftenPackets = (...others: fc.Arbitrary<Step>[]) =>
    fc.array(fc.oneof({ weight: 3 * others.length, arbitrary: packets }, ...others), { maxLength: 40 });

  function hold(steps: readonly Step[]): void {
    begin();
    for (const step of steps) {
      take(step);
      check();
    }
    world.lending.end();
    conclude();
  }

  it('with takeover, what is learned is its peer’s or offered, and offered is only what is a silent peer’s', () => {
    const silence: fc.Arbitrary<Step> = fc.record({ act: fc.constant('wait'), time: fc.constant(SESSION) });
    const fate = fc.record({ takesOver: fc.boolean(), steps: oftenPackets(silence, departures) });
    const holdAll = ({ takesOver, steps }: { takesOver: boolean; steps: readonly Step[] }) => {
      begin();
      world.takesOver = takesOver;
      world.limits = { ...limits, takeover: true };
      world.configure();
      for (const step of steps) {
        const before = new Map(world.lending.offered.map(({ address, peer }) => [address, peer]));
        take(step);
        check();
        const offered = new Map(world.lending.offered.map(({ address, peer }) => [address, peer]));
        for (const [address, peer] of offered) {
          const { latestHandshake } = world.peers.get(peer) ?? { latestHandshake: 0 };
          const isNew = !before.has(address);
          if (isNew) expect(world.clock.wall() / 1_000 - latestHandshake).toBeGreaterThanOrEqual(180);
        }
        for (const [address, peer] of world.learnedAddresses) {
          if (!world.peers.has(peer)) continue;
          const owner = world.allowed.get(`${address}/128`);
          if (offered.get(address) !== peer) expect(owner).toBe(peer);
        }
      }
      world.lending.end();
      conclude();
      expect(world.lending.offered).toEqual([]);
      for (const [address, peer] of world.learnedAddresses)
        if (world.peers.has(peer)) expect(world.allowed.get(`${address}/128`)).toBe(peer);
    };
    fc.assert(fc.property(fate, holdAll));
  });

  it(law, () => fc.assert(fc.property(oftenPackets(changes), hold)));

  it(`${law}, although peers come and go`, () => {
    const send = (peer: string): Step => ({ act: 'send', peer, address: '2001:db8:1::5' });
    const example: Step[] = [send(carol), send(alice), { act: 'leave', peer: alice }, send(carol)];
    fc.assert(fc.property(oftenPackets(changes, departures), hold), { examples: [[example]] });
  });

  function holdIfCallsFail(steps: readonly Step[]): void {
    const attempt = (act: () => void) => {
      try {
        act();
      } catch (error) {
        if (!(error as Error).message.startsWith('ENOMEM')) throw error;
      }
    };
    begin();
    for (const step of steps) {
      attempt(() => take(step));
      check();
    }
    attempt(() => world.lending.end());
    check();
    world.failRemove = false;
    world.lending.end();
    conclude();
  }

  it.each([
    ['adding', failAdd],
    ['removing', failRemove],
  ])(`${law}, even if %s fails`, (_, failures) => {
    fc.assert(fc.property(oftenPackets(changes, failures), holdIfCallsFail));
  });

  it(`${law}, even if adding and removing fail`, () => {
    const send = (peer: string): Step => ({ act: 'send', peer, address: '2001:db8:1::5' });
    const example: Step[] = [
      ...[send(alice), { act: 'wait', time: 1_300 } as const],
      ...[{ act: 'failRemove', fails: true } as const, { act: 'failAdd', count: 0 } as const, send(bob)],
    ];
    fc.assert(fc.property(oftenPackets(changes, failAdd, failRemove), holdIfCallsFail), {
      examples: [[example]],
    });
  });
});
