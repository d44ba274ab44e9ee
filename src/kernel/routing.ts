// SPDX-License-Identifier: GPL-2.0-only
// What makes a router of this system: forwarding, routes, addresses, a DNS server (<linux/rtnetlink.h>,
// <linux/if_addr.h>).

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { type AddressBytes, parseAddress } from '../address.ts';
import type { Link } from '../model.ts';
import { openAdvertisements } from './advertisement-socket.ts';
import { AF_INET6 } from './inet6.ts';
import {
  attribute,
  findValue,
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
import { hasErrno, NETLINK_ROUTE, NetlinkError, NetlinkSocket, type Sockets } from './netlink-socket.ts';
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
const RTA_SRC = 2;
const RTA_IIF = 3;
const RTA_OIF = 4;
const RTA_PRIORITY = 6;
const RTA_CACHEINFO = 12;
const RTA_TABLE = 15;
const RTA_EXPIRES = 23;
const RT_TABLE_MAIN = 254;
const RTN_UNICAST = 1;
/** Behind that of the prefix itself, should it come back. */
const METRIC = 4096;
/** rta_expires of struct rta_cacheinfo is in USER_HZ. */
const EXPIRES_OFFSET = 8;
const MS_PER_TICK = 10;

const DNS_PORT = 53;

/** Where every route to the internet leads: a root name server. Nothing is sent there. */
const internet = parseAddress('2001:503:ba3e::2:30')!;

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

  leadsOn(ifindex: number, from: AddressBytes): boolean {
    const wayOut = this.#wayOut(ifindex, internet, from);
    return wayOut !== undefined && wayOut !== ifindex;
  }

  leadsBack(ifindex: number, to: AddressBytes): boolean {
    return this.#wayOut(ifindex, to) === ifindex;
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

  keptRoutes({ ifindex, table }: Pick<Link, 'ifindex' | 'table'>): KeptRoute[] {
    return dumpOwnRoutes(this.#netlink, { ifindex, ...(table !== undefined && { table }) })
      .filter(({ prefix, remaining }) => prefix.length < 128 && remaining > 0)
      .map((route) => ({ ifindex, ...(table !== undefined && { table }), ...route }));
  }

  keepRoute(route: KeptRoute): void {
    const expires = attribute(RTA_EXPIRES, u32(Math.ceil(route.remaining / 1_000)));
    const header = encodeRoute(route.prefix.length);
    this.#request('RTM_NEWROUTE', RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, header, [
      ...identify(route),
      expires,
    ]);
  }

  dropRoute(route: Omit<KeptRoute, 'remaining'>): void {
    try {
      this.#request('RTM_DELROUTE', RTM_DELROUTE, 0, encodeRoute(route.prefix.length), identify(route));
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

  /** By which interface packets leave that come in by one; undefined if by none. Looks up one route of however many. */
  #wayOut(ifindex: number, to: AddressBytes, from?: AddressBytes): number | undefined {
    const request = Buffer.concat([
      Buffer.of(AF_INET6, 128, from ? 128 : 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
      attribute(RTA_DST, to),
      ...(from ? [attribute(RTA_SRC, from)] : []),
      attribute(RTA_IIF, u32(ifindex)),
    ]);
    try {
      return this.#netlink.request('RTM_GETROUTE', RTM_GETROUTE, NLM_F_ACK, request, ([route]) => {
        if (route?.readUInt8(7) !== RTN_UNICAST) return undefined;
        const oif = findValue(route, RTMSG_SIZE, RTA_OIF);
        return oif && readU32(oif);
      });
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      return undefined; // none, or one that rejects, of which the kernel answers with the error that it stands for
    }
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

/** Of one link and its table: what has our protocol. */
export function dumpOwnRoutes(
  netlink: NetlinkSocket,
  { ifindex, table }: Pick<Link, 'ifindex' | 'table'>,
): Pick<KeptRoute, 'prefix' | 'remaining'>[] {
  const which = [attribute(RTA_OIF, u32(ifindex)), tableAttribute(table)];
  const request = Buffer.concat([encodeRoute(0, 0), ...which]);
  try {
    return netlink.request('RTM_GETROUTE', RTM_GETROUTE, NLM_F_DUMP, request, (payloads) =>
      payloads.map(decodeKept),
    );
  } catch (error) {
    if (!hasErrno(error, constants.errno.ENOENT, constants.errno.ENODEV)) throw error;
    return []; // there is no such table, or no such interface any more
  }
}

/** Empty if there is no such file. */
export function readText(file: string): string {
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

/** struct rtmsg of a route of ours, whose table is told by an attribute. */
export function encodeRoute(length: number, type = RTN_UNICAST): Buffer {
  const scope = 0; // RT_SCOPE_UNIVERSE, as all of IPv6's
  return Buffer.of(AF_INET6, length, 0, 0, 0, OUR_PROTOCOL, scope, type, 0, 0, 0, 0);
}

export function identify({ ifindex, prefix, table }: Omit<KeptRoute, 'remaining'>): Buffer[] {
  return [
    attribute(RTA_DST, prefix.bytes),
    attribute(RTA_OIF, u32(ifindex)),
    attribute(RTA_PRIORITY, u32(METRIC)),
    tableAttribute(table),
  ];
}

function tableAttribute(table = RT_TABLE_MAIN): Buffer {
  return attribute(RTA_TABLE, u32(table));
}

function decodeKept(payload: Buffer): Pick<KeptRoute, 'prefix' | 'remaining'> {
  const bytes = new Uint8Array(16);
  let remaining = Number.POSITIVE_INFINITY;
  visitAttributes(payload, RTMSG_SIZE, payload.length, (type, from, to) => {
    if (type === RTA_DST) bytes.set(payload.subarray(from, Math.min(to, from + 16)));
    if (type === RTA_CACHEINFO) {
      const ticks = readS32(payload.subarray(from, to), EXPIRES_OFFSET);
      if (ticks !== 0) remaining = MS_PER_TICK * ticks;
    }
  });
  return { prefix: { bytes, length: payload.readUInt8(1) }, remaining };
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
