// SPDX-License-Identifier: GPL-2.0-only
// The laws, after anything that may happen to an engine, in any order. RUNS=10000 in the environment makes it a long
// search; SEED repeats one.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { contains, parseAddress, prefixOf } from '../../src/address.ts';
import { formatAddress } from '../../src/address-text.ts';
import type { EngineConfig } from '../../src/engine/config.ts';
import type { EngineEvent } from '../../src/engine/events.ts';
import type { Link } from '../../src/model.ts';
import { linkLocal } from '../../src/scope.ts';
import type { InterfaceSettings } from '../../src/settings.ts';
import { alice, Bench, bob, carol, config, nameOf, on, prefixes } from './bench.ts';
import { type Added, Killed } from './fake-kernel.ts';
import { FakeStateFile } from './fake-state-file.ts';

const devices = ['wg1', 'wg2'] as const;
type DeviceName = (typeof devices)[number];

/** Used by anybody: free, link-local, owned by a /128 or a wider prefix, reserved, of another prefix, of none. */
const addresses = [
  '2001:db8:1::5',
  '2001:db8:1::6',
  '2001:db8:1::7',
  'fe80::5',
  'fe80::6',
  '2001:db8:1::b',
  '2001:db8:1:0:c::9',
  '2001:db8:1::1',
  '2001:db8:1::',
  '2001:db8:2::5',
  '2001:db8:2::6',
  '2001:db8:3::5',
  'ff02::1',
  '::ffff:192.0.2.1',
];

/**
 * What else Carol's allowed IPs may become. Never what she may have learned: nobody could tell the one from the other
 * then, so she does not use such an address.
 */
const carols = [[], ['2001:db8:1::5/128'], ['2001:db8:1:0:c::/80'], ['2001:db8:1::/64', '2001:db8:1::6/128']];
const isCarols = (address: string) => carols.flat().includes(`${address}/128`);

const linkAddresses = [['2001:db8:1::1/64'], ['2001:db8:2::1/64', '2001:db8:1::1/64'], ['fe80::5/64'], []];
const otherAddresses = [[], ['2001:db8:1::6/128', '2001:db8:2::5/64']];

type Step =
  | { do: 'packet'; device: DeviceName; sender: string; address: string }
  | { do: 'pass'; time: number }
  | { do: 'configure'; device: DeviceName; settings: Partial<InterfaceSettings> | null }
  | { do: 'hook'; hook: EngineConfig['hook'] }
  | { do: 'forget'; device: DeviceName; address: string }
  | { do: 'give'; device: DeviceName; address: string; peer: string }
  | { do: 'setconf' | 'delete' | 'recreate' | 'flushAddresses'; device: DeviceName }
  | { do: 'peer'; device: DeviceName; peer: string; isThere: boolean }
  | { do: 'carol'; device: DeviceName; allowedIps: readonly string[] }
  | { do: 'addresses'; device: DeviceName | 'br-lan'; addresses: readonly string[] }
  | { do: 'killAfter'; calls: number }
  | { do: 'reboot'; isClean: boolean }
  | { do: 'fail'; call: 'add' | 'remove' | 'remember'; after: number }
  | { do: 'see' | 'announce' | 'restart' | 'kill' | 'heal' | 'settle' };

/** Some more often than others, so that things meet. */
const device = fc.constantFrom<DeviceName[]>('wg1', 'wg1', 'wg1', 'wg2');
const sender = fc.constantFrom(alice, alice, alice, bob, bob, carol);
const address = fc.oneof(fc.constantFrom(...addresses.slice(0, 3)), fc.constantFrom(...addresses));
const plain = <const Name extends Extract<Step, { device: DeviceName }>['do']>(name: Name) =>
  fc.record({ do: fc.constant(name), device });

const packet = fc
  .record({
    do: fc.constant('packet' as const),
    device,
    sender,
    address,
  })
  .filter(({ sender, address }) => sender !== carol || !isCarols(address));

