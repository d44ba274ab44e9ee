// SPDX-License-Identifier: GPL-2.0-only
// Raw ICMPv6 sockets (raw(7), ipv6(7), <linux/icmpv6.h>): numbers and bytes.

import type { AddressBytes } from '../address.ts';
import { u16, u32 } from './netlink.ts';

export const AF_INET6 = 10;
export const SOCK_RAW = 3;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_ICMPV6 = 58;

/** Option of IPPROTO_ICMPV6; its value has a bit for each type that is not wanted. */
export const ICMPV6_FILTER = 1;

/** struct sockaddr_in6; `scopeId` is the interface of a link-local or multicast address. */
export function socketAddress(address: AddressBytes, scopeId: number): Buffer {
  return Buffer.concat([u16(AF_INET6), u16(0), u32(0), address, u32(scopeId)]);
}

/**
 * The checksum that a message must have whose own is zero (RFC 4443, 2.3; RFC 8200, 8.1); zero for a whole message that
 * is intact.
 */
export function icmpv6Checksum(from: AddressBytes, to: AddressBytes, message: Uint8Array): number {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  const padding = Buffer.alloc(message.length % 2);
  return checksum(Buffer.concat([from, to, length, Buffer.of(0, 0, 0, IPPROTO_ICMPV6), message, padding]));
}

/** The Internet checksum (RFC 1071) of an even number of bytes. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
