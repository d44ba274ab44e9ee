// SPDX-License-Identifier: GPL-2.0-only
// A Router Solicitation as its sender would have put it (RFC 4861, 4.1).

import { type AddressBytes, parseAddress } from '../../address.ts';

const ICMPV6 = 58;
const allRouters = parseAddress('ff02::2')!;

/** The whole IPv6 packet, without options. */
export function routerSolicitation(from: AddressBytes): Buffer {
  const message = Buffer.from('8500000000000000', 'hex');
  const pseudoHeader = Buffer.concat([
    from,
    allRouters,
    Buffer.from([0, 0, 0, message.length, 0, 0, 0, ICMPV6]),
  ]);
  message.writeUInt16BE(checksum(Buffer.concat([pseudoHeader, message])), 2);
  const header = Buffer.from([0x60, 0, 0, 0, 0, message.length, ICMPV6, 255]);
  return Buffer.concat([header, from, allRouters, message]);
}

/** The Internet checksum (RFC 1071) of an even number of bytes. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
