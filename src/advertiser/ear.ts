// SPDX-License-Identifier: GPL-2.0-only
// Whether solicitations get in: a firewall may be between the kernel's receiving them and us.

import type { Clock } from '../clock.ts';

/** A solicitation that the kernel was given is there by then, in milliseconds. */
const TIMEOUT = 1_000;
/** Milliseconds until it is tried again whether one gets in. */
const PROBE_INTERVAL = 300_000;

export class Ear {
  /** Solicitations get lost. */
  isDeaf = false;
  #cancelExpectation: (() => void) | undefined;
  /** From where the solicitation comes that the kernel is being tried with. */
  #probed: string | undefined;
  #nextProbe = Number.NEGATIVE_INFINITY;

  readonly #clock: Clock;
  readonly #onChange: () => void;

  /** `onChange` is called, from the clock, when it is deaf or is no more. */
  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** The kernel is being given a solicitation, so it has to come. */
  expect(): void {
    this.#cancelExpectation ??= this.#clock.after(TIMEOUT, () => {
      this.#cancelExpectation = undefined;
      this.#probed = undefined;
      if (this.isDeaf) return;
      this.isDeaf = true;
      this.#onChange();
    });
  }

  /** One has come from an address; whether a peer has sent it, and not `probe`. */
  hear(address: string): boolean {
    const isProbe = address === this.#probed;
    this.expectNothing();
    if (this.isDeaf) {
      this.isDeaf = false;
      this.#clock.after(0, this.#onChange);
    }
    return !isProbe;
  }

  /**
   * Tries now and then, and each time while it is deaf, with one that comes as from a known address: those of known peers
   * are not seen before. `deliver` is to give it to the kernel, and may throw.
   */
  probe(address: string, deliver: () => void): void {
    const now = this.#clock.now();
    if (this.#probed !== undefined || (now < this.#nextProbe && !this.isDeaf)) return;
    this.#nextProbe = now + PROBE_INTERVAL;
    this.#probed = address;
    this.expect();
    try {
      deliver();
    } catch {
      this.expectNothing(); // the interface is going
    }
  }

  expectNothing(): void {
    this.#cancelExpectation?.();
    this.#cancelExpectation = undefined;
    this.#probed = undefined;
  }
}
