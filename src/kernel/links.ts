// SPDX-License-Identifier: GPL-2.0-only
// Links and their IPv6 addresses, from rtnetlink (<linux/rtnetlink.h>, <linux/if_link.h>, <linux/if_addr.h>).

import type { Link, LinkAddress } from '../model.ts';
import {
  attribute,
  decodeMessages,
  findValue,
  NLM_F_ACK,
  NLM_F_DUMP,
  readS32,
  readS64,
  readText,
  readU32,
  u32,
  visitAttributes,
} from './netlink.ts';
import { NETLINK_ROUTE, NetlinkSocket, type Sockets } from './netlink-socket.ts';
import { type Flood, followFlood, listenTo, nextNotification } from './notifications.ts';
import type { Links } from './ports.ts';
import { OUR_PROTOCOL } from './routing.ts';

const RTM_GETLINK = 18;
const RTM_GETADDR = 22;
const RTM_GETSTATS = 94;
const RTMGRP_LINK = 0x1;
const RTMGRP_IPV6_IFADDR = 0x100;
const RTMGRP_IPV6_ROUTE = 0x400;
/** RTNLGRP_IPV6_RULE: which routing tables there are for whom. */
const RTMGRP_IPV6_RULE = 1 << 18;
/** RTNLGRP_IPV6_NETCONF: forwarding has been switched. */
const RTMGRP_IPV6_NETCONF = 1 << 24;
const RTMSG_SIZE = 12;
const RTA_OIF = 4;
/** Routes to all of the internet are to ::/0 or 2000::/3. */
const DEFAULT_LENGTH = 3;

const IFINFOMSG_SIZE = 16;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_AF_SPEC = 26;
const IFLA_EXT_MASK = 29;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_VRF_TABLE = 1;
const IFLA_INET6_CONF = 2;
const DEVCONF_DISABLE_IPV6 = 26;
/** IPv6's least. */
const IPV6_MIN_MTU = 1280;
const IFF_UP = 0x1;
const IFF_NOARP = 0x80;
const RTEXT_FILTER_SKIP_STATS = 8;

/** struct if_stats_msg; IFLA_STATS_LINK_64 alone; rx_frame_errors in its struct rtnl_link_stats64. */
const IF_STATS_MSG_SIZE = 12;
const IFLA_STATS_LINK_64 = 1;
const RX_FRAME_ERRORS = 8 * 13;

const AF_INET6 = 10;
const IFADDRMSG_SIZE = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_CACHEINFO = 6;
const IFA_FLAGS = 8;
const IFA_PROTO = 11;
/** Temporary ones, and those that they are made beside: both come of advertisements. */
const IFA_F_TEMPORARY = 0x01;
const IFA_F_MANAGETEMPADDR = 0x100;
const IFA_F_NOPREFIXROUTE = 0x200;
const IFAPROT_KERNEL_RA = 2;
const INFINITE = 0xffffffff;

/** Bringing up one link sends about ten notifications. */
const COALESCE_MS = 20;
const NOTIFICATION_SIZE = 8192;

/** A router may have very many, and they may all change at once: then there is always the same little to do. */
const ROUTES: Flood = {
  protocol: NETLINK_ROUTE,
  groups: RTMGRP_IPV6_ROUTE,
  size: NOTIFICATION_SIZE,
  most: 64,
  rest: 1_000,
};

interface Address extends LinkAddress {
  readonly ifindex: number;
}

/** With what others are to know of it. */
interface DumpedLink extends Omit<Link, 'addresses' | 'table'> {
  /** The ifindex of what it is a part of. */
  readonly master: number | undefined;
  /** Of a VRF. */
  readonly ownTable: number | undefined;
}

/** The links of this network namespace. Errors are those of NetlinkSocket.request. */
export class RtnetlinkLinks implements Links {
  readonly #sockets: Sockets;
  readonly #netlink: NetlinkSocket;
  readonly #closers: (() => void)[] = [];
  /** The ifindexes of WireGuard interfaces. */
  #wireguard: ReadonlySet<number> = new Set();

  constructor(sockets: Sockets) {
    this.#sockets = sockets;
    this.#netlink = new NetlinkSocket(sockets, NETLINK_ROUTE);
  }

