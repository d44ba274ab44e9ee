// SPDX-License-Identifier: GPL-2.0-only

import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../src/address.ts';
import { attribute, encodeMessage, nested, u16, u32 } from '../../src/kernel/netlink.ts';
import { GenetlinkWireGuard } from '../../src/kernel/wireguard.ts';
import type { PeerAddress } from '../../src/model.ts';
import { formatAllowedIps } from './allowed-ips.ts';
import { done, FakeSockets, FakeWireGuard } from './fake-netlink.ts';

const { ENODEV, ENOENT, ENOMEM, EOPNOTSUPP } = constants.errno;

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');
const alice = key(0xa1);
const bob = key(0xb0);
const nobody = key(0x0b);

const entry = (peer: string, address: string): PeerAddress => ({ peer, address });
const many = (peer: string, count: number, prefix = '2001:db8::') =>
  Array.from({ length: count }, (_, i) => entry(peer, `${prefix}1:${(i + 1).toString(16)}`));

const before616 = () => new FakeWireGuard(false);
const since616 = () => new FakeWireGuard(true);

function dumped(wireguard: GenetlinkWireGuard, device: string): Record<string, string[]> {
  const { peers } = wireguard.dump(device)!;
  return Object.fromEntries(peers.map((peer) => [peer.key, formatAllowedIps(peer)]));
}

describe('on the wire', () => {
  it('are these bytes', () => {
    const kernel = since616();
    kernel.device('wg1', { [alice]: [] });
    const wireguard = new GenetlinkWireGuard(kernel);
    wireguard.dump('wg1');
    wireguard.add('wg1', [entry(alice, '2001:db8::5')]);
    wireguard.remove('wg1', [entry(alice, '2001:db8::5')]);
    const address = '1400 0200 20010db8000000000000000000000005';
    const hex = [
      // CTRL_CMD_GETFAMILY, version 1
      `24000000 1000 0500 01000000 00000000  03 01 0000
         0e00 0200 ${Buffer.from('wireguard\0').toString('hex')} 0000`,
      // WG_CMD_GET_DEVICE
      `1c000000 1e00 0103 02000000 00000000  00 01 0000
         0800 0200 77673100`,
      // WG_CMD_SET_DEVICE: peers, peer, key, UPDATE_ONLY, allowed IPs, allowed IP
      `7c000000 1e00 0500 03000000 00000000  01 01 0000
         0800 0200 77673100
         6000 0880  5c00 0080  2400 0100 ${'a1'.repeat(32)}  0800 0300 04000000
         2c00 0980  2800 0080  0600 0100 0a00 0000  ${address}  0500 0300 80000000`,
      // the same with REMOVE_ME
      `84000000 1e00 0500 04000000 00000000  01 01 0000
         0800 0200 77673100
         6800 0880  6400 0080  2400 0100 ${'a1'.repeat(32)}  0800 0300 04000000
         3400 0980  3000 0080  0600 0100 0a00 0000  ${address}  0500 0300 80000000  0800 0400 01000000`,
    ];
    expect(kernel.sent.map((bytes) => bytes.toString('hex'))).toEqual(
      hex.map((text) => text.replace(/\s/g, '')),
    );
  });

  it('a removal before 6.16 is one message that creates a peer and removes it', () => {
    const kernel = before616();
    kernel.device('wg1', { [alice]: ['2001:db8::5/128'] });
    new GenetlinkWireGuard(kernel).remove('wg1', [entry(alice, '2001:db8::5')]);
    const temporary = Buffer.from(kernel.created[0]!, 'base64').toString('hex');
    expect(kernel.sent.at(-1)!.toString('hex')).toBe(
      `b0000000 1e00 0500 04000000 00000000  01 01 0000
         0800 0200 77673100  9400 0880
         5c00 0080  2400 0100 ${temporary}  0800 0300 00000000
         2c00 0980  2800 0080  0600 0100 0a00 0000
                    1400 0200 20010db8000000000000000000000005  0500 0300 80000000
         3400 0080  2400 0100 ${temporary}  0800 0300 05000000  0400 0980`.replace(/\s/g, ''),
    );
  });
});

