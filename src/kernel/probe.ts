// SPDX-License-Identifier: GPL-2.0-only
// The hook as a source of sightings: it sees what WireGuard refuses, and puts it back.

import type { Device, Hook, Limits, Link, Scope } from '../model.ts';
import * as abi from './abi.ts';
import { AllNodes } from './all-nodes.ts';
import { Backlog } from './backlog.ts';
import { BpfSightings, type ObjectOptions } from './bpf-sightings.ts';
import { Changes } from './changes.ts';
import type { BpfMap } from './native.ts';
import type { Observer, Sightings, WireGuard } from './ports.ts';
import { moduleInstance } from './requirements.ts';
import { shippedTypes } from './types.ts';

/** In the order in which they are attached: what hands something over is there after what takes it. */
const programs = {
  fexit: {
    lookup: ['lookup_exit'],
    handshake: ['handshake_exit'],
    change: ['change_exit', 'insert_entry', 'change_entry'],
  },
  kprobe: {
    lookup: ['lookup_enter', 'lookup_return'],
    handshake: ['handshake_enter'],
    change: ['change_return', 'insert_enter', 'change_enter'],
  },
} as const;

/** The key of a map's only entry. */
const FIRST = Buffer.alloc(4);

/** What a probe can do without. */
type Extra = 'handshake' | 'change';

/**
 * Opens one; throws what libbpf or the kernel says. Compilers may have left no function to see handshakes or changes at:
 * then without.
 */
export function openProbe(...parameters: ProbeParameters): Probe {
  let extras: readonly Extra[] = ['handshake', 'change'];
  for (;;) {
    try {
      return new Probe(extras, ...parameters);
    } catch (error) {
      const programsOf = (extra: Extra) => programs[parameters[2]][extra];
      const possible = extras.filter(
        (extra) => !programsOf(extra).some((program) => (error as Error).message.includes(program)),
      );
      if (possible.length === extras.length) throw error;
      extras = possible;
    }
  }
}

type ProbeParameters = [
  options: ObjectOptions,
  wireguard: WireGuard,
  hook: Exclude<Hook, 'lending'>,
  observer: Observer,
];

export class Probe extends BpfSightings implements Sightings {
  readonly #enabled: BpfMap;
  #attachedTo: number | undefined;

  readonly #allNodes: AllNodes;
  readonly #backlog: Backlog;
  readonly seesHandshakes: boolean;
  /** What tells of others' changes. */
  readonly changes: Changes | undefined;
  /** How many had been done when they were last told of. */
  #told = 0;

  readonly #programs: readonly string[];
  readonly hook: Exclude<Hook, 'lending'>;

  /** Loads and attaches; what libbpf or the kernel refuses is thrown as SystemError. */
  constructor(extras: readonly Extra[], ...[options, wireguard, hook, observer]: ProbeParameters) {
    const wanted = [...programs[hook].lookup, ...extras.flatMap((extra) => programs[hook][extra])];
    super(options, wanted, hook === 'kprobe' ? shippedTypes() : undefined);
    this.hook = hook;
    this.#programs = wanted;
    this.#allNodes = new AllNodes(this, wireguard);
    this.seesHandshakes = extras.includes('handshake');
    try {
      this.#enabled = this.map('.data.enabled', 4, abi.layout.enabled.size);
      if (extras.includes('change'))
        this.changes = new Changes((name, ...sizes) => this.map(name, ...sizes), this.netns);
      this.#backlog = new Backlog((part) => observer.see(abi.decodeSightings(part)));
      this.object.onRecords('sightings', (batch) => this.#backlog.add(abi.partsOf(batch)));
      this.object.onRecords('handshakes', (batch) => {
        for (const { ifindex, peer } of abi.decodeHandshakes(batch))
          if (ifindex > 0) observer.shakeHands(ifindex, peer);
        this.#tellChanges(observer);
      });
      this.#attach();
    } catch (error) {
      this.object.close();
      throw error;
    }
  }

  get seesChanges(): boolean {
    return this.changes !== undefined;
  }

  /** Once for all of a batch: among what has come some may be missing, as there was no room. */
  #tellChanges(observer: Observer): void {
    const { done = this.#told } = this.changes?.read() ?? {};
    if (done === this.#told) return;
    this.#told = done;
    observer.recheck();
  }

  watch({ ifindex }: Pick<Link, 'ifindex'>, limits: Limits, scope: Scope): void {
    const isNew = !this.isWatched(ifindex);
    this.put(ifindex, limits, scope);
    this.#updateEnabled();
    // A kprobe dies silently with the module it was set in.
    if (isNew && this.hook === 'kprobe' && this.#attachedTo !== moduleInstance()) this.#attach();
  }

  unwatch(ifindex: number): void {
    if (!this.isWatched(ifindex)) return;
    this.drop(ifindex);
    this.#updateEnabled();
  }

  lendAllNodes(link: Pick<Link, 'name' | 'ifindex'>, peer: string, act: () => void): void {
    this.#allNodes.lend(link, peer, act);
  }

  /** A hook lends nothing for longer. */
  withoutLoan(device: Device): Device {
    return this.#allNodes.without(device);
  }

  override close(): void {
    this.#backlog.close();
    this.changes?.end();
    super.close();
  }

  #attach(): void {
    for (const program of this.#programs.toReversed()) this.object.detach(program);
    for (const program of this.#programs) this.object.attach(program);
    this.changes?.resume();
    this.#attachedTo = moduleInstance();
  }

  #updateEnabled(): void {
    this.#enabled.update(FIRST, abi.encodeEnabled(this.watched()));
  }
}
