// SPDX-License-Identifier: GPL-2.0-only

import { constants } from 'node:os';
import { beforeEach, expect, it, vi } from 'vitest';
import { parseAddress } from '../../src/address.ts';
import { formatAddress } from '../../src/address-text.ts';
import { openAdvertisements } from '../../src/kernel/advertisement-socket.ts';
import { u32 } from '../../src/kernel/netlink.ts';
import { NetlinkError } from '../../src/kernel/netlink-socket.ts';
import type { AdvertisementSocket } from '../../src/kernel/ports.ts';
import { FakeSocket, FakeSockets } from './fake-netlink.ts';

/** /proc/net/igmp6 */
const members = vi.hoisted(() => ({ table: '' }));
vi.mock('node:fs', async (original) => ({
  ...(await original<typeof import('node:fs')>()),
  readFileSync: () => members.table,
}));

/** struct sockaddr_in6 */
const sender = (address: string) =>
  Buffer.concat([Buffer.from('0a00000000000000', 'hex'), parseAddress(address)!, u32(7)]);

const hopLimit = (value: number) => ({ level: 41, type: 52, data: Buffer.from(u32(value)) });

function solicitation(from: string, control = [hopLimit(255)], message = '8500123400000000') {
  return { data: Buffer.from(message, 'hex'), sender: sender(from), control };
}

let sockets: FakeSockets;
let socket: FakeSocket;
let opened: AdvertisementSocket;
let solicitors: string[];

beforeEach(() => {
  sockets = new FakeSockets();
  solicitors = [];
  opened = openAdvertisements(sockets, { name: 'wg1', ifindex: 7 }, (from) =>
    solicitors.push(formatAddress(from)),
  );
  socket = sockets.opened[0]!;
});

it('is a raw socket of one interface that takes nothing but solicitations, and sends so that nobody forwards it', () => {
  expect(socket.arguments).toEqual([10, 3, 58]);
  const [filter, device, ...others] = socket.set;
  expect(filter).toMatchObject({ level: 58, name: 1 });
  const isWanted = (type: number) => (filter!.value[type >> 3]! & (1 << (type & 7))) === 0;
  expect(Array.from({ length: 256 }, (_, type) => type).filter(isWanted)).toEqual([133]);
  expect(device).toEqual({ level: 1, name: 25, value: Buffer.from('wg1\0') });
  expect(others).toEqual([
    { level: 41, name: 16, value: Buffer.from(u32(255)) },
    { level: 41, name: 18, value: Buffer.from(u32(255)) },
    { level: 41, name: 19, value: Buffer.from(u32(0)) },
    { level: 41, name: 51, value: Buffer.from(u32(1)) },
    { level: 41, name: 20, value: Buffer.concat([parseAddress('ff02::2')!, u32(7)]) },
  ]);
});

it('joins the group of all routers again where its interface has lost it, and not where it has not', () => {
  const member = (ifindex: number, group: string) =>
    `${ifindex}    wg${ifindex}             ${group}     1 00000004 0\n`;
  const routers = 'ff020000000000000000000000000002';
  const nodes = 'ff020000000000000000000000000001';
  const join = { level: 41, value: Buffer.concat([parseAddress('ff02::2')!, u32(7)]) };
  const before = socket.set.length;
  members.table = member(7, nodes) + member(7, routers);
  opened.listen();
  expect(socket.set.slice(before)).toEqual([]);
  for (const table of ['', member(7, nodes), member(17, routers), member(77, routers)]) {
    socket.set.length = before;
    members.table = table;
    opened.listen();
    expect(socket.set.slice(before)).toEqual([
      { ...join, name: 21 },
      { ...join, name: 20 },
    ]);
  }
});

it('tells of valid solicitations only', () => {
  socket.messages.push(
    solicitation('fe80::a'),
    solicitation('fe80::b', [hopLimit(64)]),
    solicitation('fe80::c', []),
    solicitation('fe80::d', [{ level: 41, type: 50, data: Buffer.from(u32(255)) }]),
    solicitation('fe80::e', undefined, '85001234'),
    solicitation('fe80::f', [{ level: 1, type: 29, data: Buffer.alloc(16) }, hopLimit(255)]),
  );
  socket.arrive();
  expect(solicitors).toEqual(['fe80::a', 'fe80::f']);
});

it('leaves some for later when there are many', () => {
  for (let i = 0; i < 100; i++) socket.messages.push(solicitation('fe80::a'));
  socket.arrive();
  expect(solicitors.length).toBeLessThan(100);
  socket.arrive();
  expect(solicitors).toHaveLength(100);
});

it('is not upset by a link that goes down', () => {
  socket.messages.push(new NetlinkError(constants.errno.ENETDOWN, 'recvmsg'), solicitation('fe80::a'));
  socket.arrive();
  expect(solicitors).toEqual(['fe80::a']);
  socket.messages.push(new NetlinkError(constants.errno.EBADF, 'recvmsg'));
  expect(() => socket.arrive()).toThrow('EBADF');
});

it('sends to an address on its interface', () => {
  const message = Buffer.from('86', 'hex');
  const sent: [Uint8Array, Uint8Array | undefined][] = [];
  socket.send = (data, address) => sent.push([data, address]);
  opened.send(message, parseAddress('fe80::a')!);
  expect(sent).toEqual([[message, sender('fe80::a')]]);
});

it('is closed when it cannot be set up', () => {
  const failing = new FakeSockets();
  failing.Socket = class extends FakeSocket {
    constructor(...args: [number, number, number]) {
      super(failing, ...args);
      failing.opened.push(this);
    }
    override setOption(_: number, name: number): void {
      if (name === 25) throw new NetlinkError(constants.errno.EPERM, 'setsockopt');
    }
  };
  expect(() => openAdvertisements(failing, { name: 'wg1', ifindex: 7 }, () => {})).toThrow('EPERM');
  expect(failing.opened[0]!.closed).toBe(true);
  opened.close();
  expect(socket.closed).toBe(true);
});
