// SPDX-License-Identifier: GPL-2.0-only
// Addresses that a peer wants and that a host on the shared link may have: that link is asked before anything is given to the
// peer, as the peer itself would ask there (RFC 4862, 5.4). Its first packets are kept meanwhile. Had they gone on at once,
// nothing would have found the way back, and a host that has the address would have lost what is for it.

import type { Clock } from '../clock.ts';
import type { Reach } from '../kernel/ports.ts';
import type { Link, Sighting } from '../model.ts';
import type { Share } from './share.ts';

/** RetransTimer (RFC 4861, 10) in milliseconds: by then, who has an address has said so. */
const ANSWER_TIME = 1_000;
/** Addresses that are asked for at a time, in all and for a peer: so many solicitations a second at most go to the link. */
const MOST = 32;
const MOST_OF_PEER = 8;
/** Packets that are kept for an address. */
const MOST_PACKETS = 4;

interface Pending {
  readonly share: Share;
  readonly peer: string;
  readonly kept: Sighting[];
  readonly cancel: () => void;
}

export class Tentative {
  readonly #pending = new Map<string, Pending>();

  readonly #reach: Reach;
  readonly #clock: Clock;

  /** Answers with what `act` does; undefined if that throws, which is told. */
  readonly #attempt: <Result>(share: Share, act: () => Result) => Result | undefined;

  constructor(
    reach: Reach,
    clock: Clock,
    attempt: <Result>(share: Share, act: () => Result) => Result | undefined,
  ) {
    this.#reach = reach;
    this.#clock = clock;
    this.#attempt = attempt;
  }

  /**
   * Keeps a peer's packet until it is known whether somebody on a link has its source. Then `decide` is called, once
   * for all that was kept: at once where nobody can be asked. What is too much, or cannot be asked for, is dropped: its sender
   * will send again.
   */
  keep(
    share: Share,
    { ifindex, noNeighbours }: Link,
    sighting: Sighting,
    decide: (kept: Sighting[], isInUse: boolean) => void,
  ): void {
    if (noNeighbours) {
      decide([sighting], false);
      return;
    }
    const { address, sender: peer } = sighting;
    const key = `${ifindex} ${address}`;
    const pending = this.#pending.get(key);
    if (pending) {
      const isSame = pending.peer === peer && pending.share.link.ifindex === share.link.ifindex;
      if (isSame && pending.kept.length < MOST_PACKETS) pending.kept.push(sighting);
      return;
    }
    const isKnown = this.#attempt(share, () => this.#reach.isNeighbour(ifindex, address, true));
    if (isKnown) decide([sighting], true);
    const ofPeer = [...this.#pending.values()].filter((other) => other.peer === peer).length;
    if (isKnown !== false || this.#pending.size >= MOST || ofPeer >= MOST_OF_PEER) return;
    this.#attempt(share, () => {
      this.#reach.solicit(ifindex, address);
      const kept = [sighting];
      const cancel = this.#clock.after(ANSWER_TIME, () => {
        this.#pending.delete(key);
        const isInUse = this.#attempt(share, () => this.#hasAnswered(ifindex, address));
        if (isInUse !== undefined) decide(kept, isInUse);
      });
      this.#pending.set(key, { share, peer, kept, cancel });
    });
  }

  #hasAnswered(ifindex: number, address: string): boolean {
    const hasAnswered = this.#reach.isNeighbour(ifindex, address, false);
    if (!hasAnswered) this.#reach.forgetNeighbour(ifindex, address);
    return hasAnswered;
  }

  /** What is kept is dropped. */
  stop(): void {
    for (const { cancel } of this.#pending.values()) cancel();
    this.#pending.clear();
  }
}
