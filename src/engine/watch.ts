// SPDX-License-Identifier: GPL-2.0-only
// The interfaces on which addresses are learned now.

import type { Clock } from '../clock.ts';
import type { Kernel } from '../kernel/ports.ts';
import type { Device, LearnedRecord, Link, Scope } from '../model.ts';
import { failureOf, type Problem } from '../problem.ts';
import type { Place } from './executor.ts';
import type { Learner } from './learner.ts';
import type { Entry, Ledger } from './ledger.ts';
import { alignRecords, type Records } from './records.ts';
import type { Watched } from './room.ts';
import { Settling } from './settling.ts';

/** An interface that is enabled, there, and watched. */
export type Active = Watched & Place;

export class Watch {
  /** By ifindex. */
  #active: ReadonlyMap<number, Active> = new Map();
  readonly #settling = new Settling();
  /** By the name that the configuration gives it. */
  readonly #looked = new Map<string, number>();
  /** Whether there are others that could not be watched. */
  isIncomplete = false;

  readonly #ledger: Ledger;
  readonly #learner: Learner;
  readonly #wireguard: Kernel['wireguard'];
  readonly #clock: Clock;
  readonly #report: (problem: Problem) => void;

  constructor(
    ledger: Ledger,
    learner: Learner,
    wireguard: Kernel['wireguard'],
    clock: Clock,
    report: (problem: Problem) => void,
  ) {
    this.#ledger = ledger;
    this.#learner = learner;
    this.#wireguard = wireguard;
    this.#clock = clock;
    this.#report = report;
  }

  get byIfindex(): ReadonlyMap<number, Active> {
    return this.#active;
  }

  all(): Active[] {
    return [...this.#active.values()];
  }

  /** By the name that the configuration gives it. */
  named(name: string): Active | undefined {
    for (const on of this.#active.values()) if (on.name === name) return on;
    return undefined;
  }

  /** All links, as they are now. */
  note(links: readonly Link[]): void {
    this.#settling.note(links, this.#clock.now());
  }

  /** The source of sightings is no more. */
  clear(): void {
    this.#active = new Map();
  }

  /**
   * Watches these and no others. Leaves out what cannot be watched now; it is tried again with the next call. `records` are
   * those of now.
   */
  set(active: Map<number, Active>, records: Records | undefined): void {
    const before = this.#active;
    this.#active = active;
    for (const [ifindex, on] of before) if (!active.has(ifindex)) on.sightings.unwatch(ifindex);
    this.isIncomplete = false;
    for (const [ifindex, on] of active) {
      try {
        const known = before.get(ifindex);
        if (records && (known?.name !== on.name || known.device !== on.device)) {
          this.#learner.welcome(on.name);
          alignRecords(this.#ledger, on.name, on, records, this.#clock.now());
        }
        on.sightings.watch({ name: on.device, ifindex }, on.settings, on.scope);
      } catch (error) {
        on.sightings.unwatch(ifindex);
        active.delete(ifindex);
        this.isIncomplete = true;
        this.#report({ code: 'watch-failed', data: { device: on.device, ...failureOf(error) } });
      }
    }
  }

  /**
   * What WireGuard has, without what is lent. Undefined if the interface is going or coming, of which rtnetlink will tell,
   * or if that fails. `isFresh`: not what is known, though it be so still.
   */
  dump(on: Active, isFresh = false): Device | undefined {
    try {
      let device = this.#wireguard.dump(on.device, isFresh);
      if (device && device.ifindex !== on.ifindex) device = this.#wireguard.dump(on.device, true);
      return device?.ifindex === on.ifindex ? on.sightings.withoutLoan(device) : undefined;
    } catch (error) {
      this.#report({ code: 'dump-failed', data: { device: on.device, ...failureOf(error) } });
      return undefined;
    }
  }

  /** The same, noting who has shaken hands, and whether it shows what should have been told. */
  look(on: Active, isFresh = false): Device | undefined {
    const { missed } = this.#wireguard;
    const device = this.dump(on, isFresh);
    if (this.#wireguard.missed > missed) this.#report({ code: 'change-missed', data: { device: on.device } });
    if (device) this.#learner.noteHandshakes(on.name, device, this.#clock.now(), this.#clock.wall());
    this.#looked.set(on.name, this.#clock.now());
    return device;
  }

  /** When an interface was last looked at; 0 if never. */
  lookedAt({ name }: Active): number {
    return this.#looked.get(name) ?? 0;
  }

  /** Brings the times of last use up to date, by all of the kernel's records. */
  refresh(entries: readonly Entry[], records: readonly LearnedRecord[]): void {
    const used = new Map(records.map((record) => [`${record.ifindex} ${record.address}`, record.lastSeen]));
    const ifindexes = new Map(this.all().map((on) => [on.name, on.ifindex]));
    for (const entry of entries) {
      const lastSeen = used.get(`${ifindexes.get(entry.interface)} ${entry.address}`) ?? 0;
      entry.lastSeen = Math.max(entry.lastSeen, lastSeen);
    }
  }

  /** Where what was learned may stay. Configured prefixes do not come and go with the link. */
  scopeToStay({ ifindex, settings, scope }: Active): Scope {
    return settings.prefixes.length > 0
      ? scope
      : this.#settling.scopeToStay(ifindex, scope, this.#clock.now());
  }
}
