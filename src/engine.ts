// SPDX-License-Identifier: GPL-2.0-only
// Keeps configuration, links, WireGuard and the ledger in line, and passes on what is seen to the learner and what it
// plans to the executor. Every step is synchronous, so nothing comes between a decision and its effect.

import { Denials } from './denials.ts';
import type { EngineEvent } from './events.ts';
import { execute, type Place, recordOf, type Surroundings } from './executor.ts';
import {
  type Clock,
  HookError,
  type Kernel,
  type LearnedRecord,
  type Link,
  type Problem,
  type Sighting,
  type Sightings,
} from './kernel/kernel.ts';
import { Learner, type Plan, type Watched } from './learner.ts';
import { type Entry, Ledger } from './ledger.ts';
import { interfaceProblems, kernelProblem, ownedProblems, ProblemList } from './problems.ts';
import { type Scope, scopeOf, settlingScope } from './scope.ts';
import type { InterfaceSettings } from './settings.ts';

export interface InterfaceConfig {
  /** What people call it, and the ledger. */
  readonly name: string;
  /** The kernel's name of it. */
  readonly device: string;
  readonly settings: InterfaceSettings;
}

export interface EngineConfig {
  readonly hook: 'auto' | Sightings['hook'];
  /** The enabled ones. */
  readonly interfaces: readonly InterfaceConfig[];
}

/** How often WireGuard is compared with the ledger, at least, in milliseconds: what was wiped is back within 30 s. */
const RECONCILE_INTERVAL = 25_000;

/** Expiry is looked at no more often than that, in milliseconds. */
const SHORTEST_TICK = 250;

/** How long a link that has come up may be without prefixes that it had before: addresses follow their link. */
const SETTLING = 60_000;

/** How long the hook stays when the last interface has gone: netifd recreates links. Then the module can be unloaded. */
const LINGER = 5_000;

type Active = Watched & Place & { readonly up: boolean };

export class Engine {
  readonly ledger = new Ledger();
  readonly denials = new Denials();
  private readonly learner = new Learner(this.ledger, (entry) => this.lastSeen(entry));
  private readonly problems: ProblemList;
  private config: EngineConfig = { hook: 'auto', interfaces: [] };
  private sightings: Sightings | undefined;
  /** Why there are none, and the WireGuard links of that time: others may be worth another try. */
  private failure: { readonly problems: readonly Problem[]; readonly links: string } | undefined;
  /** The choice with which it was opened, or tried to be. */
  private triedHook: EngineConfig['hook'] | undefined;
  /** Whether what an earlier process learned has been taken over. */
  private hasTakenOver = false;
  /** Whether the kernel may have learned addresses, or records of them, that the ledger does not have. */
  private hasLeftovers = true;
  /** The enabled interfaces that are there, by ifindex. */
  private active: ReadonlyMap<number, Active> = new Map();
  /** Links that are up, by ifindex: when they came up, or −∞ for those that were when we began. */
  private upSince: ReadonlyMap<number, number> | undefined;
  /** Whether there are others that could not be watched. */
  private isIncomplete = false;
  private running = false;
  private lastReconcile = Number.NEGATIVE_INFINITY;
  private tickAt = Number.POSITIVE_INFINITY;
  private cancelTick: (() => void) | undefined;
  private cancelLinger: (() => void) | undefined;

  private readonly surroundings: Surroundings;

  constructor(
    private readonly kernel: Kernel,
    private readonly clock: Clock,
    listener: (event: EngineEvent) => void,
  ) {
    const time = () => clock.wall() / 1000;
    this.problems = new ProblemList(
      (problem) => listener({ event: 'problem', time: time(), ...problem }),
      ({ code, message }) => listener({ event: 'solved', time: time(), code, message }),
    );
    this.surroundings = {
      ledger: this.ledger,
      denials: this.denials,
      wireguard: kernel.wireguard,
      clock,
      locate: (name) => this.place(name),
      tell: listener,
      report: (problem) => this.problems.add(problem),
    };
  }

  start(config: EngineConfig): void {
    this.running = true;
    this.config = config;
    this.kernel.links.onChange(() => this.running && this.sync());
    this.sync();
  }

