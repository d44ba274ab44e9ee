// SPDX-License-Identifier: GPL-2.0-only
// Where a peer may take over addresses of silent ones: for a moment those are not in WireGuard, so that what is lent covers
// them, too, and the borrower can show which of them it uses.

import { contains, type Prefix, parseAddress } from '../../address.ts';
import { type Device, type Loan, type PeerAddress, SESSION } from '../../model.ts';

/** Who has learned an address, and when it was last used, in milliseconds of the monotonic clock. */
export interface Learned {
  readonly peer: string;
  readonly lastSeen: number;
}

/** No more at once: those that were used last. */
const MOST = 512;

/**
 * What has not been used for as long as a session lasts, of peers that have none, within what is lent. Where anything wider
 * than an address has a say, nothing is taken over. `device` is without the loan.
 */
export function offerable(
  learned: ReadonlyMap<string, Learned>,
  device: Device,
  { peer: borrower, allowedIps }: Loan,
  now: number,
  maySend: (peer: string) => boolean,
): PeerAddress[] {
  const configured = device.peers.flatMap(({ prefixes }) => prefixes);
  const isWithin = (address: string, prefixes: readonly Prefix[]) =>
    prefixes.some((prefix) => contains(prefix, parseAddress(address)!));
  return [...learned]
    .filter(([, { peer, lastSeen }]) => peer !== borrower && now - lastSeen >= SESSION && !maySend(peer))
    .filter(([address]) => isWithin(address, allowedIps) && !isWithin(address, configured))
    .sort(([, a], [, b]) => b.lastSeen - a.lastSeen)
    .slice(0, MOST)
    .map(([address, { peer }]) => ({ peer, address }));
}

/** A device as it would be but for an offer: what somebody has got meanwhile is not the former peer's any more. */
export function withOffered(device: Device, offered: readonly PeerAddress[]): Device {
  if (offered.length === 0) return device;
  const taken = new Set(device.peers.flatMap(({ addresses }) => addresses));
  const due = offered.filter(({ address }) => !taken.has(address));
  const peers = device.peers.map((peer) => {
    const own = due.filter(({ peer: key }) => key === peer.key).map(({ address }) => address);
    return own.length > 0 ? { ...peer, addresses: [...peer.addresses, ...own] } : peer;
  });
  return { ...device, peers };
}
