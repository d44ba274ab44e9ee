// SPDX-License-Identifier: GPL-2.0-only
// What all sources of sightings have in common: the BPF object, and its maps of what is watched and what is learned.

import { statSync } from 'node:fs';
import type { Prefix } from '../address.ts';
import type { Counters, LearnedRecord, Limits, Scope } from '../model.ts';
import type { Problem } from '../problem.ts';
import * as abi from './abi.ts';
import type { BpfMap, BpfObject, Native } from './native.ts';
import { type PinTrouble, pinned, pinTrouble, troubleOf } from './pins.ts';

/** MAC headers for the re-injector: no addresses, or that of all routers, and IPv6's EtherType. */
const ethernetHeader = Buffer.from('00000000000000000000000086dd', 'hex');
const multicastHeader = Buffer.from('33330000000200000000000086dd', 'hex');
const IPV6_DESTINATION = 24;

export interface ObjectOptions {
  readonly native: Native;
  /** The BPF object. */
  readonly file: string;
  /** Whether what is learned outlives the process. */
  readonly keep: boolean;
}

/**
 * Loads an object with these programs, and with pins if what it learns is to outlive the process, and nothing is in the
 * way of that. What libbpf or the kernel refuses is thrown as SystemError.
 */
export function loadObject(
  options: ObjectOptions,
  programs: readonly string[],
  types?: string,
): { object: BpfObject; trouble: PinTrouble | undefined } {
  const load = (isPinned: boolean) => {
    const object = new options.native.BpfObject(options.file, types, 'wireguard');
    try {
      for (const program of programs) object.enable(program);
      if (isPinned) for (const [map, path] of Object.entries(pinned)) object.pin(map, path);
      object.load();
      return object;
    } catch (error) {
      object.close();
      throw error;
    }
  };
  let trouble = options.keep ? pinTrouble() : undefined;
  if (options.keep && !trouble) {
    try {
      return { object: load(true), trouble };
    } catch (error) {
      trouble = troubleOf(error);
      if (!trouble) throw error;
    }
  }
  return { object: load(false), trouble };
}

/** Whose prefixes are known without a look at what is learned: of interest where prefixes are lent. */
export interface KnownPrefixes {
  /** Some peer's by configuration. */
  readonly configured?: readonly Prefix[];
  /** Single addresses of silent peers, which are not among their allowed IPs now. */
  readonly offered?: readonly Prefix[];
}

export abstract class BpfSightings {
  /** Whether what is learned outlives the process. */
  readonly outlives: boolean;
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
  constructor(options: ObjectOptions, programs: readonly string[], types?: string) {
    const { object, trouble } = loadObject(options, [...programs, 'inject'], types);
    if (trouble) this.lasting.push({ code: 'not-pinned', data: trouble });
    this.outlives = options.keep && !trouble;
    this.object = object;
    try {
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
    const header = packet[IPV6_DESTINATION] === 0xff ? multicastHeader : ethernetHeader;
    const answer = this.object.testRun('inject', Buffer.concat([header, packet]), ifindex);
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

  protected put(ifindex: number, limits: Limits, scope: Scope, known: KnownPrefixes = {}): void {
    const isNew = !this.isWatched(ifindex);
    this.#updateScope(ifindex, { ...scope, ...known });
    if (isNew) this.#counts.update(abi.encodeIfindex(ifindex), Buffer.alloc(abi.layout.counters.size));
    this.#interfaces.update(abi.encodeIfindex(ifindex), abi.encodeInterface(limits, this.#netns));
  }

  protected drop(ifindex: number): void {
    this.#updateScope(ifindex, {});
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

  /** Where prefixes are the same, the last prevails. */
  #updateScope(ifindex: number, prefixes: Partial<Scope> & KnownPrefixes): void {
    const wanted = new Map<string, Buffer>();
    for (const kind of ['learn', 'reserved', 'offered', 'configured'] as const) {
      const value = abi.encodeScopeValue(kind);
      for (const prefix of prefixes[kind] ?? [])
        wanted.set(abi.encodeScopeKey(ifindex, prefix).toString('hex'), value);
    }
    const present = this.#inScope.get(ifindex) ?? new Map<string, Buffer>();
    for (const [key, value] of wanted) {
      if (!present.get(key)?.equals(value)) this.#scope.update(Buffer.from(key, 'hex'), value);
    }
    for (const key of present.keys()) if (!wanted.has(key)) this.#scope.delete(Buffer.from(key, 'hex'));
    this.#inScope.set(ifindex, wanted);
  }
}
