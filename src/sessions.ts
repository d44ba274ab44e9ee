// SPDX-License-Identifier: GPL-2.0-only
// Which peers can send anything now. WireGuard tells of handshakes in whole seconds of the wall clock, which may be set at any
// moment: each is compared with that but once, and what must be sure goes by when it was found.

import { type Device, SESSION } from './model.ts';

interface Handshake {
  /** Seconds since 1970. */
  readonly latest: number;
  /** When it was found, by the monotonic clock. */
  readonly found: number;
  /** When it was, as far as the wall clock can be believed, but not before the look that did not find it. */
  readonly since: number;
  /** WireGuard may have noted it so many seconds earlier: it was told of, and is taken for one of just then. */
  readonly slack?: number;
}

export class Sessions {
  /** Of the peers that have ever shaken hands, by interface and peer. */
  readonly #handshakes = new Map<string, Map<string, Handshake>>();
  /** The last look at an interface. */
  readonly #noted = new Map<string, number>();

  /**
   * What WireGuard has of an interface, at a time of the monotonic clock and one since 1970 in milliseconds. Who was there just
   * before the interface was made anew, or was missing for a while, is about to be there again.
   */
  note(name: string, { peers }: Device, now: number, wall: number): void {
    const before = this.#handshakes.get(name);
    const lastLook = this.#noted.get(name) ?? Number.NEGATIVE_INFINITY;
    const known = new Map([...(before ?? [])].filter(([, { found }]) => now - found < SESSION));
    for (const { key, latestHandshake: latest } of peers) {
      if (latest === 0) continue;
      const last = before?.get(key);
      const age = Math.max(0, wall - 1_000 * (latest + 1));
      known.set(
        key,
        last && isOf(last, latest) ? last : { latest, found: now, since: Math.max(lastLook, now - age) },
      );
    }
    this.#handshakes.set(name, known);
    this.#noted.set(name, now);
  }

  /** A peer has just shaken hands: `latest` is the time since 1970 in seconds. */
  shake(name: string, peer: string, latest: number, now: number): void {
    const known = this.#handshakes.get(name) ?? new Map<string, Handshake>();
    this.#handshakes.set(name, known.set(peer, { latest, found: now, since: now, slack: 1 }));
  }

  /** Whether a peer may have one: of a handshake from before the first look it is not known how long ago it was. */
  mayBe(name: string, peer: string, now: number): boolean {
    const handshake = this.#handshakes.get(name)?.get(peer);
    return handshake !== undefined && now - handshake.found < SESSION;
  }

  /** Whether a peer has one, as far as the wall clock can be believed: nobody else is to be blamed for anything. */
  isLive(name: string, peer: string, now: number): boolean {
    const handshake = this.#handshakes.get(name)?.get(peer);
    return handshake !== undefined && now - handshake.since < SESSION;
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

/** Whether it is the handshake of a second since 1970. */
function isOf({ latest, slack = 0 }: Handshake, second: number): boolean {
  return Math.abs(latest - second) <= slack;
}