describe('dump', () => {
  it('gives the IPv6 allowed IPs of every peer', () => {
    const kernel = since616();
    kernel.device('wg1', {
      [alice]: ['10.0.0.2/32', '2001:db8:1::/48', '2001:db8::5/128'],
      [bob]: [],
    });
    expect(new GenetlinkWireGuard(kernel).dump('wg1')).toMatchObject({
      ifindex: 7,
      listenPort: 51820,
      peers: [
        {
          key: alice,
          addresses: ['2001:db8::5'],
          prefixes: [{ bytes: parseAddress('2001:db8:1::'), length: 48 }],
        },
        { key: bob, addresses: [], prefixes: [] },
      ],
    });
  });

  it('merges a peer that is split over messages', () => {
    const kernel = since616();
    const peers = {
      [alice]: many(alice, 250)
        .map(({ address }) => `${address}/128`)
        .sort(),
      [bob]: ['2001:db8:b::/64'],
    };
    kernel.device('wg1', peers);
    expect(dumped(new GenetlinkWireGuard(kernel), 'wg1')).toEqual(peers);
    expect(kernel.received.length).toBeGreaterThan(3);
  });

  it('gives the endpoint, the latest handshake, what was received and if there is a preshared key of every peer', () => {
    const kernel = since616();
    kernel.listenPort = 53;
    kernel.device('wg1', { [alice]: ['2001:db8::5/128'], [bob]: [], [nobody]: [] });
    kernel.facts.set(alice, {
      endpoint: Buffer.concat([u16(2), Buffer.from('1234c0000201', 'hex'), Buffer.alloc(8)]),
      latestHandshake: 2 ** 33,
      rxBytes: 2 ** 40 + 1,
    });
    kernel.facts.set(bob, {
      endpoint: Buffer.concat([
        ...[u16(10), Buffer.from('ca6c', 'hex'), u32(0x12345)],
        ...[parseAddress('fe80::5')!, u32(3)],
      ]),
      rxBytes: 148,
    });
    kernel.facts.set(nobody, { presharedKey: Buffer.alloc(32) });
    expect(new GenetlinkWireGuard(kernel).dump('wg1')).toEqual({
      ifindex: 7,
      listenPort: 53,
      peers: [
        {
          key: alice,
          addresses: ['2001:db8::5'],
          prefixes: [],
          endpoint: { address: parseAddress('::ffff:192.0.2.1'), port: 0x1234 },
          latestHandshake: 2 ** 33,
          rxBytes: 2 ** 40 + 1,
          hasPresharedKey: true,
        },
        {
          key: bob,
          addresses: [],
          prefixes: [],
          endpoint: { address: parseAddress('fe80::5'), port: 51820 },
          latestHandshake: 0,
          rxBytes: 148,
          hasPresharedKey: true,
        },
        { key: nobody, addresses: [], prefixes: [], latestHandshake: 0, rxBytes: 0 },
      ],
    });
  });

  it('gives no endpoint where the kernel has none', () => {
    const kernel = since616();
    kernel.device('wg1', { [alice]: [] });
    kernel.facts.set(alice, { endpoint: Buffer.alloc(28) });
    expect(new GenetlinkWireGuard(kernel).dump('wg1')!.peers[0]).not.toHaveProperty('endpoint');
  });

  it('keeps what it knows of a peer that goes on in the next message', () => {
    const kernel = since616();
    kernel.device('wg1', { [alice]: many(alice, 250).map(({ address }) => `${address}/128`) });
    kernel.facts.set(alice, { latestHandshake: 9, rxBytes: 10 });
    const [peer] = new GenetlinkWireGuard(kernel).dump('wg1')!.peers;
    expect(peer).toMatchObject({ latestHandshake: 9, rxBytes: 10 });
    expect(peer!.addresses).toHaveLength(250);
  });

  it('leaves no key in the buffers it was given', () => {
    const kernel = since616();
    kernel.device('wg1', { [alice]: ['2001:db8::5/128'] });
    kernel.interruptions = 1;
    const wireguard = new GenetlinkWireGuard(kernel);
    const before = dumped(wireguard, 'wg1');
    const all = Buffer.concat(kernel.received);
    expect(kernel.dumps).toBe(2);
    expect(all.includes(FakeWireGuard.PRIVATE_KEY)).toBe(false);
    expect(all.includes(FakeWireGuard.PRESHARED_KEY)).toBe(false);
    expect(before).toEqual({ [alice]: ['2001:db8::5/128'] });
  });

  it('is undefined without the device, for one of another kind, and without WireGuard', () => {
    const kernel = since616();
    const wireguard = new GenetlinkWireGuard(kernel);
    expect(wireguard.dump('wg9')).toBeUndefined();
    expect(wireguard.dump('lo')).toBeUndefined();
    expect(wireguard.dump('a-name-too-long-')).toBeUndefined();
    kernel.family = undefined;
    expect(wireguard.dump('wg9')).toBeUndefined();
  });

  it.each([
    ['no ifindex', Buffer.alloc(4), 'no ifindex'],
    ['no payload', Buffer.alloc(0), 'no ifindex'],
    [
      'a peer without key',
      Buffer.concat([Buffer.alloc(4), attribute(1, u32(7)), nested(8, [nested(0, [])])]),
      'without a key',
    ],
    [
      'half an allowed IP',
      Buffer.concat([
        Buffer.alloc(4),
        nested(8, [nested(0, [attribute(1, Buffer.alloc(32)), nested(9, [nested(0, [])])])]),
      ]),
      'half an allowed IP',
    ],
    ['a cut attribute', Buffer.from('00010000ff000880', 'hex'), 'bad attribute'],
  ])('throws at an answer with %s', (_, payload, message) => {
    const kernel = since616();
    const real = kernel.answer;
    kernel.answer = (request) =>
      request.type === 16 ? real(request) : [encodeMessage(30, 2, request.sequence, payload), done(request)];
    expect(() => new GenetlinkWireGuard(kernel).dump('wg1')).toThrow(message);
  });
});

