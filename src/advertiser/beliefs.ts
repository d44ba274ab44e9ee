// SPDX-License-Identifier: GPL-2.0-only
// What the hosts on an interface believe, by what they were told.

import type { Prefix } from '../address.ts';
import { formatPrefix } from '../address-text.ts';
import type { Advertisement } from '../packets/advertisement.ts';
import {
  type AnnouncedPrefix,
  type Announcement,
  type Departed,
  ROUTER_LIFETIME,
  TWO_HOURS,
  VALID_LIMIT,
} from './announcement.ts';

/** Routes and prefixes come some time after an interface: what hosts have is not taken back so soon, in milliseconds. */
const SETTLING = 60_000;

/** The kernel tells lifetimes in whole seconds: a shift by so many milliseconds is none. */
const SLACK = 2_000;
/** What hosts on an interface believe. */
export interface Advertised {
  readonly isDefaultRouter: boolean;
  /** Deprecated ones, too. */
  readonly prefixes: readonly Prefix[];
  /** But the default route. */
  readonly routes: readonly Prefix[];
}

/** What hosts were last told of a prefix. */
interface Told {
  readonly prefix: Prefix;
  preferredUntil: number;
  /** The latest time that any host was told. */
  validUntil: number;
}

export class Beliefs {
  readonly #told = new Map<string, Told>();
  readonly #gone: Map<string, Departed>;
  /** Until when some host has a route. */
  readonly #routes = new Map<string, Departed>();
  /** Whether hosts were told that this is a default router. */
  #isBelievedIn: boolean;
  /** What hosts had been told before, until all of its kind is here again, or is not to be waited for any longer. */
  #earlier: Advertised | undefined;
  readonly #settledAt: number;

  /**
   * `departed`: what an earlier process left. `earlier`: what hosts believe since there was another link, or before the
   * system was started.
   */
  constructor(now: number, departed: readonly Departed[], earlier: Advertised | undefined) {
    this.#gone = new Map(departed.map((each) => [formatPrefix(each.prefix), each]));
    this.#earlier = earlier;
    this.#settledAt = now + SETTLING;
    this.#isBelievedIn = earlier?.isDefaultRouter ?? false;
    for (const prefix of earlier?.prefixes ?? []) {
      const text = formatPrefix(prefix);
      if (this.#gone.has(text)) continue;
      const validUntil = now + 1_000 * VALID_LIMIT;
      this.#told.set(text, { prefix, preferredUntil: Number.NEGATIVE_INFINITY, validUntil });
    }
    for (const prefix of earlier?.routes ?? []) this.#noteRoute(prefix, now + 1_000 * ROUTER_LIFETIME);
  }

  /** Prefixes that the interface no longer has, and whose addresses are to work on. */
  get departed(): Departed[] {
    return [...this.#gone.values()];
  }

  get advertised(): Advertised {
    const prefixes = [...this.#told.values(), ...this.#gone.values()].map(({ prefix }) => prefix);
    const routes = [...this.#routes.values()].map(({ prefix }) => prefix);
    return { isDefaultRouter: this.#isBelievedIn, prefixes, routes };
  }

  /** Routes that some host has, and that lead nowhere any more: all but these. */
  withdrawnRoutes(routes: readonly Prefix[], now: number): Prefix[] {
    for (const [text, { until }] of this.#routes) if (until <= now) this.#routes.delete(text);
    const present = new Set(routes.map(formatPrefix));
    return [...this.#routes].filter(([text]) => !present.has(text)).map(([, { prefix }]) => prefix);
  }

  #noteRoute(prefix: Prefix, until: number): void {
    this.#routes.set(formatPrefix(prefix), { prefix, until });
  }

  /** Whether something that was there before is waited for. */
  get isWaiting(): boolean {
    return this.#earlier !== undefined;
  }

  /** Until when; Infinity if it is not. */
  get settledAt(): number {
    return this.isWaiting ? this.#settledAt : Number.POSITIVE_INFINITY;
  }

  /** Whether a default route, or any prefix, that hosts were told of may yet come. */
  isSettling({ isDefaultRouter, prefixes }: Announcement, now: number): boolean {
    if (!this.#earlier) return false;
    const isLess =
      (this.#earlier.isDefaultRouter && !isDefaultRouter) ||
      (this.#earlier.prefixes.length > 0 && prefixes.length === 0);
    if (isLess && now < this.#settledAt) return true;
    this.#earlier = undefined;
    return false;
  }

  /** What hosts were told of lives on as long as they believe in it. Whether there is anything new. */
  noteDepartures(prefixes: readonly AnnouncedPrefix[], now: number): boolean {
    const present = new Set(prefixes.map(({ prefix }) => formatPrefix(prefix)));
    let isNews = false;
    for (const [text, { prefix, validUntil }] of this.#told) {
      if (present.has(text)) continue;
      this.#told.delete(text);
      if (validUntil < now + SLACK) continue;
      this.#gone.set(text, { prefix, until: Math.min(validUntil, now + TWO_HOURS) });
      isNews = true;
    }
    for (const [text, { until }] of this.#gone)
      if (present.has(text) || until <= now) this.#gone.delete(text);
    return isNews;
  }

  /** Whether hosts believe that they may use a prefix for longer than they may. */
  isShortened(prefixes: readonly AnnouncedPrefix[], now: number): boolean {
    return prefixes.some(({ prefix, preferredUntil }) => {
      const told = this.#told.get(formatPrefix(prefix));
      return told !== undefined && told.preferredUntil > Math.max(preferredUntil, now) + SLACK;
    });
  }

  /** An advertisement was sent. */
  note({ routerLifetime, prefixes, routes }: Advertisement, now: number): void {
    // Who solicits meanwhile is told of what there is, but the others go on believing.
    if (!this.isWaiting) this.#isBelievedIn = routerLifetime > 0;
    for (const { prefix, preferred, valid } of prefixes) {
      const text = formatPrefix(prefix);
      if (this.#gone.has(text)) continue;
      const validUntil = Math.max(this.#told.get(text)?.validUntil ?? 0, now + 1_000 * valid);
      this.#told.set(text, { prefix, preferredUntil: now + 1_000 * preferred, validUntil });
    }
    for (const { prefix, lifetime } of routes)
      if (lifetime > 0) this.#noteRoute(prefix, now + 1_000 * lifetime); // others may still have what one has not
  }
}
