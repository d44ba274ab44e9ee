// SPDX-License-Identifier: GPL-2.0-only
// A model of nftables' sets, which outlive processes.

import type { NftSets } from '../../src/kernel/ports.ts';

interface FakeSet {
  /** How many elements it takes. */
  readonly size: number;
  readonly isFit: boolean;
  /** Whose elements carry the comment of this program. */
  readonly own: Set<string>;
  readonly others: Set<string>;
}

export class FakeNftables {
  /** The errno with which additions are to fail. */
  failure: string | undefined;
  /** How often sets were read. */
  reads = 0;
  /** How many are open. */
  opened = 0;
  readonly #sets = new Map<string, FakeSet>();
  #onChange: (() => void) | undefined;

  open(): NftSets {
    this.opened++;
    return {
      read: (name) => {
        this.reads++;
        const set = this.#sets.get(name);
        if (!set) return 'missing';
        return set.isFit ? new Set(set.own) : 'unfit';
      },
      add: (name, addresses) => {
        const set = this.#find(name);
        const fresh = addresses.filter((address) => !set.others.has(address) && !set.own.has(address));
        if (set.own.size + set.others.size + fresh.length > set.size)
          throw Object.assign(new Error('ENFILE: nft'), { code: 'ENFILE' });
        for (const address of fresh) set.own.add(address);
      },
      remove: (name, addresses) => {
        const set = this.#find(name);
        for (const address of addresses) set.own.delete(address);
      },
      onChange: (callback) => {
        this.#onChange = callback;
      },
      close: () => {
        this.opened--;
        this.#onChange = undefined;
      },
    };
  }

  #find(name: string): FakeSet {
    const code = this.#sets.has(name) ? this.failure : 'ENOENT';
    if (code !== undefined) throw Object.assign(new Error(`${code}: nft`), { code });
    return this.#sets.get(name)!;
  }

  /** What is in a set, sorted; undefined if there is none. */
  elements(name: string): string[] | undefined {
    const set = this.#sets.get(name);
    return set && [...set.own, ...set.others].sort();
  }

  /** Who listened is no more. */
  drop(): void {
    this.#onChange = undefined;
  }

  // What happens in the world

  declare(
    name: string,
    { isFit = true, size = Number.POSITIVE_INFINITY, others = [] as readonly string[] } = {},
  ): void {
    if (!this.#sets.has(name)) this.#sets.set(name, { isFit, size, own: new Set(), others: new Set(others) });
    this.#onChange?.();
  }

  flush(name: string): void {
    this.#sets.get(name)?.own.clear();
    this.#sets.get(name)?.others.clear();
    this.#onChange?.();
  }

  delete(name: string): void {
    this.#sets.delete(name);
    this.#onChange?.();
  }
}
