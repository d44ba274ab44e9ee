// SPDX-License-Identifier: GPL-2.0-only
// Moving a learned address from a peer that is silent to another: when that may be, and why not.

import { parseAddress } from '../address.ts';
import { type Device, SESSION, type Sighting } from '../model.ts';
import { type Owners, ownersOf } from '../owners.ts';
import { inScope } from '../scope.ts';
import type { Sessions } from '../sessions.ts';
import type { Entry, Ledger } from './ledger.ts';
import { type Denial, emptyPlan, type Move, type Plan } from './plan.ts';
import type { Room, Watched } from './room.ts';

/** Why an address cannot be given to a peer. */
export interface Refusal {
  readonly code: 'away' | 'unknown-peer' | 'not-learned' | 'configured' | 'session' | 'failed';
  /** Whose it is. */
  readonly owner?: string;
}

/** What is known of the owner of an address that another peer was denied; nothing if it has none by now. */
export interface Standing {
  /** It may be there; it can send nothing now, so the address may be given away; or the address is not a learned one. */
  readonly state?: 'present' | 'silent' | 'configured';
  /** Seconds since it shook hands or used the address; absent if it has done neither since the interface was made. */
  readonly silent?: number;
}

const MINUTE = 60_000;

export class Moving {
  readonly #ledger: Ledger;
  readonly #sessions: Sessions;
  readonly #room: Room;

  constructor(ledger: Ledger, sessions: Sessions, room: Room) {
    this.#ledger = ledger;
    this.#sessions = sessions;
    this.#room = room;
  }

  /**
   * Moves an address from a peer that has neither a session nor used it for as long as one lasts. It pushes nothing out, and
   * there are no more in a minute than the rate allows to learn: it costs no token. False: it stays where it is.
   */
  takeOver(
    plan: Plan,
    { address, sender: peer, owner, time, accepted }: Sighting,
    on: Watched,
    owners: () => Owners | undefined,
  ): boolean {
    if (!on.settings.takeover) return false;
    const known = this.#ledger.get(on.name, address);
    if (!known || known.peer !== owner || known.peer === peer) return false;
    this.#room.refresh(known);
    if (time - known.lastSeen < SESSION || !inScope(on.scope, parseAddress(address)!)) return false;
    if (this.#room.surplus(on, peer, 1) > 0 || !this.#isWithinRate(on, peer, time)) return false;
    const present = owners(); // and sessions are known by now
    if (!present?.isLearnedOf(known) || this.#sessions.mayBe(on.name, known.peer, time)) return false;
    this.#move(plan, known, peer, time, { reason: 'taken', accepted: accepted === true, room: [] });
    return true;
  }

  #isWithinRate({ name, settings: { rate, burst } }: Watched, peer: string, now: number): boolean {
    const recent = [...this.#ledger.ofPeer(name, peer)].filter(({ learned }) => learned > now - MINUTE);
    return rate === 0 || recent.length < rate + burst;
  }

  /** Another peer is to have a learned address, whoever has it. What is too much for that peer makes room. */
  give(on: Watched, entry: Entry, peer: string, now: number): Plan {
    const plan = emptyPlan();
    const room = this.#room.make(on, peer, 1);
    this.#move(plan, entry, peer, now, { reason: 'given', accepted: false, room });
    return plan;
  }

  #move(plan: Plan, from: Entry, peer: string, now: number, how: Omit<Move, 'from' | 'to'>): void {
    const key = this.#ledger.keyOf(from.interface, peer);
    const to = { ...from, peer: key, learned: now, lastSeen: now, confirmed: now };
    this.#ledger.put(to);
    plan.move.push({ from, to, ...how });
  }

  /** Why an address cannot be given to a peer, if so; `device` is as it is now. */
  refusalOf(
    { name }: Watched,
    device: Device,
    address: string,
    peer: string,
    now: number,
  ): Refusal | undefined {
    const entry = this.#ledger.get(name, address);
    const owners = ownersOf(device);
    const owner = entry?.peer ?? owners.of(address);
    if (!device.peers.some(({ key }) => key === peer)) return { code: 'unknown-peer' };
    if (owner === undefined) return { code: 'not-learned' };
    if (owner === peer && entry) return undefined;
    if (!entry || !owners.isLearnedOf(entry)) return { code: 'configured', owner };
    return this.#sessions.mayBe(name, owner, now) ? { code: 'session', owner } : undefined;
  }

  /** `wall` is the time since 1970 in milliseconds; `owners` are those of now, if it is not just now that it was denied. */
  standingOf(
    { interface: name, address, owner }: Denial,
    now: number,
    wall: number,
    owners?: Pick<Owners, 'of' | 'isLearnedOf'>,
  ): Standing {
    if (owner === undefined) return {};
    const entry = this.#ledger.get(name, address);
    const learned = entry?.peer === owner ? entry : undefined;
    if (!learned && owners && owners.of(address) !== owner) return {};
    if (learned) this.#room.refresh(learned);
    const handshake = this.#sessions.latest(name, owner);
    const silent = Math.min(
      handshake === undefined ? Number.POSITIVE_INFINITY : wall / 1_000 - handshake,
      learned ? (now - learned.lastSeen) / 1_000 : Number.POSITIVE_INFINITY,
    );
    const isPresent = this.#sessions.mayBe(name, owner, now);
    const isLearned = learned !== undefined && (owners?.isLearnedOf(learned) ?? true);
    return {
      state: isLearned ? (isPresent ? 'present' : 'silent') : 'configured',
      ...(silent < Number.POSITIVE_INFINITY && { silent: Math.max(0, Math.floor(silent)) }),
    };
  }
}
