// SPDX-License-Identifier: GPL-2.0-only

import { expect, it } from 'vitest';
import { parseAddress } from '../../src/address.ts';
import { routerSolicitation } from '../../src/packets/solicitation.ts';

/** As Linux sends it, but for the source link-layer address option, which a tunnel has not. */
it('a solicitation is this packet', () => {
  expect(routerSolicitation(parseAddress('fe80::5')!).toString('hex')).toBe(
    [
      '6000000000083aff', // version 6, 8 bytes of ICMPv6, hop limit 255
      'fe800000000000000000000000000005',
      'ff020000000000000000000000000002',
      '85007d3200000000', // type 133, the checksum, reserved
    ].join(''),
  );
});

it('its checksum makes the sum of pseudo-header and message all ones', () => {
  for (const address of ['fe80::5', 'fe80::ffff:ffff:ffff:ffff', 'fe80::8000:1:2:3']) {
    const packet = routerSolicitation(parseAddress(address)!);
    let sum = 8 + 58;
    for (let at = 8; at < packet.length; at += 2) sum += packet.readUInt16BE(at);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    expect(sum).toBe(0xffff);
  }
});
