// SPDX-License-Identifier: GPL-2.0-only

import { constants } from 'node:os';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseAddress } from '../../src/address.ts';
import { RtnetlinkLinks } from '../../src/kernel/links.ts';
import {
  attribute,
  encodeMessage,
  type Message,
  nested,
  text,
  u8,
  u16,
  u32,
} from '../../src/kernel/netlink.ts';
import { NetlinkError } from '../../src/kernel/netlink-socket.ts';
import { ack, done, type FakeSocket, FakeSockets } from './fake-netlink.ts';

const RTM_NEWLINK = 16;
const RTM_NEWADDR = 20;
const RTM_GETLINK = 18;

function link(request: Message, ifindex: number, flags: number, ...attributes: Buffer[]): Buffer {
  const header = [u16(0), u16(65534), u32(ifindex), u32(flags), u32(0)];
  return encodeMessage(RTM_NEWLINK, 2, request.sequence, Buffer.concat([...header, ...attributes]));
}

function address(request: Message, ifindex: number, prefixLength: number, ...attributes: Buffer[]): Buffer {
  const header = [u8(10), u8(prefixLength), u8(128), u8(0), u32(ifindex)];
  return encodeMessage(RTM_NEWADDR, 2, request.sequence, Buffer.concat([...header, ...attributes]));
}

const ip = (type: number, text: string) => attribute(type, parseAddress(text)!);

/** IFLA_AF_SPEC with the settings of IPv6, of which one is 1. */
const inet6 = (on?: number) =>
  nested(26, [
    nested(10, [attribute(2, Buffer.concat(Array.from({ length: 40 }, (_, i) => u32(i === on ? 1 : 0))))]),
  ]);

const forEver = { preferred: Number.POSITIVE_INFINITY, valid: Number.POSITIVE_INFINITY };

const router = () =>
  new FakeSockets((request) =>
    request.type === RTM_GETLINK
      ? [
          Buffer.concat([
            link(request, 1, 0x10049, attribute(3, text('lo')), attribute(4, u32(65536)), inet6(0)),
            link(
              request,
              2,
              0x1002,
              attribute(3, text('br-lan')),
              nested(18, [attribute(1, text('bridge'))]),
            ),
          ]),
          link(
            request,
            7,
            0x100d1,
            attribute(3, text('wg1')),
            attribute(4, u32(1420)),
            attribute(10, u32(9)),
            nested(18, [attribute(3, u32(0)), attribute(1, text('wireguard')), attribute(2, u32(0))]),
            inet6(),
          ),
          link(request, 8, 0, attribute(3, text('odd')), attribute(4, u32(1500)), nested(18, [])),
          link(
            request,
            9,
            1,
            attribute(3, text('vrf1')),
            attribute(4, u32(65575)),
            nested(18, [attribute(1, text('vrf')), nested(2, [attribute(1, u32(1010))])]),
            inet6(26),
          ),
          done(request),
        ]
      : [
          Buffer.concat([
            address(request, 1, 128, ip(1, '::1')),
            address(
              request,
              7,
              64,
              ip(1, '2001:db8::1'),
              attribute(8, u32(128)),
              attribute(6, Buffer.concat([u32(1800), u32(3600), u32(1), u32(2)])),
            ),
          ]),
          address(
            request,
            7,
            128,
            ip(1, 'fe80::2'),
            ip(2, 'fe80::1'),
            attribute(6, Buffer.concat([u32(0xffffffff), u32(0xffffffff), u32(1), u32(2)])),
            attribute(11, u8(87)),
          ),
          ...[
            [attribute(8, u32(0x180))],
            [attribute(8, u32(0x81))],
            [attribute(8, u32(0x80)), attribute(11, u8(2))],
          ].map((attributes, i) => address(request, 9, 64, ip(1, `2001:db8:6::${i}`), ...attributes)),
          address(request, 8, 60, ip(1, '2001:db8:10::1'), attribute(8, u32(0x280))),
          address(request, 99, 64, ip(1, '2001:db8:9::1')),
          done(request),
        ],
  );

