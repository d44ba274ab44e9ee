// SPDX-License-Identifier: GPL-2.0-only
// What an interface, and its peers' allowed IPs, have in the way of learning.

import { contains, type Prefix } from '../address.ts';
import { formatAddress, formatPrefix } from '../address-text.ts';
import type { Device, Link, Peer, Scope } from '../model.ts';
import type { Problem } from '../problem.ts';
import { onLinkPrefixes } from '../scope.ts';
import type { InterfaceSettings } from '../settings.ts';

export function interfaceProblems(
  device: string,
  settings: InterfaceSettings,
  link: Link | undefined,
): Problem[] {
  if (!link) {
    return [{ code: 'no-interface', data: { device } }];
  }
  if (link.kind !== 'wireguard') {
    return [{ code: 'not-wireguard', data: { device, kind: link.kind } }];
  }
  if (link.noIpv6 === 'mtu') return [{ code: 'no-ipv6', data: { device, reason: 'mtu', mtu: link.mtu } }];
  if (link.noIpv6) return [{ code: 'no-ipv6', data: { device, reason: link.noIpv6 } }];
  if (settings.prefixes.length === 0 && onLinkPrefixes(link).length === 0) {
    return [{ code: 'no-prefix', data: { device } }];
  }
  return [];
}

/** Peers whose own allowed IPs cover a whole prefix to learn in: there, everything is theirs already. */
export function ownedProblems(device: string, scope: Scope, { peers }: Device): Problem[] {
  return peers.flatMap((peer) =>
    scope.learn.flatMap((prefix) => {
      const cover = coverOf(peer, prefix);
      if (!cover) return [];
      const data = { device, peer: peer.key, prefix: formatPrefix(prefix), cover: formatPrefix(cover) };
      return [{ code: 'prefix-owned' as const, data }];
    }),
  );
}

/** A peer's allowed IP that holds all of a prefix. */
function coverOf({ addresses, prefixes }: Peer, prefix: Prefix): Prefix | undefined {
  if (prefix.length === 128 && addresses.includes(formatAddress(prefix.bytes))) return prefix;
  return prefixes.find((own) => own.length <= prefix.length && contains(own, prefix.bytes));
}
