// SPDX-License-Identifier: GPL-2.0-only
// Addresses come to a link some time after the link: what was learned before it went is not withdrawn for want of a
// prefix that it may yet get.

import { parsePrefix } from '../address.ts';
import { formatPrefix } from '../address-text.ts';
import type { Link, Scope } from '../model.ts';

/** How long a link that has come up may be without prefixes that it had before, in milliseconds. */
const SETTLING = 60_000;

const everything = parsePrefix('::/0')!;

export class Settling {
  /** Links that are up, by ifindex: when they came up, or −∞ for those that were when we began. */
  #upSince: ReadonlyMap<number, number> | undefined;
  /** What a link that is up has had since. */
  readonly #scopes = new Map<number, Scope>();

  /** All links, as they are now. */
  note(links: readonly Link[], now: number): void {
    const since = this.#upSince ? now : Number.NEGATIVE_INFINITY;
    const up = links.filter((link) => link.up);
    this.#upSince = new Map(up.map(({ ifindex }) => [ifindex, this.#upSince?.get(ifindex) ?? since]));
    for (const ifindex of this.#scopes.keys()) if (!this.#upSince.has(ifindex)) this.#scopes.delete(ifindex);
  }

  /**
   * Where learned addresses may stay, if the link's own prefixes are the scope: while it settles everywhere, but in
   * what is reserved, or in a prefix that the link has had since it came up, and lost.
   */
  scopeToStay(ifindex: number, scope: Scope, now: number): Scope {
    const before = this.#scopes.get(ifindex);
    const since = this.#upSince?.get(ifindex);
    if (since !== undefined) this.#scopes.set(ifindex, scope);
    if (since !== undefined && since + SETTLING <= now) return scope;
    const present = scope.learn.map(formatPrefix);
    const lost = before?.learn.filter((prefix) => !present.includes(formatPrefix(prefix))) ?? [];
    return { learn: [...scope.learn, everything], reserved: [...scope.reserved, ...lost] };
  }
}
