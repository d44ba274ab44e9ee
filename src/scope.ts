// SPDX-License-Identifier: GPL-2.0-only
// Which addresses may be learned on an interface.

import {
  type AddressBytes,
  contains,
  isZero,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixOf,
} from './address.ts';
import type { Link, LinkAddress, Scope } from './model.ts';

export const linkLocal = parsePrefix('fe80::/64')!;

/** Unique local addresses (RFC 4193): there is no way to them on the internet. */
export const uniqueLocal = parsePrefix('fc00::/7')!;

/** Whether the canonical text of an address is that of a link-local one. */
export function isLinkLocal(address: string): boolean {
  return address.startsWith('fe80:') && contains(linkLocal, parseAddress(address)!);
}

/** Never a peer's: multicast, the unspecified address, loopback, IPv4-mapped (RFC 4291, 2.5 and 2.7). */
export const neverUnicast: readonly Prefix[] = ['ff00::/8', '::/128', '::1/128', '::ffff:0:0/96'].map(
  (text) => parsePrefix(text)!,
);

/**
 * The prefixes of an interface's own addresses, without link-local ones, and without what a peer has advertised. Of a wider one
 * that netifd has assigned, the rest is for routers below, and no route leads there by the interface.
 */
export function onLinkPrefixes(link: Link): Prefix[] {
  return link.addresses
    .filter(
      ({ bytes, prefixLength, isAutoconfigured }) =>
        prefixLength < 128 && !contains(linkLocal, bytes) && !isAutoconfigured,
    )
    .map(
      (address) =>
        (address.hasNoPrefixRoute && slaacPrefix(address)) || prefixOf(address.bytes, address.prefixLength),
    );
}

/**
 * Where hosts choose addresses beside one of a router's; undefined if it has none for them. Of a wider prefix it is the /64
 * around that address: netifd assigns such to a LAN by default (ip6assign '60'), and routes and odhcpd advertises that /64.
 */
export function slaacPrefix({
  bytes,
  prefixLength,
}: Pick<LinkAddress, 'bytes' | 'prefixLength'>): Prefix | undefined {
  return prefixLength > 64 || contains(linkLocal, bytes) ? undefined : prefixOf(bytes, 64);
}

/** The /64s of a link in which others may have addresses, too. */
export function sharedPrefixes({ addresses }: Link): Prefix[] {
  const found = addresses.flatMap((address) => slaacPrefix(address) ?? []);
  return found.filter((prefix, i) => found.findIndex((other) => contains(other, prefix.bytes)) === i);
}

/**
 * The configured prefixes, else the interface's own and `others` that peers may use, and link-local; without any
 * address of the router's, and those that are `taken`.
 */
export function scopeOf(
  configured: readonly Prefix[],
  link: Link,
  links: readonly Link[],
  others: readonly Prefix[] = [],
  taken: readonly string[] = [],
): Scope {
  const own = configured.length > 0 ? configured : [...onLinkPrefixes(link), ...others];
  const learn = [...own, linkLocal];
  const ownAddresses = links.flatMap(({ addresses }) => addresses.map(({ bytes }) => prefixOf(bytes, 128)));
  const takenAddresses = taken.map((text) => prefixOf(parseAddress(text)!, 128));
  const subnetRouters = learn.filter(({ length }) => length < 127).map(({ bytes }) => prefixOf(bytes, 128));
  return { learn, reserved: [...neverUnicast, ...subnetRouters, ...ownAddresses, ...takenAddresses] };
}

/** Whether a scope lets an address be learned: the rules that the hook follows in the kernel. */
export function inScope(scope: Scope, address: AddressBytes): boolean {
  if (isZero(address, 8, 16)) return false; // a /64's subnet-router anycast address
  const match = longestMatch(scope.learn, address);
  return match >= 0 && !scope.reserved.some((prefix) => prefix.length >= match && contains(prefix, address));
}

/** The length of the longest prefix that holds an address; −1 if none does. */
function longestMatch(prefixes: readonly Prefix[], address: AddressBytes): number {
  let longest = -1;
  for (const prefix of prefixes)
    if (prefix.length > longest && contains(prefix, address)) longest = prefix.length;
  return longest;
}
