// SPDX-License-Identifier: GPL-2.0-only
// Peers with a link-local address that are not known to use an address of an announced prefix, although they were told.

/** Who uses no address of an announced prefix is told so often, so many milliseconds apart: the first may be lost. */
const ATTEMPTS = 3;
const ATTEMPT_INTERVAL = 20_000;
/** By so many milliseconds after the first, whoever takes advertisements has used an address. */
const PATIENCE = 60_000;

interface Attempts {
  count: number;
  /** The time of the first. */
  since: number;
}

export class Unheeding {
  readonly #attempts = new Map<string, Attempts>();

  /** A peer is there that is to be told. */
  begin(peer: string): void {
    if (!this.has(peer)) this.#attempts.set(peer, { count: 0, since: Number.POSITIVE_INFINITY });
  }

  has(peer: string): boolean {
    return this.#attempts.has(peer);
  }

  /** It uses such an address, or is gone. */
  delete(peer: string): void {
    this.#attempts.delete(peer);
  }

  keys(): Iterable<string> {
    return this.#attempts.keys();
  }

  /** A peer was told; when it is to be told again if it does not heed that. Infinity: with the next refresh. */
  note(peer: string, now: number): number {
    const attempts = this.#attempts.get(peer);
    if (!attempts) return Number.POSITIVE_INFINITY;
    attempts.since = Math.min(attempts.since, now);
    return ++attempts.count < ATTEMPTS ? now + ATTEMPT_INTERVAL : Number.POSITIVE_INFINITY;
  }

  /** When the next of them will have had its time; Infinity if none will. */
  nextEnd(now: number): number {
    const ends = [...this.#attempts.values()].map(({ since }) => since + PATIENCE);
    return Math.min(Number.POSITIVE_INFINITY, ...ends.filter((end) => end > now));
  }

  /** Those that were told several times, and have had their time. */
  list(now: number): string[] {
    return [...this.#attempts]
      .filter(([, { count, since }]) => count >= ATTEMPTS && now - since >= PATIENCE)
      .map(([peer]) => peer);
  }
}
