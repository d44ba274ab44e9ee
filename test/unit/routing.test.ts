// SPDX-License-Identifier: GPL-2.0-only

import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { parseAddress, parsePrefix } from '../../src/address.ts';
import { formatAddress, formatPrefix } from '../../src/address-text.ts';
import { attribute, encodeMessage, type Message, u32 } from '../../src/kernel/netlink.ts';
import { listeners, RtnetlinkRouting } from '../../src/kernel/routing.ts';
import { ack, done, FakeSockets } from './fake-netlink.ts';

const hex = (text: string) => text.replace(/\s/g, '');

/** A route as the kernel answers with it. */
function route(
  request: Message,
  text: string,
  ifindex: number | undefined,
  { type = 1, expires = 0 }: { type?: number /** In hundredths of a second. */; expires?: number } = {},
): Buffer {
  const { bytes, length } = parsePrefix(text)!;
  return encodeMessage(
    24,
    0,
    request.sequence,
    Buffer.concat([
      Buffer.from([10, length, 0, 0, 254, 87, 0, type, 0, 0, 0, 0]),
      ...(length > 0 ? [attribute(1, bytes)] : []),
      ...(ifindex === undefined ? [] : [attribute(4, u32(ifindex))]),
      attribute(12, Buffer.concat([u32(0), u32(0), u32(expires >>> 0), Buffer.alloc(20)])),
    ]),
  );
}

describe('where packets go that come from an interface', () => {
  const { ENETUNREACH, EHOSTUNREACH, EINVAL, EACCES } = constants.errno;
  const answeredBy = (answer: (request: Message) => Buffer[]) =>
    new RtnetlinkRouting(new FakeSockets(answer));
  const source = parseAddress('2001:db8:1::')!;

  it.each<[string, boolean, boolean, number | undefined, number]>([
    ['by another one', true, false, 2, 1],
    ['back to where they came from', false, true, 7, 1],
    ['to this router', false, false, 1, 2],
    ['nobody knows where', false, false, undefined, 1],
  ])('%s', (_, leadsOn, leadsBack, ifindex, type) => {
    const routing = answeredBy((request) => [route(request, '::/0', ifindex, { type }), ack(request)]);
    expect(routing.leadsOn(7, source)).toBe(leadsOn);
    expect(routing.leadsBack(7, source)).toBe(leadsBack);
  });

  it.each([
    ['without a route', ENETUNREACH],
    ['with one that rejects', EHOSTUNREACH],
    ['with one that swallows', EINVAL],
    ['with one that prohibits', EACCES],
  ])('is nowhere %s', (_, errno) => {
    const routing = answeredBy((request) => [ack(request, errno)]);
    expect([routing.leadsOn(7, source), routing.leadsBack(7, source)]).toEqual([false, false]);
  });

  it('is asked with these bytes, of one route', () => {
    const sockets = new FakeSockets((request) => [ack(request)]);
    const routing = new RtnetlinkRouting(sockets);
    routing.leadsOn(7, source);
    routing.leadsBack(7, source);
    const from = '1400 0200 20010db8000100000000000000000000';
    const by = '0800 0300 07000000';
    expect(sockets.sent.map((bytes) => bytes.toString('hex'))).toEqual(
      [
        `4c000000 1a00 0500 01000000 00000000  0a 80 80 00 00 00 00 00 00000000  1400 0100 20010503ba3e00000000000000020030 ${from} ${by}`,
        `38000000 1a00 0500 02000000 00000000  0a 80 00 00 00 00 00 00 00000000  1400 0100 20010db8000100000000000000000000 ${by}`,
      ].map(hex),
    );
  });
});

describe('the routes that were kept', () => {
  it('are those of one interface and table that have not expired; nothing else is asked for', () => {
    const sockets = new FakeSockets((request) => [
      route(request, '2001:db8:a::/64', 7, { expires: 6_000 }),
      route(request, '2001:db8:c::/64', 7, { expires: -100 }),
      done(request),
    ]);
    const routing = new RtnetlinkRouting(sockets);
    const found = (table?: number) =>
      routing
        .keptRoutes({ ifindex: 7, ...(table !== undefined && { table }) })
        .map(({ prefix, ...rest }) => ({ ...rest, prefix: formatPrefix(prefix) }));
    expect(found()).toEqual([{ ifindex: 7, prefix: '2001:db8:a::/64', remaining: 60_000 }]);
    expect(found(1010)).toEqual([{ ifindex: 7, table: 1010, prefix: '2001:db8:a::/64', remaining: 60_000 }]);
    expect(sockets.sent.map((bytes) => bytes.toString('hex'))).toEqual(
      [
        '2c000000 1a00 0103 01000000 00000000  0a 00 00 00 00 57 00 00 00000000  0800 0400 07000000 0800 0f00 fe000000',
        '2c000000 1a00 0103 02000000 00000000  0a 00 00 00 00 57 00 00 00000000  0800 0400 07000000 0800 0f00 f2030000',
      ].map(hex),
    );
  });

  it('are none where there is no such table or interface', () => {
    const { ENOENT, ENODEV, EPERM } = constants.errno;
    const failing = (errno: number) =>
      new RtnetlinkRouting(new FakeSockets((request) => [ack(request, errno)])).keptRoutes({ ifindex: 7 });
    expect([failing(ENOENT), failing(ENODEV)]).toEqual([[], []]);
    expect(() => failing(EPERM)).toThrow('EPERM');
  });
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
    routing.dropRoute({ ifindex: 7, table: 1010, prefix });
    const local = '1400 0200 fe800000000000000000000000000001';
    const route = '1400 0100 20010db8000a00000000000000000000  0800 0400 07000000  0800 0600 00100000';
    expect(sockets.sent.map((bytes) => bytes.toString('hex'))).toEqual(
      [
        `34000000 1400 0505 01000000 00000000  0a 40 02 fd 07000000  ${local} 0500 0b00 57 000000`,
        `2c000000 1500 0500 02000000 00000000  0a 40 02 fd 07000000  ${local}`,
        `50000000 1800 0505 03000000 00000000  0a 40 00 00 00 57 00 01 00000000 ${route} 0800 0f00 fe000000 0800 1700 3c000000`,
        `48000000 1900 0500 04000000 00000000  0a 40 00 00 00 57 00 01 00000000 ${route} 0800 0f00 f2030000`,
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
