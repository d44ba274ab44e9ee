// SPDX-License-Identifier: GPL-2.0-only
// Interfaces whose peers have addresses in the prefixes of another link. Follows the ledger, so that what is learned can be
// reached, and keeps peers from what hosts on that link have.

import { parseAddress } from '../address.ts';
import type { Clock } from '../clock.ts';
import type { Reach } from '../kernel/ports.ts';
import type { Device, Link, PeerAddress, Sighting } from '../model.ts';
import { failureOf, type Problem } from '../problem.ts';
import { Reachability } from './reachability.ts';
import { isIn, type Share } from './share.ts';
import { Tentative } from './tentative.ts';

/** So long a peer is refused an address that was found in use, without another look, in milliseconds. */
const REFUSAL = 60_000;
/** More such addresses of an interface are not kept in mind. */
const MOST_REFUSED = 64;
/** So long a host that was heard with an address of a peer counts as having it, in milliseconds. */
const CLAIM = 60_000;
/** More such addresses of an interface are not told. */
const MOST_CLAIMS = 16;
/** All programs are looked at so often at most, in milliseconds. */
const RIVALS_INTERVAL = 20_000;

/** An address that a peer of an interface has. */
interface Held extends PeerAddress {
  readonly interface: string;
}

export interface SharingObserver {
  /** Sightings of addresses that nobody on the shared link has. */
  admit(sightings: Sighting[]): void;
  /** A peer has used an address that somebody there has; `count` packets. */
  deny(held: Held, count: number): void;
  isLearned(name: string, address: string): boolean;
  /** Everything is to be looked at again. */
  recheck(): void;
  report(problem: Problem): void;
}

export class Sharing {
  #hasAdopted = false;
  /** By ifindex. */
  #shares = new Map<number, Share>();
  /** By ifindex: addresses that were found in use, until when they are refused without another look. */
  readonly #refused = new Map<number, Map<string, number>>();
  /** Until when a host on a shared link counts as having an address of a peer, by ifindex and address. */
  readonly #claims = new Map<string, number>();
  /** By device: other programs that were found, until when that holds. */
  readonly #rivals = new Map<string, { readonly rivals: string[]; readonly until: number }>();
  #cancelRecheck: (() => void) | undefined;
  readonly #reachability: Reachability;
  readonly #tentative: Tentative;

  readonly #reach: Reach;
  readonly #clock: Clock;
  readonly #observer: SharingObserver;

  constructor(reach: Reach, clock: Clock, observer: SharingObserver) {
    this.#reach = reach;
    this.#clock = clock;
    this.#observer = observer;
    this.#reachability = new Reachability(reach);
    this.#tentative = new Tentative(reach, clock, (share, act) => this.#attempt(share, act));
  }

  /** Whether anything is shared, or something that was could not be taken back. */
  get isOn(): boolean {
    return this.#shares.size > 0 || !this.#reachability.isEmpty;
  }

