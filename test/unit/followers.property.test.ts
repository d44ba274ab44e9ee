// SPDX-License-Identifier: GPL-2.0-only
// Sets of nftables and the hosts file after anything that may happen to an engine and a firewall, in any order. RUNS=10000
// in the environment makes it a long search; SEED repeats one.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Firewall } from '../../src/service/firewall.ts';
import { Hosts } from '../../src/service/hosts.ts';
import { alice, Bench, bob, config, on } from './bench.ts';
import { Killed } from './fake-kernel.ts';
import { FakeStateFile } from './fake-state-file.ts';

const RUNS = Number(process.env.RUNS ?? 300);
const addresses = ['2001:db8:1::5', '2001:db8:1::6', '2001:db8:1::7', 'fe80::5'];
const LIFETIME = 3_600_000;
const FOREIGN = '2001:db8:1::7';
const PINNED = '2001:db8:1::b';
const names = ['inet#fw4#a', 'inet#fw4#b'] as const;
const peers = [alice, bob] as const;

type Step =
  | { do: 'packet'; sender: string; address: string }
  | { do: 'pass'; time: number }
  | { do: 'forget'; address: string }
  | { do: 'give'; address: string; peer: string }
  | { do: 'flush' | 'delete' | 'declare'; set: string }
  | { do: 'configure'; sets: readonly (readonly string[])[]; named: readonly boolean[] }
  | { do: 'fail'; after: number }
  | { do: 'recreate' | 'setconf' | 'restart' | 'kill' | 'nftFails' };

const address = fc.constantFrom(...addresses);
const peer = fc.constantFrom(...peers);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('packet' as const), sender: peer, address }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      time: fc.constantFrom(1, 25, 400, 6_000, 31_000, 181_000, LIFETIME),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('forget' as const), address }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('give' as const), address, peer }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('flush' as const, 'delete' as const, 'declare' as const),
      set: fc.constantFrom(...names),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('configure' as const),
      sets: fc.tuple(fc.subarray([...names]), fc.subarray([...names])),
      named: fc.tuple(fc.boolean(), fc.boolean()),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), after: fc.nat(2) }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Step>(
      { do: 'recreate' },
      { do: 'setconf' },
      { do: 'restart' },
      { do: 'kill' },
      { do: 'nftFails' },
    ),
  },
);

class World {
  readonly #bench = new Bench();
  readonly #kernel = this.#bench.kernel;
  readonly #clock = this.#bench.clock;
  readonly #file = new FakeStateFile();
  readonly #setsFile = new FakeStateFile();
  #read = '';
  #firewall!: Firewall;
  #hosts!: Hosts;
  #sets: readonly (readonly string[])[] = [[names[0]], [names[0], names[1]]];
  #named: readonly boolean[] = [true, true];
  /** Whether sets had the time to follow what has happened to them. */
  #isQuiet = false;

  constructor() {
    this.#kernel.addLink('wg1', { addresses: ['2001:db8:1::1/64'] });
    this.#setPeers();
    for (const name of names) this.#kernel.nft.declare(name, { others: [FOREIGN] });
    const { wireguard } = this.#kernel;
    const add = wireguard.add;
    wireguard.add = (device, entries) => {
      if (this.#isQuiet) for (const { peer, address } of entries) this.#checkSets(peer, address);
      add(device, entries);
    };
    this.#start();
  }

  /** Before a peer can use an address: it is in all of its sets, and in no other peer's. */
  #checkSets(peer: string, address: string): void {
    const own = this.#sets[peers.indexOf(peer)]!;
    for (const set of names) {
      const elements = this.#kernel.nft.elements(set);
      if (own.includes(set)) expect(elements, `${address} in ${set}`).toContain(address);
      else if (address !== FOREIGN) expect(elements, `${address} in ${set}`).not.toContain(address);
    }
  }

