// SPDX-License-Identifier: GPL-2.0-only
// Carries a plan out in the kernel and tells what came of it. What fails is taken back, in the ledger and the kernel's
// records alike.

import type { Clock } from '../clock.ts';
import type { Sightings, WireGuard } from '../kernel/ports.ts';
import type { LearnedRecord } from '../model.ts';
import { failureOf, type Problem } from '../problem.ts';
import type { Entry, Ledger } from './ledger.ts';
import type { Addition, Delivery, Denial, Move, Plan, Removal } from './plan.ts';

/** An interface that is there, and where its records are kept. */
export interface Place {
  readonly device: string;
  readonly ifindex: number;
  readonly sightings: Sightings;
}

export interface Surroundings {
  readonly ledger: Ledger;
  readonly wireguard: WireGuard;
  readonly clock: Clock;
  /** Undefined for an interface that is not there: then there is nothing in the kernel to change. */
  locate(name: string): Place | undefined;
  deny(denial: Denial): void;
  /** A packet that WireGuard had refused was taken by the kernel, or not. */
  noteDelivery(isTaken: boolean): void;
  report(problem: Problem): void;
}

export function execute(plan: Plan, surroundings: Surroundings): void {
  const moved = move(plan.move, surroundings);
  const removals = [...withoutStaying(plan, moved), ...moved.flatMap(({ room }) => room)];
  const removed = remove(removals, surroundings);
  const { ledger, deny } = surroundings;
  // Told before anything is added: what has gone may come to another peer.
  for (const { from, to, reason, accepted, took } of moved) {
    ledger.tellGone(from, { event: 'forgotten', reason });
    if (reason === 'given') ledger.tellPresent(to, { event: reason });
    else ledger.tellPresent(to, { event: 'learned', took, delivered: accepted });
  }
  for (const { entry, departure } of removed) ledger.tellGone(entry, departure);

  const added = add(plan.add, surroundings);
  const delivered = deliver(plan.deliver, surroundings);
  for (const { entry, event, seen, accepted = false } of added) {
    if (event === 'restored') ledger.tellPresent(entry, { event });
    else {
      const took = entry.confirmed - seen!;
      ledger.tellPresent(entry, { event, took, delivered: accepted || delivered.has(entry) });
    }
  }
  plan.denied.forEach(deny);
}

/** What another peer has is moved by adding it. Answers with what was, in how many milliseconds; the rest stays where it is. */
function move(
  moves: readonly Move[],
  { ledger, wireguard, clock, locate, report }: Surroundings,
): (Move & { took: number })[] {
  return moves.flatMap((each) => {
    const { from, to, room } = each;
    const place = locate(to.interface);
    const takeBack = () => {
      for (const entry of [from, ...room.map(({ entry }) => entry)]) ledger.put(entry);
    };
    if (!place) {
      takeBack();
      return [];
    }
    try {
      place.sightings.keepRecord(recordOf(to, place));
      ledger.tellComing([to], from);
      wireguard.add(place.device, [to]);
      to.confirmed = clock.now();
      return [{ ...each, took: to.confirmed - to.learned }];
    } catch (error) {
      takeBack();
      ledger.tellStayedAway([to, from]);
      report({ code: 'add-failed', data: { device: place.device, ...failureOf(error) } });
      try {
        place.sightings.keepRecord(recordOf(from, place));
      } catch {
        // The first error has been told.
      }
      return [];
    }
  });
}

/** What is to be withdrawn, but for what was to be moved first and is still its former peer's. */
function withoutStaying(plan: Plan, moved: readonly Move[]): readonly Removal[] {
  if (moved.length === plan.move.length) return plan.remove;
  const staying = new Set(plan.move.map(({ to }) => to));
  for (const { to } of moved) staying.delete(to);
  return plan.remove.filter(({ entry }) => !staying.has(entry));
}

/** Answers with what was removed. The rest goes back into the ledger, to be tried again when it next expires. */
function remove(
  removals: readonly Removal[],
  { ledger, wireguard, locate, report }: Surroundings,
): Removal[] {
  return byInterface(removals).flatMap(([name, group]) => {
    const place = locate(name);
    if (!place) return group;
    try {
      const entries = group.map(({ entry }) => entry);
      const withdrawn = group.filter(({ departure }) => departure.event !== 'released');
      if (withdrawn.length > 0) {
        wireguard.remove(
          place.device,
          withdrawn.map(({ entry }) => entry),
        );
      }
      place.sightings.dropRecords(
        place.ifindex,
        entries.map(({ address }) => address),
      );
      return group;
    } catch (error) {
      for (const { entry } of group) ledger.put(entry);
      report({ code: 'remove-failed', data: { device: place.device, ...failureOf(error) } });
      return [];
    }
  });
}

/** Answers with what was added, as far as is known: part of it, if the kernel then refuses to take it back. */
function add(
  additions: readonly Addition[],
  { ledger, wireguard, clock, locate, report }: Surroundings,
): Addition[] {
  return byInterface(additions).flatMap(([name, group]) => {
    const place = locate(name);
    if (!place) return [];
    const entries = group.map(({ entry }) => entry);
    const fresh = group.filter(({ event }) => event === 'learned').map(({ entry }) => entry);
    let isRemembered = false;
    try {
      // Remembered first: if we are killed in between, the next start completes it.
      for (const entry of fresh) place.sightings.keepRecord(recordOf(entry, place));
      isRemembered = true;
      if (fresh.length > 0) ledger.tellComing(fresh);
      wireguard.add(place.device, entries);
      const now = clock.now();
      for (const entry of entries) entry.confirmed = now;
      return group;
    } catch (error) {
      report({ code: 'add-failed', data: { device: place.device, ...failureOf(error) } });
      // Part of it may be in force. It is learned again when it is next used; what was to be restored stays known, and
      // so does what cannot be taken back.
      try {
        if (isRemembered) wireguard.remove(place.device, fresh);
      } catch {
        return group.filter(({ event }) => event === 'learned'); // the first error has been told
      }
      for (const entry of fresh) ledger.delete(entry);
      ledger.tellStayedAway(fresh);
      place.sightings.dropRecords(
        place.ifindex,
        fresh.map(({ address }) => address),
      );
      return [];
    }
  });
}

/** Answers with the entries whose packet was delivered. */
function deliver(
  deliveries: readonly Delivery[],
  { ledger, locate, noteDelivery }: Surroundings,
): Set<Entry> {
  const delivered = new Set<Entry>();
  for (const { entry, ifindex, packet } of deliveries) {
    if (ledger.get(entry.interface, entry.address) !== entry) continue; // it could not be added
    try {
      locate(entry.interface)?.sightings.deliver(ifindex, packet);
      delivered.add(entry);
      noteDelivery(true);
    } catch {
      noteDelivery(false); // As good as lost on the way: the event says that it was not delivered.
    }
  }
  return delivered;
}

export function recordOf(entry: Entry, place: Place): LearnedRecord {
  const { address, peer, learned, lastSeen } = entry;
  return { ifindex: place.ifindex, device: place.device, address, peer, learned, lastSeen };
}

function byInterface<Item extends { entry: Entry }>(items: readonly Item[]): [string, Item[]][] {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(item.entry.interface);
    if (group) group.push(item);
    else groups.set(item.entry.interface, [item]);
  }
  return [...groups];
}
