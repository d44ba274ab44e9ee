// SPDX-License-Identifier: GPL-2.0-only
// Whose addresses are.

import { type AddressBytes, contains, type Prefix, parseAddress } from '../address.ts';
import type { Device } from '../model.ts';
import type { Entry } from './ledger.ts';

/** So many searches take as long as an index of all. */
const SEARCHES = 20;

/** Whose an address is, by the longest match among all peers' allowed IPs. */
export class Owners {
  /** The owners of single addresses; made when it pays. */
  #index: Map<string, string> | undefined;
  /** The wider ones: few, where peers are many. */
  readonly #prefixes: readonly { prefix: Prefix; owner: string }[];

  readonly #device: Device;
  #searches;

  /** `searches`: how many there are going to be, as far as that is known. */
  constructor(device: Device, searches = 0) {
    this.#device = device;
    this.#searches = searches;
    this.#prefixes = device.peers.flatMap(({ key: owner, prefixes }) =>
      prefixes.map((prefix) => ({ prefix, owner })),
    );
  }

  of(address: string): string | undefined {
    if (!this.#index && ++this.#searches >= SEARCHES) this.#index = this.#makeIndex();
    const owner = this.#index
      ? this.#index.get(address)
      : this.#device.peers.find(({ addresses }) => addresses.includes(address))?.key;
    if (owner !== undefined || this.#prefixes.length === 0) return owner;
    return this.#search(parseAddress(address)!);
  }

  /** Whether an address is its peer's, or nobody's for now, by itself: no allowed IP that is wider has anything to say on it. */
  isLearnedOf({ address, peer }: Entry): boolean {
    const owner = this.of(address);
    const isWide = this.#search(parseAddress(address)!) !== undefined;
    return (owner === undefined || owner === peer) && !isWide;
  }

  #makeIndex(): Map<string, string> {
    const index = new Map<string, string>();
    for (const { key, addresses } of this.#device.peers)
      for (const address of addresses) index.set(address, key);
    return index;
  }

  /** Among the prefixes that are wider than an address. */
  #search(address: AddressBytes): string | undefined {
    let longest = -1;
    let owner: string | undefined;
    for (const held of this.#prefixes) {
      if (held.prefix.length <= longest || !contains(held.prefix, address)) continue;
      longest = held.prefix.length;
      owner = held.owner;
    }
    return owner;
  }
}