  /** Shares on these interfaces, and no others. `links` are all that there are. */
  align(shares: readonly Share[], links: readonly Link[]): void {
    this.#shares = new Map(shares.map((share) => [share.link.ifindex, share]));
    for (const ifindex of this.#refused.keys()) if (!this.#shares.has(ifindex)) this.#refused.delete(ifindex);
    this.#attempt(shares[0], () => {
      if (!this.#hasAdopted) this.#reachability.adopt(links.filter(({ kind }) => kind === 'wireguard'));
      this.#hasAdopted = true;
    });
    const link = this.#reachability.findLink(links);
    this.#attempt(link ? { link } : shares[0], () => {
      this.#reachability.keep(shares, links);
      if (shares.length === 0) this.#reach.close();
    });
  }

  /** Addresses that are in use on the link that an interface shares: nobody there may learn them. */
  refused(ifindex: number): string[] {
    const refused = this.#refused.get(ifindex);
    if (!refused) return [];
    for (const [address, until] of refused) if (until <= this.#clock.now()) refused.delete(address);
    return [...refused.keys()];
  }

  /** Answers with the sightings that can be judged now; others are, or are denied, when it is known who has the address. */
  examine(sightings: readonly Sighting[]): Sighting[] {
    return sightings.filter((sighting) => {
      const share = this.#shares.get(sighting.ifindex);
      if (!share) return true;
      const { address, verdict } = sighting;
      if (verdict === 'reserved' && this.#refused.get(sighting.ifindex)?.has(address)) {
        this.#deny(share, [sighting]);
        return false;
      }
      const known = this.#reachability.linkOf(address);
      if (verdict !== 'candidate' || known === sighting.ifindex || !isIn(share, parseAddress(address)!))
        return true;
      if (known !== undefined) this.#deny(share, [sighting]);
      else
        this.#tentative.keep(share, share.shared!, sighting, (kept, isInUse) =>
          this.#decide(share, kept, isInUse),
        );
      return false;
    });
  }

  #decide(share: Share, kept: Sighting[], isInUse: boolean): void {
    const { ifindex } = share.link;
    const current = this.#shares.get(ifindex);
    if (!current) return;
    const { address } = kept[0]!;
    if (isInUse) {
      this.#refuse(ifindex, address);
      this.#deny(share, kept);
      return;
    }
    // Before the packets go on: what they are answered with is to find the way back.
    this.#attempt(share, () => this.#reachability.add(current, [address]));
    this.#observer.admit(kept);
    if (!this.#observer.isLearned(share.name, address))
      this.#attempt(share, () => this.#reachability.remove(ifindex, [address]));
  }

  #refuse(ifindex: number, address: string): void {
    const refused = this.#refused.get(ifindex) ?? new Map<string, number>();
    this.#refused.set(ifindex, refused);
    refused.delete(address);
    refused.set(address, this.#clock.now() + REFUSAL);
    const [oldest] = refused.keys();
    if (refused.size > MOST_REFUSED) refused.delete(oldest!);
    // So that the kernel knows; once for all of those that are asked for at a time.
    this.#cancelRecheck ??= this.#clock.after(0, () => {
      this.#cancelRecheck = undefined;
      this.#observer.recheck();
    });
  }

  #deny({ name }: Share, sightings: readonly Sighting[]): void {
    const { address, sender: peer } = sightings[0]!;
    const count = sightings.reduce((sum, sighting) => sum + sighting.count, 0);
    this.#observer.deny({ interface: name, address, peer }, count);
  }

  present({ interface: name, address }: Held): void {
    const share = this.#named(name);
    if (share && isIn(share, parseAddress(address)!))
      this.#attempt(share, () => this.#reachability.add(share, [address]));
  }

  /** What is released is configured for its peer by now. */
  gone({ interface: name, address }: Held, { event }: { readonly event: string }): void {
    const share = this.#named(name);
    if (share && event !== 'released')
      this.#attempt(share, () => this.#reachability.remove(share.link.ifindex, [address]));
  }

  #named(name: string): Share | undefined {
    return [...this.#shares.values()].find((share) => share.name === name);
  }

  /** Brings what can be reached in line with what peers of an interface have. Answers with what is in the way of it. */
  reconcile(name: string, { peers }: Device): Problem[] {
    const share = this.#named(name);
    if (!share) return [];
    const { ifindex } = share.link;
    const routed = this.#reachability.addresses(ifindex);
    // What is in a prefix that the shared link has just lost is reached as long as its peer has it.
    const isReached = (address: string) => routed.has(address) || isIn(share, parseAddress(address)!);
    const owners = new Map(
      peers.flatMap(({ key, addresses }) =>
        addresses.filter(isReached).map((address) => [address, key] as const),
      ),
    );
    const problems: Problem[] = [];
    this.#attempt(share, () => {
      this.#reachability.remove(
        ifindex,
        [...routed].filter((address) => !owners.has(address)),
      );
      this.#reachability.add(share, owners.keys());
      const { shared } = share;
      if (shared)
        problems.push(...this.#claimsOf(share, shared, owners), ...this.#conflictsOf(share, shared));
    });
    return problems;
  }

  #claimsOf({ link: { name: device } }: Share, shared: Link, owners: ReadonlyMap<string, string>): Problem[] {
    const now = this.#clock.now();
    for (const [key, until] of this.#claims) if (until <= now) this.#claims.delete(key);
    const neighbours = shared.noNeighbours ? [] : this.#reach.neighbours(shared.ifindex);
    for (const address of neighbours.filter((each) => owners.has(each))) {
      this.#claims.set(`${shared.ifindex} ${address}`, now + CLAIM);
      // It may have been there before, and have gone.
      if (!this.#reach.isNeighbour(shared.ifindex, address, true))
        this.#reach.solicit(shared.ifindex, address);
    }
    return [...owners]
      .filter(([address]) => this.#claims.has(`${shared.ifindex} ${address}`))
      .slice(0, MOST_CLAIMS)
      .map(([address, peer]) => ({
        code: 'share-claimed',
        data: { device, peer, address, shared: shared.name },
      }));
  }

  #conflictsOf({ link: { name: device }, rival }: Share, shared: Link): Problem[] {
    const now = this.#clock.now();
    let found = this.#rivals.get(device);
    if (!found || found.until <= now) {
      found = { rivals: this.#reach.rivals(device, shared.name), until: now + RIVALS_INTERVAL };
      this.#rivals.set(device, found);
    }
    return [...(rival === undefined ? [] : [rival]), ...found.rivals].map((each) => ({
      code: 'share-conflict',
      data: { device, shared: shared.name, rival: each },
    }));
  }

  /** What is reached stays so: the next start goes on with it. */
  stop(): void {
    this.#cancelRecheck?.();
    this.#tentative.stop();
  }

  /** Undefined if that throws. Where nothing is shared, or was, nothing needs to work. */
  #attempt<Result>(share: Pick<Share, 'link'> | undefined, act: () => Result): Result | undefined {
    try {
      return act();
    } catch (error) {
      const data = share && { device: share.link.name, ...failureOf(error) };
      if (data) this.#observer.report({ code: 'share-failed', data });
      return undefined;
    }
  }
}
