// SPDX-License-Identifier: GPL-2.0-only
// What keeps the service from doing its job, each with its cure.

import { contains, formatAddress, formatPrefix, type Prefix } from '../address.ts';
import type { Device, Link, Peer } from '../model.ts';
import type { Problem } from '../problem.ts';
import { onLinkPrefixes } from '../scope.ts';
import type { InterfaceSettings } from '../settings.ts';
import type { Watched } from './learner.ts';

export function interfaceProblems(
  device: string,
  settings: InterfaceSettings,
  link: Link | undefined,
): Problem[] {
  if (!link) {
    return [
      {
        code: 'no-interface',
        message: `${device}: there is no such interface`,
        hint: 'bring it up; learning begins by itself when it appears',
      },
    ];
  }
  if (link.kind !== 'wireguard') {
    return [
      {
        code: 'not-wireguard',
        message: `${device}: this is not a WireGuard interface${link.kind && `, but a ${link.kind}`}`,
        hint: 'name a WireGuard interface',
      },
    ];
  }
  if (settings.prefixes.length === 0 && onLinkPrefixes(link).length === 0) {
    return [
      {
        code: 'no-prefix',
        message: `${device}: it has no IPv6 prefix, so only link-local addresses are learned`,
        hint: "give it an address in a /64 (on OpenWrt: option ip6assign '64'), or name the prefixes to learn in",
      },
    ];
  }
  return [];
}

/** Peers whose own allowed IPs cover a whole prefix to learn in: there, everything is theirs already. */
export function ownedProblems({ name, scope }: Watched, device: Device): Problem[] {
  return device.peers.flatMap((peer) =>
    scope.learn.flatMap((prefix) => {
      const cover = coverOf(peer, prefix);
      if (!cover) return [];
      return [
        {
          code: 'prefix-owned',
          message: `${name}: all of ${formatPrefix(prefix)} is peer ${peer.key}'s by its allowed IP ${formatPrefix(cover)}, so no other peer's addresses are learned there`,
          hint: 'give that peer a narrower allowed IP, or learn in another prefix',
        },
      ];
    }),
  );
}

/** A peer's allowed IP that holds all of a prefix. */
function coverOf({ addresses, prefixes }: Peer, prefix: Prefix): Prefix | undefined {
  if (prefix.length === 128 && addresses.includes(formatAddress(prefix.bytes))) return prefix;
  return prefixes.find((own) => own.length <= prefix.length && contains(own, prefix.bytes));
}