describe('the generic netlink family', () => {
  it('is looked up once', () => {
    const kernel = since616();
    kernel.device('wg1', { [alice]: [] });
    const wireguard = new GenetlinkWireGuard(kernel);
    wireguard.dump('wg1');
    wireguard.add('wg1', [entry(alice, '2001:db8::5')]);
    expect(kernel.familyLookups).toBe(1);
  });

  it('is looked up again when the module has been reloaded', () => {
    const kernel = since616();
    kernel.device('wg1', { [alice]: [] });
    const wireguard = new GenetlinkWireGuard(kernel);
    wireguard.dump('wg1');
    kernel.family = 31;
    wireguard.add('wg1', [entry(alice, '2001:db8::5')]);
    expect(kernel.state('wg1')).toEqual({ [alice]: ['2001:db8::5/128'] });
    expect(kernel.familyLookups).toBe(2);
  });

  it('may come and go', () => {
    const kernel = since616();
    kernel.device('wg1', { [alice]: [] });
    kernel.family = undefined;
    const wireguard = new GenetlinkWireGuard(kernel);
    const add = () => wireguard.add('wg1', [entry(alice, '2001:db8::5')]);
    const missing = expect.objectContaining({
      errno: ENOENT,
      message: 'CTRL_CMD_GETFAMILY wireguard: ENOENT: the kernel has no WireGuard; install kmod-wireguard',
    });
    expect(add).toThrow(missing);
    kernel.family = 30;
    add();
    kernel.family = undefined;
    expect(add).toThrow(missing);
    expect(() => wireguard.remove('wg1', [entry(alice, '2001:db8::5')])).toThrow(missing);
  });

  it('without an id is no answer', () => {
    const sockets = new FakeSockets((request) => [done(request)]);
    expect(() => new GenetlinkWireGuard(sockets).dump('wg1')).toThrow('gave no id');
  });
});

