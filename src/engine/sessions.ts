// SPDX-License-Identifier: GPL-2.0-only
// Which peers can send anything now. WireGuard tells of handshakes by the wall clock, which may be set at any moment: what
// decides here is how long ago another one was last found.

import { type Device, SESSION } from '../model.ts';

interface Handshake {
  /** Seconds since 1970. */
  readonly latest: number;
  /** When it was found, by the monotonic clock. */
  readonly found: number;
}

export class Sessions {
  /** Of the peers that have ever shaken hands, by interface and peer. */
  readonly #handshakes = new Map<string, ReadonlyMap<string, Handshake>>();

  /**
   * What WireGuard has of an interface, at a time of the monotonic clock. Who was there just before the interface was made
   * anew, or was missing for a while, is about to be there again.
   */
  note(name: string, { peers }: Device, now: number): void {
    const before = this.#handshakes.get(name) ?? [];
    const known = new Map([...before].filter(([, { found }]) => now - found < SESSION));
    for (const { key, latestHandshake: latest } of peers) {
      const last = this.#handshakes.get(name)?.get(key);
      if (latest > 0) known.set(key, last?.latest === latest ? last : { latest, found: now });
    }
    this.#handshakes.set(name, known);
  }

  /** Whether a peer may have one: of a handshake from before the first look it is not known how long ago it was. */
  mayBe(name: string, peer: string, now: number): boolean {
    const handshake = this.#handshakes.get(name)?.get(peer);
    return handshake !== undefined && now - handshake.found < SESSION;
  }

  /** When a peer's latest handshake was found, by the monotonic clock; undefined if there is none. */
  found(name: string, peer: string): number | undefined {
    return this.#handshakes.get(name)?.get(peer)?.found;
  }

  /** When a peer last shook hands, in seconds since 1970; undefined if it has not since the interface was made. */
  latest(name: string, peer: string): number | undefined {
    return this.#handshakes.get(name)?.get(peer)?.latest;
  }
}