  /** Leaves every learned address in place, and what the kernel remembers of it for the next start. */
  stop(): void {
    this.running = false;
    this.cancelTick?.();
    this.closeSightings();
  }

  /** Puts another configuration in force; what it no longer allows is withdrawn at once. */
  configure(config: EngineConfig): void {
    this.config = config;
    this.sync();
  }

  /** The hook in use. */
  get hook(): Sightings['hook'] | null {
    return this.sightings?.hook ?? null;
  }

  currentProblems(): Problem[] {
    return this.problems.list();
  }

  /** Withdraws one address; false if it is not a learned one. */
  forget(name: string, address: string): boolean {
    const entry = this.ledger.get(name, address);
    if (entry) this.withdraw([entry]);
    return entry !== undefined;
  }

  /** Withdraws all, or all of an interface, or of a peer; how many. */
  flush(name?: string, peer?: string): number {
    const entries = [...this.ledger.entries(name)].filter(
      (entry) => peer === undefined || entry.peer === peer,
    );
    this.withdraw(entries);
    return entries.length;
  }

  private withdraw(entries: readonly Entry[]): void {
    this.carryOut(this.learner.withdraw(entries, 'user'));
    if (entries.every((entry) => this.place(entry.interface))) return;
    this.hasLeftovers = true; // the kernel's records of an interface that is away
    this.sync();
  }

  /** Brings everything in line with configuration, links and WireGuard. */
  private sync(): void {
    this.problems.begin();
    const links = this.kernel.links.list();
    this.noteLinksUp(links);
    const found = this.config.interfaces.map((config) => ({
      config,
      link: links.find(({ name }) => name === config.device),
    }));
    this.withdrawDisabled(found);
    this.keepSightings(
      links,
      found.some(({ link }) => link?.kind === 'wireguard'),
    );
    const active = new Map<number, Active>();
    for (const { config, link } of found) {
      if (link?.kind !== 'wireguard' || !this.sightings) continue;
      const scope = scopeOf(config.settings.prefixes, link, links);
      const { ifindex, up } = link;
      active.set(ifindex, { ...config, ifindex, up, scope, sightings: this.sightings });
    }
    const before = this.active;
    this.activate(active);
    this.carryOut(this.learner.expire(this.clock.now(), active.values()));
    for (const on of active.values()) {
      this.carryOut(this.learner.rescope({ ...on, scope: this.scopeToStay(on, before.get(on.ifindex)) }));
      this.carryOut(this.learner.limit(on));
    }
    const owned = this.reconcileAll();
    this.problems.set([
      ...(this.failure?.problems ?? []),
      ...(this.sightings?.warnings ?? []),
      ...found.flatMap(({ config, link }) => interfaceProblems(config.device, config.settings, link)),
      ...owned,
    ]);
    this.schedule();
  }

  private noteLinksUp(links: readonly Link[]): void {
    const since = this.upSince ? this.clock.now() : Number.NEGATIVE_INFINITY;
    const up = links.filter((link) => link.up);
    this.upSince = new Map(up.map(({ ifindex }) => [ifindex, this.upSince?.get(ifindex) ?? since]));
  }

  /** What was learned elsewhere is withdrawn, but not for want of a prefix that the link may yet get. */
  private scopeToStay({ ifindex, up, settings, scope }: Active, before: Active | undefined): Scope {
    const settled = up && this.upSince!.get(ifindex)! + SETTLING <= this.clock.now();
    if (settled || settings.prefixes.length > 0) return scope;
    return settlingScope(scope, up && before?.up ? before.scope : undefined);
  }

  /** An interface keeps what was learned on it for as long as it is configured, under whatever device name. */
  private withdrawDisabled(found: readonly { config: InterfaceConfig; link: Link | undefined }[]): void {
    for (const name of new Set([...this.ledger.entries()].map((entry) => entry.interface))) {
      const on = this.place(name);
      const stays = found.some(
        ({ config, link }) =>
          config.name === name && (!on || config.device === on.device || link?.ifindex === on.ifindex),
      );
      if (stays) continue;
      this.carryOut(this.learner.withdraw(this.ledger.entries(name), 'disabled'));
      // What could not be withdrawn, or not be found, is still in the kernel's records.
      for (const entry of [...this.ledger.entries(name)]) this.ledger.delete(entry);
      this.hasLeftovers = true;
    }
  }

