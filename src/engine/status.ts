// SPDX-License-Identifier: GPL-2.0-only
// All that there is to say of the engine at a moment, but for the addresses one by one.

import type { Prefix } from '../address.ts';
import type { Counters, HookInUse } from '../model.ts';
import type { Problem } from '../problem.ts';
import { linkLocal } from '../scope.ts';
import type { Ledger } from './ledger.ts';
import type { Totals } from './totals.ts';
import type { Active } from './watch.ts';

export interface Status {
  readonly hook: HookInUse;
  readonly problems: readonly Problem[];
  /** The enabled ones. */
  readonly interfaces: readonly InterfaceStatus[];
  /** The names of all devices of this system that are up. */
  readonly up: ReadonlySet<string>;
  /** Since the start. */
  readonly totals: Totals;
}

export interface InterfaceStatus {
  readonly name: string;
  readonly device: string;
  /** Where addresses are learned, besides fe80::/64; none if they are not. */
  readonly prefixes: readonly Prefix[];
  /** How many learned addresses it has. */
  readonly addresses: number;
  /** Packets refused since it is watched; undefined if it is not. */
  readonly counters: Counters | undefined;
}

/** `on` is undefined if the interface is not watched. */
export function interfaceStatus(
  { name, device }: Pick<InterfaceStatus, 'name' | 'device'>,
  on: Active | undefined,
  ledger: Ledger,
): InterfaceStatus {
  return {
    name,
    device,
    prefixes: on?.scope.learn.filter((prefix) => prefix !== linkLocal) ?? [],
    addresses: ledger.count(name),
    counters: on?.sightings.counters(on.ifindex),
  };
}
