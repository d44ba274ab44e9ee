// SPDX-License-Identifier: GPL-2.0-only
// What makes a router of this system: forwarding, routes, addresses, a DNS server (<linux/rtnetlink.h>,
// <linux/if_addr.h>).

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { AddressBytes, Prefix } from '../address.ts';
import type { Link } from '../model.ts';
import { openAdvertisements } from './advertisement-socket.ts';
import { AF_INET6 } from './inet6.ts';
import {
  attribute,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REPLACE,
  readS32,
  readU32,
  u8,
  u32,
  visitAttributes,
} from './netlink.ts';
import { hasErrno, NETLINK_ROUTE, NetlinkSocket, type Sockets } from './netlink-socket.ts';
import type { KeptRoute, Routing } from './ports.ts';

/** Tells our addresses (IFA_PROTO, Linux 5.18) and routes (rtm_protocol) from others'; free in <linux/rtnetlink.h>. */
export const OUR_PROTOCOL = 87;

const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;

const IFA_LOCAL = 2;
const IFA_PROTO = 11;
const IFA_F_NODAD = 0x02;
const RT_SCOPE_LINK = 253;

const RTMSG_SIZE = 12;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_PRIORITY = 6;
const RTA_CACHEINFO = 12;
const RTA_EXPIRES = 23;
const RT_TABLE_MAIN = 254;
const RTN_UNICAST = 1;
/** Behind that of the prefix itself, should it come back. */
const METRIC = 4096;
/** rta_expires of struct rta_cacheinfo is in USER_HZ. */
const EXPIRES_OFFSET = 8;
const MS_PER_TICK = 10;

const DNS_PORT = 53;

interface Route {
  readonly destination: Prefix;
  readonly type: number;
  readonly protocol: number;
  /** Undefined with several next hops. */
  readonly ifindex: number | undefined;
  /** Milliseconds until it expires; Infinity if it does not. */
  readonly remaining: number;
}

/** Of this network namespace. Errors are those of NetlinkSocket.request. */
export class RtnetlinkRouting implements Routing {
  readonly #sockets: Sockets;
  readonly #netlink: NetlinkSocket;

  constructor(sockets: Sockets) {
    this.#sockets = sockets;
    this.#netlink = new NetlinkSocket(sockets, NETLINK_ROUTE);
  }

  isForwarding(device: string): boolean {
    return readText(`/proc/sys/net/ipv6/conf/${device}/forwarding`).trim() !== '0';
  }

