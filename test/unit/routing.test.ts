// SPDX-License-Identifier: GPL-2.0-only

import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { parseAddress, parsePrefix } from '../../src/address.ts';
import { formatAddress, formatPrefix } from '../../src/address-text.ts';
import { attribute, encodeMessage, type Message, u32 } from '../../src/kernel/netlink.ts';
import { listeners, RtnetlinkRouting } from '../../src/kernel/routing.ts';
import { ack, done, FakeSockets } from './fake-netlink.ts';

const hex = (text: string) => text.replace(/\s/g, '');

interface RouteOptions {
  type?: number;
  protocol?: number;
  /** In hundredths of a second. */
  expires?: number;
}

function route(
  request: Message,
  text: string,
  ifindex: number | undefined,
  options: RouteOptions = {},
): Buffer {
  const { bytes, length } = parsePrefix(text)!;
  const { type = 1, protocol = 3, expires = 0 } = options;
  const header = Buffer.from([10, length, 0, 0, 254, protocol, 0, type, 0, 0, 0, 0]);
  return encodeMessage(
    24,
    2,
    request.sequence,
    Buffer.concat([
      header,
      ...(length > 0 ? [attribute(1, bytes)] : []),
      ...(ifindex === undefined ? [] : [attribute(4, u32(ifindex))]),
      attribute(12, Buffer.concat([u32(0), u32(0), u32(expires >>> 0), Buffer.alloc(20)])),
    ]),
  );
}

function withRoutes(...routes: [string, number | undefined, RouteOptions?][]): RtnetlinkRouting {
  return new RtnetlinkRouting(
    new FakeSockets((request) => [...routes.map((each) => route(request, ...each)), done(request)]),
  );
}

describe('a default route', () => {
  it.each<[string, boolean, [string, number | undefined, RouteOptions?][]]>([
    ['none', false, []],
    [
      'other routes',
      false,
      [
        ['2001:db8::/32', 2],
        ['::/1', 2],
      ],
    ],
    [
      'one through another interface',
      true,
      [
        ['2001:db8::/32', 7],
        ['::/0', 2],
      ],
    ],
    ['one of several next hops', true, [['::/0', undefined]]],
    ['one through the interface itself', false, [['::/0', 7]]],
    ['one that rejects', false, [['::/0', 2, { type: 7 }]]],
  ])('%s', (_, expected, routes) => expect(withRoutes(...routes).hasDefaultRoute(7)).toBe(expected));
});

it('finds the routes that were kept, and have not expired', () => {
  const routing = withRoutes(
    ['2001:db8:a::/64', 7, { protocol: 87, expires: 6_000 }],
    ['2001:db8:b::/64', 7, { protocol: 2, expires: 6_000 }],
    ['2001:db8:c::/64', 7, { protocol: 87, expires: -100 }],
  );
  const found = routing
    .keptRoutes()
    .map(({ prefix, ...rest }) => ({ ...rest, prefix: formatPrefix(prefix) }));
  expect(found).toEqual([{ ifindex: 7, prefix: '2001:db8:a::/64', remaining: 60_000 }]);
});

describe('changes', () => {
  const prefix = parsePrefix('2001:db8:a::/64')!;
  const address = parseAddress('fe80::1')!;

  it('are made with these bytes', () => {
    const sockets = new FakeSockets((request) => [ack(request)]);
    const routing = new RtnetlinkRouting(sockets);
    routing.addAddress(7, address, 64);
    routing.removeAddress(7, address, 64);
    routing.keepRoute({ ifindex: 7, prefix, remaining: 59_001 });
    routing.dropRoute({ ifindex: 7, prefix });
    const local = '1400 0200 fe800000000000000000000000000001';
    const route = '1400 0100 20010db8000a00000000000000000000  0800 0400 07000000  0800 0600 00100000';
    expect(sockets.sent.map((bytes) => bytes.toString('hex'))).toEqual(
      [
        `34000000 1400 0505 01000000 00000000  0a 40 02 fd 07000000  ${local} 0500 0b00 57 000000`,
        `2c000000 1500 0500 02000000 00000000  0a 40 02 fd 07000000  ${local}`,
        `48000000 1800 0505 03000000 00000000  0a 40 00 00 fe 57 00 01 00000000 ${route} 0800 1700 3c000000`,
        `40000000 1900 0500 04000000 00000000  0a 40 00 00 fe 57 00 01 00000000 ${route}`,
      ].map(hex),
    );
  });

  it('that have been made already are no errors, others are', () => {
    const failing = (errno: number) =>
      new RtnetlinkRouting(new FakeSockets((request) => [ack(request, errno)]));
    const { EADDRNOTAVAIL, ESRCH, ENODEV, EPERM } = constants.errno;
    for (const errno of [EADDRNOTAVAIL, ENODEV]) failing(errno).removeAddress(7, address, 64);
    for (const errno of [ESRCH, ENODEV]) failing(errno).dropRoute({ ifindex: 7, prefix });
    expect(() => failing(EPERM).removeAddress(7, address, 64)).toThrow('EPERM');
    expect(() => failing(EPERM).dropRoute({ ifindex: 7, prefix })).toThrow('EPERM');
    expect(() => failing(EPERM).addAddress(7, address, 64)).toThrow('EPERM');
    expect(() => failing(EPERM).keepRoute({ ifindex: 7, prefix, remaining: 1_000 })).toThrow('EPERM');
  });
});

it('finds who listens at a port in /proc/net/udp6', () => {
  const table = `  sl  local_address                         remote_address                        st
 1003: 00000000000000000000000000000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000
 2150: B80D0120000001000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000
 2151: 000080FE00000000000000000100000A:0222 00000000000000000000000000000000:0035 07 00000000:00000000
`;
  expect(listeners(table, 53).map(formatAddress)).toEqual(['::', '2001:db8:1::1'].map(formatText));
  expect(listeners('', 53)).toEqual([]);
});

const formatText = (text: string) => formatAddress(parseAddress(text)!);
