// SPDX-License-Identifier: GPL-2.0-only
// Transactions of nftables as netlink takes them.

import { constants } from 'node:os';
import { afterEach, expect, it, vi } from 'vitest';
import { parseAddress } from '../../src/address.ts';
import { attribute, encodeMessage, type Message } from '../../src/kernel/netlink.ts';
import { NetlinkError } from '../../src/kernel/netlink-socket.ts';
import { NetlinkNftSets } from '../../src/kernel/nftables.ts';
import { ack, FakeSockets } from './fake-netlink.ts';

const set = 'inet#fw4#phone';
/** net.core.wmem_default: what a socket sends at a time, without 32 bytes (netlink_sendmsg). */
const SEND_BUFFER = 212_992;
const GETSET = 10;
const NEWSETELEM = 12;
const DELSETELEM = 14;

const be32 = (value: number) => Buffer.of(value >>> 24, value >>> 16, value >>> 8, value);

const INTERVAL = 4;

/** A set of IPv6 addresses; `failure` is the errno with which it takes no change. */
function answering(failure = 0, flags = () => INTERVAL) {
  return new FakeSockets((request: Message) => {
    const command = request.type & 0xff;
    if (command === GETSET) {
      const attributes = [attribute(3, be32(flags())), attribute(4, be32(8)), attribute(5, be32(16))];
      const payload = Buffer.concat([Buffer.alloc(4), ...attributes]);
      return [encodeMessage(request.type, 0, request.sequence, payload), ack(request)];
    }
    return command === NEWSETELEM || command === DELSETELEM ? [ack(request, failure)] : [];
  });
}

afterEach(() => {
  vi.useRealTimers();
});

it('as many addresses as there may be are added and removed in transactions that a socket can send', () => {
  const sockets = answering();
  const sets = new NetlinkNftSets(sockets);
  const addresses = Array.from({ length: 10_000 }, (_, i) => `2001:db8::${(i + 1).toString(16)}`);
  sets.add(set, addresses);
  sets.remove(set, addresses);
  expect(Math.max(...sockets.sent.map(({ length }) => length))).toBeLessThan(SEND_BUFFER - 32);
  const sent = Buffer.concat(sockets.sent);
  const element = (i: number) =>
    Buffer.from(`20010db8000000000000000000${i.toString(16).padStart(6, '0')}`, 'hex');
  for (const i of [1, 5_000, 10_000]) expect(sent.includes(element(i))).toBe(true);
});

it('a set that has become one of intervals is given the end of each, without which all that follows would be in it', () => {
  let flags = 0;
  const sockets = answering(0, () => flags);
  const sets = new NetlinkNftSets(sockets);
  const isEndSent = () => sockets.sent.at(-1)!.includes(Buffer.from(parseAddress('2001:db8::6')!));
  sets.add(set, ['2001:db8::5']);
  expect(isEndSent()).toBe(false);
  flags = INTERVAL;
  sets.add(set, ['2001:db8::5']);
  expect(isEndSent()).toBe(true);
});

it('an error names what was asked for', () => {
  const sets = new NetlinkNftSets(answering(constants.errno.ENOENT));
  expect(() => sets.add(set, ['2001:db8::5'])).toThrow('NFT_MSG_NEWSETELEM: ENOENT');
  expect(() => sets.remove(set, ['2001:db8::5'])).toThrow('NFT_MSG_DELSETELEM: ENOENT');
});

it('notifications that were lost are made up for by a look, and listening goes on', () => {
  vi.useFakeTimers();
  const sockets = answering();
  const sets = new NetlinkNftSets(sockets);
  let looks = 0;
  sets.onChange(() => looks++);
  sockets.opened.at(-1)!.arrive(new NetlinkError(constants.errno.ENOBUFS, 'recv'));
  vi.advanceTimersByTime(400);
  expect(looks).toBe(1);
  const open = sockets.opened.filter(({ closed }) => !closed);
  expect(open).toHaveLength(1);
  sets.close();
  expect(open[0]!.closed).toBe(true);
});

it('where nothing can be listened to no socket is left', () => {
  const sockets = answering();
  const { Socket } = sockets;
  sockets.Socket = class extends Socket {
    override bind(): void {
      throw new NetlinkError(constants.errno.EPERM, 'bind');
    }
  };
  expect(() => new NetlinkNftSets(sockets).onChange(() => {})).toThrow('EPERM');
  expect(sockets.opened.every(({ closed }) => closed)).toBe(true);
});
