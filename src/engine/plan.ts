// SPDX-License-Identifier: GPL-2.0-only
// What follows from what is seen: what is to be done in the kernel, and told.

import type { PeerAddress, Verdict } from '../model.ts';
import type { Departure, Entry } from './ledger.ts';

export interface Addition {
  readonly entry: Entry;
  readonly event: 'learned' | 'restored';
  /** The time of the sighting that led to it, and whether its packet was accepted. */
  readonly seen?: number;
  readonly accepted?: boolean;
}

export interface Removal {
  readonly entry: Entry;
  readonly departure: Departure;
}

/** From one peer to another. */
export interface Move {
  readonly from: Entry;
  readonly to: Entry;
  readonly reason: 'given' | 'taken';
  /** Whether the packet that led to it was accepted. */
  readonly accepted: boolean;
  /** What makes room for it, once it has moved; the ledger does not have it any more. */
  readonly room: readonly Removal[];
}

export interface Denial extends PeerAddress {
  readonly interface: string;
  /** `in-use`: a host has it in the network whose prefix is shared. */
  readonly reason: Exclude<Verdict, 'candidate' | 'restore'> | 'in-use';
  readonly count: number;
  /** With `owned`: whose it is. */
  readonly owner?: string;
}

export interface Delivery {
  readonly entry: Entry;
  readonly ifindex: number;
  readonly packet: Uint8Array;
}

/** To be done in this order: move, withdraw, add, deliver. The ledger already has it so. */
export interface Plan {
  readonly move: Move[];
  readonly remove: Removal[];
  readonly add: Addition[];
  readonly deliver: Delivery[];
  readonly denied: Denial[];
  /** Interfaces whose allowed IPs something else has changed: compare them with the ledger. */
  readonly wiped: Set<string>;
}

export function emptyPlan(): Plan {
  return { move: [], remove: [], add: [], deliver: [], denied: [], wiped: new Set() };
}

/**
 * Leaves out what a plan would add and remove again, when a peer uses more at once than it may have. What was to be
 * restored is removed still, as the kernel remembers it.
 */
export function withoutPassing(plan: Plan): Plan {
  if (plan.remove.length === 0) return plan;
  const removed = new Set(plan.remove.map(({ entry }) => entry));
  const isPassing = ({ entry }: { entry: Entry }) => removed.has(entry);
  const fresh = new Set(plan.add.filter(({ event }) => event === 'learned').map(({ entry }) => entry));
  return {
    ...plan,
    remove: plan.remove.filter(({ entry }) => !fresh.has(entry)),
    add: plan.add.filter((addition) => !isPassing(addition)),
    deliver: plan.deliver.filter((delivery) => !isPassing(delivery)),
  };
}