describe('add', () => {
  it('puts the addresses of several peers in one message and creates no peer', () => {
    const kernel = since616();
    kernel.device('wg1', { [alice]: ['2001:db8:1::/48'], [bob]: [] });
    const wireguard = new GenetlinkWireGuard(kernel);
    wireguard.add('wg1', [
      entry(alice, '2001:db8::5'),
      entry(nobody, '2001:db8::6'),
      entry(bob, '2001:db8::7'),
      entry(alice, '2001:db8::8'),
    ]);
    expect(kernel.state('wg1')).toEqual({
      [alice]: ['2001:db8:1::/48', '2001:db8::5/128', '2001:db8::8/128'],
      [bob]: ['2001:db8::7/128'],
    });
    expect(kernel.created).toEqual([]);
    expect(kernel.sent).toHaveLength(2);
  });

  it.each([
    ['one peer', (i: number) => key(i % 1)],
    ['peers of their own', (i: number) => Buffer.alloc(32, `peer ${i} `).toString('base64')],
  ])('keeps messages small: 2,000 addresses of %s', (_, peerOf) => {
    const kernel = since616();
    const entries = many('', 2000).map(({ address }, i) => entry(peerOf(i), address));
    kernel.device('wg1', Object.fromEntries(entries.map(({ peer }) => [peer, []])));
    const wireguard = new GenetlinkWireGuard(kernel);
    wireguard.add('wg1', entries);
    expect(kernel.devices.get('wg1')!.owners.size).toBe(2000);
    wireguard.remove('wg1', entries);
    expect(kernel.devices.get('wg1')!.owners.size).toBe(0);
    expect(Math.max(...kernel.sent.map(({ length }) => length))).toBeLessThan(32768);
  });

  it('puts prefixes of any length in, and moves what another peer has', () => {
    const kernel = since616();
    kernel.device('wg1', { [alice]: ['2001:db8::/65', '2001:db8::/64'], [bob]: [] });
    new GenetlinkWireGuard(kernel).add('wg1', [
      { peer: bob, address: '2001:db8::', length: 65 },
      { peer: bob, address: 'ff02::', length: 127 },
      { peer: bob, address: '::', length: 0 },
      { peer: bob, address: '2001:db8::' },
    ]);
    expect(kernel.state('wg1')).toEqual({
      [alice]: ['2001:db8::/64'],
      [bob]: ['2001:db8::/128', '2001:db8::/65', '::/0', 'ff02::/127'],
    });
  });

  it('says what failed', () => {
    const wireguard = new GenetlinkWireGuard(since616());
    const add = (device: string) => () => wireguard.add(device, [entry(alice, '2001:db8::5')]);
    expect(add('wg9')).toThrow(
      expect.objectContaining({ errno: ENODEV, operation: 'WG_CMD_SET_DEVICE wg9' }),
    );
    expect(add('lo')).toThrow(expect.objectContaining({ errno: EOPNOTSUPP }));
    expect(add('a-name-too-long-')).toThrow(expect.objectContaining({ errno: ENODEV }));
  });

  it('refuses what is no key or no address before it asks the kernel', () => {
    const kernel = since616();
    const wireguard = new GenetlinkWireGuard(kernel);
    expect(() => wireguard.add('wg1', [entry('AAAA', '2001:db8::5')])).toThrow('not a WireGuard key: AAAA');
    expect(() => wireguard.add('wg1', [entry(alice, '10.0.0.1')])).toThrow('not an IPv6 address: 10.0.0.1');
    expect(kernel.sent).toEqual([]);
  });
});

