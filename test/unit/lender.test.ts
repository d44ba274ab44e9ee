// SPDX-License-Identifier: GPL-2.0-only

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { contains, parseAddress, parsePrefix } from '../../src/address.ts';
import { formatPrefix } from '../../src/address-text.ts';
import * as abi from '../../src/kernel/abi.ts';
import { Lender } from '../../src/kernel/lending/lender.ts';
import type { AllowedIp, Device, Endpoint, Scope, Sighting } from '../../src/model.ts';
import { parseAllowedIps } from './allowed-ips.ts';
import { alice, bob, nameOf, prefixes } from './bench.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeMap, FakeObject, FakeTaps, fakeNative } from './fake-native.ts';

const limits = { rate: 5, burst: 16 };
const scope: Scope = { learn: prefixes('2001:db8:1::/64'), reserved: prefixes('2001:db8:1::1/128') };
const lent = ['2001:db8:1::/65', '2001:db8:1:0:8000::/65', 'ff02::/127'];

const u16 = (value: number) => Buffer.from(new Uint16Array([value]).buffer);
const u32 = (value: number) => Buffer.from(new Uint32Array([value]).buffer);
// Nothing is to be mounted here, and nothing to be pinned.
vi.mock('../../src/kernel/pins.ts', async (original) => ({
  ...(await original<typeof import('../../src/kernel/pins.ts')>()),
  pinTrouble: () => ({ reason: 'unmounted' }),
}));

/** Where what is learned is kept instead. */
const kept = join(mkdtempSync(join(tmpdir(), 'wg-slaacer-')), 'learned');
afterAll(() => rmSync(dirname(kept), { recursive: true }));

const u64 = (value: number) => Buffer.from(new BigUint64Array([BigInt(value)]).buffer);

const endpoint = (address: string, port: number): Endpoint => ({ address: parseAddress(address)!, port });

/** When the latest handshakes were. */
const SINCE = new FakeClock().wall() / 1_000;

/** The interfaces, what comes in, and what the socket filters make of it. */
class World {
  readonly clock = new FakeClock();
  object = new FakeObject();
  readonly taps = new FakeTaps();
  readonly opened: unknown[][] = [];
  readonly seen: Sighting[] = [];
  rechecks = 0;
  /** The interfaces on which somebody may have a new session. */
  readonly handshakes: number[] = [];
  readonly peers = [
    { key: alice, endpoint: endpoint('::ffff:192.0.2.1', 1_000), latestHandshake: SINCE, rxBytes: 0 },
    { key: bob, endpoint: endpoint('2001:db8:ff::2', 2_000), latestHandshake: SINCE, rxBytes: 0 },
  ];
  /** Of wg1, whose ifindex is 7. */
  readonly allowed = new Map<string, string>();
  refusals = 0;
  /** What the kernel refuses to do. */
  failing: string | undefined;
  lender!: Lender;

  open(keep?: string): this {
    const native = fakeNative(this.object, this.taps, this.opened);
    const around = { wireguard: this.wireguard, links: this.links, clock: this.clock };
    const observer = {
      see: (batch: Sighting[]) => void this.seen.push(...batch),
      recheck: () => void this.rechecks++,
      shakeHands: (ifindex: number) => void this.handshakes.push(ifindex),
    };
    this.lender = new Lender({ native, file: 'wg-slaacer.o', keep }, around, observer);
    return this;
  }

  watch(changes: Partial<typeof limits> = {}): this {
    this.lender.watch({ name: 'wg1', ifindex: 7 }, { ...limits, ...changes }, scope);
    return this;
  }

  /** Long enough for whatever is under way at the beginning. */
  calm(): this {
    this.clock.advance(5_000);
    return this;
  }

