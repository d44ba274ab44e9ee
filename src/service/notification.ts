// SPDX-License-Identifier: GPL-2.0-only
// What subscribers of the ubus object are told.

import type { Owner } from '../answers.ts';
import type { EngineEvent } from '../engine/events.ts';
import type { Standing } from '../engine/moving.ts';
import type { Denial } from '../engine/plan.ts';
import type { UbusTable } from '../ubus/types.ts';

export interface Notification {
  /** "address.learned" and the like. */
  readonly type: string;
  readonly data: UbusTable;
}

/** Undefined for what subscribers are not told. `describe` tells what the configuration calls a peer of an interface. */
export function notificationOf(
  event: EngineEvent,
  describe: (name: string, peer: string) => string | undefined,
): Notification | undefined {
  switch (event.event) {
    case 'learned':
    case 'given':
    case 'adopted':
    case 'expired':
    case 'evicted':
    case 'released':
    case 'forgotten':
    case 'denied': {
      const { interface: name, address, peer } = event;
      const description = describe(name, peer);
      const named = description !== undefined && { description };
      const reason = 'reason' in event && { reason: event.reason };
      const owner = event.event === 'denied' && ownerOf(event, (peer) => describe(name, peer));
      return {
        type: `address.${event.event}`,
        data: { interface: name, address, peer, ...named, ...reason, ...owner },
      };
    }
    default:
      return undefined;
  }
}

/** Whose a denied address is; nothing if it is nobody's. */
export function ownerOf(
  { owner, state, silent }: Pick<Denial, 'owner'> & Standing,
  describe: (peer: string) => string | undefined,
) {
  if (owner === undefined || state === undefined) return {};
  const description = describe(owner);
  return {
    owner,
    ...(description !== undefined && { owner_description: description }),
    state,
    ...(silent !== undefined && { silent }),
  } satisfies Owner;
}