describe.each([
  ['before 6.16', before616],
  ['since 6.16', since616],
])('remove %s', (_, boot) => {
  it('takes exactly what is still that very peer’s', () => {
    const kernel = boot();
    kernel.device('wg1', {
      [alice]: ['10.0.0.2/32', '2001:db8:1::/48', '2001:db8:2::/64', '2001:db8::1/128', '2001:db8::2/128'],
      [bob]: ['2001:db8::3/128', '2001:db8::4/128'],
    });
    new GenetlinkWireGuard(kernel).remove('wg1', [
      entry(alice, '2001:db8::1'),
      entry(alice, '2001:db8::3'), // Bob's by now
      entry(alice, '2001:db8:2::'), // only a prefix begins so
      entry(alice, '2001:db8::9'), // gone
      entry(nobody, '2001:db8::2'),
      entry(bob, '2001:db8::4'),
    ]);
    expect(kernel.state('wg1')).toEqual({
      [alice]: ['10.0.0.2/32', '2001:db8:1::/48', '2001:db8:2::/64', '2001:db8::2/128'],
      [bob]: ['2001:db8::3/128'],
    });
  });

  it('takes prefixes of any length, and no longer or shorter ones', () => {
    const kernel = boot();
    kernel.device('wg1', {
      [alice]: ['2001:db8::/64', '2001:db8::/65', '2001:db8::/66', '2001:db8::/128', 'ff02::/127', '::/0'],
      [bob]: ['2001:db8:0:0:8000::/65'],
    });
    const wireguard = new GenetlinkWireGuard(kernel);
    wireguard.remove('wg1', [
      { peer: alice, address: '2001:db8::', length: 65 },
      { peer: alice, address: '2001:db8:0:0:8000::', length: 65 }, // Bob's by now
      { peer: alice, address: 'ff02::', length: 127 },
      { peer: alice, address: 'ff02::', length: 126 },
    ]);
    const others = { [bob]: ['2001:db8:0:0:8000::/65'] };
    const kept = ['2001:db8::/128', '2001:db8::/64', '2001:db8::/66'];
    expect(kernel.state('wg1')).toEqual({ [alice]: [...kept, '::/0'], ...others });
    wireguard.remove('wg1', [{ peer: alice, address: '::', length: 0 }]);
    expect(kernel.state('wg1')).toEqual({ [alice]: kept, ...others });
  });

  it('does nothing for nothing', () => {
    const kernel = boot();
    new GenetlinkWireGuard(kernel).remove('wg1', []);
    expect(kernel.sent).toEqual([]);
  });

  it('says what failed', () => {
    const wireguard = new GenetlinkWireGuard(boot());
    expect(() => wireguard.remove('wg9', [entry(alice, '2001:db8::5')])).toThrow(
      'WG_CMD_SET_DEVICE wg9: ENODEV',
    );
  });
});

