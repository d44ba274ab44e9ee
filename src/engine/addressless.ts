// SPDX-License-Identifier: GPL-2.0-only
// Peers that have no IPv6 address in the tunnel: Linux then sends from the loopback address, or, to find routers and
// groups, from none.

import type { PeerAddress } from '../model.ts';
import type { Ledger } from './ledger.ts';

interface Spell {
  /** The interface, as the configuration calls it. */
  readonly name: string;
  readonly peer: string;
  readonly address: string;
  readonly since: number;
  last: number;
}

/** Milliseconds: who is just coming up may be without for that long; who is not heard of is forgotten after so many. */
const GRACE = 5_000;
const MEMORY = 300_000;

/** Peers can be as many as there are devices for; the ones of longest ago make room. */
const MOST = 1_024;

const LOOPBACK = '::1';

/** Whether packets come from there when there is no address to come from; from :: others come, too. */
export function isNoAddress(address: string): boolean {
  return address === LOOPBACK || address === '::';
}

export class Addressless {
  readonly #spells = new Map<string, Spell>();
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** A peer of an interface has sent a packet from ::1 or ::; whether that is known already. */
  note(name: string, { peer, address }: PeerAddress, now: number): boolean {
    const key = keyOf(name, peer, address);
    const last = this.#spells.get(key);
    const known = last && now - last.last < MEMORY ? last : undefined;
    const spell = known ?? { name, peer, address, since: now, last: now };
    spell.last = now;
    this.#spells.delete(key);
    this.#spells.set(key, spell);
    const [oldest] = this.#spells.keys();
    if (this.#spells.size > MOST) this.#spells.delete(oldest!);
    return known !== undefined;
  }

  /** Whether a peer has been without for longer than it may, and still is. */
  isWithout(name: string, peer: string, now: number): boolean {
    const spell = this.#spells.get(keyOf(name, peer, LOOPBACK));
    return spell !== undefined && this.#lasts(spell, now);
  }

  /** All that are. */
  list(now: number): { name: string; peer: string }[] {
    return [...this.#spells.values()]
      .filter((spell) => spell.address === LOOPBACK && this.#lasts(spell, now))
      .map(({ name, peer }) => ({ name, peer }));
  }

  #lasts({ name, peer, since, last }: Spell, now: number): boolean {
    return last - since >= GRACE && now - last < MEMORY && this.#ledger.ofPeer(name, peer).size === 0;
  }
}

function keyOf(name: string, peer: string, address: string): string {
  return `${name} ${peer} ${address}`;
}
