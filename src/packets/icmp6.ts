// SPDX-License-Identifier: GPL-2.0-only
// ICMPv6 (RFC 4443).

import type { AddressBytes } from '../address.ts';

export const IPPROTO_ICMPV6 = 58;

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
