// SPDX-License-Identifier: GPL-2.0-only
// What all sources of sightings have in common: the BPF object, and its maps of what is watched and what is learned.

import { statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Prefix } from '../address.ts';
import type { Counters, LearnedRecord, Limits, Scope } from '../model.ts';
import { failureOf, type Problem } from '../problem.ts';
import * as abi from './abi.ts';
import { Journal, type MapEntry } from './journal.ts';
import { kernelTypes } from './kernel-types.ts';
import type { BpfMap, BpfObject, Native } from './native.ts';
import { type PinTrouble, pinned, pinTrouble, troubleOf } from './pins.ts';

/** MAC headers for the re-injector: no addresses, or that of all routers, and IPv6's EtherType. */
const ethernetHeader = Buffer.from('00000000000000000000000086dd', 'hex');
const multicastHeader = Buffer.from('33330000000200000000000086dd', 'hex');
const IPV6_DESTINATION = 24;
/** More than the kernel takes with BPF_PROG_TEST_RUN. */
const MAX_FRAME = 4_096;

export interface ObjectOptions {
  readonly native: Native;
  /** The BPF object. */
  readonly file: string;
  /** The file that what is learned outlives the process in, where it cannot be pinned; undefined if it need not. */
  readonly keep: string | undefined;
}

/** Loads an object with these programs and pinned maps. What libbpf or the kernel refuses is thrown as SystemError. */
export function loadObject(
  { native, file }: Pick<ObjectOptions, 'native' | 'file'>,
  programs: readonly string[],
  pins: readonly (readonly [map: string, path: string])[],
  types?: string,
): BpfObject {
  const object = new native.BpfObject(file, types ?? kernelTypes(native, file));
  try {
    for (const program of programs) object.enable(program);
    for (const [map, path] of pins) object.pin(map, path);
    object.load();
    return object;
  } catch (error) {
    object.close();
    throw error;
  }
}

/** With pins, if what it learns is to outlive the process, and nothing is in the way of that. */
function loadForKeeps(
  options: ObjectOptions,
  programs: readonly string[],
  types?: string,
): { object: BpfObject; trouble: PinTrouble | undefined } {
  let trouble = options.keep === undefined ? undefined : pinTrouble();
  if (options.keep !== undefined && !trouble) {
    try {
      return { object: loadObject(options, programs, Object.entries(pinned), types), trouble };
    } catch (error) {
      trouble = troubleOf(error);
      if (!trouble) throw error;
    }
  }
  return { object: loadObject(options, programs, [], types), trouble };
}

type PinnedMap = keyof typeof pinned;

/** The name of a map together with its layout. */
const layoutOf = (name: PinnedMap) => basename(pinned[name]);

/** Shortest time between two writes of all that is kept in a file, in milliseconds, as long as little changes. */
const SAVE_INTERVAL = 60_000;

/** Whose prefixes are known without a look at what is learned: of interest where prefixes are lent. */
export interface KnownPrefixes {
  /** Some peer's by configuration. */
  readonly configured?: readonly Prefix[];
  /** Single addresses of silent peers, which are not among their allowed IPs now. */
  readonly offered?: readonly Prefix[];
}

export abstract class BpfSightings {
  readonly #isPinned: boolean;
  /** Where what is learned is kept instead. */
  readonly #journal: Journal | undefined;
  #journalFailure: Problem | undefined;
  /** When the journal was last written anew, in milliseconds of the monotonic clock. */
  #saved = Number.NEGATIVE_INFINITY;
  /** What does not work as it should since it was opened. */
  readonly lasting: Problem[] = [];
  protected readonly object: BpfObject;
  readonly #learned: BpfMap;
  readonly #lent: BpfMap;
  readonly #interfaces: BpfMap;
  readonly #counts: BpfMap;
  readonly #scope: BpfMap;
  /** Used again for each address and packet: to make a buffer takes longer than to fill it. */
  readonly #key = Buffer.alloc(abi.layout.source.size);
  readonly #value = Buffer.alloc(abi.layout.learned.size);
  readonly #frame = new Uint8Array(MAX_FRAME);
  /** Ours: other namespaces have the same ifindexes. */
  protected readonly netns = statSync('/proc/self/ns/net').ino;
  /** What the scope trie holds for each watched ifindex. */
  readonly #inScope = new Map<number, Map<string, Buffer>>();

