// SPDX-License-Identifier: GPL-2.0-only

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeIfindex, encodeSource } from '../../src/kernel/abi.ts';
import { Changes } from '../../src/kernel/changes.ts';
import { KnownWireGuard } from '../../src/kernel/known-wireguard.ts';
import { GenetlinkWireGuard } from '../../src/kernel/wireguard.ts';
import { ownersOf } from '../../src/owners.ts';
import { alice, bob, carol } from './bench.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeArray, FakeMap } from './fake-native.ts';
import { FakeSocket, FakeWireGuard } from './fake-netlink.ts';

const [five, six] = ['2001:db8:1::5', '2001:db8:1::6'];
const stranger = Buffer.alloc(32, 0x55).toString('base64');
const range = '2001:db8:1::/64';

/** A device wg1 that others change, and what the kernel tells of that. */
class World {
  readonly clock = new FakeClock();
  readonly kernel: FakeWireGuard;
  readonly known: KnownWireGuard;
  readonly maps: Record<string, FakeMap> = {
    changes: new FakeArray(4, 8),
    ours: new FakeMap(4, 8),
    claims: new FakeMap(20, 36),
  };
  readonly changes = new Changes((name) => this.maps[name]!, 4_026_531_840);
  /** Addresses that are learned, or about to be. */
  readonly recorded = new Set<string>();
  #begun = 0xffff_fffe; // soon it begins again
  #done = this.#begun;

  constructor(removesSingly: boolean, isTold = true) {
    this.kernel = new FakeWireGuard(removesSingly);
    this.kernel.device('wg1', { [alice]: [], [bob]: [], [carol]: [] });
    this.known = new KnownWireGuard(new GenetlinkWireGuard(this.kernel), this.clock);
    this.#count();
    if (isTold) this.known.follow(this.changes);
  }

  begin(): void {
    this.#begun = (this.#begun + 1) >>> 0;
    this.#count();
  }

  end(): void {
    this.#done = this.#begun;
    this.#count();
  }