describe('the way of removal', () => {
  it('is the flag, wherever that works', () => {
    const kernel = since616();
    kernel.device('wg1', { [alice]: ['2001:db8::1/128'] });
    new GenetlinkWireGuard(kernel).remove('wg1', [entry(alice, '2001:db8::1')]);
    expect(kernel.created).toEqual([]);
    expect(kernel.dumps).toBe(0);
  });

  it('is tried once and remembered', () => {
    const kernel = before616();
    kernel.device('wg1', { [alice]: ['2001:db8::1/128', '2001:db8::2/128'] });
    const wireguard = new GenetlinkWireGuard(kernel);
    wireguard.remove('wg1', [entry(alice, '2001:db8::1')]);
    const sent = kernel.sent.length;
    wireguard.remove('wg1', [entry(alice, '2001:db8::2')]);
    expect(kernel.sent.length - sent).toBe(2); // dump, set
    expect(kernel.state('wg1')).toEqual({ [alice]: [] });
  });

  it('is not taken as settled by a peer that does not exist', () => {
    const kernel = before616();
    kernel.device('wg1', { [alice]: ['2001:db8::1/128'] });
    const wireguard = new GenetlinkWireGuard(kernel);
    wireguard.remove('wg1', [entry(nobody, '2001:db8::1')]);
    wireguard.remove('wg1', [entry(alice, '2001:db8::1')]);
    expect(kernel.state('wg1')).toEqual({ [alice]: [] });
  });

  it('is found out in the middle of a removal of many', () => {
    const kernel = before616();
    kernel.device('wg1', { [alice]: ['2001:db8::1/128', '2001:db8::2/128'] });
    new GenetlinkWireGuard(kernel).remove('wg1', [...many(nobody, 300), entry(alice, '2001:db8::1')]);
    expect(kernel.state('wg1')).toEqual({ [alice]: ['2001:db8::2/128'] });
  });

  it('does not change with other errors', () => {
    const kernel = since616();
    kernel.device('wg1', { [alice]: ['2001:db8::1/128'] });
    kernel.failAfter = 0;
    const wireguard = new GenetlinkWireGuard(kernel);
    const remove = () => wireguard.remove('wg1', [entry(alice, '2001:db8::1')]);
    expect(remove).toThrow('ENOMEM');
    remove();
    expect(kernel.dumps).toBe(0);
  });
});

describe('a temporary peer', () => {
  const entries = many(alice, 700);
  const peers = {
    [alice]: [...entries.map(({ address }) => `${address}/128`), '2001:db8:1::/48'].sort(),
    [bob]: [],
  };

  it('takes many at a time', () => {
    const kernel = before616();
    kernel.device('wg1', peers);
    new GenetlinkWireGuard(kernel).remove('wg1', entries);
    expect(kernel.state('wg1')).toEqual({ [alice]: ['2001:db8:1::/48'], [bob]: [] });
    expect(kernel.created).toHaveLength(3);
    expect(kernel.sent).toHaveLength(6); // family, flag, dump, set, set, set
  });

  it('is not made for addresses that are no longer there, or only begin a prefix', () => {
    const kernel = before616();
    kernel.device('wg1', { [alice]: ['2001:db8:2::/64'], [bob]: ['2001:db8::3/128'] });
    new GenetlinkWireGuard(kernel).remove('wg1', [entry(alice, '2001:db8:2::'), entry(alice, '2001:db8::3')]);
    expect(kernel.created).toEqual([]);
  });

  it('that fails half-way is removed, and what it took given back', () => {
    const kernel = before616();
    kernel.device('wg1', peers);
    const wireguard = new GenetlinkWireGuard(kernel);
    const remove = () => wireguard.remove('wg1', entries);
    kernel.failAfter = 100;
    expect(remove).toThrow(expect.objectContaining({ errno: ENOMEM }));
    expect(kernel.state('wg1')).toEqual(peers);
    kernel.failAfter = 400;
    expect(remove).toThrow(expect.objectContaining({ errno: ENOMEM }));
    expect(Object.keys(kernel.state('wg1'))).toEqual([alice, bob]);
    expect(kernel.state('wg1')[alice]).toHaveLength(401);
    remove();
    expect(kernel.state('wg1')).toEqual({ [alice]: ['2001:db8:1::/48'], [bob]: [] });
  });

  it('is removed even if nothing can be given back', () => {
    const kernel = before616();
    kernel.device('wg1', peers);
    const real = kernel.answer;
    let changes = 0;
    kernel.answer = (request) => {
      // The flag, the temporary peer, then the attempt to give back.
      if (request.type === 30 && request.payload[0] === 1 && ++changes <= 3 && changes > 1)
        kernel.failAfter = 5;
      return real(request);
    };
    expect(() => new GenetlinkWireGuard(kernel).remove('wg1', entries)).toThrow('ENOMEM');
    expect(Object.keys(kernel.state('wg1'))).toEqual([alice, bob]);
  });
});