  /**
   * Loads the programs; what libbpf or the kernel refuses is thrown as SystemError. `types` is a file with the types
   * that the programs are relocated against, unless the kernel tells.
   */
  constructor(options: ObjectOptions, programs: readonly string[], types?: string) {
    const { object, trouble } = loadForKeeps(options, [...programs, 'inject'], types);
    if (trouble) this.lasting.push({ code: 'not-pinned', data: trouble });
    this.#isPinned = options.keep !== undefined && !trouble;
    this.object = object;
    try {
      this.#learned = this.map('learned', abi.layout.source.size, abi.layout.learned.size);
      this.#lent = this.map('lent', abi.layout.scope_key.size, abi.layout.lent.size);
      this.#interfaces = this.map('interfaces', 4, abi.layout.interface.size);
      this.#counts = this.map('counters', 4, abi.layout.counters.size);
      this.#scope = this.map('scope', abi.layout.scope_key.size, 1);
      const journal = options.keep === undefined ? undefined : new Journal(options.keep);
      if (journal) this.#takeUp(journal);
      if (!this.#isPinned) this.#journal = journal;
      this.#writeJournal();
    } catch (error) {
      this.object.close();
      throw error;
    }
  }

  get warnings(): readonly Problem[] {
    return this.#journalFailure ? [...this.lasting, this.#journalFailure] : this.lasting;
  }

  /** Whether what is learned outlives the process. */
  get outlives(): boolean {
    return this.#isPinned || (this.#journal !== undefined && !this.#journalFailure);
  }

  /** Times of last use outlive the process as of now, unless that was done less than a minute ago. */
  save(now: number): boolean {
    if (now - this.#saved >= SAVE_INTERVAL) {
      this.#saved = now;
      this.#writeJournal();
    }
    return this.#journal !== undefined;
  }

  counters(ifindex: number): Counters {
    const none = Buffer.alloc(abi.layout.counters.size);
    return abi.decodeCounters(this.#counts.lookup(abi.encodeIfindex(ifindex)) ?? none);
  }

  deliver(ifindex: number, packet: Uint8Array): void {
    const header = packet[IPV6_DESTINATION] === 0xff ? multicastHeader : ethernetHeader;
    this.#frame.set(header);
    this.#frame.set(packet, header.length);
    const answer = this.object.testRun(
      'inject',
      this.#frame.subarray(0, header.length + packet.length),
      ifindex,
    );
    if (answer !== 0)
      throw new Error(`the kernel did not take the packet back (bpf_clone_redirect: ${answer})`);
  }

  records(): LearnedRecord[] {
    return abi.decodeRecords(this.#learned.dump());
  }

  keepRecord(record: LearnedRecord): void {
    const key = abi.encodeSource(record.ifindex, record.address, this.#key);
    this.#put('learned', key, abi.encodeLearned(record, this.#value));
  }

  dropRecords(ifindex: number, addresses: readonly string[]): void {
    for (const address of addresses) this.#delete('learned', abi.encodeSource(ifindex, address, this.#key));
  }

  lastSeen(ifindex: number, address: string): number | undefined {
    const value = this.#learned.lookup(abi.encodeSource(ifindex, address, this.#key));
    return value && abi.decodeLastSeen(value);
  }

  /** What is lent, be it by this process or by one that is no more. */
  lentRecords(): abi.LentRecord[] {
    return abi.decodeLent(this.#lent.dump());
  }

  rememberLent(record: abi.LentRecord): void {
    const { key, value } = abi.encodeLent(record);
    this.#put('lent', key, value);
  }

  forgetLent(record: abi.LentRecord): void {
    this.#delete('lent', abi.encodeLent(record).key);
  }

  #put(name: PinnedMap, key: Buffer, value: Buffer): void {
    this.#mapOf(name).update(key, value);
    this.#inJournal((journal) => journal.put({ map: layoutOf(name), key, value }));
  }

  #delete(name: PinnedMap, key: Buffer): void {
    if (this.#mapOf(name).delete(key)) this.#inJournal((journal) => journal.delete(layoutOf(name), key));
  }

  #mapOf(name: PinnedMap): BpfMap {
    return name === 'learned' ? this.#learned : this.#lent;
  }

  /** What an earlier process could not pin. What is pinned by now is newer. */
  #takeUp(journal: Journal): void {
    let left: readonly MapEntry[] = [];
    try {
      left = journal.read();
    } catch {
      // It is as if it were not there; if it is to be written, what is wrong is told then.
    }
    for (const name of Object.keys(pinned) as PinnedMap[]) {
      const map = this.#mapOf(name);
      for (const { key, value } of left.filter((entry) => entry.map === layoutOf(name))) {
        const fits = key.length === map.keySize && value.length === map.valueSize;
        if (fits && !map.lookup(key)) map.update(key, value);
      }
    }
    if (this.#isPinned && left.length > 0) journal.write([]);
  }

  /** If that fails, all is written, as there may be no file. */
  #inJournal(act: (journal: Journal) => void): void {
    if (!this.#journal || this.#journalFailure) return;
    try {
      act(this.#journal);
      if (!this.#journal.isLong) return;
    } catch {
      // What is wrong is told if the next step fails, too.
    }
    this.#writeJournal();
  }

  /** If that fails, it is told; then nothing is written until it is tried again. */
  #writeJournal(): void {
    if (!this.#journal) return;
    const entriesOf = (name: PinnedMap) =>
      abi.pairs(this.#mapOf(name)).map(([key, value]) => ({ map: layoutOf(name), key, value }));
    try {
      this.#journal.write([...entriesOf('learned'), ...entriesOf('lent')]);
      this.#journalFailure = undefined;
    } catch (error) {
      this.#journalFailure = { code: 'not-kept', data: { file: this.#journal.path, ...failureOf(error) } };
    }
  }

  close(): void {
    this.#writeJournal();
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
    this.#interfaces.update(abi.encodeIfindex(ifindex), abi.encodeInterface(limits, this.netns));
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
