// SPDX-License-Identifier: GPL-2.0-only
// What subscribers of the ubus object are told.

import type { EngineEvent } from '../engine/events.ts';
import type { UbusTable } from '../ubus/types.ts';

export interface Notification {
  /** "address.learned" and the like. */
  readonly type: string;
  readonly data: UbusTable;
}

/** Undefined for what subscribers are not told. `description` is what the configuration calls the event's peer. */
export function notificationOf(
  event: EngineEvent,
  description: string | undefined,
): Notification | undefined {
  switch (event.event) {
    case 'learned':
    case 'adopted':
    case 'expired':
    case 'evicted':
    case 'released':
    case 'forgotten':
    case 'denied': {
      const { interface: name, address, peer } = event;
      const named = description !== undefined && { description };
      const reason = 'reason' in event && { reason: event.reason };
      return {
        type: `address.${event.event}`,
        data: { interface: name, address, peer, ...named, ...reason },
      };
    }
    default:
      return undefined;
  }
}