  #attempt(call: string): void {
    if (this.failing === call) throw new Error(`ENOMEM: ${call}`);
  }

  readonly wireguard = {
    dump: (name: string): Device | undefined => {
      this.#attempt('dump');
      if (name !== 'wg1') return undefined;
      const peers = this.peers.map((peer) => ({
        ...peer,
        ...parseAllowedIps([...this.allowed].filter(([, owner]) => owner === peer.key).map(([text]) => text)),
      }));
      return { ifindex: 7, listenPort: 51_820, peers };
    },
    add: (_: string, entries: readonly AllowedIp[]) => {
      this.#attempt('add');
      for (const { peer, address, length = 128 } of entries) this.allowed.set(`${address}/${length}`, peer);
    },
    remove: (_: string, entries: readonly AllowedIp[]) => {
      this.#attempt('remove');
      for (const { peer, address, length = 128 } of entries)
        if (this.allowed.get(`${address}/${length}`) === peer) this.allowed.delete(`${address}/${length}`);
    },
    close: () => {},
  };

  readonly links = {
    refused: (ifindex: number) => {
      this.#attempt('refused');
      return ifindex === 7 ? this.refusals : 0;
    },
  };

  /** A packet through the tunnel; whether WireGuard accepts it. */
  packet(sender: string, address: string): boolean {
    const peer = this.peers.find(({ key }) => key === sender)!;
    this.encrypted(peer.endpoint);
    const [, owner] =
      [...this.allowed]
        .map(([text, owner]) => [parsePrefix(text)!, owner] as const)
        .filter(([prefix]) => contains(prefix, parseAddress(address)!))
        .sort(([a], [b]) => b.length - a.length)[0] ?? [];
    if (owner !== sender) {
      this.refusals++;
      return false;
    }
    peer.rxBytes += 128;
    const borrower = this.object.maps.borrowers!.lookup(abi.encodeIfindex(7));
    if (borrower?.equals(Buffer.from(sender, 'base64'))) this.sight(7, sender, address);
    return true;
  }

  /** A data message that comes from there to port 51820. */
  encrypted(from: Endpoint): void {
    const { endpoints, armed } = this.object.maps;
    const known = abi.encodeEndpoint(from, 51_820);
    const key = endpoints!.lookup(known) ? known : Buffer.alloc(20);
    endpoints!.update(key, u64(this.bytesFrom(key) + 128));
    if (!this.isArmed) return;
    armed!.update(u32(0), u32(0));
    this.taps.all[0]!.arrive(Buffer.alloc(170), Buffer.alloc(170));
  }

  bytesFrom(key: Buffer): number {
    return abi
      .decodeTraffic(Buffer.concat([key, this.object.maps.endpoints!.lookup(key)!]))
      .get(key.toString('hex'))!;
  }

  sight(ifindex: number, sender: string, address: string): void {
    const record = Buffer.concat([
      ...[u64(1_000_000), u32(ifindex), u32(1), u16(0), Buffer.alloc(6), parseAddress(address)!],
      ...[Buffer.from(sender, 'base64'), Buffer.alloc(32)],
    ]);
    this.object.records(Buffer.concat([u32(record.length), Buffer.alloc(4), record]));
  }

  get isArmed(): boolean {
    return this.object.maps.armed!.lookup(u32(0))?.equals(u32(1)) ?? false;
  }

  get borrower(): string | undefined {
    const loan = this.lender.loan(7);
    return loan && nameOf(loan.peer);
  }

  /** What the maps have. */
  left(): string[] {
    return Object.entries(this.object.maps).flatMap(([name, map]) =>
      [...map.content.keys()].map((key) => `${name} ${key}`),
    );
  }
}

let world: World;

beforeEach(() => {
  world = new World();
});

describe('a handshake', () => {
  /** A message of one comes in. */
  const message = () => {
    const { armed } = world.object.maps;
    if (!armed!.lookup(u32(1))?.equals(u32(1))) return;
    armed!.update(u32(1), u32(0));
    world.taps.all[0]!.arrive(Buffer.alloc(190));
  };

  it('is looked for a second after its first message, and once more, on each interface', () => {
    world.open().watch().calm();
    message();
    world.clock.advance(999);
    expect(world.handshakes).toEqual([]);
    world.clock.advance(1);
    expect(world.handshakes).toEqual([7]);
    world.clock.advance(60_000);
    expect(world.handshakes).toEqual([7, 7]);
  });

  it('is looked for within 3 s whenever a message comes, and no more often', () => {
    world.open().watch().calm();
    for (let n = 0; n < 300; n++) {
      message();
      world.clock.advance(100);
    }
    expect(world.handshakes.length).toBeGreaterThanOrEqual(10);
    expect(world.handshakes.length).toBeLessThanOrEqual(11);
  });

  it('is no reason to look who sent what was refused', () => {
    world.open().watch().calm();
    message();
    expect(world.isArmed).toBe(true);
  });
});

