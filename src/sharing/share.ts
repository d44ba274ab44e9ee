// SPDX-License-Identifier: GPL-2.0-only
// An interface whose peers have addresses in the prefixes of another link.

import { type AddressBytes, contains, type Prefix } from '../address.ts';
import type { Link } from '../model.ts';
import type { Problem } from '../problem.ts';
import { sharedPrefixes } from '../scope.ts';

/** What is configured. */
export interface Sharer {
  /** The name that the configuration gives the interface. */
  readonly name: string;
  /** What it is to share: a device, or what somebody calls it. */
  readonly share: string;
  /** The device that this stands for, if it is known. */
  readonly sharedDevice?: string | undefined;
  /** Who else is configured to answer for addresses there, in words. */
  readonly rival?: string | undefined;
  readonly link: Link;
}

export interface Share {
  readonly name: string;
  readonly link: Link;
  /** The one whose prefixes are shared; undefined while there is none. */
  readonly shared: Link | undefined;
  readonly prefixes: readonly Prefix[];
  readonly rival: string | undefined;
  /** Why there is nothing to share. */
  readonly problem?: Problem;
}

export function shareOf(
  { name, share, sharedDevice = share, rival, link }: Sharer,
  links: readonly Link[],
): Share {
  const found = links.find((other) => other.name === sharedDevice);
  const shared = found?.ifindex === link.ifindex ? undefined : found;
  const prefixes = shared ? sharedPrefixes(shared) : [];
  const reason = prefixes.length > 0 ? undefined : !found ? 'away' : shared ? 'no-64' : 'self';
  const problem = reason && ({ code: 'no-share', data: { device: link.name, share, reason } } as const);
  return { name, link, shared, prefixes, rival, ...(problem && { problem }) };
}

export function isIn({ prefixes }: Share, address: AddressBytes): boolean {
  return prefixes.some((prefix) => contains(prefix, address));
}
