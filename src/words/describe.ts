// SPDX-License-Identifier: GPL-2.0-only
// Events in words.

import type { DeniedAddress, Owner, PeerName } from '../answers.ts';
import type { AddressEvent, EngineEvent } from '../engine/events.ts';
import type { ForgetReason } from '../engine/ledger.ts';
import { SESSION } from '../model.ts';
import type { UbusTable } from '../ubus/types.ts';
import { span } from './ages.ts';
import { describeProblem, inLines } from './problems.ts';
import { plain } from './text.ts';

const forgetReasons: Record<ForgetReason, string> = {
  user: 'on request',
  disabled: 'learning is off here',
  scope: 'no longer in a prefix to learn in',
  owned: "another peer's by configuration",
  peer: 'the peer is gone',
  given: 'given to another peer on request',
  taken: 'taken over by another peer, as its own was silent',
  stopped: 'wg-slaacer stops, and nothing would remember it',
};

const denyReasons = {
  owned: "another peer's",
  scope: 'outside the prefixes to learn in',
  reserved: "a reserved address or the router's own",
  'in-use': 'a host in the network that shares its prefix has it',
  rate: 'too many new addresses',
} as const;

/** How long the owner of a denied address has been away; empty if it may be there. */
function silence({ state, silent = Number.POSITIVE_INFINITY }: Partial<Owner>): string {
  if (state === undefined || state === 'present' || silent < SESSION / 1_000) return '';
  return silent < Number.POSITIVE_INFINITY
    ? `, silent for ${span(silent)}`
    : ', silent since the interface was made';
}

/** What can be done about an address that is another peer's, called `owner`; empty if that peer has a better claim. */
export function cureOf(denied: Denied, owner: string): string {
  const { interface: name, address, peer, state } = denied;
  switch (state) {
    case 'silent':
      return `wg-slaacer give ${name} ${address} ${peer} moves it`;
    case 'configured':
      return `if it is to move, take it out of the allowed IPs that are configured for ${owner}`;
    default:
      return '';
  }
}

type Denied = Pick<DeniedAddress, 'interface' | 'address' | 'peer' | 'state' | 'silent'>;

/** For whom people know by a name; undefined if the address is nobody's by now. */
export function describeOwner(denied: DeniedAddress): string | undefined {
  if (denied.owner === undefined || denied.state === undefined) return undefined;
  const owner = peerName({ peer: denied.owner, description: denied.owner_description });
  const cure = cureOf(denied, owner);
  return `${denied.address} is ${owner}'s${silence(denied)}${cure && `: ${cure}`}`;
}

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
    case 'given':
      return `${subject(event)} (it was another peer's)`;
    case 'released':
      return `${subject(event)} (it is configured now)`;
    case 'forgotten':
      return `${subject(event)} (${forgetReasons[event.reason]})`;
    case 'denied': {
      const owner = event.owner ? ` (${nameOf(event.owner)}${silence(event)})` : '';
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
  const owner = describeOwner(data as unknown as DeniedAddress);
  const told = reason === undefined ? subject : `${subject}: ${words[reason] ?? reason}`;
  return owner === undefined ? told : `${told}; ${owner}`;
}
