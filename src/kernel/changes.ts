// SPDX-License-Identifier: GPL-2.0-only
// What others change of WireGuard's configuration in our network namespace, as the programs of bpf/changes.h count it.

import type { PeerAddress } from '../model.ts';
import * as abi from './abi.ts';
import type { BpfMap } from './native.ts';

const only = abi.encodeIfindex(0);

/** Others have given an address to a peer with a change that has begun as the one of that number. */
export interface Claim extends PeerAddress {
  readonly ifindex: number;
  readonly change: number;
}

export class Changes {
  readonly #counts: BpfMap;
  readonly #ours: BpfMap;
  readonly #claims: BpfMap;
  readonly #netns: number;
  #isOver = false;
  #era = 0;
  #port = 0; // the kernel's own

  /** `map` opens one by its name and the sizes of its keys and values; `netns` is the inode number of our namespace. */
  constructor(map: (name: string, keySize: number, valueSize: number) => BpfMap, netns: number) {
    this.#counts = map('changes', 4, abi.layout.changes.size);
    this.#ours = map('ours', 4, abi.layout.ours.size);
    this.#claims = map('claims', abi.layout.source.size, abi.layout.claim.size);
    this.#netns = netns;
    this.#ours.update(only, abi.encodeOurs(this.#port, netns));
  }

  /**
   * How many changes have begun, and how many are done, modulo 2^32; undefined if that is not counted any more. In another
   * era the counters may be the same, although there were changes.
   */
  read(): (abi.ChangeCounts & { readonly era: number }) | undefined {
    if (this.#isOver) return undefined;
    return { ...abi.decodeChanges(this.#counts.lookup(only)!), era: this.#era };
  }

  /** For a while nothing has been counted, and now it is. */
  resume(): void {
    this.#era++;
  }

  /** From now on, what is asked for through this netlink port is not others'. */
  except(port: number): void {
    if (this.#isOver || port === this.#port) return;
    this.#ours.update(only, abi.encodeOurs(port, this.#netns));
    this.#port = port;
  }

  /** Of addresses that have a record, the last one of each, with changes after the one of a number. */
  claimsSince(change: number): Claim[] {
    return this.#isOver ? [] : this.#all().filter((claim) => isLater(claim.change, change));
  }

  #all(): Claim[] {
    return abi.decodeClaims(this.#claims.dump());
  }

  /** Up to the change of a number. */
  dropClaims(last: number): void {
    if (this.#isOver) return;
    const past = this.#all().filter(({ change }) => !isLater(change, last));
    for (const { ifindex, address } of past) this.#claims.delete(abi.encodeSource(ifindex, address));
  }

  /** Nothing is counted any more. */
  end(): void {
    this.#isOver = true;
  }
}

/** Of numbers that begin again after 2^32. */
function isLater(one: number, other: number): boolean {
  return ((one - other) | 0) > 0;
}