const settings = fc.record<Partial<InterfaceSettings>>({
  rate: fc.constantFrom(0, 1, 60),
  burst: fc.constantFrom(1, 2, 16),
  maxAddresses: fc.constantFrom(1, 2, 32),
  lifetime: fc.constantFrom(1_000, 20_000, 86_400_000),
  prefixes: fc.constantFrom([], [], prefixes('2001:db8:2::/64')),
  takeover: fc.boolean(),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: packet },
  { weight: 15, arbitrary: fc.constantFrom<Step>({ do: 'see' }, { do: 'announce' }) },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      time: fc.constantFrom(1, 400, 1_500, 12_000, 31_000, 61_000, 181_000),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('configure' as const),
      device,
      settings: fc.option(settings, { freq: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('hook' as const),
      hook: fc.constantFrom('auto', 'fexit', 'kprobe'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('forget' as const),
      device,
      address,
    }),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({ do: fc.constant('give' as const), device, address, peer: sender })
      .filter(({ peer, address }) => peer !== carol || !isCarols(address)),
  },
  {
    weight: 6,
    arbitrary: fc.oneof(plain('setconf'), plain('delete'), plain('recreate'), plain('flushAddresses')),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('peer' as const),
      device,
      peer: sender,
      isThere: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('carol' as const),
      device,
      allowedIps: fc.constantFrom(...carols),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.oneof(
      fc.record({
        do: fc.constant('addresses' as const),
        device,
        addresses: fc.constantFrom(...linkAddresses),
      }),
      fc.record({
        do: fc.constant('addresses' as const),
        device: fc.constant('br-lan' as const),
        addresses: fc.constantFrom(...otherAddresses),
      }),
    ),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('killAfter' as const), calls: fc.nat(12) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reboot' as const), isClean: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('fail' as const),
      call: fc.constantFrom('add', 'remove', 'remember'),
      after: fc.nat(3),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.constantFrom<Step>({ do: 'restart' }, { do: 'kill' }, { do: 'heal' }, { do: 'settle' }),
  },
);

/** New addresses by peer, and how many there may be: `before` and what a full budget has given since. */
interface Spending {
  before: number;
  since: number;
  readonly addresses: Map<string, Set<string>>;
}

class World {
  readonly #bench = new Bench();
  readonly #kernel = this.#bench.kernel;
  readonly #clock = this.#bench.clock;
  readonly #enabled = new Map<DeviceName, Partial<InterfaceSettings>>(devices.map((name) => [name, {}]));
  #hook: EngineConfig['hook'] = 'auto';
  /** Allowed IPs by configuration, of the peers that are there. */
  readonly #configured = new Map<DeviceName, Record<string, readonly string[]>>();
  readonly #addresses = new Map<string, readonly string[]>([['br-lan', []]]);
  readonly #everAdded = new Set<string>();
  readonly #lastUse = new Map<string, number>();
  /** When each peer last shook hands on a device, by the monotonic clock. */
  readonly #shaken = new Map<string, number>();
  /** What somebody asked for. */
  #gift: string | undefined;
  readonly #spending = new Map<DeviceName, Spending>();
  /** Whether a failure that was injected may have left something undone for now. */
  #hasFailed = false;
  readonly #firstListed = new Map<number, number>();
  /** What a follower that heard of everything since the process began has: peers by interface and address. */
  readonly #replica = new Map<string, string>();
  #checkedAdded = 0;
  #checkedRemoved = 0;

  /** Whether the hook is yet to tell of what was changed. */
  #isUntold = false;

  /** `tells`: the hook tells of changes. */
  constructor(tells: boolean) {
    this.#kernel.tells = tells;
    this.#bench.stateFile = new FakeStateFile();
    this.#kernel.addLink('br-lan', { kind: 'bridge' });
    for (const name of devices) {
      this.#addresses.set(name, linkAddresses[0]!);
      this.#configured.set(name, { [alice]: ['2001:db8:a::/64'], [bob]: ['2001:db8:1::b/128'], [carol]: [] });
      this.#addLink(name);
    }
    this.#start();
  }

  take(step: Step): void {
    if (step.do !== 'packet') this.#let(() => this.#tell());
    this.#let(() => this.#act(step));
  }