describe('opening', () => {
  it('loads two socket filters and the re-injector, with the types in their own file', () => {
    world.open();
    expect(world.opened).toEqual([['wg-slaacer.o', 'wg-slaacer.o']]);
    expect(world.object.log).toEqual([
      'enable accepted',
      'enable encrypted',
      'enable inject',
      'load',
      'records sightings',
    ]);
  });

  it('sets the filter of what is encrypted before it lets IPv4 and IPv6 in, from all interfaces', () => {
    world.open();
    const rest = '00'.repeat(16);
    expect(world.taps.all.map(({ log }) => log)).toEqual(
      ['0800', '86dd'].map((protocol) => [
        'socket 17 3 0',
        `option 1 50 ${u32(101).toString('hex')}`,
        `bind ${u16(17).toString('hex')}${protocol}${rest}`,
      ]),
    );
  });

  it.each([
    ['load', 'load', undefined],
    ['open a packet socket', undefined, /^socket/],
    ['set a filter', undefined, /^option 1 50/],
    ['bind a packet socket', undefined, /^bind/],
    ['bind the second packet socket', undefined, /^bind ..../],
  ])('leaves nothing behind when it fails to %s', (what, object, taps) => {
    world.object.failing = object;
    world.taps.failing = what.includes('second') ? /^bind ....86dd/ : taps;
    expect(() => world.open()).toThrow('EPERM');
    expect(world.taps.left).toEqual([]);
    expect(world.object.log.at(-1)).toBe('close');
    expect(world.clock.pending()).toEqual([]);
  });

  it.each(['borrowers', 'endpoints', 'budgets', 'armed'])(
    'refuses an object with another layout of %s',
    (map) => {
      world.object.maps[map] = new FakeMap(20, 71);
      expect(() => world.open()).toThrow('different versions');
      expect(world.taps.left).toEqual([]);
      expect(world.object.log.at(-1)).toBe('close');
    },
  );

  const leave = () => {
    for (const text of lent) {
      const { key, value } = abi.encodeLent({
        ifindex: 7,
        device: 'wg1',
        peer: bob,
        prefix: parsePrefix(text)!,
      });
      world.object.maps.lent!.update(key, value);
      world.allowed.set(text, bob);
    }
  };

  it('withdraws what an earlier process had lent, and lends it to the same peer as soon as that is watched', () => {
    leave();
    world.open(kept);
    expect(world.allowed.size).toBe(0);
    expect(world.object.maps.lent!.content.size).toBe(0);
    expect(world.lender.loan(7)).toBeUndefined();
    world.watch();
    expect(world.borrower).toBe('bob');
    expect([...world.allowed.keys()]).toEqual(lent);
  });

  it('leaves it alone if it is only to find out whether it can', () => {
    leave();
    world.open().lender.close();
    expect([...world.allowed.keys()]).toEqual(lent);
  });

  it('leaves nothing open when that fails', () => {
    leave();
    world.failing = 'dump';
    expect(() => world.open(kept)).toThrow('ENOMEM');
    expect(world.taps.left).toEqual([]);
    expect(world.object.log.at(-1)).toBe('close');
    expect(world.clock.pending()).toEqual([]);
  });
});

