// SPDX-License-Identifier: GPL-2.0-only
// How others find the addresses of peers that lie in the prefix of another link: host routes, and neighbour proxy entries
// (<linux/rtnetlink.h>, <linux/neighbour.h>). The kernel itself answers solicitations for these, and so sees to it that a
// host which comes up with such an address finds a duplicate.

import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { parseAddress } from '../address.ts';
import { formatAddress } from '../address-text.ts';
import type { Link } from '../model.ts';
import { AF_INET6 } from './inet6.ts';
import {
  attribute,
  findValue,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  readS32,
  readU16,
  u8,
  u16,
  u32,
} from './netlink.ts';
import { hasErrno, NETLINK_ROUTE, NetlinkSocket, type Sockets } from './netlink-socket.ts';
import type { ProxyEntry, Reach } from './ports.ts';
import { rivalsOf } from './rivals.ts';
import { dumpOwnRoutes, encodeRoute, identify, OUR_PROTOCOL, readText } from './routing.ts';

const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_NEWNEIGH = 28;
const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;

const NDMSG_SIZE = 12;
const NDA_DST = 1;
const NDA_IFINDEX = 8;
const NDA_PROTOCOL = 12;
const NTF_USE = 0x01;
const NTF_PROXY = 0x08;

const NUD_STALE = 0x04;
const NUD_DELAY = 0x08;
const NUD_PROBE = 0x10;
/** Reachable, by itself or by configuration. */
const CONFIRMED = 0x02 | 0x40 | 0x80;
const DOUBTFUL = NUD_STALE | NUD_DELAY | NUD_PROBE;

/** With a link's own proxy_ndp alone, unicast solicitations would be forwarded instead of answered (net/ipv6/ip6_output.c). */
const PROXY_NDP = '/proc/sys/net/ipv6/conf/all/proxy_ndp';
/** What switches it on as 1 does, and says that it is ours to switch off, as long as nobody writes anything else. */
const ON_FOR_US = String(OUR_PROTOCOL);

const { ENOENT, ENODEV, EEXIST, ESRCH } = constants.errno;

/** Of this network namespace. Errors are those of NetlinkSocket.request. */
export class RtnetlinkReach implements Reach {
  readonly #netlink: NetlinkSocket;

  constructor(sockets: Sockets) {
    this.#netlink = new NetlinkSocket(sockets, NETLINK_ROUTE);
  }