  #let(act: () => unknown): void {
    this.#gift = undefined;
    survive(act);
    if (!this.#kernel.isAlive) {
      this.#bench.takeEvents(); // nobody heard its last words
      this.#start();
    }
    this.#check();
  }

  #act(step: Step): unknown {
    const bench = this.#bench;
    const kernel = this.#kernel;
    const clock = this.#clock;
    switch (step.do) {
      case 'packet':
        if (!this.#exists(step.device)) return;
        this.#shakeHands(step.device, step.sender);
        if (kernel.receive(step.device, step.sender, step.address))
          this.#lastUse.set(`${step.device} ${step.address} ${step.sender}`, clock.now());
        return;
      case 'see':
        return kernel.flush();
      case 'pass':
        return clock.advance(step.time);
      case 'configure':
        this.#renewBudgets(step.device);
        this.#enabled.delete(step.device);
        if (step.settings) this.#enabled.set(step.device, step.settings);
        return bench.engine.configure(this.#config());
      case 'hook':
        if (step.hook !== this.#hook) this.#spending.clear();
        this.#hook = step.hook;
        for (const name of devices) this.#spent(name);
        return bench.engine.configure(this.#config());
      case 'forget':
        bench.engine.forget(step.device, step.address);
        return;
      case 'give':
        this.#gift = `${step.device} ${step.address} ${step.peer}`;
        bench.engine.give(step.device, step.address, step.peer);
        return;
      case 'flushAddresses':
        bench.engine.flush(step.device);
        return;
      case 'setconf':
        return this.#setPeers(step.device);
      case 'delete':
        if (this.#exists(step.device)) kernel.deleteLink(step.device);
        return;
      case 'recreate':
        if (this.#exists(step.device)) kernel.deleteLink(step.device);
        this.#addLink(step.device);
        return;
      case 'peer': {
        const { [step.peer]: present, ...others } = this.#configured.get(step.device)!;
        const own = present ?? (step.peer === bob ? ['2001:db8:1::b/128'] : []);
        if (!present) this.#renewBudgets(step.device);
        this.#configured.set(step.device, step.isThere ? { ...others, [step.peer]: own } : others);
        return this.#setPeers(step.device);
      }
      case 'carol':
        this.#configured.set(step.device, { ...this.#configured.get(step.device), [carol]: step.allowedIps });
        return this.#setPeers(step.device);
      case 'addresses':
        this.#addresses.set(step.device, step.addresses);
        if (kernel.linkNames().includes(step.device)) kernel.setLinkAddresses(step.device, step.addresses);
        return;
      case 'announce':
        return kernel.announce();
      case 'killAfter':
        return kernel.killAfter(step.calls);
      case 'kill':
        return kernel.kill();
      case 'reboot': {
        const links = kernel.linkNames();
        if (step.isClean) bench.engine.stop();
        kernel.reboot();
        kernel.addLink('br-lan', { kind: 'bridge', addresses: this.#addresses.get('br-lan')! });
        for (const name of devices) if (links.includes(name)) this.#addLink(name);
        return;
      }
      case 'restart':
        bench.engine.stop();
        return this.#start();
      case 'fail':
        this.#hasFailed = true;
        kernel.failures[step.call] = step.after;
        return;
      case 'heal':
        return this.#heal();
      case 'settle':
        return this.settle();
    }
  }

  /** After all is quiet for half a minute, everything agrees. */
  settle(): void {
    this.#heal();
    this.#tell();
    this.#kernel.announce();
    this.#kernel.flush();
    this.#clock.advance(31_000);
    this.#check();
    this.#hasFailed = false;
    this.#check();
    for (const name of devices) {
      const ledger = this.#bench.ledger(name);
      if (!this.#enabled.has(name)) expect(ledger).toEqual([]);
      if (!this.#exists(name)) continue;
      const present = this.#kernel.peers(name).map(nameOf);
      const entries = ledger.filter((entry) => present.includes(entry.split(' ')[1]!));
      expect(this.#learned(name), `allowed IPs of ${name}`).toEqual(entries);
      expect(this.#bench.records(name), `records of ${name}`).toEqual(ledger);
      for (const { lastSeen } of this.#bench.engine.ledger.entries(name))
        expect(lastSeen + this.#settings(name).lifetime).toBeGreaterThan(this.#clock.now());
    }
    const ifindexes = devices.filter((name) => this.#exists(name)).map((name) => this.#kernel.ifindex(name));
    if (ifindexes.length === 0) return;
    for (const { ifindex, device: name } of this.#kernel.records()) {
      const isWaiting = this.#enabled.has(name as DeviceName) && !this.#exists(name as DeviceName);
      expect(ifindexes.includes(ifindex) || isWaiting, `a record of ${name}, ${ifindex}`).toBe(true);
    }
  }

  #heal(): void {
    for (const call of ['add', 'remove', 'remember'] as const) delete this.#kernel.failures[call];
    this.#kernel.killAfter(Number.POSITIVE_INFINITY);
  }

  /** What holds at any time. */
  #check(): void {
    this.#noteLinks();
    for (const added of this.#kernel.added.slice(this.#checkedAdded)) {
      const { device, peer, address, previousOwner, links, time } = added;
      const name = device as DeviceName;
      if (previousOwner !== undefined && previousOwner !== peer) this.#checkMove({ ...added, previousOwner });
      expect(this.#enabled.has(name), `${name} is enabled`).toBe(true);
      // What could not be withdrawn when it left the scope stays known, and is brought back like anything else.
      if (!this.#hasFailed && !this.#isSettling(name, time))
        expect(this.#isInScope(name, address, links), `${address} on ${name} in scope`).toBe(true);
      this.#everAdded.add(`${device} ${address} ${peer}`);
    }
    for (const { device, peer, address } of this.#kernel.removed.slice(this.#checkedRemoved))
      expect(this.#everAdded, 'withdrawn, so learned').toContain(`${device} ${address} ${peer}`);
    this.#checkedAdded = this.#kernel.added.length;
    this.#checkedRemoved = this.#kernel.removed.length;
    for (const event of this.#bench.takeEvents()) {
      this.#checkEvent(event);
      this.#follow(event);
    }
    this.#checkReplica();

    for (const name of devices.filter((name) => this.#exists(name))) {
      expect(this.#kernel.peers(name).sort()).toEqual(Object.keys(this.#configured.get(name)!).sort());
      for (const [peer, allowedIps] of Object.entries(this.#configured.get(name)!))
        expect(this.#kernel.allowedIps(name, peer)).toEqual(expect.arrayContaining([...allowedIps]));
      if (!this.#hasFailed) this.#checkLearned(name);
    }
  }

  /** Law 1: nothing is taken from a peer that may be there, and nothing that is configured from anybody. */
  #checkMove({ device, peer, address, previousOwner, time }: Added & { previousOwner: string }): void {
    const what = `${address} from ${nameOf(previousOwner)} to ${nameOf(peer)}`;
    const since = time - 180_000;
    expect(this.#everAdded, what).toContain(`${device} ${address} ${previousOwner}`);
    const shaken = this.#shaken.get(`${device} ${previousOwner}`) ?? Number.NEGATIVE_INFINITY;
    expect(shaken, what).toBeLessThanOrEqual(since);
    if (this.#gift === `${device} ${address} ${peer}`) return;
    expect(this.#settings(device as DeviceName).takeover, what).toBe(true);
    const lastUse = this.#lastUse.get(`${device} ${address} ${previousOwner}`) ?? 0;
    expect(lastUse, what).toBeLessThanOrEqual(since);
  }

  /** As docs/architecture.md tells followers to do. */
  #follow(event: EngineEvent): void {
    switch (event.event) {
      case 'adopted':
      case 'learned':
      case 'given':
      case 'restored':
        this.#replica.set(`${event.interface} ${event.address}`, event.peer);
        break;
      case 'expired':
      case 'evicted':
      case 'forgotten':
      case 'released':
        expect(this.#replica.delete(`${event.interface} ${event.address}`), 'gone, so present').toBe(true);
    }
  }

  #checkReplica(): void {
    const entries = [...this.#bench.engine.ledger.entries()];
    expect(Object.fromEntries(this.#replica)).toEqual(
      Object.fromEntries(entries.map((entry) => [`${entry.interface} ${entry.address}`, entry.peer])),
    );
  }

  #checkLearned(name: DeviceName): void {
    const learned = this.#learned(name);
    if (!this.#enabled.has(name)) {
      expect(learned, `learned on ${name}, which is disabled`).toEqual([]);
      return;
    }
    expect(this.#bench.ledger(name)).toEqual(expect.arrayContaining(learned));
    for (const entry of this.#isSettling(name, this.#clock.now() - 31_000) ? [] : learned)
      expect(this.#isInScope(name, entry.split(' ')[0]!, this.#kernel.listed), entry).toBe(true);
    for (const peer of this.#kernel.peers(name).map(nameOf)) {
      const count = learned.filter((entry) => entry.endsWith(` ${peer}`)).length;
      expect(count, `addresses of ${peer}`).toBeLessThanOrEqual(this.#settings(name).maxAddresses);
    }
  }

  #checkEvent(event: EngineEvent): void {
    if (!('peer' in event)) return;
    const name = event.interface as DeviceName;
    const { rate, lifetime } = this.#settings(name);
    if (event.event === 'learned' && rate > 0) {
      const { addresses } = this.#spent(name);
      const those = (addresses.get(event.peer) ?? new Set()).add(event.address);
      addresses.set(event.peer, those);
      expect(those.size, `new addresses of ${nameOf(event.peer)}`).toBeLessThanOrEqual(this.#allowance(name));
    }
    if (event.event === 'expired') {
      const then = event.time * 1_000 - this.#clock.wall() + this.#clock.now();
      const unused = then - (this.#lastUse.get(`${name} ${event.address} ${event.peer}`) ?? 0);
      expect(unused, 'milliseconds without use').toBeGreaterThan(lifetime - 1_000);
    }
  }

  /** The /128s that are not configured. */
  #learned(name: DeviceName): string[] {
    return this.#bench.allowed(name, Object.values(this.#configured.get(name)!).flat());
  }

  #noteLinks(): void {
    for (const { ifindex } of this.#kernel.listed)
      if (!this.#firstListed.has(ifindex)) this.#firstListed.set(ifindex, this.#clock.now());
  }

  /** Whether a link came up so recently that what was learned on it may stay until its prefixes have followed. */
  #isSettling(name: DeviceName, time: number): boolean {
    const link = this.#kernel.listed.find((link) => link.name === name);
    return link !== undefined && time < this.#firstListed.get(link.ifindex)! + 60_000;
  }

  /** Law 2, in its own words, for the links that there were when the engine last looked. */
  #isInScope(name: DeviceName, address: string, links: readonly Link[]): boolean {
    const bytes = parseAddress(address)!;
    if (links.some((link) => link.addresses.some((own) => formatAddress(own.bytes) === address)))
      return false;
    if (bytes.subarray(8).every((byte) => byte === 0) || bytes[0] === 0xff) return false;
    const { prefixes } = this.#settings(name);
    const own = links.find((link) => link.name === name)?.addresses ?? [];
    const onLink = own.map(({ bytes, prefixLength }) => prefixOf(bytes, prefixLength));
    return [...(prefixes.length > 0 ? prefixes : onLink), linkLocal].some((prefix) =>
      contains(prefix, bytes),
    );
  }

  #start(): void {
    this.#spending.clear();
    this.#replica.clear();
    this.#bench.start(this.#config());
    for (const name of devices) this.#spent(name);
  }

  #config(): EngineConfig {
    const interfaces = [...this.#enabled].map(([name, settings]) => on(name, settings));
    return { ...config(...interfaces), hook: this.#hook };
  }

  #settings(name: DeviceName): InterfaceSettings {
    return on(name, this.#enabled.get(name)).settings;
  }

  #exists(name: string): boolean {
    return this.#kernel.linkNames().includes(name);
  }

  #addLink(name: DeviceName): void {
    this.#kernel.addLink(name, { addresses: this.#addresses.get(name)! });
    this.#setPeers(name);
    this.#renewBudgets(name);
  }

  /** Who sends has a session, renewed every two minutes. */
  #shakeHands(name: DeviceName, peer: string): void {
    const now = this.#clock.now();
    if (now - (this.#shaken.get(`${name} ${peer}`) ?? Number.NEGATIVE_INFINITY) < 120_000) return;
    this.#shaken.set(`${name} ${peer}`, now);
    this.#kernel.handshakes.set(peer, Math.floor(this.#clock.wall() / 1_000));
  }

  #spent(name: DeviceName): Spending {
    const spending = this.#spending.get(name) ?? {
      before: 0,
      since: this.#clock.now(),
      addresses: new Map(),
    };
    this.#spending.set(name, spending);
    return spending;
  }

  #allowance(name: DeviceName): number {
    const { before, since } = this.#spent(name);
    const { rate, burst } = this.#settings(name);
    return rate === 0
      ? Number.POSITIVE_INFINITY
      : before + burst + ((this.#clock.now() - since) * rate) / 60_000;
  }

  /** The limits change, or the kernel's memory of who has spent what is lost. */
  #renewBudgets(name: DeviceName): void {
    this.#spent(name).before = this.#allowance(name);
    this.#spent(name).since = this.#clock.now();
  }

  /**
   * What was seen is passed on first: the engine relies on nobody else giving an address away in the milliseconds
   * between a packet and its batch.
   */
  #tell(): void {
    if (this.#isUntold && this.#kernel.tells) this.#kernel.tellChanges();
    this.#isUntold = false;
  }

  #setPeers(name: DeviceName): void {
    this.#isUntold = true;
    if (!this.#exists(name)) return;
    survive(() => this.#kernel.flush());
    this.#kernel.setPeers(name, this.#configured.get(name)!);
  }
}

/** The world goes on when the process is killed. */
function survive(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  }
}

it('the laws hold whatever happens', () => {
  const { RUNS, SEED } = process.env;
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.array(step, { minLength: 1, maxLength: 80, size: 'max' }),
      (tells, steps) => {
        const world = new World(tells);
        for (const step of steps) world.take(step);
        world.settle();
      },
    ),
    { numRuns: Number(RUNS ?? 150), ...(SEED !== undefined && { seed: Number(SEED) }) },
  );
}, 1_800_000);