  /** Opens the hook when there is something to watch, or to withdraw; lets go of it when that has gone. */
  private keepSightings(links: readonly Link[], needed: boolean): void {
    if (this.config.hook !== this.triedHook) {
      this.closeSightings();
      this.failure = undefined;
    }
    const wireguardLinks = links.filter(({ kind }) => kind === 'wireguard');
    if (needed || (this.hasLeftovers && wireguardLinks.length > 0)) this.openSightings(wireguardLinks);
    else this.failure = undefined;
    if (this.sightings && this.hasLeftovers) this.withdrawLeftovers(wireguardLinks);
    if (needed || this.hasLeftovers) {
      this.cancelLinger?.();
      this.cancelLinger = undefined;
    } else if (this.sightings) {
      this.cancelLinger ??= this.clock.after(LINGER, () => this.closeSightings());
    }
  }

  private openSightings(wireguardLinks: readonly Link[]): void {
    const key = wireguardLinks.map(({ ifindex }) => ifindex).join(' ');
    if (this.sightings || this.failure?.links === key) return;
    this.triedHook = this.config.hook;
    try {
      this.sightings = this.kernel.openSightings(this.config.hook, (batch) => this.see(batch));
      this.failure = undefined;
    } catch (error) {
      if (!(error instanceof HookError)) throw error;
      this.failure = { problems: error.problems, links: key };
      return;
    }
    if (!this.hasTakenOver) this.takeOver();
  }

  private closeSightings(): void {
    this.cancelLinger?.();
    this.cancelLinger = undefined;
    this.sightings?.close();
    this.sightings = undefined;
    this.active = new Map();
  }

  /** Continues what an earlier process began. */
  private takeOver(): void {
    for (const record of this.sightings!.records()) {
      const config = this.configOf(record.interface);
      if (config) this.adopt(config.name, record);
    }
    this.hasTakenOver = true;
  }

  private adopt(name: string, { address, peer, learned, lastSeen }: LearnedRecord): Entry {
    const entry = { interface: name, address, peer, learned, lastSeen, confirmed: this.clock.now() };
    this.ledger.put(entry);
    return entry;
  }

  /** What was learned where nothing is to be learned any more, and records of what is no more. */
  private withdrawLeftovers(wireguardLinks: readonly Link[]): void {
    const leftovers = new Map<number, LearnedRecord[]>();
    for (const record of this.sightings!.records()) {
      const config = this.configOf(record.interface);
      if (config && this.ledger.get(config.name, record.address)) continue;
      leftovers.set(record.ifindex, [...(leftovers.get(record.ifindex) ?? []), record]);
    }
    this.hasLeftovers = false;
    for (const [ifindex, records] of leftovers) {
      const device = wireguardLinks.find((link) => link.ifindex === ifindex)?.name;
      try {
        if (device !== undefined) this.kernel.wireguard.remove(device, records);
        for (const { address } of records) this.sightings!.forget(ifindex, address);
      } catch (error) {
        this.hasLeftovers = true;
        this.problems.add(kernelProblem('remove-failed', device ?? '', 'withdraw addresses', error));
      }
    }
  }

  private configOf(device: string): InterfaceConfig | undefined {
    return this.config.interfaces.find((config) => config.device === device);
  }

  /** Leaves out what cannot be watched now; it is tried again with the next sync. */
  private activate(active: Map<number, Active>): void {
    const before = this.active;
    this.active = active;
    for (const ifindex of before.keys()) if (!active.has(ifindex)) this.sightings?.unwatch(ifindex);
    this.isIncomplete = false;
    for (const [ifindex, on] of active) {
      try {
        on.sightings.watch(ifindex, on.settings, on.scope);
        const known = before.get(ifindex);
        if (known?.name === on.name && known.device === on.device) continue;
        this.learner.welcome(on.name);
        this.alignRecords(on);
      } catch (error) {
        on.sightings.unwatch(ifindex);
        active.delete(ifindex);
        this.isIncomplete = true;
        this.problems.add(kernelProblem('watch-failed', on.device, 'watch it', error));
      }
    }
  }

