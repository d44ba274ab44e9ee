// SPDX-License-Identifier: GPL-2.0-only
// What all sources of sightings have in common: the BPF object, and its maps of what is watched and what is learned.

import { statfsSync, statSync } from 'node:fs';
import type { Prefix } from '../address.ts';
import type { Counters, LearnedRecord, Limits, Scope } from '../model.ts';
import type { Problem } from '../problem.ts';
import * as abi from './abi.ts';
import type { BpfMap, BpfObject, Native } from './native.ts';

/** Versioned by the layout of their keys and values. */
const pinned = {
  learned: '/sys/fs/bpf/wg-slaacer/learned-v1',
  lent: '/sys/fs/bpf/wg-slaacer/lent-v1',
};

/** A MAC header for the re-injector: no addresses, and IPv6's EtherType. */
const ethernetHeader = Buffer.from('00000000000000000000000086dd', 'hex');

export interface ObjectOptions {
  readonly native: Native;
  /** The BPF object. */
  readonly file: string;
  /** Whether what is learned outlives the process. */
  readonly keep: boolean;
}

export abstract class BpfSightings {
  /** What does not work as it should since it was opened. */
  readonly lasting: Problem[] = [];
  protected readonly object: BpfObject;
  readonly #learned: BpfMap;
  readonly #lent: BpfMap;
  readonly #interfaces: BpfMap;
  readonly #counts: BpfMap;
  readonly #scope: BpfMap;
  /** Ours: other namespaces have the same ifindexes. */
  readonly #netns = statSync('/proc/self/ns/net').ino;
  /** What the scope trie holds for each watched ifindex. */
  readonly #inScope = new Map<number, Map<string, Buffer>>();

  /**
   * Loads the programs; what libbpf or the kernel refuses is thrown as SystemError. `types` is a file with the types
   * that the programs are relocated against, unless the kernel tells.
   */
  constructor({ native, file, keep }: ObjectOptions, programs: readonly string[], types?: string) {
    const pin = keep && canPin();
    if (keep && !pin) this.lasting.push({ code: 'not-pinned', data: {} });
    this.object = new native.BpfObject(file, types, 'wireguard');
    try {
      for (const program of [...programs, 'inject']) this.object.enable(program);
      if (pin) for (const [map, path] of Object.entries(pinned)) this.object.pin(map, path);
      this.object.load();
      this.#learned = this.map('learned', abi.layout.source.size, abi.layout.learned.size);
      this.#lent = this.map('lent', abi.layout.scope_key.size, abi.layout.lent.size);
      this.#interfaces = this.map('interfaces', 4, abi.layout.interface.size);
      this.#counts = this.map('counters', 4, abi.layout.counters.size);
      this.#scope = this.map('scope', abi.layout.scope_key.size, 1);
    } catch (error) {
      this.object.close();
      throw error;
    }
  }

  get warnings(): readonly Problem[] {
    return this.lasting;
  }

  counters(ifindex: number): Counters {
    const none = Buffer.alloc(abi.layout.counters.size);
    return abi.decodeCounters(this.#counts.lookup(abi.encodeIfindex(ifindex)) ?? none);
  }

  deliver(ifindex: number, packet: Uint8Array): void {
    const answer = this.object.testRun('inject', Buffer.concat([ethernetHeader, packet]), ifindex);
    if (answer !== 0)
      throw new Error(`the kernel did not take the packet back (bpf_clone_redirect: ${answer})`);
  }

  records(): LearnedRecord[] {
    return abi.decodeRecords(this.#learned.dump());
  }

  keepRecord(record: LearnedRecord): void {
    this.#learned.update(abi.encodeSource(record.ifindex, record.address), abi.encodeLearned(record));
  }

  dropRecords(ifindex: number, addresses: readonly string[]): void {
    for (const address of addresses) this.#learned.delete(abi.encodeSource(ifindex, address));
  }

  lastSeen(ifindex: number, address: string): number | undefined {
    const value = this.#learned.lookup(abi.encodeSource(ifindex, address));
    return value && abi.decodeLastSeen(value);
  }

  /** What is lent, be it by this process or by one that is no more. */
  lentRecords(): abi.LentRecord[] {
    return abi.decodeLent(this.#lent.dump());
  }

  rememberLent(record: abi.LentRecord): void {
    const { key, value } = abi.encodeLent(record);
    this.#lent.update(key, value);
  }

  forgetLent(record: abi.LentRecord): void {
    this.#lent.delete(abi.encodeLent(record).key);
  }

  close(): void {
    this.object.close();
  }

  protected isWatched(ifindex: number): boolean {
    return this.#inScope.has(ifindex);
  }

  protected watched(): Iterable<number> {
    return this.#inScope.keys();
  }

  protected put(ifindex: number, limits: Limits, scope: Scope, configured: readonly Prefix[] = []): void {
    const isNew = !this.isWatched(ifindex);
    this.#updateScope(ifindex, scope, configured);
    if (isNew) this.#counts.update(abi.encodeIfindex(ifindex), Buffer.alloc(abi.layout.counters.size));
    this.#interfaces.update(abi.encodeIfindex(ifindex), abi.encodeInterface(limits, this.#netns));
  }

  protected drop(ifindex: number): void {
    this.#updateScope(ifindex, { learn: [], reserved: [] }, []);
    this.#inScope.delete(ifindex);
    this.#interfaces.delete(abi.encodeIfindex(ifindex));
    this.#counts.delete(abi.encodeIfindex(ifindex));
  }

  /** A map of the object, of the layout that this program expects. */
  protected map(name: string, keySize: number, valueSize: number): BpfMap {
    const map = this.object.map(name);
    if (map.keySize === keySize && map.valueSize === valueSize) return map;
    throw new Error('the BPF object and the daemon are of different versions: install both from one package');
  }

  /** Where prefixes are the same, `configured` prevails over what is reserved, and that over what is to be learned. */
  #updateScope(ifindex: number, { learn, reserved }: Scope, configured: readonly Prefix[]): void {
    const wanted = new Map<string, Buffer>();
    for (const [kind, prefixes] of Object.entries({ learn, reserved, configured })) {
      const value = abi.encodeScopeValue(kind as abi.ScopeKind);
      for (const prefix of prefixes) wanted.set(abi.encodeScopeKey(ifindex, prefix).toString('hex'), value);
    }
    const present = this.#inScope.get(ifindex) ?? new Map<string, Buffer>();
    for (const [key, value] of wanted) {
      if (!present.get(key)?.equals(value)) this.#scope.update(Buffer.from(key, 'hex'), value);
    }
    for (const key of present.keys()) if (!wanted.has(key)) this.#scope.delete(Buffer.from(key, 'hex'));
    this.#inScope.set(ifindex, wanted);
  }
}

/** Whether the BPF file system is mounted where it should be. */
function canPin(): boolean {
  try {
    return statfsSync('/sys/fs/bpf').type === 0xcafe4a11; // BPF_FS_MAGIC of <linux/magic.h>
  } catch {
    return false;
  }
}