  list(): Link[] {
    const getLink = Buffer.concat([
      Buffer.alloc(IFINFOMSG_SIZE),
      attribute(IFLA_EXT_MASK, u32(RTEXT_FILTER_SKIP_STATS)),
    ]);
    const getAddress = Buffer.alloc(IFADDRMSG_SIZE);
    getAddress[0] = AF_INET6;
    const links = this.#netlink.request('RTM_GETLINK', RTM_GETLINK, NLM_F_DUMP, getLink, (payloads) =>
      payloads.map(decodeLink),
    );
    const addresses = this.#netlink.request('RTM_GETADDR', RTM_GETADDR, NLM_F_DUMP, getAddress, (payloads) =>
      payloads.map(decodeAddress),
    );
    this.#wireguard = new Set(links.filter(({ kind }) => kind === 'wireguard').map(({ ifindex }) => ifindex));
    const tables = new Map(links.map(({ ifindex, ownTable }) => [ifindex, ownTable]));
    return links.map(({ master, ownTable, ...link }) => {
      const table = master === undefined ? undefined : tables.get(master);
      return {
        ...link,
        ...(table !== undefined && { table }),
        addresses: addresses
          .filter(({ ifindex }) => ifindex === link.ifindex)
          .map(({ ifindex, ...address }) => address),
      };
    });
  }

  refused(ifindex: number): number {
    const filter = 1 << (IFLA_STATS_LINK_64 - 1);
    const request = Buffer.concat([u32(0), u32(ifindex), u32(filter)]);
    return this.#netlink.request('RTM_GETSTATS', RTM_GETSTATS, NLM_F_ACK, request, (payloads) => {
      for (const payload of payloads) {
        const statistics = findValue(payload, IF_STATS_MSG_SIZE, IFLA_STATS_LINK_64);
        if (statistics) return readS64(statistics, RX_FRAME_ERRORS);
      }
      throw new Error('netlink: RTM_GETSTATS gave no statistics');
    });
  }

  /** Notifications only hint that there is something new to list, so lost ones (ENOBUFS) are as good as others. */
  onChange(callback: () => void): void {
    let timer: NodeJS.Timeout | undefined;
    const note = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        callback();
      }, COALESCE_MS);
    };
    this.#closers.push(() => clearTimeout(timer));
    const groups = RTMGRP_LINK | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_RULE | RTMGRP_IPV6_NETCONF;
    const socket = listenTo(this.#sockets, NETLINK_ROUTE, groups);
    this.#closers.push(() => socket.close());
    socket.onReadable(() => {
      while (nextNotification(socket, NOTIFICATION_SIZE));
      note();
    });
    const stop = followFlood(this.#sockets, ROUTES, (datagram) => this.#isOfInterest(datagram), note);
    this.#closers.push(stop);
  }

  /** Of a router's many routes only default ones matter, and those through its WireGuard interfaces. */
  #isOfInterest(datagram: Buffer): boolean {
    try {
      return decodeMessages(datagram).some(({ payload }) => {
        if (payload.length < RTMSG_SIZE || payload[1]! <= DEFAULT_LENGTH) return true;
        if (isHostRouteOfOurs(payload)) return false; // there are many, and nobody else's are like them
        const oif = findValue(payload, RTMSG_SIZE, RTA_OIF);
        return oif !== undefined && this.#wireguard.has(readU32(oif));
      });
    } catch {
      return true;
    }
  }

  close(): void {
    for (const close of this.#closers.splice(0)) close();
    this.#netlink.close();
  }
}

/** struct rtmsg: of sharing, whose removal by others is found out when everything is looked at. */
function isHostRouteOfOurs(payload: Buffer): boolean {
  return payload[1] === 128 && payload[5] === OUR_PROTOCOL;
}