  hasDefaultRoute(ifindex: number): boolean {
    return this.#routes().some(
      (route) => route.destination.length === 0 && route.type === RTN_UNICAST && route.ifindex !== ifindex,
    );
  }

  dnsListeners(): AddressBytes[] {
    return listeners(readText('/proc/net/udp6'), DNS_PORT);
  }

  addAddress(ifindex: number, address: AddressBytes, prefixLength: number): void {
    const attributes = [attribute(IFA_LOCAL, address), attribute(IFA_PROTO, u8(OUR_PROTOCOL))];
    this.#request(
      'RTM_NEWADDR',
      RTM_NEWADDR,
      NLM_F_CREATE | NLM_F_REPLACE,
      encodeAddress(ifindex, prefixLength),
      attributes,
    );
  }

  removeAddress(ifindex: number, address: AddressBytes, prefixLength: number): void {
    const header = encodeAddress(ifindex, prefixLength);
    try {
      this.#request('RTM_DELADDR', RTM_DELADDR, 0, header, [attribute(IFA_LOCAL, address)]);
    } catch (error) {
      if (!hasErrno(error, constants.errno.EADDRNOTAVAIL, constants.errno.ENODEV)) throw error;
    }
  }

  keptRoutes(): KeptRoute[] {
    return this.#routes().flatMap(({ protocol, ifindex, destination, remaining }) =>
      protocol === OUR_PROTOCOL && ifindex !== undefined && remaining > 0
        ? [{ ifindex, prefix: destination, remaining }]
        : [],
    );
  }

  keepRoute({ ifindex, prefix, remaining }: KeptRoute): void {
    const expires = attribute(RTA_EXPIRES, u32(Math.ceil(remaining / 1_000)));
    this.#request('RTM_NEWROUTE', RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, encodeRoute(prefix.length), [
      ...identify(ifindex, prefix),
      expires,
    ]);
  }

  dropRoute({ ifindex, prefix }: Pick<KeptRoute, 'ifindex' | 'prefix'>): void {
    try {
      this.#request('RTM_DELROUTE', RTM_DELROUTE, 0, encodeRoute(prefix.length), identify(ifindex, prefix));
    } catch (error) {
      if (!hasErrno(error, constants.errno.ESRCH, constants.errno.ENODEV)) throw error;
    }
  }

  openAdvertisements(link: Pick<Link, 'name' | 'ifindex'>, onSolicitation: (from: AddressBytes) => void) {
    return openAdvertisements(this.#sockets, link, onSolicitation);
  }

  close(): void {
    this.#netlink.close();
  }

  #routes(): Route[] {
    const request = Buffer.alloc(RTMSG_SIZE);
    request[0] = AF_INET6;
    return this.#netlink.request('RTM_GETROUTE', RTM_GETROUTE, NLM_F_DUMP, request, (payloads) =>
      payloads.map(decodeRoute),
    );
  }

  #request(
    operation: string,
    type: number,
    flags: number,
    header: Uint8Array,
    attributes: readonly Uint8Array[],
  ): void {
    this.#netlink.request(
      operation,
      type,
      NLM_F_ACK | flags,
      Buffer.concat([header, ...attributes]),
      () => {},
    );
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return ''; // no such interface any more, or no IPv6
  }
}

/** struct ifaddrmsg */
function encodeAddress(ifindex: number, prefixLength: number): Buffer {
  return Buffer.concat([Buffer.of(AF_INET6, prefixLength, IFA_F_NODAD, RT_SCOPE_LINK), u32(ifindex)]);
}

/** struct rtmsg of a route in the main table. */
function encodeRoute(length: number): Buffer {
  const scope = 0; // RT_SCOPE_UNIVERSE, as all of IPv6's
  return Buffer.of(AF_INET6, length, 0, 0, RT_TABLE_MAIN, OUR_PROTOCOL, scope, RTN_UNICAST, 0, 0, 0, 0);
}

function identify(ifindex: number, prefix: Prefix): Buffer[] {
  return [
    attribute(RTA_DST, prefix.bytes),
    attribute(RTA_OIF, u32(ifindex)),
    attribute(RTA_PRIORITY, u32(METRIC)),
  ];
}

function decodeRoute(payload: Buffer): Route {
  const bytes = new Uint8Array(16);
  let ifindex: number | undefined;
  let remaining = Number.POSITIVE_INFINITY;
  visitAttributes(payload, RTMSG_SIZE, payload.length, (type, from, to) => {
    if (type === RTA_DST) bytes.set(payload.subarray(from, Math.min(to, from + 16)));
    if (type === RTA_OIF) ifindex = readU32(payload.subarray(from, to));
    if (type === RTA_CACHEINFO) {
      const ticks = readS32(payload.subarray(from, to), EXPIRES_OFFSET);
      if (ticks !== 0) remaining = MS_PER_TICK * ticks;
    }
  });
  const destination = { bytes, length: payload.readUInt8(1) };
  return { destination, type: payload.readUInt8(7), protocol: payload.readUInt8(5), ifindex, remaining };
}

/** The local addresses of the sockets with a port in /proc/net/udp6: each is four words in host byte order. */
export function listeners(table: string, port: number): AddressBytes[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return [...table.matchAll(/^\s*\d+: ([0-9A-F]{32}):([0-9A-F]{4}) /gm)]
    .filter((match) => match[2] === wanted)
    .map((match) => {
      const words = match[1]!.match(/.{8}/g)!.map((word) => u32(Number.parseInt(word, 16)));
      return new Uint8Array(Buffer.concat(words));
    });
}
