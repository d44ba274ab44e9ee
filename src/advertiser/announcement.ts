// SPDX-License-Identifier: GPL-2.0-only
// What there is to announce on an interface, and what an advertisement says of it at a given time.

import type { Prefix } from '../address.ts';
import { formatAddress, formatPrefix } from '../address-text.ts';
import {
  type Advertisement,
  encodeAdvertisement,
  fitting,
  type RouteInformation,
} from '../packets/advertisement.ts';

/** Most that is announced, in seconds (RFC 9096, 3.4). */
const PREFERRED_LIMIT = 2_700;
export const VALID_LIMIT = 5_400;
export const ROUTER_LIFETIME = 2_700;

/** Hosts keep an address that long although they are told otherwise (RFC 4862, 5.5.3 e), in milliseconds. */
export const TWO_HOURS = 7_200_000;

/** Shortest time between two refreshes, in milliseconds. */
const SHORTEST_REFRESH = 1_000;

/** A prefix of 64 bits, with the times of the clock until which it may be used. */
export interface AnnouncedPrefix {
  readonly prefix: Prefix;
  readonly onLink: boolean;
  /** −∞ if it is deprecated. */
  readonly preferredUntil: number;
  readonly validUntil: number;
}

/** What hosts are to know. */
export interface Announcement extends Pick<Advertisement, 'preference' | 'mtu' | 'servers' | 'search'> {
  readonly isDefaultRouter: boolean;
  readonly prefixes: readonly AnnouncedPrefix[];
  /** Prefixes that are lost may be those of another link. */
  readonly isSharing?: boolean;
  /** Where else this router leads to. */
  readonly routes: readonly Prefix[];
}

/** A prefix that the interface no longer has, and until when addresses in it live on. */
export interface Departed {
  readonly prefix: Prefix;
  readonly until: number;
}

export const nothing: Announcement = {
  isDefaultRouter: false,
  preference: 'medium',
  prefixes: [],
  routes: [],
  servers: [],
  search: [],
};

/** Takes the default route and these others back. */
export function farewell(routes: readonly Prefix[]): Buffer {
  return encodeAdvertisement(fitting(contentOf(nothing, [], routes, 0)).content);
}

function takenBack(prefix: Prefix): RouteInformation {
  return { prefix, lifetime: 0 };
}

/** What is to be sent of it now, of which not all need fit into one message. `withdrawn`: routes that hosts still have. */
export function contentOf(
  { isDefaultRouter, prefixes, routes, isSharing = false, ...rest }: Announcement,
  departed: readonly Departed[],
  withdrawn: readonly Prefix[],
  now: number,
): Advertisement {
  const secondsTo = (time: number, most: number) =>
    Math.max(0, Math.min(most, Math.floor((time - now) / 1_000)));
  const present = prefixes.map(({ prefix, onLink, preferredUntil, validUntil }) => ({
    prefix,
    onLink,
    preferred: secondsTo(Math.min(preferredUntil, validUntil), PREFERRED_LIMIT),
    valid: secondsTo(validUntil, VALID_LIMIT),
  }));
  const deprecated = departed.map(({ prefix, until }) => ({
    prefix,
    onLink: !isSharing,
    preferred: 0,
    valid: secondsTo(until, TWO_HOURS),
  }));
  return {
    ...rest,
    routerLifetime: isDefaultRouter ? ROUTER_LIFETIME : 0,
    prefixes: [...present, ...deprecated],
    routes: [...routes.map((prefix) => ({ prefix, lifetime: ROUTER_LIFETIME })), ...withdrawn.map(takenBack)],
    dnsLifetime: ROUTER_LIFETIME,
  };
}

/** What makes an advertisement news, but for how long it holds. */
export function summary(announcement: Announcement): string {
  const { isDefaultRouter, preference, mtu, prefixes, routes, servers, search } = announcement;
  return JSON.stringify([
    isDefaultRouter,
    preference,
    mtu,
    routes.map(formatPrefix),
    servers.map(formatAddress),
    search,
    prefixes.map(({ prefix, onLink, preferredUntil }) => [
      formatPrefix(prefix),
      onLink,
      preferredUntil === Number.NEGATIVE_INFINITY,
    ]),
  ]);
}

/** Three times before the first of what was told runs out, at a time of its own for each host, in milliseconds. */
export function refreshInterval({ prefixes, routerLifetime, dnsLifetime }: Advertisement): number {
  const lifetimes = [routerLifetime, dnsLifetime, ...prefixes.map(({ preferred }) => preferred)];
  const shortest = 1_000 * Math.min(...lifetimes.filter((lifetime) => lifetime > 0));
  return Math.max(SHORTEST_REFRESH, (shortest / 3) * (0.75 + Math.random() / 4));
}
