// SPDX-License-Identifier: GPL-2.0-only
// What an interface, and its peers' allowed IPs, have in the way of learning.

import { contains, lastOf, type Prefix, prefixOf } from '../address.ts';
import { formatAddress, formatPrefix } from '../address-text.ts';
import type { Routing } from '../kernel/ports.ts';
import type { Device, Link, Peer, Scope } from '../model.ts';
import type { Absence, Assignment, Exhausted, Problem } from '../problem.ts';
import { onLinkPrefixes, slaacPrefix, uniqueLocal } from '../scope.ts';
import type { InterfaceSettings } from '../settings.ts';

/** What netifd has not given to an interface that is to have it. */
interface Missing {
  readonly assignment?: Assignment;
  readonly exhausted?: Exhausted;
}

/** Of a device that is not there; one of the WireGuard links that are not configured may be meant. */
export function noInterface(
  device: string,
  links: readonly Link[],
  configured: readonly string[],
  absence?: Absence,
): Problem {
  const idle = links.filter(({ name, kind }) => kind === 'wireguard' && !configured.includes(name));
  const present = idle.map(({ name }) => name).join(', ');
  return { code: 'no-interface', data: { device, ...(present && { present }), ...(absence && { absence }) } };
}

export function interfaceProblems(
  device: string,
  settings: InterfaceSettings,
  link: Link,
  routing: Pick<Routing, 'leadsBack'>,
  shared: readonly Prefix[] = [],
  missing: Missing = {},
): Problem[] {
  if (link.kind !== 'wireguard') {
    return [{ code: 'not-wireguard', data: { device, kind: link.kind } }];
  }
  if (link.noIpv6 === 'mtu') return [{ code: 'no-ipv6', data: { device, reason: 'mtu', mtu: link.mtu } }];
  if (link.noIpv6) return [{ code: 'no-ipv6', data: { device, reason: link.noIpv6 } }];
  const taken = link.addresses
    .filter(({ isAutoconfigured }) => isAutoconfigured)
    .map(({ bytes, prefixLength }) => formatPrefix(prefixOf(bytes, prefixLength)));
  return [
    ...[...new Set(taken)].map((prefix): Problem => ({ code: 'ra-taken', data: { device, prefix } })),
    ...prefixProblems(device, settings, link, routing, shared, missing),
  ];
}

function prefixProblems(
  device: string,
  settings: InterfaceSettings,
  link: Link,
  routing: Pick<Routing, 'leadsBack'>,
  shared: readonly Prefix[],
  { assignment, exhausted }: Missing,
): Problem[] {
  const onLink = [...onLinkPrefixes(link), ...shared];
  const isOnItsOwn = settings.prefixes.length === 0 && settings.share === undefined;
  const isLocalOnly = onLink.every(({ bytes }) => contains(uniqueLocal, bytes));
  if (isOnItsOwn && isLocalOnly && exhausted)
    return [{ code: 'prefix-exhausted', data: { device, ...exhausted } }];
  if (isOnItsOwn && onLink.length === 0) return [{ code: 'no-prefix', data: { device, ...assignment } }];
  if (!link.up) return [];
  // Of a prefix around the interface's own, that part is enough.
  const isOnLink = (prefix: Prefix) =>
    onLink.some((own) => contains(own, prefix.bytes) || contains(prefix, own.bytes));
  return settings.prefixes
    .filter((prefix) => !isOnLink(prefix) && !routing.leadsBack(link.ifindex, lastOf(prefix)))
    .map((prefix) => ({ code: 'no-route', data: { device, prefix: formatPrefix(prefix) } }));
}

/** Its prefixes that another interface has, too, as the LAN: what is for peers may leave by that one. */
export function twiceProblems(link: Link, links: readonly Link[]): Problem[] {
  return [...currentPrefixes(link)].flatMap((prefix) => twice(prefix, link, links) ?? []);
}

/** Where no route leads to a prefix because another interface has it: that it has. An address in it would not help. */
export function withHolder(problem: Problem, link: Link, links: readonly Link[]): Problem {
  return (problem.code === 'no-route' && twice(problem.data.prefix, link, links)) || problem;
}

function twice(prefix: string, link: Link, links: readonly Link[]): Problem | undefined {
  const other = links.find(
    (each) =>
      each.ifindex !== link.ifindex &&
      each.table === link.table &&
      each.up &&
      currentPrefixes(each).has(prefix),
  );
  return other && { code: 'prefix-twice', data: { device: link.name, prefix, other: other.name } };
}

/** The texts of those that are not deprecated: what another interface has had just before does not count. */
function currentPrefixes({ addresses }: Link): Set<string> {
  const current = addresses.filter(({ preferred }) => preferred > 0);
  return new Set(current.flatMap((address) => slaacPrefix(address) ?? []).map(formatPrefix));
}

/**
 * Peers whose own allowed IPs cover a whole prefix to learn in: there, everything is theirs already. One that leads to the
 * Internet covers them all.
 */
export function ownedProblems(device: string, scope: Scope, { peers }: Device): Problem[] {
  return peers.flatMap((peer): Problem[] => {
    const covers = scope.learn.flatMap((prefix) => {
      const cover = coverOf(peer, prefix);
      return cover ? [{ prefix, cover }] : [];
    });
    const told = (cover: Prefix) => ({ device, peer: peer.key, cover: formatPrefix(cover) });
    const wide = covers.find(({ cover }) => cover.length <= 1);
    if (wide) return [{ code: 'prefix-owned', data: { ...told(wide.cover), isProvider: true } }];
    return covers.map(({ prefix, cover }) => {
      return { code: 'prefix-owned', data: { ...told(cover), prefix: formatPrefix(prefix) } };
    });
  });
}

/** Without what follows from the tunnel of a provider, which has no prefix for peers and needs none. */
export function withoutConsequences(problems: readonly Problem[]): Problem[] {
  const ofProviders = new Set(
    problems.flatMap(({ code, data }) => (code === 'prefix-owned' && data.isProvider ? [data.device] : [])),
  );
  return problems.filter(
    ({ code, data }) =>
      !(
        (code === 'no-prefix' || code === 'prefix-exhausted' || code === 'no-64') &&
        ofProviders.has(data.device)
      ),
  );
}

/** A peer's allowed IP that holds all of a prefix. */
function coverOf({ addresses, prefixes }: Peer, prefix: Prefix): Prefix | undefined {
  if (prefix.length === 128 && addresses.includes(formatAddress(prefix.bytes))) return prefix;
  return prefixes.find((own) => own.length <= prefix.length && contains(own, prefix.bytes));
}
