// SPDX-License-Identifier: GPL-2.0-only
// The socket of one interface for Router Solicitations and Advertisements.

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { type AddressBytes, parseAddress } from '../address.ts';
import type { Link } from '../model.ts';
import { isSolicitation } from '../packets/advertisement.ts';
import { IPPROTO_ICMPV6 } from '../packets/icmp6.ts';
import { AF_INET6, ICMPV6_FILTER, IPPROTO_IPV6, SOCK_RAW, socketAddress } from './inet6.ts';
import type { NativeSocket, ReceivedMessage } from './native.ts';
import { readS32, u32 } from './netlink.ts';
import { hasErrno, type Sockets } from './netlink-socket.ts';
import type { AdvertisementSocket } from './ports.ts';

const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
const IPV6_UNICAST_HOPS = 16;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_MULTICAST_LOOP = 19;
const IPV6_ADD_MEMBERSHIP = 20;
const IPV6_DROP_MEMBERSHIP = 21;
const IPV6_RECVHOPLIMIT = 51;
const IPV6_HOPLIMIT = 52;

const allRouters = parseAddress('ff02::2')!;
const allRoutersInHex = Buffer.from(allRouters).toString('hex');
/** All but solicitations: a bit for each type, in words of host byte order. */
const onlySolicitations = Buffer.concat(
  [0, 1, 2, 3, 4, 5, 6, 7].map((word) => u32(word === 133 >> 5 ? ~(1 << (133 & 31)) >>> 0 : 0xffffffff)),
);

/** Tunnels carry no more. */
const SIZE = 65536;
/** So many in a row, then others have their turn. */
const BATCH = 64;

/**
 * Answers on what comes out of an interface: `onSolicitation` is called with the source of each valid one. Throws
 * SystemError.
 */
export function openAdvertisements(
  sockets: Sockets,
  { name, ifindex }: Pick<Link, 'name' | 'ifindex'>,
  onSolicitation: (from: AddressBytes) => void,
): AdvertisementSocket {
  const socket = new sockets.Socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
  try {
    socket.setOption(IPPROTO_ICMPV6, ICMPV6_FILTER, onlySolicitations);
    socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${name}\0`));
    for (const option of [IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS])
      socket.setOption(IPPROTO_IPV6, option, u32(255));
    socket.setOption(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, u32(0));
    socket.setOption(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, u32(1));
    socket.setOption(IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, membership(ifindex));
    socket.onReadable(() => receive(socket, onSolicitation));
  } catch (error) {
    socket.close();
    throw error;
  }
  return {
    send: (message, to) => socket.send(message, socketAddress(to, ifindex)),
    listen: () => {
      if (!isMember(ifindex)) joinAgain(socket, ifindex);
    },
    close: () => socket.close(),
  };
}

/** struct ipv6_mreq. On interfaces without multicast, as WireGuard's, the kernel has not joined where it forwards. */
function membership(ifindex: number): Buffer {
  return Buffer.concat([allRouters, u32(ifindex)]);
}

/** Whether the interface is a member, by whomever it was made one: what a socket was is no more after IPv6 was off. */
function isMember(ifindex: number): boolean {
  const members = readFileSync('/proc/net/igmp6', 'latin1');
  return new RegExp(`^${ifindex}\\s+\\S+\\s+${allRoutersInHex} `, 'm').test(members);
}

/** The socket still takes itself for a member. */
function joinAgain(socket: NativeSocket, ifindex: number): void {
  try {
    socket.setOption(IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, membership(ifindex));
  } catch (error) {
    if (!hasErrno(error, constants.errno.EADDRNOTAVAIL, constants.errno.ENODEV)) throw error;
  }
  socket.setOption(IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, membership(ifindex));
}

function receive(socket: NativeSocket, onSolicitation: (from: AddressBytes) => void): void {
  for (let i = 0; i < BATCH; i++) {
    let message: ReceivedMessage | undefined;
    try {
      message = socket.receiveMessage(SIZE);
    } catch (error) {
      // What else waits in a socket of a link that goes down, or after an ICMPv6 error.
      if (!hasErrno(error, constants.errno.ENETDOWN, constants.errno.ENODEV)) throw error;
      continue;
    }
    if (!message) return;
    const from = new Uint8Array(message.sender.subarray(8, 24)); // of struct sockaddr_in6
    if (isSolicitation(message.data, from, hopLimitOf(message))) onSolicitation(from);
  }
}

function hopLimitOf({ control }: ReceivedMessage): number | undefined {
  const found = control.find(({ level, type }) => level === IPPROTO_IPV6 && type === IPV6_HOPLIMIT);
  return found && readS32(found.data);
}
