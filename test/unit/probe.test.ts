// SPDX-License-Identifier: GPL-2.0-only

import { describe, expect, it, vi } from 'vitest';
import { encodeEnabled, encodeIfindex } from '../../src/kernel/abi.ts';
import { openProbe } from '../../src/kernel/probe.ts';
import type { Hook, Scope, Sighting } from '../../src/model.ts';
import { alice, prefixes } from './bench.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeKernel } from './fake-kernel.ts';
import { FakeMap, FakeObject, fakeNative } from './fake-native.ts';

/** The wireguard module. */
const loaded = vi.hoisted(() => ({ instance: 1 }));
vi.mock('../../src/kernel/requirements.ts', () => ({ moduleInstance: () => loaded.instance }));

type ProbeHook = Exclude<Hook, 'lending'>;

function open(hook: ProbeHook = 'fexit', object = new FakeObject()) {
  const sightings: Sighting[] = [];
  const handshakes: [number, string | undefined][] = [];
  const rechecked: number[] = [];
  const observer = {
    see: (batch: Sighting[]) => sightings.push(...batch),
    recheck: () => rechecked.push(object.maps.changes!.lookup(Buffer.alloc(4))!.readUInt8(4)),
    shakeHands: (ifindex: number, peer: string | undefined) => handshakes.push([ifindex, peer]),
  };
  const options = { native: fakeNative(object), file: 'wg-slaacer.o', keep: undefined };
  const probe = openProbe(options, new FakeKernel(new FakeClock()).wireguard, hook, observer);
  return { probe, object, sightings, handshakes, rechecked };
}

const limits = { rate: 5, burst: 16 };
const scope = (learn: string[], reserved: string[] = []): Scope => ({
  learn: prefixes(...learn),
  reserved: prefixes(...reserved),
});

/** The scope trie as "ifindex prefix-bits address-bytes value". */
const trie = ({ maps }: FakeObject) =>
  [...maps.scope!.content].map(([key, value]) => {
    const bytes = Buffer.from(key, 'hex');
    const words = new Uint32Array(Uint8Array.from(bytes.subarray(0, 8)).buffer);
    return `${words[1]} ${bytes.toString('hex', 8, 12)}/${words[0]! - 32} ${value[0]}`;
  });

/** What the hook goes by. */
const enabled = ({ maps }: FakeObject) => [...maps['.data.enabled']!.content.values()];

describe('opening', () => {
  it.each([
    [
      'fexit',
      [
        'enable lookup_exit',
        'enable handshake_exit',
        'enable change_exit',
        'enable insert_entry',
        'enable change_entry',
        'enable inject',
        'load',
        'records sightings',
        'records handshakes',
        'attach lookup_exit',
        'attach handshake_exit',
        'attach change_exit',
        'attach insert_entry',
        'attach change_entry',
      ],
    ],
    [
      'kprobe',
      [
        'enable lookup_enter',
        'enable lookup_return',
        'enable handshake_enter',
        'enable change_return',
        'enable insert_enter',
        'enable change_enter',
        'enable inject',
        'load',
        'records sightings',
        'records handshakes',
        'attach lookup_enter',
        'attach lookup_return',
        'attach handshake_enter',
        'attach change_return',
        'attach insert_enter',
        'attach change_enter',
      ],
    ],
  ] as const)('%s loads what it needs, and attaches last', (hook, log) => {
    expect(open(hook).object.log).toEqual(log);
  });

  it.each(['load', 'attach lookup_enter'])('leaves nothing behind when it fails to %s', (failing) => {
    const object = new FakeObject();
    object.failing = failing;
    expect(() => open('kprobe', object)).toThrow('EPERM');
    expect(object.log.at(-1)).toBe('close');
  });

  it.each([
    ['fexit', 'handshake_exit'],
    ['fexit', 'insert_entry'],
    ['kprobe', 'handshake_enter'],
    ['kprobe', 'change_return'],
  ] as const)('does without what %s cannot see by %s', (hook, missing) => {
    const object = new FakeObject();
    object.failing = `attach ${missing}`;
    const { probe } = open(hook, object);
    const isChange = !missing.startsWith('handshake');
    const log = object.log.slice(object.log.indexOf('close') + 1).join();
    expect(log).not.toMatch(isChange ? /change_|insert_/ : /handshake_/);
    expect(log).toMatch(isChange ? /attach handshake_/ : /attach change_/);
    expect([probe.seesChanges, probe.seesHandshakes]).toEqual([!isChange, isChange]);
  });

  it.each(['learned', 'lent', 'interfaces', 'counters', 'scope'])(
    'refuses an object with another layout of %s',
    (map) => {
      const object = new FakeObject();
      object.maps[map] = new FakeMap(20, 71);
      expect(() => open('fexit', object)).toThrow('different versions');
      expect(object.log.at(-1)).toBe('close');
      expect(object.log).not.toContain('attach lookup_exit');
    },
  );
});

