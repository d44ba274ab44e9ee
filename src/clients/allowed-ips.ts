// SPDX-License-Identifier: GPL-2.0-only
// What a client is to send through the tunnel, and to accept from there.

import { formatPrefix } from '../address-text.ts';
import { linkLocal } from '../scope.ts';
import { type Client, ipv4Of, type RouterSide } from './facts.ts';

/** What solicitations go to: all routers of the link. */
const LINK_MULTICAST = 'ff02::/16';

/**
 * The router's entry among a client's peers. Advertisements come from fe80::/64: WireGuard drops them on a client that
 * does not allow it. One that is given a fixed address needs none.
 */
export function allowedIpsOf(client: Client, router: RouterSide, isFixed = false): string[] {
  const { isDefaultRouter, prefixes, routes } = router;
  const networks = [...prefixes, ...routes].map(formatPrefix);
  const ofSlaac = isFixed ? [] : [formatPrefix(linkLocal), LINK_MULTICAST];
  return [...ipv4Of(client, router), ...(isDefaultRouter ? ['::/0'] : [...networks, ...ofSlaac])];
}
