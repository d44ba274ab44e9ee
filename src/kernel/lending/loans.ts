// SPDX-License-Identifier: GPL-2.0-only
// What can be lent, and how loans are told from what is configured.

import { contains, type Prefix, parsePrefix } from '../../address.ts';
import { formatAddress, formatPrefix } from '../../address-text.ts';
import type { AllowedIp, Device, Loan, Scope } from '../../model.ts';

/**
 * Lent besides, so that an echo request to all nodes, ff02::1, reaches the borrower. Nobody would configure just this:
 * the other address in it, ff02::, is never used.
 */
export const allNodes = parsePrefix('ff02::/127')!;

export const same = (a: Prefix, b: Prefix) => a.length === b.length && contains(a, b.bytes);

/**
 * The prefixes of a scope that can be lent: those in which nothing is decided by an allowed IP as wide or wider. A
 * prefix is lent as its two halves. So a loan cannot be mistaken for, or take the place of, a configured prefix.
 * `device` is without loans.
 */
export function lendable({ learn }: Scope, device: Device): Prefix[] {
  const configured = device.peers.flatMap(({ prefixes }) => prefixes);
  const isFree = (prefix: Prefix) =>
    !configured.some((other) => other.length <= prefix.length && contains(other, prefix.bytes));
  return [...learn, allNodes]
    .filter((prefix) => prefix.length > 0 && isFree(prefix))
    .flatMap((prefix) => (prefix === allNodes ? prefix : halves(prefix)))
    .filter((half, i, all) => isFree(half) && all.findIndex((other) => same(other, half)) === i);
}

/** A single address, or two, cannot be told from learned ones, so they have no halves to lend. */
function halves({ bytes, length }: Prefix): Prefix[] {
  if (length > 126) return [];
  const upper = bytes.slice();
  upper[length >> 3]! |= 0x80 >> (length & 7);
  return [
    { bytes, length: length + 1 },
    { bytes: upper, length: length + 1 },
  ];
}

/** The allowed IPs that a loan consists of. */
export function allowedIpsOf({ peer, allowedIps }: Loan): AllowedIp[] {
  return allowedIps.map((prefix) => allowedIp(peer, prefix));
}

export function allowedIp(peer: string, { bytes, length }: Prefix): AllowedIp {
  return { peer, address: formatAddress(bytes), length };
}

/** What the device has besides a loan. */
export function withoutLoan(device: Device, loan: Loan | undefined): Device {
  if (!loan) return device;
  const lent = new Set(loan.allowedIps.map(formatPrefix));
  const peers = device.peers.map((peer) =>
    peer.key === loan.peer
      ? { ...peer, prefixes: peer.prefixes.filter((prefix) => !lent.has(formatPrefix(prefix))) }
      : peer,
  );
  return { ...device, peers };
}

/** Whether all of a loan is still with its borrower. */
export function isInPlace(device: Device, loan: Loan): boolean {
  const has = device.peers.find(({ key }) => key === loan.peer)?.prefixes ?? [];
  const present = new Set(has.map(formatPrefix));
  return loan.allowedIps.every((prefix) => present.has(formatPrefix(prefix)));
}