  /**
   * The kernel's records of an interface become what the ledger says, under the ifindex and the name that it has now.
   * What they have of it besides could not be withdrawn when it was disabled.
   */
  private alignRecords(on: Active): void {
    const kept = new Set<string>();
    for (const record of on.sightings.records()) {
      const isOfThisLink = record.ifindex === on.ifindex;
      if (!isOfThisLink && record.interface !== on.device) continue;
      let entry = this.ledger.get(on.name, record.address);
      if (!entry && isOfThisLink) entry = this.adopt(on.name, record);
      if (entry?.peer === record.peer) {
        entry.lastSeen = Math.max(entry.lastSeen, record.lastSeen);
        if (isOfThisLink && record.interface === on.device) kept.add(record.address);
      }
      if (!isOfThisLink) on.sightings.forget(record.ifindex, record.address);
    }
    for (const entry of this.ledger.entries(on.name)) {
      if (!kept.has(entry.address)) on.sightings.remember(recordOf(entry, on));
    }
  }

  private see(batch: Sighting[]): void {
    if (!this.running) return;
    const plan = this.learner.consider(batch, this.active);
    this.carryOut(plan);
    for (const name of plan.wiped) this.reconcile(this.place(name)!);
    this.scheduleFor(plan);
  }

  private reconcileAll(): Problem[] {
    this.lastReconcile = this.clock.now();
    return [...this.active.values()].flatMap((on) => this.reconcile(on));
  }

  /** Answers with what its configuration makes impossible. */
  private reconcile(on: Active): Problem[] {
    const device = this.kernel.wireguard.dump(on.device);
    if (device?.ifindex !== on.ifindex) return []; // it is going or coming: rtnetlink will tell
    this.carryOut(this.learner.reconcile(on.name, device, this.clock.now()));
    return ownedProblems(on, device);
  }

  private schedule(): void {
    const hasEntries = this.ledger.entries()[Symbol.iterator]().next().done === false;
    const next = Math.min(
      this.lastReconcile + RECONCILE_INTERVAL,
      this.learner.nextExpiry(this.active.values()),
    );
    const isBusy =
      (hasEntries && this.active.size > 0) ||
      (this.sightings !== undefined && (this.hasLeftovers || this.isIncomplete));
    this.tickBy(isBusy ? next : Number.POSITIVE_INFINITY, true);
  }

  /** What was just learned expires later than anything else, unless there was nothing. */
  private scheduleFor(plan: Plan): void {
    if (plan.add.length === 0) return;
    const lifetimes = [...this.active.values()].map(({ settings }) => settings.lifetime);
    this.tickBy(this.clock.now() + Math.min(RECONCILE_INTERVAL, ...lifetimes));
  }

  private tickBy(time: number, evenIfLater = false): void {
    if (time >= this.tickAt && !evenIfLater) return;
    this.cancelTick?.();
    this.tickAt = time;
    this.cancelTick = undefined;
    if (time === Number.POSITIVE_INFINITY) return;
    const delay = Math.max(SHORTEST_TICK, time - this.clock.now());
    this.cancelTick = this.clock.after(delay, () => this.tick());
  }

  private tick(): void {
    if (this.clock.now() >= this.lastReconcile + RECONCILE_INTERVAL) this.sync();
    else {
      this.carryOut(this.learner.expire(this.clock.now(), this.active.values()));
      this.schedule();
    }
  }

  private carryOut(plan: Plan): void {
    execute(plan, this.surroundings);
  }

  private place(name: string): Active | undefined {
    for (const on of this.active.values()) if (on.name === name) return on;
    return undefined;
  }

  private lastSeen(entry: Entry): number | undefined {
    const on = this.place(entry.interface);
    return on?.sightings.lastSeen(on.ifindex, entry.address);
  }
}