  routes(link: Pick<Link, 'ifindex' | 'table'>): string[] {
    return dumpOwnRoutes(this.#netlink, link)
      .filter(({ prefix }) => prefix.length === 128)
      .map(({ prefix }) => formatAddress(prefix.bytes));
  }

  addRoute(link: Pick<Link, 'ifindex' | 'table'>, address: string): void {
    // Without NLM_F_REPLACE: nothing is notified if it is there.
    this.#change('RTM_NEWROUTE', RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, hostRoute(link, address), EEXIST);
  }

  removeRoute(link: Pick<Link, 'ifindex' | 'table'>, address: string): void {
    this.#change('RTM_DELROUTE', RTM_DELROUTE, 0, hostRoute(link, address), ESRCH, ENODEV);
  }

  proxies(): ProxyEntry[] {
    const request = ndmsg(0, 0, NTF_PROXY);
    return this.#dump(request).flatMap((payload) => {
      if (findValue(payload, NDMSG_SIZE, NDA_PROTOCOL)?.[0] !== OUR_PROTOCOL) return [];
      const address = addressOf(payload);
      return address ? [{ ifindex: readS32(payload, 4), address }] : [];
    });
  }

  addProxy({ ifindex, address }: ProxyEntry): void {
    const protocol = attribute(NDA_PROTOCOL, u8(OUR_PROTOCOL));
    const request = Buffer.concat([ndmsg(ifindex, 0, NTF_PROXY), destination(address), protocol]);
    this.#change('RTM_NEWNEIGH', RTM_NEWNEIGH, NLM_F_CREATE, request);
  }

  removeProxy({ ifindex, address }: ProxyEntry): void {
    const request = Buffer.concat([ndmsg(ifindex, 0, NTF_PROXY), destination(address)]);
    this.#change('RTM_DELNEIGH', RTM_DELNEIGH, 0, request, ENOENT, ENODEV);
  }

  startProxying(): void {
    changeProxying('0', ON_FOR_US);
  }

  stopProxying(): void {
    changeProxying(ON_FOR_US, '0');
  }

  neighbours(ifindex: number): string[] {
    const request = Buffer.concat([ndmsg(0, 0, 0), attribute(NDA_IFINDEX, u32(ifindex))]);
    return this.#dump(request).flatMap((payload) =>
      (readU16(payload, 8) & (CONFIRMED | DOUBTFUL)) === 0 ? [] : (addressOf(payload) ?? []),
    );
  }

  isNeighbour(ifindex: number, address: string, isConfirmed: boolean): boolean {
    return (this.#state(ifindex, address) & (isConfirmed ? CONFIRMED : CONFIRMED | DOUBTFUL)) !== 0;
  }

  solicit(ifindex: number, address: string): void {
    // What is known may be of long ago, and the kernel would not ask anew for some time.
    if ((this.#state(ifindex, address) & DOUBTFUL) !== 0) this.forgetNeighbour(ifindex, address);
    const request = Buffer.concat([ndmsg(ifindex, 0, NTF_USE), destination(address)]);
    this.#change('RTM_NEWNEIGH', RTM_NEWNEIGH, NLM_F_CREATE, request);
  }

  forgetNeighbour(ifindex: number, address: string): void {
    const request = Buffer.concat([ndmsg(ifindex, 0, 0), destination(address)]);
    this.#change('RTM_DELNEIGH', RTM_DELNEIGH, 0, request, ENOENT, ENODEV);
  }

  rivals(device: string, shared: string): string[] {
    return rivalsOf(device, shared);
  }

  close(): void {
    this.#netlink.close();
  }

  /** NUD_*; 0 if the kernel knows nothing of it. */
  #state(ifindex: number, address: string): number {
    const request = Buffer.concat([ndmsg(ifindex, 0, 0), destination(address)]);
    try {
      return this.#netlink.request('RTM_GETNEIGH', RTM_GETNEIGH, NLM_F_ACK, request, ([payload]) =>
        payload ? readU16(payload, 8) : 0,
      );
    } catch (error) {
      if (!hasErrno(error, ENOENT, ENODEV)) throw error;
      return 0;
    }
  }

  #dump(request: Buffer): Buffer[] {
    return this.#netlink.request('RTM_GETNEIGH', RTM_GETNEIGH, NLM_F_DUMP, request, (payloads) =>
      payloads.map((payload) => Buffer.from(payload)),
    );
  }

  /** `fine`: errors that say that nothing is to be done. */
  #change(operation: string, type: number, flags: number, request: Buffer, ...fine: number[]): void {
    try {
      this.#netlink.request(operation, type, NLM_F_ACK | flags, request, () => {});
    } catch (error) {
      if (!hasErrno(error, ...fine)) throw error;
    }
  }
}

/** If it is that. */
function changeProxying(from: string, to: string): void {
  if (readText(PROXY_NDP).trim() === from) writeFileSync(PROXY_NDP, to);
}

/** struct ndmsg */
function ndmsg(ifindex: number, state: number, flags: number): Buffer {
  return Buffer.concat([Buffer.of(AF_INET6, 0, 0, 0), u32(ifindex), u16(state), Buffer.of(flags, 0)]);
}

function destination(address: string): Buffer {
  return attribute(NDA_DST, parseAddress(address)!);
}

function addressOf(payload: Buffer): string | undefined {
  const bytes = findValue(payload, NDMSG_SIZE, NDA_DST);
  return bytes?.length === 16 ? formatAddress(bytes) : undefined;
}

function hostRoute(link: Pick<Link, 'ifindex' | 'table'>, address: string): Buffer {
  const prefix = { bytes: parseAddress(address)!, length: 128 };
  return Buffer.concat([encodeRoute(128), ...identify({ ...link, prefix })]);
}
