// SPDX-License-Identifier: GPL-2.0-only
// The hook as a source of sightings: it sees what WireGuard refuses, and puts it back.

import type { Device, Hook, Limits, Link, Scope } from '../model.ts';
import * as abi from './abi.ts';
import { AllNodes } from './all-nodes.ts';
import { BpfSightings, type ObjectOptions } from './bpf-sightings.ts';
import type { BpfMap } from './native.ts';
import type { Observer, Sightings, WireGuard } from './ports.ts';
import { moduleInstance } from './requirements.ts';
import { shippedTypes } from './types.ts';

/** In the order in which they are attached: what hands a packet over is there before what takes it. */
const programs = {
  fexit: { lookup: ['lookup_exit'], handshake: ['handshake_exit'] },
  kprobe: { lookup: ['lookup_enter', 'lookup_return'], handshake: ['handshake_enter'] },
} as const;

/** Opens one; throws what libbpf or the kernel says. Compilers may have left no function to see handshakes at: then without. */
export function openProbe(...parameters: ProbeParameters): Probe {
  try {
    return new Probe(true, ...parameters);
  } catch (error) {
    if (!(error as Error).message.includes('handshake')) throw error;
    return new Probe(false, ...parameters);
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
  /** What `enabled` holds. */
  readonly #words = new BigUint64Array(16);
  #attachedTo: number | undefined;

  readonly #allNodes: AllNodes;
  readonly seesHandshakes: boolean;

  readonly #programs: readonly string[];
  readonly hook: Exclude<Hook, 'lending'>;

  /** Loads and attaches; what libbpf or the kernel refuses is thrown as SystemError. */
  constructor(seesHandshakes: boolean, ...[options, wireguard, hook, observer]: ProbeParameters) {
    const { lookup, handshake } = programs[hook];
    const wanted = seesHandshakes ? [...lookup, ...handshake] : lookup;
    super(options, wanted, hook === 'kprobe' ? shippedTypes() : undefined);
    this.hook = hook;
    this.#programs = wanted;
    this.#allNodes = new AllNodes(this, wireguard);
    this.seesHandshakes = seesHandshakes;
    try {
      this.#enabled = this.map('enabled', 4, 8);
      this.object.onRecords('sightings', (batch) => observer.see(abi.decodeSightings(batch)));
      this.object.onRecords('handshakes', (batch) => {
        for (const { ifindex, peer } of abi.decodeHandshakes(batch)) observer.shakeHands(ifindex, peer);
      });
      this.#attach();
    } catch (error) {
      this.object.close();
      throw error;
    }
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

  #attach(): void {
    for (const program of this.#programs.toReversed()) this.object.detach(program);
    for (const program of this.#programs) this.object.attach(program);
    this.#attachedTo = moduleInstance();
  }

  /** One bit for each watched ifindex modulo their number, as the hook has it. Writes what has changed. */
  #updateEnabled(): void {
    const words = new BigUint64Array(this.#words.length);
    for (const ifindex of this.watched()) words[(ifindex >> 6) & 15]! |= 1n << BigInt(ifindex & 63);
    words.forEach((word, i) => {
      if (word === this.#words[i]) return;
      this.#enabled.update(abi.encodeIfindex(i), Buffer.from(words.buffer, 8 * i, 8));
      this.#words[i] = word;
    });
  }
}