/** struct ifinfomsg and IFLA_* */
function decodeLink(payload: Buffer): DumpedLink {
  const ifindex = readS32(payload, 4);
  const flags = readU32(payload, 8);
  const up = (flags & IFF_UP) !== 0;
  const noNeighbours = (flags & IFF_NOARP) !== 0;
  let name = '';
  let mtu = 0;
  let master: number | undefined;
  let linkInfo: Buffer = Buffer.alloc(0);
  let inet6: Buffer | undefined;
  visitAttributes(payload, IFINFOMSG_SIZE, payload.length, (type, from, to) => {
    if (type === IFLA_IFNAME) name = readText(payload.subarray(from, to));
    if (type === IFLA_MTU) mtu = readU32(payload.subarray(from, to));
    if (type === IFLA_MASTER) master = readU32(payload.subarray(from, to));
    if (type === IFLA_LINKINFO) linkInfo = payload.subarray(from, to);
    if (type === IFLA_AF_SPEC) inet6 = findValue(payload.subarray(from, to), 0, AF_INET6);
  });
  const kind = readText(findValue(linkInfo, 0, IFLA_INFO_KIND) ?? Buffer.alloc(0));
  const ownTable = kind === 'vrf' ? decodeTable(findValue(linkInfo, 0, IFLA_INFO_DATA)) : undefined;
  const noIpv6 = decodeNoIpv6(mtu, inet6);
  return {
    name,
    ifindex,
    up,
    kind,
    mtu,
    ...(noIpv6 && { noIpv6 }),
    ...(noNeighbours && { noNeighbours }),
    master,
    ownTable,
  };
}

function decodeTable(vrf: Buffer | undefined): number | undefined {
  const table = vrf && findValue(vrf, 0, IFLA_VRF_TABLE);
  return table && readU32(table);
}

/** `inet6`: what the kernel tells of IPv6 on a link, where it has any. */
function decodeNoIpv6(mtu: number, inet6: Buffer | undefined): Link['noIpv6'] {
  if (mtu < IPV6_MIN_MTU) return 'mtu';
  if (!inet6) return 'kernel';
  const settings = findValue(inet6, 0, IFLA_INET6_CONF);
  const at = 4 * DEVCONF_DISABLE_IPV6;
  return settings && settings.length >= at + 4 && readS32(settings, at) !== 0 ? 'disabled' : undefined;
}

/** struct ifaddrmsg and IFA_*. On a point-to-point link IFA_ADDRESS may be the other end's, IFA_LOCAL is ours. */
function decodeAddress(payload: Buffer): Address {
  const prefixLength = payload.readUInt8(1);
  const ifindex = readU32(payload, 4);
  let address: Buffer | undefined;
  let local: Buffer | undefined;
  let isOurs = false;
  let isAutoconfigured = false as boolean;
  let hasNoPrefixRoute = false as boolean;
  let [preferred, valid] = [INFINITE, INFINITE];
  visitAttributes(payload, IFADDRMSG_SIZE, payload.length, (type, from, to) => {
    const value = payload.subarray(from, to);
    if (type === IFA_ADDRESS) address = value;
    if (type === IFA_LOCAL) local = value;
    if (type === IFA_PROTO) {
      isOurs = value[0] === OUR_PROTOCOL;
      isAutoconfigured ||= value[0] === IFAPROT_KERNEL_RA;
    }
    if (type === IFA_FLAGS) {
      isAutoconfigured ||= (readU32(value) & (IFA_F_TEMPORARY | IFA_F_MANAGETEMPADDR)) !== 0;
      hasNoPrefixRoute = (readU32(value) & IFA_F_NOPREFIXROUTE) !== 0;
    }
    if (type === IFA_CACHEINFO) [preferred, valid] = [readU32(value), readU32(value, 4)]; // struct ifa_cacheinfo
  });
  const bytes = local ?? address;
  if (bytes?.length !== 16) throw new Error('netlink: RTM_GETADDR gave no IPv6 address');
  return {
    ifindex,
    prefixLength,
    bytes: new Uint8Array(bytes),
    preferred: milliseconds(preferred),
    valid: milliseconds(valid),
    isOurs,
    ...(isAutoconfigured && { isAutoconfigured }),
    ...(hasNoPrefixRoute && { hasNoPrefixRoute }),
  };
}

function milliseconds(lifetime: number): number {
  return lifetime === INFINITE ? Number.POSITIVE_INFINITY : 1_000 * lifetime;
}
