// SPDX-License-Identifier: GPL-2.0-only
// Router Advertisements and Solicitations as bytes (RFC 4861, 4.1, 4.2, 4.6 and 6.1.1; RFC 4191, 2; RFC 8106, 5). All numbers
// are in network byte order.

import { type AddressBytes, contains, type Prefix, parseAddress } from '../address.ts';
import { formatAddress } from '../address-text.ts';
import type { Preference } from '../model.ts';
import { linkLocal } from '../scope.ts';
import { IPPROTO_ICMPV6, icmpv6Checksum } from './icmp6.ts';

const ROUTER_SOLICITATION = 133;
const ROUTER_ADVERTISEMENT = 134;

const SOURCE_LINK_LAYER_ADDRESS = 1;
const PREFIX_INFORMATION = 3;
const MTU = 5;
const ROUTE_INFORMATION = 24;
const RECURSIVE_DNS_SERVER = 25;
const DNS_SEARCH_LIST = 31;

const ON_LINK = 0x80;
/** Hosts are to choose addresses in it. */
const AUTONOMOUS = 0x40;
/** What IANA has for IPv4, as most systems take. */
const HOP_LIMIT = 64;
/** Where it stands in flags, be it of the router or of a route. */
const preferenceBits: Readonly<Record<Preference, number>> = { low: 0x18, medium: 0, high: 0x08 };
/** Of whatever a neighbour discovery message must have come with: no router has forwarded it. */
const UNFORWARDED = 255;

const IPV6_HEADER = 40;
/** Of the message. Every IPv6 link carries packets of 1,280 bytes. */
const MOST = 1280 - IPV6_HEADER;
const HEADER = 16;
const PREFIX_SIZE = 32;
const SERVER_SIZE = 16;
/** Of an option that has a list. */
const LIST_HEADER = 8;
const allRouters = parseAddress('ff02::2')!;

export interface PrefixInformation {
  /** Of 64 bits. */
  readonly prefix: Prefix;
  /** Whether who has an address in it is on this link. */
  readonly onLink: boolean;
  /** Seconds, below 2^32. */
  readonly preferred: number;
  readonly valid: number;
}

/** Where the router leads to. */
export interface RouteInformation {
  readonly prefix: Prefix;
  /** Seconds, below 2^32; 0: it does no more. */
  readonly lifetime: number;
}

export interface Advertisement {
  /** Seconds, 0 to 65,535; 0: not a default router. */
  readonly routerLifetime: number;
  /** Of all its routes. */
  readonly preference: Preference;
  /** Bytes. */
  readonly mtu?: number;
  readonly prefixes: readonly PrefixInformation[];
  readonly routes: readonly RouteInformation[];
  /** Recursive DNS servers. */
  readonly servers: readonly AddressBytes[];
  /** DNS search domains; what is none is left out. */
  readonly search: readonly string[];
  /** Of both, in seconds. */
  readonly dnsLifetime: number;
}

/**
 * The ICMPv6 message, of which the kernel fills in the checksum. It has to be one packet, as hosts take no fragments: see
 * fitting().
 */
export function encodeAdvertisement(content: Advertisement): Buffer {
  const header = Buffer.alloc(HEADER);
  header[0] = ROUTER_ADVERTISEMENT;
  const { routerLifetime, preference, mtu, prefixes, routes, servers, dnsLifetime } = content;
  header[4] = HOP_LIMIT;
  header[5] = routerLifetime > 0 ? preferenceBits[preference] : 0;
  header.writeUInt16BE(routerLifetime, 6);
  const names = content.search.flatMap((domain) => encodeName(domain) ?? []);
  return Buffer.concat([
    header,
    ...(mtu === undefined ? [] : [option(MTU, u16be(0), u32be(mtu))]),
    ...prefixes.map(encodePrefix),
    ...routes.map((route) => encodeRoute(route, preference)),
    ...(servers.length > 0 ? [option(RECURSIVE_DNS_SERVER, u16be(0), u32be(dnsLifetime), ...servers)] : []),
    ...(names.length > 0 ? [option(DNS_SEARCH_LIST, u16be(0), u32be(dnsLifetime), ...names)] : []),
  ]);
}

/** How much does not fit. */
export interface LeftOut {
  readonly prefixes: number;
  readonly routes: number;
  readonly servers: number;
  readonly domains: number;
}

/**
 * As much as fits into one packet on any link, whatever is on the way, and how much does not: what matters most goes first,
 * which is a DNS server, prefixes, routes, more servers, then what is taken back, then domains.
 */