describe('watching', () => {
  beforeEach(() => void world.open());

  it('sets the filter of what was accepted before it lets in the IPv6 of that interface', () => {
    world.watch();
    world.watch();
    expect(world.taps.left.slice(2).map(({ log }) => log)).toEqual([
      [
        'socket 17 3 0',
        `option 1 50 ${u32(100).toString('hex')}`,
        `bind ${u16(17).toString('hex')}86dd${u32(7).toString('hex')}${'00'.repeat(12)}`,
      ],
    ]);
  });

  it('tells the filter the scope, and what is configured', () => {
    world.allowed.set('2001:db8:1:0:5::/80', alice);
    world.watch();
    const trie = [...world.object.maps.scope!.content].map(([key, value]) => [key, value[0]]);
    const keyOf = (text: string) => abi.encodeScopeKey(7, parsePrefix(text)!).toString('hex');
    expect(trie).toEqual([
      [keyOf('2001:db8:1::/64'), 1],
      [keyOf('2001:db8:1::1/128'), 2],
      [keyOf('2001:db8:1:0:5::/80'), 3],
    ]);
  });

  it('counts what comes from each peer’s endpoint, and from strangers', () => {
    world.watch();
    expect([...world.object.maps.endpoints!.content.keys()]).toEqual([
      '0'.repeat(40),
      '00000000000000000000ffffc000020103e8ca6c',
      '20010db800ff0000000000000000000207d0ca6c',
    ]);
  });

  it('goes on counting when it is told again', () => {
    world.watch();
    world.encrypted(world.peers[0]!.endpoint);
    world.watch();
    expect(world.bytesFrom(abi.encodeEndpoint(world.peers[0]!.endpoint, 51_820))).toBe(128);
  });

  it('counts what comes from a new endpoint instead', () => {
    world.watch();
    world.peers[0]!.endpoint = endpoint('::ffff:192.0.2.9', 9);
    world.watch();
    expect([...world.object.maps.endpoints!.content.keys()].sort()).toEqual([
      '0'.repeat(40),
      '00000000000000000000ffffc00002090009ca6c',
      '20010db800ff0000000000000000000207d0ca6c',
    ]);
  });

  it('has no timer while nothing comes in', () => {
    world.watch().calm();
    expect(world.clock.pending()).toEqual([]);
    expect(world.isArmed).toBe(true);
  });

  it('leaves nothing behind when it fails', () => {
    world.taps.failing = /^bind ....86dd0?7/;
    expect(() => world.watch()).toThrow('EPERM');
    world.lender.unwatch(7);
    expect(world.taps.left).toHaveLength(2);
    world.calm();
    expect(world.left().filter((entry) => !/^(armed|endpoints 0+$)/.test(entry))).toEqual([]);
    expect(world.lender.loan(7)).toBeUndefined();
  });
});

describe('what comes in', () => {
  beforeEach(() => void world.open().watch().calm());

  it('is looked at after 50 ms, investigated 30 ms later, and then 200 ms long not looked at', () => {
    world.packet(bob, '2001:db8:1::5');
    expect(world.isArmed).toBe(false);
    expect(world.clock.pending()).toEqual([50]);
    world.packet(bob, '2001:db8:1::6');
    world.taps.all[1]!.arrive(Buffer.alloc(170)); // on another CPU at the same moment
    expect(world.clock.pending()).toEqual([50]);
    world.clock.advance(50);
    expect(world.clock.pending()).toEqual([30]);
    expect(world.borrower).toBeUndefined();
    world.clock.advance(30);
    expect(world.borrower).toBe('bob');
    expect(world.clock.pending()).toEqual([200, 1_300]);
    world.clock.advance(199);
    expect(world.isArmed).toBe(false);
    world.clock.advance(1);
    expect(world.isArmed).toBe(true);
    world.calm();
    expect(world.clock.pending()).toEqual([]);
  });

  it('is read, so that it does not go on waking', () => {
    world.packet(bob, '2001:db8:1::5');
    expect(world.taps.all[0]!.waiting).toEqual([]);
  });

  it('is not investigated if nothing was refused', () => {
    world.allowed.set('2001:db8:9::/64', bob);
    world.watch();
    expect(world.packet(bob, '2001:db8:9::5')).toBe(true);
    world.clock.advance(50);
    expect(world.clock.pending()).toEqual([200]);
    world.clock.advance(200);
    expect(world.isArmed).toBe(true);
    expect(world.clock.pending()).toEqual([]);
  });

  it('is not looked at for a second after it was investigated in vain', () => {
    world.packet(bob, '2001:db8:9::5');
    world.calm();
    world.packet(bob, '2001:db8:9::5');
    world.clock.advance(80);
    expect(world.clock.pending()).toEqual([1_000]);
  });

  it('meanwhile is looked at afterwards', () => {
    world.packet(bob, '2001:db8:1::5');
    world.clock.advance(80);
    world.packet(bob, '2001:db8:1::5');
    world.packet(alice, '2001:db8:1::6');
    world.clock.advance(200);
    expect(world.isArmed).toBe(true);
    expect(world.clock.pending()[0]).toBe(50);
    world.clock.advance(80);
    expect(world.borrower).toBe('alice');
  });

  it('from strangers is looked at, too', () => {
    world.peers[1]!.endpoint = endpoint('2001:db8:ff::99', 2_000);
    world.packet(bob, '2001:db8:1::5');
    world.clock.advance(80);
    expect(world.borrower).toBe('bob');
  });

  it('does not matter for a peer that is over its rate until it has a token', () => {
    const interval = 12_000;
    const next = world.clock.now() + 5_000 + 15 * interval;
    world.object.maps.budgets!.update(abi.encodeBorrowerId(7, bob), Buffer.concat([u64(next * 1e6), u64(0)]));
    world.packet(bob, '2001:db8:1::5');
    world.clock.advance(4_000);
    expect(world.borrower).toBeUndefined();
    world.clock.advance(1_000);
    world.packet(bob, '2001:db8:1::5');
    world.clock.advance(80);
    expect(world.borrower).toBe('bob');
  });

  it('matters for it if there is no limit', () => {
    world.watch({ rate: 0, burst: 1 });
    world.object.maps.budgets!.update(abi.encodeBorrowerId(7, bob), Buffer.alloc(16, 0x11));
    world.packet(bob, '2001:db8:1::5');
    world.clock.advance(80);
    expect(world.borrower).toBe('bob');
  });
});

