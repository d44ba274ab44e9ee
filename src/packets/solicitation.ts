// SPDX-License-Identifier: GPL-2.0-only
// A Router Solicitation as its sender would have put it (RFC 4861, 4.1).

import { type AddressBytes, parseAddress } from '../address.ts';
import { IPPROTO_ICMPV6, icmpv6Checksum } from './icmp6.ts';

const allRouters = parseAddress('ff02::2')!;

/** The whole IPv6 packet, without options. */
export function routerSolicitation(from: AddressBytes): Buffer {
  const message = Buffer.from('8500000000000000', 'hex');
  message.writeUInt16BE(icmpv6Checksum(from, allRouters, message), 2);
  const header = Buffer.from([0x60, 0, 0, 0, 0, message.length, IPPROTO_ICMPV6, 255]);
  return Buffer.concat([header, from, allRouters, message]);
}
