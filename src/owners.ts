// SPDX-License-Identifier: GPL-2.0-only
// Whose addresses are.

import { type AddressBytes, contains, type Prefix, parseAddress } from './address.ts';
import type { Device, PeerAddress } from './model.ts';

/** So many searches take as long as an index of all. */
const SEARCHES = 20;

const known = new WeakMap<Device, Owners>();

/** The owners of a device, always the same: an index that was made once serves whoever asks next. */
export function ownersOf(device: Device): Owners {
  const owners = known.get(device) ?? new Owners(device);
  known.set(device, owners);
  return owners;
}

/** Whose an address is, by the longest match among all peers' allowed IPs. */
export class Owners {
  /** The owners of single addresses; made when it pays. */
  #index: Map<string, string> | undefined;
  /** The wider ones: few, where peers are many. */
  readonly #prefixes: readonly { prefix: Prefix; owner: string }[];

  readonly #device: Device;
  #searches = 0;

  constructor(device: Device) {
    this.#device = device;
    this.#prefixes = device.peers.flatMap(({ key: owner, prefixes }) =>
      prefixes.map((prefix) => ({ prefix, owner })),
    );
  }

  of(address: string): string | undefined {
    return this.ofItself(address) ?? this.ofRange(address);
  }

  /** Whose it is as a single address. */
  ofItself(address: string): string | undefined {
    if (!this.#index && ++this.#searches >= SEARCHES) this.#index = this.#makeIndex();
    return this.#index
      ? this.#index.get(address)
      : this.#device.peers.find(({ addresses }) => addresses.includes(address))?.key;
  }

  /** Whether an address is its peer's, or nobody's for now, by itself: no allowed IP that is wider has anything to say on it. */
  isLearnedOf({ address, peer }: PeerAddress): boolean {
    const owner = this.of(address);
    return (owner === undefined || owner === peer) && this.ofRange(address) === undefined;
  }

  /** Whose it would be, were it not for anybody's by itself. */
  ofRange(address: string): string | undefined {
    return this.#prefixes.length === 0 ? undefined : this.#search(parseAddress(address)!);
  }

  /** The device has changed: an address, by itself, is another peer's now, or nobody's. So it is kept, and an index pays. */
  note(address: string, owner: string | undefined): void {
    this.#index ??= this.#makeIndex();
    if (owner === undefined) this.#index.delete(address);
    else this.#index.set(address, owner);
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
