// SPDX-License-Identifier: GPL-2.0-only
// The socket filters of bpf/lending.h, as they are built, on packets made here. What is loopback's: ifindex 1, no MAC.

import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseAddress, parsePrefix } from '../../src/address.ts';
import * as abi from '../../src/kernel/abi.ts';
import { type BpfObject, loadNative } from '../../src/kernel/native.ts';
import type { Endpoint, Limits, Sighting } from '../../src/model.ts';
import { alice, bob } from './bench.ts';
import { canLoadPrograms } from './native/programs.ts';

const built = (path: string) => fileURLToPath(new URL(`../../dist/rootfs/${path}`, import.meta.url));
const native = loadNative(built('usr/lib/wg-slaacer/wg_slaacer.node'));
const OBJECT = built('lib/bpf/wg-slaacer.o');

const LOOPBACK = 1;
const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const UDP = 17;

function load(): BpfObject {
  const object = new native.BpfObject(OBJECT, OBJECT);
  try {
    for (const program of ['accepted', 'encrypted']) object.enable(program);
    object.load();
    return object;
  } catch (error) {
    object.close();
    throw error;
  }
}

const u16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);
const ifindex = abi.encodeIfindex(LOOPBACK);
const index0 = abi.encodeIfindex(0);

function ethernet(protocol: number, packet: Uint8Array, to = '000000000000'): Buffer {
  return Buffer.concat([Buffer.from(to, 'hex'), Buffer.alloc(6), u16(protocol), packet]);
}

function ipv6(from: string, nextHeader: number, payload: Uint8Array, to = '2001:db8::1'): Buffer {
  return Buffer.concat([
    Buffer.from('60000000', 'hex'),
    ...[u16(payload.length), Buffer.from([nextHeader, 64])],
    ...[parseAddress(from)!, parseAddress(to)!, payload],
  ]);
}

function ipv4(
  from: string,
  protocol: number,
  payload: Uint8Array,
  { fragment = 0x4000, options = Buffer.alloc(0) } = {},
): Buffer {
  return Buffer.concat([
    ...[Buffer.from([0x45 + options.length / 4, 0]), u16(20 + options.length + payload.length)],
    ...[u16(1), u16(fragment), Buffer.from([64, protocol]), u16(0)],
    ...[Buffer.from(from.split('.').map(Number)), Buffer.from([192, 0, 2, 254]), options, payload],
  ]);
}

/** A WireGuard message of so many bytes, its UDP header before it. */
function udp(port: number, { type = 4, reserved = 0, size = 128, to = 51_820 } = {}): Buffer {
  const message = Buffer.alloc(size);
  message[0] = type;
  message[3] = reserved;
  return Buffer.concat([u16(port), u16(to), u16(8 + size), u16(0), message]);
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i > 1_000) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

let object: BpfObject;

