// SPDX-License-Identifier: GPL-2.0-only
// As much as 1,000 peers with 16 addresses each make.

import { parsePrefix } from '../../../src/address.ts';
import { formatAddress } from '../../../src/address-text.ts';
import type { AllowedIp, Device, LearnedRecord } from '../../../src/model.ts';
import { settings } from '../../unit/bench.ts';

export const PEERS = 1000;
export const PER_PEER = 16;

export const keys = Array.from({ length: PEERS }, (_, i) => {
  const bytes = Buffer.alloc(32, 7);
  bytes.writeUInt32BE(i);
  return bytes.toString('base64');
});

/** The n-th of a peer's addresses, with an interface identifier such as hosts choose. */
export function addressOf(peer: number, n: number): Uint8Array {
  const bytes = Uint8Array.from([0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0x5a, 0x3c, 0, 0, 0x91, 0, 0, 0]);
  new DataView(bytes.buffer).setUint16(10, peer);
  new DataView(bytes.buffer).setUint16(14, n);
  return bytes;
}

export const entries: AllowedIp[] = keys.flatMap((peer, i) =>
  Array.from({ length: PER_PEER }, (_, n) => ({ peer, address: formatAddress(addressOf(i, n)) })),
);

export const device: Device = {
  ifindex: 7,
  listenPort: 51820,
  peers: keys.map((key, i) => ({
    key,
    addresses: Array.from({ length: PER_PEER }, (_, n) => formatAddress(addressOf(i, n))),
    prefixes: [],
    latestHandshake: 0,
    rxBytes: 0,
  })),
};

export const records: LearnedRecord[] = entries.map(({ peer, address }) => ({
  ifindex: 7,
  device: 'wg1',
  address,
  peer,
  learned: 1,
  lastSeen: 1,
}));

export const watched = {
  name: 'wg1',
  ifindex: 7,
  settings: settings({ lifetime: 86_400_000, maxAddresses: 32 }),
  scope: { learn: [parsePrefix('2001:db8:1::/64')!], reserved: [] },
};
