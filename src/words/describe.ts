// SPDX-License-Identifier: GPL-2.0-only
// Events in words.

import type { PeerName } from '../answers.ts';
import type { AddressEvent, EngineEvent } from '../engine/events.ts';
import type { ForgetReason } from '../engine/ledger.ts';
import type { UbusTable } from '../ubus/types.ts';
import { describeProblem, inLines } from './problems.ts';
import { plain } from './text.ts';

const forgetReasons: Record<ForgetReason, string> = {
  user: 'on request',
  disabled: 'learning is off here',
  scope: 'no longer in a prefix to learn in',
  owned: "another peer's by configuration",
  peer: 'the peer is gone',
};

const denyReasons = {
  owned: "another peer's",
  scope: 'outside the prefixes to learn in',
  reserved: "a reserved address or the router's own",
  rate: 'too many new addresses',
} as const;

/** What to call a peer. */
export function peerName({ peer, description }: PeerName): string {
  return plain(description ?? '').trim() || shortKey(peer);
}

/** Enough of a public key to tell peers apart. */
export function shortKey(key: string): string {
  return `${key.slice(0, 8)}…`;
}

function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

/** One line, without the time; a problem has its hint on a second one. `nameOf` tells what to call a peer. */
export function describeEvent(event: EngineEvent, nameOf = shortKey): string {
  const subject = ({ interface: name, address, peer }: AddressEvent) =>
    `${name}: ${event.event} ${address} peer ${nameOf(peer)}`;
  switch (event.event) {
    case 'ready':
      return `ready: wg-slaacer ${event.version}, hook ${event.hook}`;
    case 'problem':
      return `problem: ${inLines(describeProblem(event))}`;
    case 'solved':
      return `solved: ${describeProblem(event).message}`;
    case 'learned': {
      const fate = event.delivered ? 'its packet delivered' : 'its packet lost';
      return `${subject(event)} (${milliseconds(event.took)}, ${fate})`;
    }
    case 'released':
      return `${subject(event)} (it is configured now)`;
    case 'forgotten':
      return `${subject(event)} (${forgetReasons[event.reason]})`;
    case 'denied': {
      const owner = event.owner ? ` (${nameOf(event.owner)})` : '';
      const repeats = event.count > 1 ? `, ${event.count} times` : '';
      return `${subject(event)}: ${denyReasons[event.reason]}${owner}${repeats}`;
    }
    default:
      return subject(event);
  }
}

/** One line for what the service notifies of, or for its own coming and going, without the time. */
export function describeNotification(event: string, data: UbusTable): string {
  if (data.address === undefined) return `the service is ${event === 'running' ? 'running' : 'not running'}`;
  const { interface: name, address, peer, description, reason } = data as Record<string, string | undefined>;
  const subject = `${name}: ${event} ${address} peer ${peerName({ peer: peer ?? '', description })}`;
  const words: Record<string, string> = event === 'denied' ? denyReasons : forgetReasons;
  return reason === undefined ? subject : `${subject}: ${words[reason] ?? reason}`;
}