export function fitting(all: Advertisement): { content: Advertisement; leftOut: LeftOut } {
  let room = MOST - HEADER - (all.mtu === undefined ? 0 : 8);
  const take = <Item>(items: readonly Item[], sizeOf: (item: Item) => number): Item[] => {
    const excess = items.findIndex((item) => {
      room -= sizeOf(item);
      if (room >= 0) return false;
      room += sizeOf(item);
      return true;
    });
    return excess < 0 ? [...items] : items.slice(0, excess);
  };
  const takePrefixes = (isWanted: (prefix: PrefixInformation) => boolean) =>
    take(all.prefixes.filter(isWanted), () => PREFIX_SIZE);
  const takeRoutes = (isWanted: (route: RouteInformation) => boolean) =>
    take(all.routes.filter(isWanted), ({ prefix }) => LIST_HEADER + routeSize(prefix));

  const server = take(all.servers.slice(0, 1), () => LIST_HEADER + SERVER_SIZE);
  const usable = takePrefixes(({ preferred }) => preferred > 0);
  const leading = takeRoutes(({ lifetime }) => lifetime > 0);
  const servers = [...server, ...(server.length > 0 ? take(all.servers.slice(1), () => SERVER_SIZE) : [])];
  const prefixes = [...usable, ...takePrefixes(({ preferred }) => preferred === 0)];
  const routes = [...leading, ...takeRoutes(({ lifetime }) => lifetime === 0)];
  room -= LIST_HEADER; // all is in units of 8 bytes
  const search = take(all.search, (domain) => encodeName(domain)?.length ?? 0);
  return {
    content: { ...all, prefixes, routes, servers, search },
    leftOut: {
      prefixes: all.prefixes.length - prefixes.length,
      routes: all.routes.length - routes.length,
      servers: all.servers.length - servers.length,
      domains: all.search.length - search.length,
    },
  };
}

function encodePrefix({ prefix, onLink, preferred, valid }: PrefixInformation): Buffer {
  const flags = Buffer.of(prefix.length, AUTONOMOUS | (onLink ? ON_LINK : 0));
  return option(PREFIX_INFORMATION, flags, u32be(valid), u32be(preferred), u32be(0), prefix.bytes);
}

function encodeRoute({ prefix, lifetime }: RouteInformation, preference: Preference): Buffer {
  const flags = Buffer.of(prefix.length, preferenceBits[preference]);
  return option(ROUTE_INFORMATION, flags, u32be(lifetime), prefix.bytes.subarray(0, routeSize(prefix)));
}

/** Of the prefix in it, of which no more need be there than has bits. */
function routeSize({ length }: Prefix): number {
  return 8 * Math.ceil(length / 64);
}

/** Type, length in units of 8 bytes, and the value, padded with zeros. */
function option(type: number, ...value: Uint8Array[]): Buffer {
  const body = Buffer.concat(value);
  const units = Math.ceil((2 + body.length) / 8);
  const bytes = Buffer.alloc(8 * units);
  bytes[0] = type;
  bytes[1] = units;
  body.copy(bytes, 2);
  return bytes;
}

/** As DNS has it (RFC 1035, 3.1), uncompressed; undefined if it is no domain name. */
function encodeName(domain: string): Buffer | undefined {
  const labels = domain.replace(/\.$/, '').split('.');
  if (!labels.every((label) => /^[\x21-\x7e]{1,63}$/.test(label))) return undefined;
  const bytes = Buffer.concat([
    ...labels.flatMap((label) => [Buffer.of(label.length), Buffer.from(label)]),
    Buffer.of(0),
  ]);
  return bytes.length <= 255 ? bytes : undefined;
}

function u16be(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}

function u32be(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Whether a router has to take an ICMPv6 message for a solicitation. The checksum is the kernel's to check. */
export function isSolicitation(message: Buffer, from: AddressBytes, hopLimit: number | undefined): boolean {
  if (hopLimit !== UNFORWARDED || message.length < 8) return false;
  if (message[0] !== ROUTER_SOLICITATION || message[1] !== 0) return false;
  const isUnspecified = from.every((byte) => byte === 0);
  for (let at = 8; at < message.length; ) {
    const length = 8 * (message[at + 1] ?? 0);
    if (length === 0 || at + length > message.length) return false;
    if (isUnspecified && message[at] === SOURCE_LINK_LAYER_ADDRESS) return false;
    at += length;
  }
  return true;
}

/** The link-local source of an IPv6 packet that is a solicitation to all routers; undefined for any other packet. */
export function solicitorOf(packet: Uint8Array): string | undefined {
  if (packet.length < IPV6_HEADER || packet[0]! >> 4 !== 6 || packet[6] !== IPPROTO_ICMPV6) return undefined;
  if (packet[IPV6_HEADER] !== ROUTER_SOLICITATION) return undefined; // most are not
  const from = packet.subarray(8, 24);
  const to = packet.subarray(24, IPV6_HEADER);
  const message = Buffer.from(packet.subarray(IPV6_HEADER));
  const isIntact =
    ((packet[4]! << 8) | packet[5]!) === message.length &&
    allRouters.every((byte, i) => byte === to[i]) &&
    icmpv6Checksum(from, to, message) === 0;
  if (!isIntact || !contains(linkLocal, from) || !isSolicitation(message, from, packet[7])) return undefined;
  return formatAddress(from);
}