describe('list', () => {
  it('gives names, kinds, states and addresses', () => {
    expect(new RtnetlinkLinks(router()).list()).toEqual([
      {
        name: 'lo',
        ifindex: 1,
        up: true,
        kind: '',
        mtu: 65536,
        addresses: [{ bytes: parseAddress('::1'), prefixLength: 128, ...forEver, isOurs: false }],
      },
      { name: 'br-lan', ifindex: 2, up: false, kind: 'bridge', mtu: 0, noIpv6: 'mtu', addresses: [] },
      {
        name: 'wg1',
        ifindex: 7,
        up: true,
        kind: 'wireguard',
        mtu: 1420,
        noNeighbours: true,
        table: 1010,
        addresses: [
          {
            bytes: parseAddress('2001:db8::1'),
            prefixLength: 64,
            preferred: 1_800_000,
            valid: 3_600_000,
            isOurs: false,
          },
          { bytes: parseAddress('fe80::1'), prefixLength: 128, ...forEver, isOurs: true },
        ],
      },
      {
        name: 'odd',
        ifindex: 8,
        up: false,
        kind: '',
        mtu: 1500,
        noIpv6: 'kernel',
        addresses: [
          {
            bytes: parseAddress('2001:db8:10::1'),
            prefixLength: 60,
            ...forEver,
            isOurs: false,
            hasNoPrefixRoute: true,
          },
        ],
      },
      {
        name: 'vrf1',
        ifindex: 9,
        up: true,
        kind: 'vrf',
        mtu: 65575,
        noIpv6: 'disabled',
        addresses: [0, 1, 2].map((i) => ({
          bytes: parseAddress(`2001:db8:6::${i}`),
          prefixLength: 64,
          ...forEver,
          isOurs: false,
          isAutoconfigured: true,
        })),
      },
    ]);
  });

  it('asks with these bytes', () => {
    const sockets = router();
    new RtnetlinkLinks(sockets).list();
    expect(sockets.sent.map((bytes) => bytes.toString('hex'))).toEqual(
      [
        // struct ifinfomsg, IFLA_EXT_MASK without statistics
        `28000000 1200 0103 01000000 00000000  00 00 0000 00000000 00000000 00000000  0800 1d00 08000000`,
        // struct ifaddrmsg of AF_INET6
        `18000000 1600 0103 02000000 00000000  0a 00 00 00 00000000`,
      ].map((text) => text.replace(/\s/g, '')),
    );
    expect(sockets.opened.map((socket) => socket.arguments)).toEqual([[16, 3, 0]]);
  });

  it.each([
    [
      'a cut link',
      (request: Message) => encodeMessage(RTM_NEWLINK, 2, request.sequence, Buffer.alloc(6)),
      'no four bytes at byte',
    ],
    [
      'an IPv4 address',
      (request: Message) =>
        request.type === RTM_GETLINK ? done(request) : address(request, 1, 8, attribute(1, u32(127))),
      'no IPv6 address',
    ],
  ])('throws at %s', (_, answer, message) => {
    const sockets = new FakeSockets((request) => [answer(request), done(request)]);
    expect(() => new RtnetlinkLinks(sockets).list()).toThrow(message);
  });
});

describe('refused', () => {
  const RTM_NEWSTATS = 92;
  const u64 = (value: number) => Buffer.from(new BigUint64Array([BigInt(value)]).buffer);
  /** struct rtnl_link_stats64, in which each number is its index, but for rx_frame_errors. */
  const statistics = (refused: number) =>
    Buffer.concat(Array.from({ length: 25 }, (_, i) => u64(i === 13 ? refused : i)));
  const answer = (request: Message, ...attributes: Buffer[]) =>
    encodeMessage(RTM_NEWSTATS, 0, request.sequence, Buffer.concat([u32(0), u32(7), u32(1), ...attributes]));

  it('is how many packets had wrong source addresses', () => {
    const sockets = new FakeSockets((request) => [
      answer(request, attribute(4, u64(99)), attribute(1, statistics(2 ** 40 + 5))),
      ack(request),
    ]);
    expect(new RtnetlinkLinks(sockets).refused(7)).toBe(2 ** 40 + 5);
  });

  it('asks with these bytes', () => {
    const sockets = new FakeSockets((request) => [
      answer(request, attribute(1, statistics(0))),
      ack(request),
    ]);
    new RtnetlinkLinks(sockets).refused(0x107);
    expect(sockets.sent.map((bytes) => bytes.toString('hex'))).toEqual([
      // NLM_F_REQUEST | NLM_F_ACK; struct if_stats_msg with IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64)
      '1c000000 5e00 0500 01000000 00000000  00 00 0000 07010000 01000000'.replace(/\s/g, ''),
    ]);
  });

  it.each([
    ['that there is no such link', (request: Message) => [ack(request, constants.errno.ENODEV)], 'ENODEV'],
    ['nothing', (request: Message) => [ack(request)], 'no statistics'],
    [
      'other statistics',
      (request: Message) => [answer(request, attribute(4, u64(1))), ack(request)],
      'no stat',
    ],
    [
      'cut ones',
      (request: Message) => [answer(request, attribute(1, Buffer.alloc(100))), ack(request)],
      'no four bytes at byte',
    ],
  ])('throws if the answer is %s', (_, answers, message) => {
    const links = new RtnetlinkLinks(new FakeSockets(answers));
    expect(() => links.refused(7)).toThrow(message);
  });

  it('tells what failed', () => {
    const links = new RtnetlinkLinks(new FakeSockets((request) => [ack(request, constants.errno.ENODEV)]));
    expect(() => links.refused(7)).toThrow(
      expect.objectContaining({ errno: constants.errno.ENODEV, operation: 'RTM_GETSTATS' }),
    );
  });
});

