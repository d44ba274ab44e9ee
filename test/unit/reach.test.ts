// SPDX-License-Identifier: GPL-2.0-only
// Host routes, proxy entries and neighbours as netlink has them; programs that do the same.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAddress, parsePrefix } from '../../src/address.ts';
import { attribute, encodeMessage, type Message, u16, u32 } from '../../src/kernel/netlink.ts';
import { RtnetlinkReach } from '../../src/kernel/reach.ts';
import { rivalsOf } from '../../src/kernel/rivals.ts';
import { RtnetlinkRouting } from '../../src/kernel/routing.ts';
import { ack, done, FakeSockets } from './fake-netlink.ts';

const hex = (text: string) => text.replace(/\s/g, '');
const ADDRESS = '2001:db8:a::5';
const TO = '1400 0100 20010db8000a00000000000000000005';
const { ENOENT, ENODEV, EEXIST, ESRCH, EPERM } = constants.errno;

/** A neighbour as the kernel answers with it. */
function neighbour(
  { sequence }: Message,
  address: string,
  { ifindex = 3, state = 0, protocol }: { ifindex?: number; state?: number; protocol?: number } = {},
): Buffer {
  const header = [Buffer.of(10, 0, 0, 0), u32(ifindex), u16(state), Buffer.of(0, 0)];
  const marked = protocol === undefined ? [] : [attribute(12, Uint8Array.of(protocol))];
  return encodeMessage(
    28,
    0,
    sequence,
    Buffer.concat([...header, attribute(1, parseAddress(address)!), ...marked]),
  );
}

function hostRoute({ sequence }: Message, text: string): Buffer {
  const { bytes, length } = parsePrefix(text)!;
  const header = Buffer.from([10, length, 0, 0, 254, 87, 0, 1, 0, 0, 0, 0]);
  return encodeMessage(24, 0, sequence, Buffer.concat([header, attribute(1, bytes), attribute(4, u32(7))]));
}

it('asks with these bytes', () => {
  const sockets = new FakeSockets((request) => [ack(request)]);
  const reach = new RtnetlinkReach(sockets);
  reach.addRoute({ ifindex: 7 }, ADDRESS);
  reach.removeRoute({ ifindex: 7, table: 1010 }, ADDRESS);
  reach.addProxy({ ifindex: 3, address: ADDRESS });
  reach.removeProxy({ ifindex: 3, address: ADDRESS });
  reach.solicit(3, ADDRESS);
  reach.forgetNeighbour(3, ADDRESS);
  const by = '0800 0400 07000000 0800 0600 00100000';
  expect(sockets.sent.map((bytes) => bytes.toString('hex'))).toEqual(
    [
      // RTM_NEWROUTE with NLM_F_CREATE and NLM_F_EXCL
      `48000000 1800 0506 01000000 00000000  0a 80 00 00 00 57 00 01 00000000  ${TO} ${by} 0800 0f00 fe000000`,
      `48000000 1900 0500 02000000 00000000  0a 80 00 00 00 57 00 01 00000000  ${TO} ${by} 0800 0f00 f2030000`,
      // RTM_NEWNEIGH with NTF_PROXY
      `38000000 1c00 0504 03000000 00000000  0a 00 0000 03000000 0000 08 00  ${TO} 0500 0c00 57000000`,
      `30000000 1d00 0500 04000000 00000000  0a 00 0000 03000000 0000 08 00  ${TO}`,
      // It is looked at first; then NTF_USE.
      `30000000 1e00 0500 05000000 00000000  0a 00 0000 03000000 0000 00 00  ${TO}`,
      `30000000 1c00 0504 06000000 00000000  0a 00 0000 03000000 0000 01 00  ${TO}`,
      `30000000 1d00 0500 07000000 00000000  0a 00 0000 03000000 0000 00 00  ${TO}`,
    ].map(hex),
  );
});

it('takes for done what is done already, and nothing else', () => {
  const failing = (errno: number) => new RtnetlinkReach(new FakeSockets((request) => [ack(request, errno)]));
  const entry = { ifindex: 3, address: ADDRESS };
  failing(EEXIST).addRoute({ ifindex: 7 }, ADDRESS);
  for (const errno of [ESRCH, ENODEV]) failing(errno).removeRoute({ ifindex: 7 }, ADDRESS);
  for (const errno of [ENOENT, ENODEV]) {
    failing(errno).removeProxy(entry);
    failing(errno).forgetNeighbour(3, ADDRESS);
    expect(failing(errno).isNeighbour(3, ADDRESS, false)).toBe(false);
  }
  const refused = failing(EPERM);
  for (const act of [
    () => refused.addRoute({ ifindex: 7 }, ADDRESS),
    () => refused.removeRoute({ ifindex: 7 }, ADDRESS),
    () => refused.addProxy(entry),
    () => refused.removeProxy(entry),
    () => refused.solicit(3, ADDRESS),
    () => refused.isNeighbour(3, ADDRESS, true),
  ])
    expect(act).toThrow('EPERM');
});

