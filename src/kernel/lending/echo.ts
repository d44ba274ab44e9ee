// SPDX-License-Identifier: GPL-2.0-only
// Asking a peer for an address that it uses: its answer to an echo request to all nodes (RFC 4443, 4.1; RFC 4291, 2.7.1)
// comes from the one that it prefers (RFC 6724) for talking to the request's source.

import { type AddressBytes, parseAddress } from '../../address.ts';
import { IPPROTO_ICMPV6 } from '../../packets/icmp6.ts';
import { AF_INET6, ICMPV6_FILTER, IPPROTO_IPV6, SOCK_RAW, socketAddress } from '../inet6.ts';
import type { Native } from '../native.ts';
import { u32 } from '../netlink.ts';

const IPV6_MULTICAST_LOOP = 19;

/** Type 128, code 0; the kernel fills in the checksum. */
const echoRequest = Buffer.from('8000000000000001', 'hex');
const allNodes = parseAddress('ff02::1')!;
const unspecified = parseAddress('::')!;

/** Sends one on an interface, from an address of the router's or from its link-local one. Throws SystemError. */
export function askAllNodes(native: Native, ifindex: number, from: AddressBytes = unspecified): void {
  const socket = new native.Socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
  try {
    socket.setOption(IPPROTO_ICMPV6, ICMPV6_FILTER, Buffer.alloc(32, 0xff)); // answers are seen otherwise
    socket.setOption(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, u32(0));
    socket.bind(socketAddress(from, 0));
    socket.send(echoRequest, socketAddress(allNodes, ifindex));
  } finally {
    socket.close();
  }
}