describe('onChange', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function watch() {
    const sockets = router();
    const links = new RtnetlinkLinks(sockets);
    const callback = vi.fn();
    links.onChange(callback);
    const [socket, routes] = sockets.opened as [FakeSocket, FakeSocket];
    return { links, callback, socket, routes, sockets };
  }

  it('listens to links, IPv6 addresses, rules and forwarding, and to routes, on sockets of their own', () => {
    const { links, socket, routes, sockets } = watch();
    expect(Buffer.from(socket.bound!).toString('hex')).toBe('100000000000000001010401');
    expect(Buffer.from(routes.bound!).toString('hex')).toBe('100000000000000000040000');
    links.list();
    expect(sockets.opened).toHaveLength(3);
  });

  it('calls back once for many notifications, and again for later ones', () => {
    const { callback, socket } = watch();
    socket.arrive(Buffer.alloc(16), Buffer.alloc(16));
    socket.arrive(Buffer.alloc(16));
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(20);
    expect(callback).toHaveBeenCalledTimes(1);
    expect(socket.waiting).toEqual([]);
    socket.arrive(Buffer.alloc(16));
    vi.advanceTimersByTime(20);
    expect(callback).toHaveBeenCalledTimes(2);
  });

  const route = (type: number, length: number, oif?: number) =>
    encodeMessage(
      type,
      0,
      0,
      Buffer.concat([
        Buffer.from([10, length, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0]),
        ...(oif === undefined ? [] : [attribute(4, u32(oif))]),
      ]),
    );

  it('takes only default routes for news, and those through a WireGuard interface', () => {
    const { callback, links, routes } = watch();
    links.list();
    routes.arrive(route(24, 64), Buffer.concat([route(25, 128, 2), route(24, 56)]));
    vi.advanceTimersByTime(20);
    expect(callback).not.toHaveBeenCalled();
    for (const news of [
      route(24, 0),
      route(25, 3),
      route(24, 64, 7),
      Buffer.concat([route(24, 64), route(25, 0)]),
      Buffer.alloc(20),
    ]) {
      callback.mockClear();
      routes.arrive(news);
      vi.advanceTimersByTime(20);
      expect(callback).toHaveBeenCalledTimes(1);
    }
  });

  it('reads but a few of very many routes, and looks once a second later', () => {
    const { callback, links, routes, sockets } = watch();
    const many = Array.from({ length: 1_000 }, () => route(24, 48, 2));
    routes.arrive(...many);
    expect(routes.closed).toBe(true);
    expect(routes.waiting.length).toBeGreaterThan(900);
    vi.advanceTimersByTime(999);
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(21);
    expect(callback).toHaveBeenCalledTimes(1);
    sockets.opened.at(-1)!.arrive(new NetlinkError(constants.errno.ENOBUFS, 'recv'));
    vi.advanceTimersByTime(1_020);
    expect(callback).toHaveBeenCalledTimes(2);
    sockets.opened.at(-1)!.arrive(...many);
    links.close();
    vi.advanceTimersByTime(2_000);
    expect(callback).toHaveBeenCalledTimes(2);
  });

  it('takes lost and cut notifications for what they are', () => {
    const { callback, socket } = watch();
    socket.arrive(new NetlinkError(constants.errno.ENOBUFS, 'recv'), Buffer.alloc(100_000), Buffer.alloc(16));
    expect(socket.waiting).toEqual([]);
    vi.advanceTimersByTime(20);
    expect(callback).toHaveBeenCalledTimes(1);
  });

  it('does not swallow other errors', () => {
    const { socket } = watch();
    expect(() => socket.arrive(new NetlinkError(constants.errno.EBADF, 'recv'))).toThrow('EBADF');
  });

  it('ends with close', () => {
    const { links, callback, socket } = watch();
    socket.arrive(Buffer.alloc(16));
    links.close();
    links.close();
    vi.advanceTimersByTime(100);
    expect(callback).not.toHaveBeenCalled();
    expect(socket.closed).toBe(true);
  });
});
