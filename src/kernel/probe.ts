// SPDX-License-Identifier: GPL-2.0-only
// The hook as a source of sightings: the BPF object, its programs and maps.

import { statfsSync, statSync } from 'node:fs';
import type { Prefix } from '../address.ts';
import * as abi from './abi.ts';
import type { Counters, Hook, LearnedRecord, Limits, Problem, Scope, Sighting, Sightings } from './kernel.ts';
import type { BpfMap, BpfObject, Native } from './native.ts';
import { moduleInstance } from './requirements.ts';

/** In the order in which they are attached: what hands a packet over is there before what takes it. */
const programs: Record<Hook, readonly string[]> = {
  fexit: ['lookup_exit'],
  kprobe: ['lookup_enter', 'lookup_return'],
};

/** Versioned by the layout of struct source and struct learned. */
const pinned = '/sys/fs/bpf/wg-slaacer/learned-v1';

const notPinned: Problem = {
  code: 'not-pinned',
  message: 'what is learned cannot be kept in /sys/fs/bpf and will not survive a restart',
  hint: 'mount the BPF file system: mount -t bpf bpf /sys/fs/bpf',
};

/** A MAC header for the re-injector: no addresses, and IPv6's EtherType. */
const ethernetHeader = Buffer.from('00000000000000000000000086dd', 'hex');

export class Probe implements Sightings {
  readonly warnings: readonly Problem[];
  private readonly object: BpfObject;
  private readonly learned: BpfMap;
  private readonly enabled: BpfMap;
  private readonly interfaces: BpfMap;
  private readonly counts: BpfMap;
  private readonly scope: BpfMap;
  /** Ours: other namespaces have the same ifindexes. */
  private readonly netns = statSync('/proc/self/ns/net').ino;
  /** What the scope trie holds for each watched ifindex. */
  private readonly watched = new Map<number, Map<string, Buffer>>();
  private attachedTo: number | undefined;

  /**
   * Loads and attaches; what libbpf or the kernel refuses is thrown as SystemError. With `keep`, what is learned
   * outlives the process.
   */
  constructor(
    native: Native,
    file: string,
    readonly hook: Hook,
    listener: (sightings: Sighting[]) => void,
    keep: boolean,
  ) {
    const pin = keep && canPin();
    const object = load(native, file, hook, pin);
    this.object = object;
    this.warnings = keep && !pin ? [notPinned] : [];
    try {
      this.learned = checked(object.map('learned'), abi.layout.source.size, abi.layout.learned.size);
      this.interfaces = checked(object.map('interfaces'), 4, abi.layout.interface.size);
      this.counts = checked(object.map('counters'), 4, abi.layout.counters.size);
      this.scope = checked(object.map('scope'), abi.layout.scope_key.size, 1);
      this.enabled = object.map('enabled');
      object.onRecords('sightings', (batch) => listener(abi.decodeSightings(batch)));
      this.attach();
    } catch (error) {
      object.close();
      throw error;
    }
  }

  watch(ifindex: number, limits: Limits, scope: Scope): void {
    const isNew = !this.watched.has(ifindex);
    this.updateScope(ifindex, scope);
    if (isNew) this.counts.update(abi.encodeIfindex(ifindex), Buffer.alloc(abi.layout.counters.size));
    this.interfaces.update(abi.encodeIfindex(ifindex), abi.encodeInterface(limits, this.netns));
    this.updateEnabled();
    // A kprobe dies silently with the module it was set in.
    if (isNew && this.hook === 'kprobe' && this.attachedTo !== moduleInstance()) this.attach();
  }

  unwatch(ifindex: number): void {
    if (!this.watched.has(ifindex)) return;
    this.updateScope(ifindex, { learn: [], reserved: [] });
    this.watched.delete(ifindex);
    this.updateEnabled();
    this.interfaces.delete(abi.encodeIfindex(ifindex));
    this.counts.delete(abi.encodeIfindex(ifindex));
  }

  counters(ifindex: number): Counters {
    const none = Buffer.alloc(abi.layout.counters.size);
    return abi.decodeCounters(this.counts.lookup(abi.encodeIfindex(ifindex)) ?? none);
  }

  deliver(ifindex: number, packet: Buffer): void {
    const answer = this.object.testRun('inject', Buffer.concat([ethernetHeader, packet]), ifindex);
    if (answer !== 0)
      throw new Error(`the kernel did not take the packet back (bpf_clone_redirect: ${answer})`);
  }

  records(): LearnedRecord[] {
    return abi.decodeRecords(this.learned.dump());
  }

  remember(record: LearnedRecord): void {
    this.learned.update(abi.encodeSource(record.ifindex, record.address), abi.encodeLearned(record));
  }

  forget(ifindex: number, address: string): void {
    this.learned.delete(abi.encodeSource(ifindex, address));
  }

  lastSeen(ifindex: number, address: string): number | undefined {
    const value = this.learned.lookup(abi.encodeSource(ifindex, address));
    return value && abi.decodeLastSeen(value);
  }

  close(): void {
    this.object.close();
  }

  private attach(): void {
    const inOrder = programs[this.hook];
    for (const program of inOrder.toReversed()) this.object.detach(program);
    for (const program of inOrder) this.object.attach(program);
    this.attachedTo = moduleInstance();
  }

  /** One bit for each watched ifindex modulo their number, as the hook has it. */
  private updateEnabled(): void {
    const words = new BigUint64Array(16);
    for (const ifindex of this.watched.keys()) words[(ifindex >> 6) & 15]! |= 1n << BigInt(ifindex & 63);
    words.forEach((_, i) => {
      const word = Buffer.from(words.buffer, 8 * i, 8);
      this.enabled.update(abi.encodeIfindex(i), word);
    });
  }

  private updateScope(ifindex: number, scope: Scope): void {
    const wanted = new Map<string, Buffer>();
    const put = (kind: 'learn' | 'reserved') => (prefix: Prefix) =>
      wanted.set(abi.encodeScopeKey(ifindex, prefix).toString('hex'), abi.encodeScopeValue(kind));
    scope.learn.forEach(put('learn'));
    scope.reserved.forEach(put('reserved')); // last, as it wins where both have the same prefix

    const present = this.watched.get(ifindex) ?? new Map<string, Buffer>();
    for (const [key, value] of wanted) {
      if (!present.get(key)?.equals(value)) this.scope.update(Buffer.from(key, 'hex'), value);
    }
    for (const key of present.keys()) if (!wanted.has(key)) this.scope.delete(Buffer.from(key, 'hex'));
    this.watched.set(ifindex, wanted);
  }
}

function load(native: Native, file: string, hook: Hook, pin: boolean): BpfObject {
  const object = new native.BpfObject(file);
  try {
    for (const program of [...programs[hook], 'inject']) object.enable(program);
    if (pin) object.pin('learned', pinned);
    object.load();
    return object;
  } catch (error) {
    object.close();
    throw error;
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

function checked(map: BpfMap, keySize: number, valueSize: number): BpfMap {
  if (map.keySize === keySize && map.valueSize === valueSize) return map;
  throw new Error('the BPF object and the daemon are of different versions: install both from one package');
}