it('tells who has a new session', () => {
  const { object, handshakes } = open();
  const record = Buffer.concat([encodeIfindex(7), Buffer.from(alice, 'base64')]);
  object.handshakes(Buffer.concat([encodeIfindex(36), Buffer.alloc(4), record, Buffer.alloc(4)]));
  expect(handshakes).toEqual([[7, alice]]);
});

it('tells once that others have changed something, however many records there are of it', () => {
  const { object, handshakes, rechecked } = open();
  const one = Buffer.concat([encodeIfindex(36), Buffer.alloc(4 + 40)]);
  const count = (begun: number, done: number) =>
    object.maps.changes!.update(Buffer.alloc(4), Buffer.from(new Uint32Array([begun, done]).buffer));
  count(3, 3);
  object.handshakes(Buffer.concat([one, one, one]));
  object.handshakes(one); // of the last of them: it came late
  count(5, 4);
  object.handshakes(one);
  expect([rechecked, handshakes]).toEqual([[3, 4], []]);
});

describe('watching', () => {
  it('tells the kernel limits and scope of an interface', () => {
    const { probe, object } = open();
    probe.watch({ ifindex: 7 }, limits, scope(['2001:db8::/32', 'fe80::/64'], ['ff00::/8']));
    expect(trie(object)).toEqual(['7 20010db8/32 1', '7 fe800000/64 1', '7 ff000000/8 2']);
    expect(object.maps.interfaces!.content.size).toBe(1);
    expect(enabled(object)).toEqual([encodeEnabled([7])]);
  });

  it('takes what is both for reserved', () => {
    const { probe, object } = open();
    probe.watch({ ifindex: 7 }, limits, scope(['2001:db8::/32'], ['2001:db8::/32']));
    expect(trie(object)).toEqual(['7 20010db8/32 2']);
  });

  it('tells the hook the interfaces, and to find out their tables', () => {
    const { probe, object } = open();
    for (const ifindex of [7, 200]) probe.watch({ ifindex }, limits, scope(['fe80::/64']));
    expect(enabled(object)).toEqual([encodeEnabled([7, 200])]);
    probe.unwatch(7);
    expect(enabled(object)).toEqual([encodeEnabled([200])]);
  });

  it('changes of the scope what has changed only', () => {
    const { probe, object } = open();
    probe.watch({ ifindex: 7 }, limits, scope(['2001:db8::/32', 'fe80::/64']));
    probe.watch({ ifindex: 8 }, limits, scope(['fe80::/64']));
    const { updates } = object.maps.scope!;
    probe.watch({ ifindex: 7 }, limits, scope(['fe80::/64', 'fd00::/8']));
    expect(trie(object).sort()).toEqual(['7 fd000000/8 1', '7 fe800000/64 1', '8 fe800000/64 1']);
    expect(object.maps.scope!.updates).toBe(updates + 1);
    probe.watch({ ifindex: 7 }, limits, scope(['fe80::/64'], ['fd00::/8']));
    expect(trie(object)).toContain('7 fd000000/8 2');
  });

  it('counts on when only the limits change, and anew when it is watched anew', () => {
    const { probe, object } = open();
    const counted = Buffer.alloc(48, 1);
    const ifindex = Buffer.from(new Uint32Array([7]).buffer);
    probe.watch({ ifindex: 7 }, limits, scope([]));
    object.maps.counters!.update(ifindex, counted);
    probe.watch({ ifindex: 7 }, { rate: 1, burst: 2 }, scope([]));
    expect(object.maps.counters!.lookup(ifindex)).toEqual(counted);
    expect(object.maps.interfaces!.lookup(ifindex)!.readUInt8(8)).toBe(2);
    probe.unwatch(7);
    probe.watch({ ifindex: 7 }, limits, scope([]));
    expect(probe.counters(7).candidate).toBe(0);
  });

  it('ends without a trace', () => {
    const { probe, object } = open();
    probe.watch({ ifindex: 7 }, limits, scope(['fe80::/64'], ['ff00::/8']));
    probe.unwatch(7);
    probe.unwatch(9);
    expect(trie(object)).toEqual([]);
    expect(enabled(object)).toEqual([encodeEnabled([])]);
    expect(object.maps.interfaces!.content.size + object.maps.counters!.content.size).toBe(0);
    expect(probe.counters(7)).toEqual({ candidate: 0, restore: 0, owned: 0, scope: 0, reserved: 0, rate: 0 });
  });

  it('sets a kprobe anew for a new interface of a new module, the return probe last', () => {
    const attached = (hook: ProbeHook) => {
      loaded.instance = 1;
      const { probe, object } = open(hook);
      const { length } = object.log;
      probe.watch({ ifindex: 7 }, limits, scope([]));
      expect(object.log).toHaveLength(length);
      loaded.instance = 2;
      probe.watch({ ifindex: 7 }, limits, scope(['fe80::/64']));
      expect(object.log).toHaveLength(length);
      probe.watch({ ifindex: 8 }, limits, scope([]));
      probe.watch({ ifindex: 9 }, limits, scope([]));
      return object.log.slice(length);
    };
    expect(attached('kprobe')).toEqual([
      'detach change_enter',
      'detach insert_enter',
      'detach change_return',
      'detach handshake_enter',
      'detach lookup_return',
      'detach lookup_enter',
      'attach lookup_enter',
      'attach lookup_return',
      'attach handshake_enter',
      'attach change_return',
      'attach insert_enter',
      'attach change_enter',
    ]);
    expect(attached('fexit')).toEqual([]);
  });
});

