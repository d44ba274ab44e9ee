// SPDX-License-Identifier: GPL-2.0-only
// Keeps sets of nftables in line with what peers have: an address is in its peer's sets before the peer can use it, and
// comes back whatever else takes it out.

import type { Clock } from '../clock.ts';
import type { Arrival, Entry, Follower, Ledger } from '../engine/ledger.ts';
import type { NftSets, StateFile } from '../kernel/ports.ts';
import { failureOf, type Problem } from '../problem.ts';
import { isNftset } from '../settings.ts';

/** Which sets have been filled: gone with a reboot, as they are. */
export const SETS_FILE = '/var/run/wg-slaacer.nftsets';

/** Milliseconds that a change waits for others. */
const SETTLE = 20;
/** While a firewall is restarted its sets are not there: only what lasts longer is a problem. */
const GRACE = 5_000;
/** What fails is tried again. */
const RETRY = 30_000;

/** A peer whose addresses are in sets. */
export interface Member {
  readonly interface: string;
  /** The public key in base64. */
  readonly key: string;
  /** Each "family#table#set". */
  readonly sets: readonly string[];
  /** … which may be there or not. */
  readonly optional: readonly string[];
  /** Its configured IPv6 addresses, which are in them, too. */
  readonly configured: ReadonlySet<string>;
}

interface FollowedSet {
  readonly members: Member[];
  /** Whether it is a problem if there is no such set. */
  isRequired: boolean;
  /** Whether it has to be compared with the ledger. */
  isStale: boolean;
  /** Whether nothing can be put into it, as far as is known. */
  isAbsent: boolean;
  /** It cannot be filled, for this reason, since then. */
  trouble?: { readonly problem: Problem; readonly since: number } | undefined;
}

const empty = (): FollowedSet => ({ members: [], isRequired: false, isStale: true, isAbsent: false });

export class Firewall implements Follower {
  problems: readonly Problem[] = [];
  /** By interface and public key. */
  #members: ReadonlyMap<string, Member> = new Map();
  #sets: Map<string, FollowedSet> = new Map();
  /** What is in the file; undefined as long as that has not been read. */
  #noted: readonly string[] | undefined;
  #nft: NftSets | undefined;
  /** Addresses that may be in sets of peers that have them no more. */
  readonly #leaving = new Set<string>();
  #cancel: (() => void) | undefined;
  #due = Number.POSITIVE_INFINITY;

  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #open: () => NftSets;
  readonly #file: StateFile;
  /** `problems` have changed. */
  readonly #onProblems: () => void;

  /** `file` has the names of the sets in which there may be something, for whoever comes next. */
  constructor(ledger: Ledger, clock: Clock, open: () => NftSets, file: StateFile, onProblems: () => void) {
    this.#ledger = ledger;
    this.#clock = clock;
    this.#open = open;
    this.#file = file;
    this.#onProblems = onProblems;
  }

