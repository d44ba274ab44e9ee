// SPDX-License-Identifier: GPL-2.0-only
// What the engine tells: one object for each thing that happened.

import type { Clock } from '../clock.ts';
import type { HookInUse, PeerAddress } from '../model.ts';
import type { Problem } from '../problem.ts';
import type { Arrival, Departure, Entry, Follower } from './ledger.ts';
import type { Standing } from './moving.ts';
import type { Denial } from './plan.ts';

/** Seconds since 1970, with fractions. */
interface At {
  readonly time: number;
}

export interface AddressEvent extends At, PeerAddress {
  readonly interface: string;
}

export type EngineEvent =
  | (At & { readonly event: 'ready'; readonly hook: HookInUse; readonly version: string })
  | (AddressEvent & (Arrival | Departure))
  | (At & Denial & Standing & { readonly event: 'denied' })
  | (At & Problem & { readonly event: 'problem' })
  | (At & Problem & { readonly event: 'solved' });

/** Follows a ledger by an event for each change. */
export function eventsOf(clock: Clock, tell: (event: EngineEvent) => void): Follower {
  const tellOf = ({ interface: name, address, peer }: Entry, change: Arrival | Departure) =>
    tell(Object.assign({ time: clock.wall() / 1000, interface: name, address, peer }, change));
  return { present: tellOf, gone: tellOf };
}
