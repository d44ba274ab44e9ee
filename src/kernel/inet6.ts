// SPDX-License-Identifier: GPL-2.0-only
// Raw ICMPv6 sockets (raw(7), ipv6(7), <linux/icmpv6.h>): numbers and bytes.

import type { AddressBytes } from '../address.ts';
import { u16, u32 } from './netlink.ts';

export const AF_INET6 = 10;
export const SOCK_RAW = 3;
export const IPPROTO_IPV6 = 41;

/** Option of IPPROTO_ICMPV6; its value has a bit for each type that is not wanted. */
export const ICMPV6_FILTER = 1;

/** struct sockaddr_in6; `scopeId` is the interface of a link-local or multicast address. */
export function socketAddress(address: AddressBytes, scopeId: number): Buffer {
  return Buffer.concat([u16(AF_INET6), u16(0), u32(0), address, u32(scopeId)]);
}
