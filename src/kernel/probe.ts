// SPDX-License-Identifier: GPL-2.0-only
// The hook as a source of sightings: it sees what WireGuard refuses, and puts it back.

import type { Device, Hook, Limits, Link, Scope } from '../model.ts';
import * as abi from './abi.ts';
import { BpfSightings, type ObjectOptions } from './bpf-sightings.ts';
import type { BpfMap } from './native.ts';
import type { Observer, Sightings } from './ports.ts';
import { moduleInstance } from './requirements.ts';
import { shippedTypes } from './types.ts';

/** In the order in which they are attached: what hands a packet over is there before what takes it. */
const programs = {
  fexit: ['lookup_exit'],
  kprobe: ['lookup_enter', 'lookup_return'],
} as const;

export class Probe extends BpfSightings implements Sightings {
  readonly #enabled: BpfMap;
  /** What `enabled` holds. */
  readonly #words = new BigUint64Array(16);
  #attachedTo: number | undefined;

  /** Loads and attaches; what libbpf or the kernel refuses is thrown as SystemError. */
  constructor(
    options: ObjectOptions,
    readonly hook: Exclude<Hook, 'lending'>,
    observer: Observer,
  ) {
    super(options, programs[hook], hook === 'kprobe' ? shippedTypes() : undefined);
    try {
      this.#enabled = this.map('enabled', 4, 8);
      this.object.onRecords('sightings', (batch) => observer.see(abi.decodeSightings(batch)));
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

  /** A hook lends nothing. */
  withoutLoan(device: Device): Device {
    return device;
  }

  #attach(): void {
    const inOrder = programs[this.hook];
    for (const program of inOrder.toReversed()) this.object.detach(program);
    for (const program of inOrder) this.object.attach(program);
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
