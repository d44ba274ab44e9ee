// SPDX-License-Identifier: GPL-2.0-only
// Carries a plan out in the kernel and tells what came of it. What fails is taken back, in the ledger and the kernel's
// records alike.

import type { Clock } from '../clock.ts';
import type { Sightings, WireGuard } from '../kernel/ports.ts';
import type { LearnedRecord } from '../model.ts';
import { failureOf, type Problem } from '../problem.ts';
import type { Entry, Ledger } from './ledger.ts';
import type { Addition, Delivery, Move, Plan, Removal } from './plan.ts';

/** An interface that is there, and where its records are kept. */
export interface Place {
  readonly device: string;
  readonly ifindex: number;
  readonly sightings: Sightings;
}

export interface ExecutorObserver {
  /** A packet that WireGuard had refused was taken by the kernel, or not. */
  noteDelivery(isTaken: boolean): void;
  report(problem: Problem): void;
}

export class Executor {
  readonly #ledger: Ledger;
  readonly #wireguard: WireGuard;
  readonly #clock: Clock;
  readonly #locate: (name: string) => Place | undefined;
  readonly #observer: ExecutorObserver;

  /** `locate` answers with undefined for an interface that is not there: then there is nothing in the kernel to change. */
  constructor(
    ledger: Ledger,
    wireguard: WireGuard,
    clock: Clock,
    locate: (name: string) => Place | undefined,
    observer: ExecutorObserver,
  ) {
    this.#ledger = ledger;
    this.#wireguard = wireguard;
    this.#clock = clock;
    this.#locate = locate;
    this.#observer = observer;
  }

  execute(plan: Plan): void {
    const moved = this.#move(plan.move);
    const removals = [...withoutStaying(plan, moved), ...moved.flatMap(({ room }) => room)];
    const removed = this.#remove(removals);
    // Told before anything is added: what has gone may come to another peer.
    for (const { from, to, reason, accepted, took } of moved) {
      this.#ledger.tellGone(from, { event: 'forgotten', reason });
      if (reason === 'given') this.#ledger.tellPresent(to, { event: reason });
      else this.#ledger.tellPresent(to, { event: 'learned', took, delivered: accepted });
    }
    for (const { entry, departure } of removed) this.#ledger.tellGone(entry, departure);

    const added = this.#add(plan.add);
    const delivered = this.#deliver(plan.deliver);
    for (const { entry, event, seen, accepted = false } of added) {
      if (event === 'restored') this.#ledger.tellPresent(entry, { event });
      else {
        const took = entry.confirmed - seen!;
        this.#ledger.tellPresent(entry, { event, took, delivered: accepted || delivered.has(entry) });
      }
    }
  }

  /** What another peer has is moved by adding it. Answers with what was, in how many milliseconds; the rest stays where it is. */
  #move(moves: readonly Move[]): (Move & { took: number })[] {
    return moves.flatMap((each) => {
      const { from, to, room } = each;
      const place = this.#locate(to.interface);
      const takeBack = () => {
        for (const entry of [from, ...room.map(({ entry }) => entry)]) this.#ledger.put(entry);
      };
      if (!place) {
        takeBack();
        return [];
      }
      try {
        place.sightings.keepRecord(recordOf(to, place));
        this.#ledger.tellComing([to], from);
        this.#wireguard.add(place.device, [to]);
        to.confirmed = this.#clock.now();
        return [{ ...each, took: to.confirmed - to.learned }];
      } catch (error) {
        takeBack();
        this.#ledger.tellStayedAway([to, from]);
        this.#observer.report({ code: 'add-failed', data: { device: place.device, ...failureOf(error) } });
        try {
          place.sightings.keepRecord(recordOf(from, place));
        } catch {
          // The first error has been told.
        }
        return [];
      }
    });
  }

  /** Answers with what was removed. The rest goes back into the ledger, to be tried again when it next expires. */
  #remove(removals: readonly Removal[]): Removal[] {
    return byInterface(removals).flatMap(([name, group]) => {
      const place = this.#locate(name);
      if (!place) return group;
      try {
        const entries = group.map(({ entry }) => entry);
        const withdrawn = group.filter(({ departure }) => departure.event !== 'released');
        if (withdrawn.length > 0) {
          this.#wireguard.remove(
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
        for (const { entry } of group) this.#ledger.put(entry);
        this.#observer.report({ code: 'remove-failed', data: { device: place.device, ...failureOf(error) } });
        return [];
      }
    });
  }

  /** Answers with what was added, as far as is known: part of it, if the kernel then refuses to take it back. */
  #add(additions: readonly Addition[]): Addition[] {
    return byInterface(additions).flatMap(([name, group]) => {
      const place = this.#locate(name);
      if (!place) return [];
      // By push(): what map() makes is of another kind once V8 has optimised this, and all that gets it is compiled again.
      const entries: Entry[] = [];
      const fresh: Entry[] = [];
      for (const { entry, event } of group) {
        entries.push(entry);
        if (event === 'learned') fresh.push(entry);
      }
      let isRemembered = false;
      try {
        // Remembered first: if we are killed in between, the next start completes it.
        for (const entry of fresh) place.sightings.keepRecord(recordOf(entry, place));
        isRemembered = true;
        if (fresh.length > 0) this.#ledger.tellComing(fresh);
        this.#wireguard.add(place.device, entries);
        const now = this.#clock.now();
        for (const entry of entries) entry.confirmed = now;
        return group;
      } catch (error) {
        this.#observer.report({ code: 'add-failed', data: { device: place.device, ...failureOf(error) } });
        // Part of it may be in force. It is learned again when it is next used; what was to be restored stays known, and
        // so does what cannot be taken back.
        try {
          if (isRemembered) this.#wireguard.remove(place.device, fresh);
        } catch {
          return group.filter(({ event }) => event === 'learned'); // the first error has been told
        }
        for (const entry of fresh) this.#ledger.delete(entry);
        this.#ledger.tellStayedAway(fresh);
        place.sightings.dropRecords(
          place.ifindex,
          fresh.map(({ address }) => address),
        );
        return [];
      }
    });
  }

  /** Answers with the entries whose packet was delivered. */
  #deliver(deliveries: readonly Delivery[]): Set<Entry> {
    const delivered = new Set<Entry>();
    for (const { entry, ifindex, packet } of deliveries) {
      if (this.#ledger.get(entry.interface, entry.address) !== entry) continue; // it could not be added
      try {
        this.#locate(entry.interface)?.sightings.deliver(ifindex, packet);
        delivered.add(entry);
        this.#observer.noteDelivery(true);
      } catch {
        this.#observer.noteDelivery(false); // As good as lost on the way: the event says that it was not delivered.
      }
    }
    return delivered;
  }
}

/** What is to be withdrawn, but for what was to be moved first and is still its former peer's. */
function withoutStaying(plan: Plan, moved: readonly Move[]): readonly Removal[] {
  if (moved.length === plan.move.length) return plan.remove;
  const staying = new Set(plan.move.map(({ to }) => to));
  for (const { to } of moved) staying.delete(to);
  return plan.remove.filter(({ entry }) => !staying.has(entry));
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