it('finds its host routes, and takes none for one that was kept for a prefix', () => {
  const sockets = new FakeSockets((request) => [
    hostRoute(request, `${ADDRESS}/128`),
    hostRoute(request, '2001:db8:b::/64'),
    done(request),
  ]);
  expect(new RtnetlinkReach(sockets).routes({ ifindex: 7 })).toEqual([ADDRESS]);
  expect(new RtnetlinkRouting(sockets).keptRoutes({ ifindex: 7 })).toHaveLength(1);
});

it('finds its proxy entries among others', () => {
  const sockets = new FakeSockets((request) => [
    neighbour(request, ADDRESS, { protocol: 87 }),
    neighbour(request, '2001:db8:a::6', { protocol: 87, ifindex: 4 }),
    neighbour(request, '2001:db8:a::7', { protocol: 4 }),
    neighbour(request, '2001:db8:a::8'),
    done(request),
  ]);
  expect(new RtnetlinkReach(sockets).proxies()).toEqual([
    { ifindex: 3, address: ADDRESS },
    { ifindex: 4, address: '2001:db8:a::6' },
  ]);
});

describe('a neighbour', () => {
  it.each([
    ['INCOMPLETE', 0x01, false, false],
    ['REACHABLE', 0x02, true, true],
    ['STALE', 0x04, false, true],
    ['DELAY', 0x08, false, true],
    ['PROBE', 0x10, false, true],
    ['FAILED', 0x20, false, false],
    ['NOARP', 0x40, true, true],
    ['PERMANENT', 0x80, true, true],
  ])('that is %s', (_, state, isConfirmed, isKnown) => {
    const one = new RtnetlinkReach(
      new FakeSockets((request) => [neighbour(request, ADDRESS, { state }), ack(request)]),
    );
    expect(one.isNeighbour(3, ADDRESS, true)).toBe(isConfirmed);
    expect(one.isNeighbour(3, ADDRESS, false)).toBe(isKnown);
    const all = new RtnetlinkReach(
      new FakeSockets((request) => [neighbour(request, ADDRESS, { state }), done(request)]),
    );
    expect(all.neighbours(3)).toEqual(isKnown ? [ADDRESS] : []);
  });

  it('that is known from before is forgotten before it is asked for', () => {
    const sockets = new FakeSockets((request) => [
      ...(request.type === 30 ? [neighbour(request, ADDRESS, { state: 4 })] : []),
      ack(request),
    ]);
    new RtnetlinkReach(sockets).solicit(3, ADDRESS);
    expect(sockets.sent.map((bytes) => bytes.readUInt16LE(4))).toEqual([30, 29, 28]);
  });
});

describe('a rival', () => {
  let root: string;

  beforeEach(() => {
    root = `${mkdtempSync(join(tmpdir(), 'rivals-'))}/`;
    mkdirSync(`${root}etc`);
    for (const [id, name] of [
      ['1', 'init'],
      ['77', 'ndppd'],
      ['78', 'radvd'],
    ]) {
      mkdirSync(`${root}proc/${id}`, { recursive: true });
      writeFileSync(`${root}proc/${id}/comm`, `${name}\n`);
    }
  });

  afterEach(() => rmSync(root, { recursive: true }));

  it('is a program that runs and is configured for the same', () => {
    writeFileSync(`${root}etc/ndppd.conf`, 'proxy br-lan {\n rule 2001:db8::/64 { auto }\n}\n');
    writeFileSync(`${root}etc/radvd.conf`, 'interface wg1\n{\n AdvSendAdvert on;\n};\n');
    expect(rivalsOf('wg1', 'br-lan', root)).toEqual(['ndppd', 'radvd']);
    expect(rivalsOf('wg2', 'br-guest', root)).toEqual([]);
    rmSync(`${root}proc/77`, { recursive: true });
    expect(rivalsOf('wg1', 'br-lan', root)).toEqual(['radvd']);
  });

  it('is none without a configuration', () => {
    expect(rivalsOf('wg1', 'br-lan', root)).toEqual([]);
  });
});