describe('a loan', () => {
  beforeEach(() => {
    world.open().watch().calm();
    world.packet(bob, '2001:db8:1::5');
    world.clock.advance(80);
  });

  it('is on record, and the filter knows whose what comes is', () => {
    expect(abi.decodeLent(world.object.maps.lent!.dump())).toEqual(
      lent.map((text) => ({ ifindex: 7, device: 'wg1', peer: bob, prefix: parsePrefix(text) })),
    );
    expect(world.object.maps.borrowers!.lookup(u32(7))).toEqual(Buffer.from(bob, 'base64'));
    expect(world.lender.loan(7)?.allowedIps.map(formatPrefix)).toEqual(lent);
    expect(world.lender.loan(8)).toBeUndefined();
  });

  it('shows what comes from new addresses', () => {
    expect(world.packet(bob, '2001:db8:1::5')).toBe(true);
    expect(world.seen).toEqual([
      {
        ...{ time: 1, ifindex: 7, verdict: 'candidate', count: 1, address: '2001:db8:1::5', sender: bob },
        accepted: true,
      },
    ]);
  });

  it('lets what is on its way pass before an address that was withdrawn can be seen as new', () => {
    const before = world.taps.all.length;
    world.lender.dropRecords(7, ['2001:db8:1::5', '2001:db8:1::6']);
    expect(world.taps.all.length - before).toBe(1); // the barrier
    world.lender.dropRecords(8, ['2001:db8:1::5']);
    expect(world.taps.all.length - before).toBe(1);
  });

  it('shows nothing of an interface that is not watched', () => {
    world.sight(8, bob, '2001:db8:1::5');
    expect(world.seen).toEqual([]);
  });

  it('is made after a barrier, and then the borrower is asked for an address', () => {
    const asking = world.taps.all.slice(3);
    const to = `${u16(10).toString('hex')}000000000000ff02${'00'.repeat(13)}01${u32(7).toString('hex')}`;
    const from = (address: string) => `bind ${u16(10).toString('hex')}000000000000${address}00000000`;
    const ask = (address: string) => [
      'socket 10 3 58',
      `option 58 1 ${'ff'.repeat(32)}`,
      `option 41 19 ${u32(0).toString('hex')}`,
      from(address),
      `send 8000000000000001 ${to}`,
    ];
    expect(asking.map(({ log }) => log)).toEqual([
      ['socket 17 3 0'],
      ask('00'.repeat(16)),
      ask('20010db8000100000000000000000001'),
    ]);
    expect(asking.every(({ isOpen }) => !isOpen)).toBe(true);
  });

  it('is withdrawn when the interface is no longer watched', () => {
    world.lender.unwatch(7);
    expect(world.allowed.size).toBe(0);
    expect(world.lender.loan(7)).toBeUndefined();
    expect(world.taps.left).toHaveLength(2);
    world.calm();
    expect(world.left().filter((entry) => !/^(armed|endpoints)/.test(entry))).toEqual([]);
    expect(world.clock.pending()).toEqual([]);
    world.lender.unwatch(7);
    world.lender.unwatch(8);
  });

  it('leaves no endpoint to be counted when the interface is no longer watched', () => {
    world.lender.unwatch(7);
    expect([...world.object.maps.endpoints!.content.keys()]).toEqual(['0'.repeat(40)]);
  });

  it('is withdrawn, and everything closed, at the end', () => {
    world.lender.close();
    expect(world.allowed.size).toBe(0);
    expect(world.object.maps.lent!.content.size).toBe(0);
    expect(world.taps.left).toEqual([]);
    expect(world.object.log.at(-1)).toBe('close');
    expect(world.clock.pending()).toEqual([]);
  });

  it('stays on record if it cannot be withdrawn, and the rest is closed', () => {
    world.failing = 'remove';
    world.lender.close();
    expect(world.object.maps.lent!.content.size).toBe(3);
    expect(world.object.maps.borrowers!.content.size).toBe(0);
    expect(world.taps.left).toEqual([]);
    expect(world.object.log.at(-1)).toBe('close');
    expect(world.clock.pending()).toEqual([]);
  });
});

