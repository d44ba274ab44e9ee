// SPDX-License-Identifier: GPL-2.0-only
// What earlier processes, and interfaces that are away or disabled, have left in the kernel's memory.

import type { Clock } from '../clock.ts';
import type { WireGuard } from '../kernel/ports.ts';
import type { Link, PeerAddress } from '../model.ts';
import { failureOf, type Problem } from '../problem.ts';
import type { Ledger } from './ledger.ts';
import { leftovers, type Records, recall, takeOver } from './records.ts';
import type { LastAddress } from './state.ts';

/** What is configured now. */
export interface Configured {
  /** The interface of a device. */
  nameOf(device: string): string | undefined;
  /** Whether configuration gives an address to the peer of a device, so that it is not ours to withdraw. */
  isConfigured(device: string, address: PeerAddress): boolean;
}

export class Memory {
  /** Whether what an earlier process learned has been taken over. */
  #hasTakenOver = false;
  /** Whether the kernel may have learned addresses, or records of them, that the ledger does not have. */
  hasLeftovers = true;
  /** What peers used last before the system was started, until it is in the ledger. */
  recalled: readonly LastAddress[] = [];

  readonly #ledger: Ledger;
  readonly #wireguard: WireGuard;
  readonly #clock: Clock;
  readonly #configured: Configured;
  readonly #report: (problem: Problem) => void;

  constructor(
    ledger: Ledger,
    wireguard: WireGuard,
    clock: Clock,
    configured: Configured,
    report: (problem: Problem) => void,
  ) {
    this.#ledger = ledger;
    this.#wireguard = wireguard;
    this.#clock = clock;
    this.#configured = configured;
    this.#report = report;
  }

  /** Goes on with what was learned before, and withdraws what is not to be learned any more. */
  align(records: Records, wireguardLinks: readonly Link[]): void {
    if (!this.#hasTakenOver) {
      const now = this.#clock.now();
      takeOver(this.#ledger, records, this.#configured.nameOf, now);
      recall(this.#ledger, this.recalled, this.#configured.nameOf, now);
      this.recalled = [];
    }
    this.#hasTakenOver = true;
    if (this.hasLeftovers) this.#withdrawLeftovers(records, wireguardLinks);
  }

  #withdrawLeftovers(records: Records, wireguardLinks: readonly Link[]): void {
    this.hasLeftovers = false;
    for (const [ifindex, left] of leftovers(this.#ledger, records, this.#configured.nameOf)) {
      const device = wireguardLinks.find((link) => link.ifindex === ifindex)?.name;
      try {
        if (device !== undefined) {
          const learned = left.filter((record) => !this.#configured.isConfigured(device, record));
          this.#wireguard.remove(device, learned);
        }
        records.drop(
          ifindex,
          left.map(({ address }) => address),
        );
      } catch (error) {
        this.hasLeftovers = true;
        this.#report({
          code: 'remove-failed',
          data: { device: device ?? left[0]!.device, ...failureOf(error) },
        });
      }
    }
  }
}