describe('records', () => {
  const record = {
    ifindex: 7,
    device: 'wg1',
    address: '2001:db8::5',
    peer: alice,
    learned: 1_000,
    lastSeen: 2_000,
  };

  it('are remembered and forgotten', () => {
    const { probe } = open();
    probe.keepRecord(record);
    probe.keepRecord({ ...record, ifindex: 8 });
    expect(probe.records()).toEqual([record, { ...record, ifindex: 8 }]);
    expect(probe.lastSeen(7, '2001:db8::5')).toBe(2_000);
    probe.dropRecords(7, ['2001:db8::5']);
    probe.dropRecords(9, ['2001:db8::5']);
    expect(probe.records()).toEqual([{ ...record, ifindex: 8 }]);
    expect(probe.lastSeen(7, '2001:db8::5')).toBeUndefined();
  });
});

it('passes on what is sighted', () => {
  const { object, sightings } = open();
  const batch = Buffer.alloc(8 + 104);
  batch.set(new Uint8Array(new Uint32Array([104]).buffer));
  object.records(batch);
  expect(sightings).toMatchObject([{ verdict: 'candidate', address: '::' }]);
});

it('puts a packet back behind an Ethernet header', () => {
  const { probe, object } = open();
  probe.deliver(7, Buffer.from('60ff', 'hex'));
  expect(object.log.at(-1)).toBe('run inject 00000000000000000000000086dd60ff 7');
});

it('says when the kernel does not take a packet back', () => {
  const { probe, object } = open();
  object.runAnswer = -22;
  expect(() => probe.deliver(7, Buffer.alloc(40))).toThrow('-22');
});

it('closes the object, and counts no changes any more', () => {
  const { probe, object } = open();
  expect(probe.changes!.read()).toMatchObject({ begun: 0, done: 0 });
  probe.close();
  expect(object.log.at(-1)).toBe('close');
  expect(probe.changes!.read()).toBeUndefined();
});