  /** Others configure an allowed IP for a peer. */
  give(peer: string, allowedIp: string): void {
    this.begin();
    const address = allowedIp.replace('/128', '');
    if (this.recorded.has(address)) {
      const claim = Buffer.concat([
        Buffer.from(new Uint32Array([this.#begun]).buffer),
        Buffer.from(peer, 'base64'),
      ]);
      this.maps.claims!.update(encodeSource(7, address), claim);
    }
    this.kernel.devices.get('wg1')!.owners.set(allowedIp, peer);
    this.end();
  }

  /** Others do something just before so many more requests than the next. */
  beforeRequest(number: number, act: () => void): void {
    this.kernel.meanwhile = () => {
      if (number-- === 0) act();
    };
  }

  /** Learns an address if it is nobody's, as the engine does. */
  learn(peer: string, ...addresses: string[]): void {
    const device = this.known.dump('wg1')!;
    const free = addresses.filter((address) => ownersOf(device).of(address) === undefined);
    for (const address of free) this.recorded.add(address);
    this.known.add(
      'wg1',
      free.map((address) => ({ peer, address })),
    );
  }

  owner(address: string): string | undefined {
    return this.kernel.devices.get('wg1')!.owners.get(`${address}/128`);
  }

  #count(): void {
    const counts = Buffer.from(new Uint32Array([this.#begun, this.#done]).buffer);
    this.maps.changes!.update(encodeIfindex(0), counts);
  }
}

describe.each([
  ['6.16 and later', true],
  ['kernels before 6.16', false],
])('on %s', (_, removesSingly) => {
  let world: World;
  beforeEach(() => {
    world = new World(removesSingly);
  });
  const known = () =>
    world.known.dump('wg1')!.peers.map(({ key, addresses }) => [key, [...addresses].sort()]);

  it('WireGuard is read once, for as long as nobody else changes anything', () => {
    world.learn(alice, five);
    world.learn(bob, six);
    world.known.remove('wg1', [{ peer: alice, address: five }]);
    world.learn(carol, five);
    expect(known()).toEqual([
      [alice, []],
      [bob, [six]],
      [carol, [five]],
    ]);
    expect(world.kernel.dumps).toBe(1);
    world.known.add('wg1', [
      { peer: alice, address: six },
      { peer: stranger, address: five },
    ]);
    expect(known()).toEqual([
      [alice, [six]],
      [bob, []],
      [carol, [five]],
    ]);
    expect(world.known.dump('wg1', true)).toMatchObject({ ifindex: 7 });
    expect([world.kernel.dumps, world.known.missed]).toEqual([2, 0]);
  });

  it('it is read again when others have changed something', () => {
    world.known.dump('wg1');
    world.give(bob, `${five}/128`);
    world.learn(alice, five);
    expect(world.owner(five)).toBe(bob);
    expect([world.kernel.dumps, world.kernel.sets]).toEqual([2, 0]);
  });

  it('and again while others are in the midst of a change', () => {
    world.begin();
    for (let n = 0; n < 3; n++) world.known.dump('wg1');
    world.end();
    for (let n = 0; n < 3; n++) world.known.dump('wg1');
    expect(world.kernel.dumps).toBe(4);
  });

  it('what becomes of a change that begins while it is read is read, too', () => {
    world.known.dump('wg1');
    world.give(bob, `${six}/128`);
    world.beforeRequest(0, () => world.begin());
    world.known.dump('wg1');
    world.end();
    world.known.dump('wg1');
    expect(world.kernel.dumps).toBe(3);
  });

  it('an error leaves nothing known', () => {
    world.known.dump('wg1');
    world.kernel.failAfter = 0;
    expect(() => world.learn(alice, five)).toThrow('ENOMEM');
    world.known.dump('wg1');
    expect(world.kernel.dumps).toBe(2);
  });

  it('a change that was not told of is found by a fresh look, and counted', () => {
    world.known.dump('wg1');
    world.kernel.devices.get('wg1')!.owners.set(`${five}/128`, bob);
    expect(world.known.dump('wg1')!.peers[1]!.addresses).toEqual([]);
    expect(world.known.dump('wg1', true)!.peers[1]!.addresses).toEqual([five]);
    expect(world.known.missed).toBe(1);
    expect(world.known.dump('wg1', true)!.peers[1]!.addresses).toEqual([five]);
    expect(world.known.missed).toBe(1);
  });

  it("a peer's new session is known as soon as it is told", () => {
    world.known.dump('wg1');
    world.known.noteHandshake(7, bob);
    world.known.noteHandshake(8, alice);
    const latest = Math.floor(world.clock.wall() / 1_000);
    expect(world.known.dump('wg1')!.peers.map(({ latestHandshake }) => latestHandshake)).toEqual([
      0,
      latest,
      0,
    ]);
  });

  it('tells the kernel which changes are ours, before the first of them', () => {
    const ours = () => new Uint32Array(Uint8Array.from(world.maps.ours!.lookup(encodeIfindex(0))!).buffer);
    expect([...ours()]).toEqual([0, 4_026_531_840]);
    world.known.dump('wg1');
    world.beforeRequest(0, () => expect([...ours()]).toEqual([FakeSocket.port, 4_026_531_840]));
    world.learn(alice, five);
    expect(world.kernel.sets).toBe(1);
  });

  it("an address that others configure for another peer after it was found to be nobody's stays with that one", () => {
    world.known.dump('wg1');
    world.recorded.add(five);
    world.give(bob, `${five}/128`);
    world.known.add('wg1', [
      { peer: alice, address: five },
      { peer: alice, address: six },
    ]);
    expect([world.owner(five), world.owner(six)]).toEqual([bob, alice]);
  });

  it('a peer gets back one that others configure for it in the very moment in which we add it', () => {
    world.known.dump('wg1');
    world.beforeRequest(0, () => world.give(bob, `${five}/128`));
    world.learn(alice, five, six);
    expect([world.owner(five), world.owner(six)]).toEqual([bob, alice]);
    expect(ownersOf(world.known.dump('wg1')!).of(five)).toBe(bob);
  });

  it('does not take itself for others for longer than a change, when its socket is another one', () => {
    world.known.dump('wg1');
    world.known.close(); // as after an error
    FakeSocket.port++;
    world.recorded.add(five);
    world.kernel.meanwhile = () => {
      const [port] = new Uint32Array(Uint8Array.from(world.maps.ours!.lookup(encodeIfindex(0))!).buffer);
      if (port !== FakeSocket.port) world.give(alice, `${five}/128`);
    };
    world.learn(alice, five);
    expect([world.owner(five), world.kernel.sets]).toEqual([alice, 2]);
  });

  it('so does one that they move on while it is given back', () => {
    world.known.dump('wg1');
    world.beforeRequest(0, () => {
      world.give(bob, `${five}/128`);
      world.beforeRequest(0, () => world.give(carol, `${five}/128`));
    });
    world.learn(alice, five);
    expect(world.owner(five)).toBe(carol);
  });

  it('what comes to be in a wider prefix of another peer meanwhile is withdrawn', () => {
    world.known.dump('wg1');
    world.beforeRequest(0, () => world.give(bob, range));
    world.learn(alice, five);
    expect(world.owner(five)).toBeUndefined();
    expect(ownersOf(world.known.dump('wg1')!).of(five)).toBe(bob);
  });

  it('an address that others configure while it is withdrawn stays', () => {
    world.learn(alice, five);
    world.beforeRequest(0, () => world.give(alice, `${five}/128`));
    world.known.remove('wg1', [{ peer: alice, address: five }]);
    expect(world.owner(five)).toBe(alice);
  });

  it('what others have given long ago is not given back to them', () => {
    world.learn(alice, five);
    world.give(bob, `${five}/128`);
    world.known.dump('wg1');
    world.begin();
    world.kernel.devices.get('wg1')!.owners.delete(`${five}/128`);
    world.end();
    world.known.dump('wg1');
    world.beforeRequest(0, () => world.give(carol, `${six}/128`));
    world.learn(alice, five);
    expect(world.owner(five)).toBe(alice);
  });

  it('nobody is ever robbed, whenever others come', () => {
    const addresses = [five, six, '2001:db8:1::7'];
    const action = fc.record({
      request: fc.nat(8),
      peer: fc.constantFrom(bob, carol),
      address: fc.constantFrom(...addresses),
    });
    fc.assert(
      fc.property(
        fc.array(action, { maxLength: 6 }),
        fc.array(fc.subarray(addresses), { maxLength: 4 }),
        (actions, batches) => {
          const world = new World(removesSingly);
          const configured = new Map<string, string>();
          let request = 0;
          world.kernel.meanwhile = () => {
            for (const { peer, address } of actions.filter((each) => each.request === request)) {
              configured.set(address, peer);
              world.give(peer, `${address}/128`);
            }
            request++;
          };
          for (const batch of batches) {
            world.learn(alice, ...batch);
            // As a comparison does, which every change leads to.
            const owners = ownersOf(world.known.dump('wg1')!);
            for (const address of world.recorded)
              if (owners.of(address) !== alice) world.recorded.delete(address);
            for (const [address, peer] of configured) expect(world.owner(address)).toBe(peer);
          }
          world.kernel.meanwhile = () => {};
          expect(
            Object.fromEntries(
              world.known
                .dump('wg1')!
                .peers.map(({ key, addresses }) => [
                  key,
                  addresses.map((address) => `${address}/128`).sort(),
                ]),
            ),
          ).toEqual(world.kernel.state('wg1'));
          world.known.dump('wg1', true);
          expect(world.known.missed).toBe(0);
        },
      ),
    );
  });
});

it('where nothing tells of changes, WireGuard is read each time', () => {
  const world = new World(true, false);
  for (const address of [five, six]) world.learn(alice, address);
  world.known.remove('wg1', [{ peer: alice, address: five }]);
  expect([world.kernel.dumps, world.kernel.sets]).toEqual([2, 3]);
  expect(world.known.dump('wg9')).toBeUndefined();
});

it('nothing is known any more when changes were not counted for a while', () => {
  const world = new World(true);
  world.known.dump('wg1');
  world.changes.resume();
  world.known.dump('wg1');
  expect([world.kernel.dumps, world.known.missed]).toEqual([2, 0]);
});

it('nothing is known any more when a hook ends, or another tells of changes', () => {
  const world = new World(true);
  world.known.dump('wg1');
  world.changes.end();
  world.learn(alice, five);
  expect(world.kernel.dumps).toBe(2);
  world.known.follow(new Changes((name) => world.maps[name]!, 1));
  world.known.dump('wg1');
  expect(world.kernel.dumps).toBe(3);
});