it('a borrower that cannot be asked has it all the same', () => {
  world.open().watch().calm();
  world.taps.failing = /^send/;
  world.packet(bob, '2001:db8:1::5');
  world.clock.advance(80);
  expect(world.borrower).toBe('bob');
  expect(world.lender.warnings).toEqual([]);
});

it('who had a loan from an earlier process does not get it each time that the interface is watched', () => {
  const prefix = parsePrefix('2001:db8:1::/65')!;
  const { key, value } = abi.encodeLent({ ifindex: 7, device: 'wg1', peer: bob, prefix });
  world.object.maps.lent!.update(key, value);
  world.open(kept).watch();
  expect(world.borrower).toBe('bob');
  world.lender.unwatch(7);
  world.watch();
  expect(world.borrower).toBeUndefined();
});

describe('what the kernel refuses', () => {
  const codes = () => world.lender.warnings.map(({ code }) => code);

  beforeEach(() => void world.open().watch().calm());

  it.each(['dump', 'add'])('is told as a problem, once, until it works again (%s)', (call) => {
    world.failing = call;
    for (let i = 0; i < 3; i++) {
      world.packet(bob, '2001:db8:1::5');
      world.calm();
    }
    expect(codes()).toEqual(['lending-failed']);
    expect(world.lender.warnings[0]!.data).toEqual({
      device: 'wg1',
      error: '',
      detail: `ENOMEM: ${call}`,
    });
    expect(world.rechecks).toBe(1);
    expect(world.isArmed).toBe(true);
    world.failing = undefined;
    world.packet(bob, '2001:db8:1::5');
    world.clock.advance(80);
    expect(codes()).toEqual([]);
    expect(world.rechecks).toBe(2);
    expect(world.borrower).toBe('bob');
  });

  it('is told as a problem if it is how many packets were refused', () => {
    world.failing = 'refused';
    world.packet(bob, '2001:db8:1::5');
    world.calm();
    expect(codes()).toEqual(['lending-failed']);
    expect(world.isArmed).toBe(true);
    world.failing = undefined;
    world.packet(bob, '2001:db8:1::5');
    world.calm();
    expect(codes()).toEqual([]);
    expect(world.borrower).toBe('bob');
  });

  it('is told again if it is something else', () => {
    for (const call of ['dump', 'add']) {
      world.failing = call;
      world.packet(bob, '2001:db8:1::5');
      world.calm();
    }
    expect(world.rechecks).toBe(2);
    expect(world.lender.warnings).toHaveLength(1);
    expect(world.lender.warnings[0]!.data).toMatchObject({ detail: 'ENOMEM: add' });
  });

  it('is told as a problem if it was to happen after a trial', () => {
    world.packet(bob, '2001:db8:1::5');
    world.clock.advance(300);
    world.packet(alice, '2001:db8:1::6');
    world.clock.advance(300);
    expect(world.borrower).toBe('bob');
    world.failing = 'add';
    world.clock.advance(1_300);
    expect(codes()).toEqual(['lending-failed']);
  });

  it('is told as a problem if it was to happen for what was seen', () => {
    world.packet(bob, '2001:db8:1::5');
    world.clock.advance(80);
    world.failing = 'dump';
    world.packet(bob, '2001:db8:1::5');
    expect(codes()).toEqual(['lending-failed']);
    world.failing = undefined;
    world.packet(bob, '2001:db8:1::5');
    expect(codes()).toEqual([]);
  });

  it('is no problem any more when the interface is no longer watched', () => {
    world.failing = 'dump';
    world.packet(bob, '2001:db8:1::5');
    world.calm();
    world.failing = undefined;
    world.lender.unwatch(7);
    expect(codes()).toEqual([]);
  });

  it('at the first look at an interface is thrown', () => {
    world.lender.unwatch(7);
    world.failing = 'dump';
    expect(() => world.watch()).toThrow('ENOMEM: dump');
  });
});
