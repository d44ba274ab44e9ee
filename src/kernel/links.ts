// SPDX-License-Identifier: GPL-2.0-only
// Links and their IPv6 addresses, from rtnetlink (<linux/rtnetlink.h>, <linux/if_link.h>, <linux/if_addr.h>).

import { constants } from 'node:os';
import type { Link, LinkAddress } from '../model.ts';
import type { NativeSocket } from './native.ts';
import {
  attribute,
  decodeMessages,
  findValue,
  type Message,
  NLM_F_ACK,
  NLM_F_DUMP,
  readS32,
  readS64,
  readText,
  readU32,
  u16,
  u32,
  visitAttributes,
} from './netlink.ts';
import {
  AF_NETLINK,
  hasErrno,
  NETLINK_ROUTE,
  NetlinkSocket,
  openNetlink,
  type Sockets,
} from './netlink-socket.ts';
import type { Links } from './ports.ts';
import { OUR_PROTOCOL } from './routing.ts';

const RTM_GETLINK = 18;
const RTM_GETADDR = 22;
const RTM_GETSTATS = 94;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTMGRP_LINK = 0x1;
const RTMGRP_IPV6_IFADDR = 0x100;
const RTMGRP_IPV6_ROUTE = 0x400;
/** RTNLGRP_IPV6_NETCONF: forwarding has been switched. */
const RTMGRP_IPV6_NETCONF = 1 << 24;

const IFINFOMSG_SIZE = 16;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINKINFO = 18;
const IFLA_EXT_MASK = 29;
const IFLA_INFO_KIND = 1;
const IFF_UP = 1;
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
const IFA_PROTO = 11;
const INFINITE = 0xffffffff;

/** Bringing up one link sends about ten notifications. */
const COALESCE_MS = 20;
const NOTIFICATION_SIZE = 8192;

interface Address extends LinkAddress {
  readonly ifindex: number;
}

/** The links of this network namespace. Errors are those of NetlinkSocket.request. */
export class RtnetlinkLinks implements Links {
  readonly #sockets: Sockets;
  readonly #netlink: NetlinkSocket;
  readonly #closers: (() => void)[] = [];

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
    return links.map((link) => ({
      ...link,
      addresses: addresses
        .filter(({ ifindex }) => ifindex === link.ifindex)
        .map(({ ifindex, ...address }) => address),
    }));
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
    const socket = openNetlink(this.#sockets, NETLINK_ROUTE);
    let timer: NodeJS.Timeout | undefined;
    this.#closers.push(() => {
      clearTimeout(timer);
      socket.close();
    });
    socket.bind(groupAddress(RTMGRP_LINK | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE | RTMGRP_IPV6_NETCONF));
    socket.onReadable(() => {
      if (!drain(socket)) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        callback();
      }, COALESCE_MS);
    });
  }

  close(): void {
    for (const close of this.#closers.splice(0)) close();
    this.#netlink.close();
  }
}

/** struct sockaddr_nl with a port of the kernel's choice. */
function groupAddress(groups: number): Buffer {
  return Buffer.concat([u16(AF_NETLINK), u16(0), u32(0), u32(groups)]);
}

/** Whether there was anything of interest. */
function drain(socket: NativeSocket): boolean {
  for (let isOfInterest = false; ; ) {
    try {
      const datagram = socket.receive(NOTIFICATION_SIZE);
      if (!datagram) return isOfInterest;
      isOfInterest ||= !isOtherRoutes(datagram);
    } catch (error) {
      if (!hasErrno(error, constants.errno.ENOBUFS, constants.errno.EMSGSIZE)) throw error;
      isOfInterest = true;
    }
  }
}

/** Of a router's many routes only default ones matter: struct rtmsg has the length of the destination. */
function isOtherRoutes(datagram: Buffer): boolean {
  try {
    const isRoute = ({ type }: Message) => type === RTM_NEWROUTE || type === RTM_DELROUTE;
    return decodeMessages(datagram).every((message) => isRoute(message) && message.payload[1] !== 0);
  } catch {
    return false;
  }
}

/** struct ifinfomsg and IFLA_* */
function decodeLink(payload: Buffer): Omit<Link, 'addresses'> {
  const ifindex = readS32(payload, 4);
  const up = (readU32(payload, 8) & IFF_UP) !== 0;
  let name = '';
  let kind = '';
  let mtu = 0;
  visitAttributes(payload, IFINFOMSG_SIZE, payload.length, (type, from, to) => {
    if (type === IFLA_IFNAME) name = readText(payload.subarray(from, to));
    if (type === IFLA_MTU) mtu = readU32(payload.subarray(from, to));
    if (type === IFLA_LINKINFO) kind = decodeKind(payload.subarray(from, to));
  });
  return { name, ifindex, up, kind, mtu };
}

function decodeKind(linkInfo: Buffer): string {
  const kind = findValue(linkInfo, 0, IFLA_INFO_KIND);
  return kind ? readText(kind) : '';
}

/** struct ifaddrmsg and IFA_*. On a point-to-point link IFA_ADDRESS may be the other end's, IFA_LOCAL is ours. */
function decodeAddress(payload: Buffer): Address {
  const prefixLength = payload.readUInt8(1);
  const ifindex = readU32(payload, 4);
  let address: Buffer | undefined;
  let local: Buffer | undefined;
  let isOurs = false;
  let [preferred, valid] = [INFINITE, INFINITE];
  visitAttributes(payload, IFADDRMSG_SIZE, payload.length, (type, from, to) => {
    const value = payload.subarray(from, to);
    if (type === IFA_ADDRESS) address = value;
    if (type === IFA_LOCAL) local = value;
    if (type === IFA_PROTO) isOurs = value[0] === OUR_PROTOCOL;
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
  };
}

function milliseconds(lifetime: number): number {
  return lifetime === INFINITE ? Number.POSITIVE_INFINITY : 1_000 * lifetime;
}