  configure(members: readonly Member[]): void {
    const sets = new Map<string, FollowedSet>();
    for (const member of members) {
      for (const name of new Set([...member.sets, ...member.optional])) {
        const set = sets.get(name) ?? { ...empty(), trouble: this.#sets.get(name)?.trouble };
        set.members.push(member);
        set.isRequired ||= member.sets.includes(name);
        sets.set(name, set);
      }
    }
    // What is no longer to be followed is emptied, and then forgotten.
    this.#noted ??= namesIn(this.#file);
    for (const name of [...this.#noted, ...this.#sets.keys()]) if (!sets.has(name)) sets.set(name, empty());
    this.#members = new Map(members.map((member) => [keyOf(member.interface, member.key), member]));
    this.#sets = sets;
    this.#note();
    if (sets.size > 0) this.#schedule(SETTLE);
  }

  /** No set must have for one peer what is another's now. */
  coming(entries: readonly Entry[], from?: Entry): void {
    if (this.#members.size === 0) return;
    if (from) this.gone(from);
    if (entries.some(({ address }) => this.#leaving.has(address))) this.#align();
    const additions = new Map<string, string[]>();
    for (const { interface: name, peer, address } of entries)
      for (const set of this.#setsOf(name, peer))
        additions.set(set, [...(additions.get(set) ?? []), address]);
    for (const [set, addresses] of additions) this.#add(set, addresses);
  }

  /** One that was learned just now has been coming. */
  present(entry: Entry, { event }: Arrival): void {
    if (event !== 'learned' && event !== 'restored') this.gone(entry);
  }

  gone({ interface: name, peer, address }: Entry): void {
    if (this.#members.size === 0) return;
    for (const set of this.#setsOf(name, peer)) {
      this.#leaving.add(address);
      this.#suspect(set);
    }
  }

  stayedAway(entries: readonly Entry[]): void {
    for (const entry of entries) this.gone(entry);
  }

  /** Puts in force what has not been yet, and leaves all in place. */
  stop(): void {
    if (this.#cancel) this.#align();
    this.#cancel?.();
    this.#members = new Map();
    this.#nft?.close();
  }

  /** Before anything is put into a set, and after there is nothing left in it. */
  #note(): void {
    const names = [...this.#sets.keys()];
    if (names.join() === this.#noted?.join()) return;
    try {
      this.#file.write(names.map((name) => `${name}\n`).join(''));
      this.#noted = names;
    } catch {
      // Then nobody empties a set that is no longer named when the next process begins.
    }
  }

  #setsOf(name: string, peer: string): readonly string[] {
    const member = this.#members.get(keyOf(name, peer));
    return member ? [...member.sets, ...member.optional] : [];
  }

  #add(name: string, addresses: readonly string[]): void {
    if (this.#sets.get(name)?.isAbsent) return; // it is filled as soon as it is there
    try {
      this.#opened().add(name, addresses);
    } catch {
      this.#suspect(name); // whatever is the matter will be found there
    }
  }

  #suspect(name: string): void {
    const set = this.#sets.get(name);
    if (!set) return;
    set.isStale = true;
    this.#schedule(SETTLE);
  }

  #schedule(delay: number): void {
    const due = this.#clock.now() + delay;
    if (this.#cancel && this.#due <= due) return;
    this.#cancel?.();
    this.#due = due;
    this.#cancel = this.#clock.after(delay, () => {
      this.#cancel = undefined;
      this.#align();
    });
  }

  #opened(): NftSets {
    if (!this.#nft) {
      const nft = this.#open();
      nft.onChange(() => {
        for (const set of this.#sets.values()) set.isStale = true;
        this.#schedule(0);
      });
      this.#nft = nft;
    }
    return this.#nft;
  }

  /** Has each set that may not have the right elements have them. */
  #align(): void {
    const now = this.#clock.now();
    this.#leaving.clear();
    for (const [name, set] of this.#sets) {
      if (!set.isStale && !set.trouble) continue;
      set.isStale = false;
      const problem = this.#fill(name, set);
      set.trouble = problem && {
        problem,
        since: set.trouble?.problem.code === problem.code ? set.trouble.since : now,
      };
      if (set.members.length === 0 && !problem) this.#sets.delete(name);
    }
    this.#note();
    this.#report(now);
    if (this.#sets.size > 0) return;
    this.#nft?.close();
    this.#nft = undefined;
  }

  #fill(name: string, set: FollowedSet): Problem | undefined {
    try {
      const nft = this.#opened();
      const present = nft.read(name);
      set.isAbsent = present === 'missing' || present === 'unfit';
      if (present === 'missing' || present === 'unfit') {
        const [, , own = ''] = name.split('#');
        return set.isRequired || (present === 'unfit' && set.members.length > 0)
          ? { code: 'no-nftset', data: { set: name, name: own, reason: present } }
          : undefined;
      }
      const wanted = new Set(set.members.flatMap((member) => this.#addressesOf(member)));
      const surplus = [...present].filter((address) => !wanted.has(address));
      const lacking = [...wanted].filter((address) => !present.has(address));
      if (surplus.length > 0) nft.remove(name, surplus); // first, as the set may be full
      if (lacking.length > 0) nft.add(name, lacking);
      return undefined;
    } catch (error) {
      return { code: 'nftset-failed', data: { set: name, ...failureOf(error) } };
    }
  }

  #addressesOf({ interface: name, key, configured }: Member): string[] {
    return [...configured, ...[...this.#ledger.ofPeer(name, key)].map(({ address }) => address)];
  }

  #report(now: number): void {
    const troubles = [...this.#sets.values()].flatMap(({ trouble }) => trouble ?? []);
    const lasting = troubles.filter(({ since }) => now - since >= GRACE);
    if (lasting.length < troubles.length) this.#schedule(GRACE);
    else if (lasting.length > 0) this.#schedule(RETRY);
    if (lasting.length === 0 && this.problems.length === 0) return;
    this.problems = lasting.map(({ problem }) => problem);
    this.#onProblems();
  }
}

function keyOf(name: string, peer: string): string {
  return `${name} ${peer}`;
}

function namesIn(file: StateFile): string[] {
  try {
    return file.read().split('\n').filter(isNftset);
  } catch {
    return [];
  }
}

/** Takes out of sets what an earlier process has left there, when nothing is to follow it. Throws SystemError. */
export function emptySets(nft: NftSets, file: StateFile): void {
  for (const name of namesIn(file)) {
    const present = nft.read(name);
    if (typeof present === 'object' && present.size > 0) nft.remove(name, [...present]);
  }
  file.write('');
  nft.close();
}
