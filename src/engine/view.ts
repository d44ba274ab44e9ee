// SPDX-License-Identifier: GPL-2.0-only
// What is asked of the engine. An answer changes nothing of what is learned.

import type { Advertising } from '../advertiser/advertising.ts';
import type { Announcement } from '../advertiser/announcement.ts';
import type { Clock } from '../clock.ts';
import type { Kernel } from '../kernel/ports.ts';
import type { Device, HookInUse, Link, Scope } from '../model.ts';
import { type Owners, ownersOf } from '../owners.ts';
import type { Problem, ProblemList } from '../problem.ts';
import { scopeOf } from '../scope.ts';
import type { EnabledInterface } from './config.ts';
import type { DenialRecord, Denials } from './denials.ts';
import type { Entry, Ledger } from './ledger.ts';
import type { Moving, Standing } from './moving.ts';
import type { Pace } from './pace.ts';
import type { Denial } from './plan.ts';
import type { Source } from './source.ts';
import { interfaceStatus, type Status } from './status.ts';
import type { Tally } from './totals.ts';
import type { Watch } from './watch.ts';

/** An interface on which addresses are learned, as its peers have to know it. */
export interface InterfaceFacts {
  readonly link: Link;
  readonly device: Device;
  /** What is advertised there, or would be. */
  readonly announcement: Announcement;
  /** Without prefixes that it has lost. */
  readonly scope: Scope;
}

export interface Viewed {
  readonly ledger: Ledger;
  readonly denials: Denials;
  readonly tally: Tally;
  readonly problems: ProblemList;
  readonly source: Source;
  readonly watch: Watch;
  readonly advertising: Advertising;
  readonly moving: Moving;
  readonly pace: Pace;
  readonly kernel: Kernel;
  readonly clock: Clock;
  enabledAmong(links: readonly Link[]): EnabledInterface[];
}

export class View {
  readonly #of: Viewed;

  constructor(viewed: Viewed) {
    this.#of = viewed;
  }

  /** How new addresses are seen now. */
  get hook(): HookInUse {
    return this.#of.source.current?.hook ?? 'none';
  }

  problems(): Problem[] {
    return this.#of.problems.list();
  }

  /** Why new addresses cannot be seen, or not as they should be. */
  hookProblems(): Problem[] {
    return this.#of.source.problems();
  }

  status(): Status {
    const { kernel, watch, ledger, tally } = this.#of;
    const links = kernel.links.list();
    return {
      hook: this.hook,
      problems: this.problems(),
      interfaces: this.#of
        .enabledAmong(links)
        .map(({ config, link }) =>
          interfaceStatus(config, link && watch.byIfindex.get(link.ifindex), ledger),
        ),
      up: new Set(links.filter(({ up }) => up).map(({ name }) => name)),
      totals: { ...tally.totals(), missed: kernel.wireguard.missed },
    };
  }

  /** What is learned on an interface, or on all, with the times of last use as the kernel has them now. */
  addresses(name?: string): readonly Readonly<Entry>[] {
    const { ledger, watch, source } = this.#of;
    const entries = [...ledger.entries(name)];
    if (entries.length > 0) watch.refresh(entries, source.current?.records() ?? []);
    return entries;
  }

  /** By the name that the configuration gives it; undefined while nothing is learned there. */
  facts(name: string): InterfaceFacts | undefined {
    const { kernel, watch, advertising } = this.#of;
    const on = watch.named(name);
    const device = on && watch.dump(on, true);
    const links = kernel.links.list();
    const found = this.#of.enabledAmong(links).find(({ config }) => config.name === name);
    if (!device || !found?.link) return undefined;
    const { config, link, share } = found;
    return {
      link,
      device,
      announcement: advertising.announcement({ ...config, link, shared: share?.shared }),
      scope: scopeOf(config.settings.prefixes, link, links, share?.prefixes),
    };
  }

  /** What was denied on an interface, or on all, newest first, with what is known of owners now. */
  denied(name?: string): readonly (DenialRecord & Standing)[] {
    const { denials, watch } = this.#of;
    const records = denials.list().filter((record) => name === undefined || record.interface === name);
    const owned = new Set(records.flatMap((record) => (record.owner ? [record.interface] : [])));
    const owners = new Map<string, Owners>();
    for (const on of watch.all().filter(({ name }) => owned.has(name))) {
      const device = watch.look(on);
      if (device) owners.set(on.name, ownersOf(device));
    }
    return records.map((record) => ({
      ...record,
      ...this.standingOf(record, owners.get(record.interface)),
    }));
  }

  /** What is known of the owner of an address that a peer was denied. */
  standingOf(denial: Denial, owners?: Owners): Standing {
    const { watch, pace, moving, clock } = this.#of;
    const on = denial.owner !== undefined && watch.named(denial.interface);
    // Where nothing is learned, nobody looks now and then.
    if (on && watch.lookedAt(on) + pace.interval <= clock.now()) watch.look(on);
    return moving.standingOf(denial, clock.now(), clock.wall(), owners);
  }
}