describe.skipIf(!canLoadPrograms(native))('the filter of', () => {
  beforeEach(() => {
    object = load();
  });
  afterEach(() => object.close());

  describe('what is encrypted', () => {
    const endpoint = (address: string, port: number): Endpoint => ({ address: parseAddress(address)!, port });
    const v4 = endpoint('::ffff:192.0.2.1', 1_000);
    const v6 = endpoint('2001:db8:ff::2', 2_000);
    const keyOf = (watched: Endpoint | undefined) =>
      watched ? abi.encodeEndpoint(watched, 51_820) : Buffer.alloc(abi.layout.endpoint.size);

    /** Undefined: strangers. */
    const watch = (...endpoints: (Endpoint | undefined)[]) => {
      for (const each of endpoints)
        object.map('endpoints').update(keyOf(each), Buffer.alloc(abi.layout.traffic.size));
    };
    const bytesOf = (watched: Endpoint | undefined) =>
      abi.decodeTraffic(object.map('endpoints').dump()).get(keyOf(watched).toString('hex'));
    const counted = () => [v4, v6, undefined].map(bytesOf);
    const arm = () => object.map('armed').update(index0, abi.encodeIfindex(1));
    const isArmed = () => object.map('armed').lookup(index0)!.equals(abi.encodeIfindex(1));

    const run = (packet: Buffer) => object.testRun('encrypted', packet, 0);
    const runV4 = (message: Buffer, options = {}) =>
      run(ethernet(ETH_P_IP, ipv4('192.0.2.1', UDP, message, options)));
    const runV6 = (message: Buffer) => run(ethernet(ETH_P_IPV6, ipv6('2001:db8:ff::2', UDP, message)));

    beforeEach(() => watch(v4, v6, undefined));

    test('counts the bytes of messages by endpoint, IPv4 and IPv6', () => {
      runV4(udp(1_000));
      runV4(udp(1_000, { size: 1_452 }));
      runV6(udp(2_000, { size: 32 }));
      expect(counted()).toEqual([1_580, 32, 0]);
    });

    test.each([
      ['handshake initiations', 1, 148],
      ['handshake responses', 2, 92],
      ['data', 4, 32],
    ])('counts %s', (_, type, size) => {
      runV4(udp(1_000, { type, size }));
      runV6(udp(2_000, { type, size }));
      expect(counted()).toEqual([size, size, 0]);
    });

    test.each([
      ['a cookie', { type: 3, size: 64 }],
      ['another type', { type: 5 }],
      ['no type', { type: 0 }],
      ['something like a type', { reserved: 1 }],
    ])('does not count what begins with %s', (_, message) => {
      arm();
      expect([runV4(udp(1_000, message)), runV6(udp(2_000, message))]).toEqual([0, 0]);
      expect(counted()).toEqual([0, 0, 0]);
      expect(isArmed()).toBe(true);
    });

    test('finds the UDP header behind options', () => {
      runV4(udp(1_000), { options: Buffer.alloc(8, 1) });
      expect(counted()).toEqual([128, 0, 0]);
    });

    test('counts what comes from other addresses and ports, or to another port, for strangers', () => {
      runV4(udp(1_001));
      runV4(udp(1_000, { to: 51_821 }));
      run(ethernet(ETH_P_IP, ipv4('192.0.2.2', UDP, udp(1_000))));
      run(ethernet(ETH_P_IPV6, ipv6('2001:db8:ff::3', UDP, udp(2_000))));
      run(ethernet(ETH_P_IPV6, ipv6('::ffff:192.0.2.9', UDP, udp(1_000))));
      expect(counted()).toEqual([0, 0, 5 * 128]);
    });

    test('remembers no endpoint that it was not told of', () => {
      for (const each of [v4, v6, undefined]) object.map('endpoints').delete(keyOf(each));
      arm();
      expect(runV4(udp(1_000))).toBe(1);
      expect(object.map('endpoints').dump()).toHaveLength(0);
    });

    test('wakes once when it is to, with the next data that is more than a keepalive', () => {
      expect(runV4(udp(1_000))).toBe(0);
      arm();
      expect(runV4(udp(1_000, { size: 32 }))).toBe(0);
      expect(runV6(udp(2_000, { size: 32 }))).toBe(0);
      expect(runV4(udp(1_000, { type: 1, size: 148 }))).toBe(0);
      expect(runV4(udp(1_000, { type: 2, size: 92 }))).toBe(0);
      expect(isArmed()).toBe(true);
      expect(runV4(udp(1_000, { size: 48 }))).toBe(1);
      expect(isArmed()).toBe(false);
      expect(runV4(udp(1_000))).toBe(0);
      arm();
      expect(runV6(udp(2_000))).toBe(1);
    });

    test('wakes for strangers', () => {
      arm();
      expect(runV4(udp(9))).toBe(1);
    });

    test('takes the first fragment of a datagram for all of it', () => {
      runV4(udp(1_000, { size: 1_400 }), { fragment: 0x2000 });
      for (const fragment of [0x2001, 0x00b9, 0x0100, 0x1f00]) runV4(udp(1_000), { fragment });
      expect(counted()).toEqual([1_400, 0, 0]);
    });

    test.each([
      ['TCP over IPv4', ETH_P_IP, ipv4('192.0.2.1', 6, udp(1_000))],
      ['TCP over IPv6', ETH_P_IPV6, ipv6('2001:db8:ff::2', 6, udp(2_000))],
      ['a fragment of IPv6', ETH_P_IPV6, ipv6('2001:db8:ff::2', 44, udp(2_000))],
      ['ARP', 0x0806, ipv4('192.0.2.1', UDP, udp(1_000))],
    ])('ignores %s', (_, protocol, packet) => {
      arm();
      expect(run(ethernet(protocol, packet))).toBe(0);
      expect(counted()).toEqual([0, 0, 0]);
      expect(isArmed()).toBe(true);
    });

    // Kernels let no packet with half an IP header be run.
    test('ignores what is too short', () => {
      arm();
      const whole = ipv4('192.0.2.1', UDP, udp(1_000));
      const whole6 = ipv6('2001:db8:ff::2', UDP, udp(2_000));
      for (const length of [20, 27, 28, 31]) run(ethernet(ETH_P_IP, whole.subarray(0, length)));
      for (const length of [40, 47, 48, 51]) run(ethernet(ETH_P_IPV6, whole6.subarray(0, length)));
      expect(counted()).toEqual([0, 0, 0]);
      expect(isArmed()).toBe(true);
      run(ethernet(ETH_P_IP, whole.subarray(0, 32)));
      run(ethernet(ETH_P_IPV6, whole6.subarray(0, 52)));
      expect(counted()).toEqual([128, 128, 0]);
    });

    test.each([
      ['other machines', '020000000001'],
      ['all machines', 'ffffffffffff'],
      ['many machines', '010000000001'],
    ])('ignores what is sent to %s', (_, to) => {
      arm();
      expect(run(ethernet(ETH_P_IP, ipv4('192.0.2.1', UDP, udp(1_000)), to))).toBe(0);
      expect(counted()).toEqual([0, 0, 0]);
    });
  });

  describe('what was accepted', () => {
    const seen: Sighting[] = [];

    const receive = (address: string, times = 1) => {
      for (let i = 0; i < times; i++)
        expect(object.testRun('accepted', ethernet(ETH_P_IPV6, ipv6(address, 59, Buffer.alloc(0))), 0)).toBe(
          0,
        );
    };

    const put = (text: string, kind: abi.ScopeKind, of = LOOPBACK) =>
      object.map('scope').update(abi.encodeScopeKey(of, parsePrefix(text)!), abi.encodeScopeValue(kind));

    const watch = (limits: Limits = { rate: 5, burst: 16 }) => {
      object.map('interfaces').update(ifindex, abi.encodeInterface(limits, 0));
      object.map('counters').update(ifindex, Buffer.alloc(abi.layout.counters.size));
      put('2001:db8:1::/64', 'learn');
      put('2001:db8:1::1/128', 'reserved');
      put('ff00::/8', 'reserved');
      put('2001:db8:1:0:5::/80', 'configured');
    };
    const lendTo = (peer: string) => object.map('borrowers').update(ifindex, abi.encodeBorrower(peer));
    const counters = () => {
      const all = abi.decodeCounters(object.map('counters').lookup(ifindex)!);
      return Object.fromEntries(Object.entries(all).filter(([, count]) => count > 0));
    };

    /** What the ring buffer has by now, without when that was. */
    const sighted = async () => {
      // Is told of in any case, and last.
      lendTo(bob);
      receive('2001:db8:1::ffff');
      await until(() => seen.at(-1)?.address === '2001:db8:1::ffff');
      return seen
        .splice(0)
        .slice(0, -1)
        .map(({ time, ...rest }) => rest);
    };

    const candidate = (address: string, sender = alice) => ({
      ...{ ifindex: LOOPBACK, verdict: 'candidate', count: 1, address, sender },
    });

    beforeEach(() => {
      seen.length = 0;
      object.onRecords('sightings', (batch) => seen.push(...abi.decodeSightings(batch)));
      watch();
      lendTo(alice);
    });

    test('tells of an unknown source in scope as the borrower’s', async () => {
      receive('2001:db8:1::5');
      expect(counters()).toEqual({ candidate: 1 });
      expect(await sighted()).toEqual([candidate('2001:db8:1::5')]);
    });

    test('tells of whom it is at the time', async () => {
      receive('2001:db8:1::5');
      lendTo(bob);
      receive('2001:db8:1::6');
      expect(await sighted()).toEqual([candidate('2001:db8:1::5'), candidate('2001:db8:1::6', bob)]);
    });

    test.each([
      ['an echo reply from a link-local source to a global one', 'fe80::5', '2001:db8::1', 129, []],
      ['an echo reply to a link-local address', 'fe80::5', 'fe80::1', 129, ['fe80::5']],
      ['an echo reply from a global source', '2001:db8:1::5', '2001:db8::1', 129, ['2001:db8:1::5']],
      ['an echo request', 'fe80::5', '2001:db8::1', 128, ['fe80::5']],
    ])('tells of %s: %s → %s, type %i: %j', async (_, from, to, type, told) => {
      put('fe80::/64', 'learn');
      const packet = ipv6(from, 58, Buffer.from([type, 0, 0, 0, 0, 0, 0, 0]), to);
      object.testRun('accepted', ethernet(ETH_P_IPV6, packet), 0);
      expect((await sighted()).map(({ address }) => address)).toEqual(told);
    });

    test('only notes that a known source was used', async () => {
      const record = { ifindex: LOOPBACK, device: 'lo', address: '2001:db8:1::5', peer: bob };
      const key = abi.encodeSource(LOOPBACK, record.address);
      object.map('learned').update(key, abi.encodeLearned({ ...record, learned: 1, lastSeen: 1 }));
      const before = abi.decodeLastSeen(object.map('learned').lookup(key)!);
      receive('2001:db8:1::5');
      const after = object.map('learned').lookup(key)!;
      expect(abi.decodeLastSeen(after)).toBeGreaterThan(before);
      expect(abi.decodeRecords(Buffer.concat([key, after]))).toMatchObject([{ ...record, learned: 1 }]);
      expect(counters()).toEqual({});
      expect(await sighted()).toEqual([]);
    });

    test('notes that a known source was used although nobody has a loan', () => {
      object.map('borrowers').delete(ifindex);
      const key = abi.encodeSource(LOOPBACK, '2001:db8:1::5');
      object.map('learned').update(key, Buffer.alloc(abi.layout.learned.size));
      receive('2001:db8:1::5');
      expect(abi.decodeLastSeen(object.map('learned').lookup(key)!)).toBeGreaterThan(0);
    });

    test('tells of a known source that is offered as another peer’s, whose use of it that is not', async () => {
      const record = { ifindex: LOOPBACK, device: 'lo', address: '2001:db8:1::5', peer: bob };
      const key = abi.encodeSource(LOOPBACK, record.address);
      object.map('learned').update(key, abi.encodeLearned({ ...record, learned: 1, lastSeen: 1 }));
      put('2001:db8:1::5/128', 'offered');
      receive('2001:db8:1::5');
      expect(abi.decodeLastSeen(object.map('learned').lookup(key)!)).toBe(1);
      expect(await sighted()).toEqual([{ ...candidate('2001:db8:1::5'), verdict: 'owned', owner: bob }]);
      object.map('scope').delete(abi.encodeScopeKey(LOOPBACK, parsePrefix('2001:db8:1::5/128')!));
      receive('2001:db8:1::5');
      expect(abi.decodeLastSeen(object.map('learned').lookup(key)!)).toBeGreaterThan(1);
    });

    test('says nothing of what is offered, but known no more', async () => {
      put('2001:db8:1::5/128', 'offered');
      receive('2001:db8:1::5');
      expect(await sighted()).toEqual([]);
    });

    test('takes what is known on another interface for unknown', async () => {
      const key = abi.encodeSource(LOOPBACK + 1, '2001:db8:1::5');
      object.map('learned').update(key, Buffer.alloc(abi.layout.learned.size));
      receive('2001:db8:1::5');
      expect(await sighted()).toEqual([candidate('2001:db8:1::5')]);
    });

    test.each([
      ['is a peer’s by configuration', '2001:db8:1:0:5::7'],
      ['is outside the scope', '2001:db8:2::5'],
    ])('says nothing of a source that %s', async (_, address) => {
      receive(address);
      expect(counters()).toEqual({});
      expect(await sighted()).toEqual([]);
    });

    test('goes by the longest match', async () => {
      put('2001:db8:1:0:5:6::/96', 'learn');
      put('2001:db8:1:0:5:6:7:8/128', 'configured');
      receive('2001:db8:1:0:5:6:7:8');
      receive('2001:db8:1:0:5:6:7:9');
      expect(await sighted()).toEqual([candidate('2001:db8:1:0:5:6:7:9')]);
    });

    test.each(['2001:db8:1::1', '2001:db8:1::', 'ff02::1'])('tells that %s is reserved', async (address) => {
      receive(address);
      expect(counters()).toEqual({ reserved: 1 });
      expect(await sighted()).toEqual([{ ...candidate(address), verdict: 'reserved' }]);
    });

    test('says nothing when nobody has a loan', async () => {
      object.map('borrowers').delete(ifindex);
      receive('2001:db8:1::5');
      receive('2001:db8:1::1');
      expect(counters()).toEqual({});
      expect(object.map('budgets').dump()).toHaveLength(0);
      expect(await sighted()).toEqual([]);
    });

    test('says nothing of an interface that is not watched', async () => {
      object.map('interfaces').delete(ifindex);
      receive('2001:db8:1::5');
      watch();
      expect(await sighted()).toEqual([]);
    });

    test('tells of more packets as repeats, of some', async () => {
      receive('2001:db8:1::5', 20);
      expect(counters()).toEqual({ candidate: 20 });
      const [first, ...others] = await sighted();
      expect(first).toEqual(candidate('2001:db8:1::5'));
      expect(others).toEqual(others.map(() => ({ ...candidate('2001:db8:1::5'), repeat: true })));
      expect(others).toHaveLength(7);
    });

    test('tells of a reserved source once a second', async () => {
      receive('2001:db8:1::1', 20);
      expect(counters()).toEqual({ reserved: 20 });
      expect(await sighted()).toHaveLength(1);
    });

    test('takes a token for each address from the borrower’s budget, which user space can read', async () => {
      watch({ rate: 5, burst: 2 });
      receive('2001:db8:1::5', 3);
      const next = () =>
        abi.decodeNextToken(object.map('budgets').lookup(abi.encodeBorrowerId(LOOPBACK, alice))!);
      const first = next();
      receive('2001:db8:1::6');
      expect(next() - first).toBe(12_000);
      receive('2001:db8:1::7');
      expect(next() - first).toBe(12_000);
      expect(counters()).toEqual({ candidate: 4, rate: 1 });
      const all = await sighted();
      expect(all.filter(({ repeat }) => !repeat)).toEqual([
        candidate('2001:db8:1::5'),
        candidate('2001:db8:1::6'),
        { ...candidate('2001:db8:1::7'), verdict: 'rate' },
      ]);
    });

    test('has a budget for each borrower', async () => {
      watch({ rate: 5, burst: 1 });
      receive('2001:db8:1::5');
      lendTo(bob);
      put('2001:db8:1::ffff/128', 'reserved'); // Bob has but one token
      receive('2001:db8:1::6');
      expect(counters()).toEqual({ candidate: 2 });
      expect(await sighted()).toHaveLength(2);
    });

    test('ignores what is too short to have a source', async () => {
      const packet = ipv6('2001:db8:1::5', 59, Buffer.alloc(0));
      const notIp = 0x0806; // of which kernels let any length be run
      const run = (length: number) =>
        object.testRun('accepted', ethernet(notIp, packet.subarray(0, length)), 0);
      for (const length of [1, 8, 23]) expect(run(length)).toBe(0);
      expect(counters()).toEqual({});
      expect(await sighted()).toEqual([]);
    });
  });
});