  #setPeers(): void {
    this.#kernel.setPeers('wg1', { [alice]: [], [bob]: [`${PINNED}/128`] });
  }

  #start(): void {
    this.#kernel.nft.drop();
    this.#bench.start(config(on('wg1', { rate: 0, lifetime: LIFETIME })));
    const { ledger } = this.#bench.engine;
    this.#firewall = new Firewall(
      ledger,
      this.#clock,
      () => this.#kernel.openNftSets(),
      this.#setsFile,
      () => {},
    );
    this.#hosts = new Hosts(
      ledger,
      this.#clock,
      this.#file,
      async () => {
        this.#read = this.#file.text;
      },
      () => {},
    );
    ledger.follow(this.#firewall);
    ledger.follow(this.#hosts);
    this.#configure();
  }

  #configuredFor(peer: string): ReadonlySet<string> {
    return new Set(peer === bob ? [PINNED] : []);
  }

  #configure(): void {
    this.#isQuiet = false;
    const each = peers.map((key, i) => ({
      interface: 'wg1',
      key,
      sets: this.#sets[i]!,
      optional: [],
      configured: this.#configuredFor(key),
    }));
    this.#firewall.configure(each);
    this.#hosts.configure(
      each.flatMap((peer, i) =>
        this.#named[i] ? [{ ...peer, names: [`peer${i}`], dns: '1' as const }] : [],
      ),
    );
  }

  async take(step: Step): Promise<void> {
    try {
      this.#act(step);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
    await Promise.resolve();
    if (this.#kernel.isAlive) return;
    this.#bench.takeEvents();
    this.#start();
  }

  #act(step: Step): unknown {
    const [bench, kernel] = [this.#bench, this.#kernel];
    const { nft } = kernel;
    switch (step.do) {
      case 'packet':
        bench.packet('wg1', step.sender, step.address);
        return;
      case 'pass':
        this.#clock.advance(step.time);
        this.#isQuiet ||= step.time >= 25 && nft.failure === undefined;
        return;
      case 'forget':
        bench.engine.forget('wg1', step.address);
        return;
      case 'give':
        bench.engine.give('wg1', step.address, step.peer);
        return;
      case 'configure':
        this.#sets = step.sets;
        this.#named = step.named;
        return this.#configure();
      case 'recreate':
        kernel.deleteLink('wg1');
        kernel.addLink('wg1', { addresses: ['2001:db8:1::1/64'] });
        this.#setPeers();
        return kernel.announce();
      case 'setconf':
        return this.#setPeers();
      case 'restart':
        bench.engine.stop();
        this.#firewall.stop();
        this.#hosts.stop();
        return this.#start();
      case 'kill':
        return kernel.kill();
      case 'fail':
        kernel.failures.add = step.after;
        return;
      case 'nftFails':
        this.#isQuiet = false;
        nft.failure = 'EPERM';
        return;
      default:
        this.#isQuiet = false;
        if (step.do === 'declare') nft.declare(step.set);
        else nft[step.do](step.set);
    }
  }

  async settle(): Promise<void> {
    delete this.#kernel.failures.add;
    this.#kernel.nft.failure = undefined;
    for (const name of names) this.#kernel.nft.declare(name);
    this.#kernel.announce();
    this.#kernel.flush();
    for (let i = 0; i < 3; i++) {
      this.#clock.advance(31_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { ledger } = this.#bench.engine;
    const of = (peer: string) => [...ledger.ofPeer('wg1', peer)].map(({ address }) => address);
    for (const name of names) {
      const members = peers.filter((_, i) => this.#sets[i]!.includes(name));
      const wanted = members.flatMap((peer) => [...of(peer), ...this.#configuredFor(peer)]);
      const found = this.#kernel.nft.elements(name)!;
      // What others have put there may be there, and nothing else.
      expect(new Set(found.filter((address) => address !== FOREIGN))).toEqual(
        new Set(wanted.filter((address) => address !== FOREIGN)),
      );
      if (wanted.includes(FOREIGN)) expect(found).toContain(FOREIGN);
    }
    const lines = peers.flatMap((peer, i) =>
      (this.#named[i] ? [...of(peer), ...this.#configuredFor(peer)] : [])
        .filter((address) => !address.startsWith('fe80'))
        .map((address) => `${address}\tpeer${i}`),
    );
    for (const text of [this.#file.text, this.#read])
      expect(text.split('\n').filter(Boolean).sort()).toEqual(lines.sort());
  }
}

it('sets and names agree with the ledger, and nobody can use an address that its sets do not have', {
  timeout: 3_600_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = new World();
      for (const step of steps) await world.take(step);
      await world.settle();
    }),
    { numRuns: RUNS, ...(process.env.SEED && { seed: Number(process.env.SEED) }) },
  );
});
