// SPDX-License-Identifier: GPL-2.0-only
// Keeps configuration, links, WireGuard and the ledger in line, and passes on what is seen to the learner and what it
// plans to the executor. Every step is synchronous, so nothing comes between a decision and its effect.

import { Advertising } from '../advertiser/advertising.ts';
import type { Clock } from '../clock.ts';
import type { Kernel, StateFile } from '../kernel/ports.ts';
import type { Device, Link, PeerAddress, Sighting } from '../model.ts';
import { failureOf, type Problem, ProblemList } from '../problem.ts';
import { scopeOf } from '../scope.ts';
import { Sessions } from '../sessions.ts';
import { Sharing } from '../sharing/sharing.ts';
import { Addressless, isNoAddress } from './addressless.ts';
import { type EnabledInterface, type EngineConfig, enabledAmong } from './config.ts';
import { Denials } from './denials.ts';
import {
  interfaceProblems,
  noInterface,
  ownedProblems,
  twiceProblems,
  withHolder,
  withoutConsequences,
} from './diagnosis.ts';
import { type EngineEvent, eventsOf } from './events.ts';
import { Executor } from './executor.ts';
import { Learner } from './learner.ts';
import { type Entry, Ledger } from './ledger.ts';
import { Memory } from './memory.ts';
import { Moving, type Refusal } from './moving.ts';
import { Pace } from './pace.ts';
import type { Denial, Plan } from './plan.ts';
import { Presence } from './presence.ts';
import { Records } from './records.ts';
import { Room } from './room.ts';
import { Schedule } from './schedule.ts';
import { Source } from './source.ts';
import { lastAddresses, type State } from './state.ts';
import { StateKeeper } from './state-keeper.ts';
import { Tally } from './totals.ts';
import { View } from './view.ts';
import { type Active, Watch } from './watch.ts';

export class Engine {
  readonly ledger = new Ledger();
  readonly view: View;
  readonly #denials = new Denials();
  readonly #tally = new Tally();
  readonly #presence = new Presence();
  readonly #addressless = new Addressless(this.ledger);
  readonly #sessions = new Sessions();
  readonly #room = new Room(this.ledger, (entry) => this.#lastSeen(entry));
  readonly #moving = new Moving(this.ledger, this.#sessions, this.#room);
  readonly #learner = new Learner(this.ledger, this.#sessions, this.#room, this.#moving);
  readonly #problems: ProblemList;
  #config: EngineConfig = { hook: 'auto', interfaces: [] };
  readonly #source: Source;
  readonly #advertising: Advertising;
  readonly #sharing: Sharing;
  readonly #memory: Memory;
  readonly #watch: Watch;
  readonly #keeper: StateKeeper | undefined;
  #running = false;
  #lastReconcile = Number.NEGATIVE_INFINITY;
  readonly #pace = new Pace();
  readonly #schedule: Schedule;
  readonly #executor: Executor;
  readonly #deny: (denial: Denial) => void;

  readonly #kernel: Kernel;
  readonly #clock: Clock;

  /** `stateFile` has what is to be known after a reboot; without it nothing is. */
  constructor(kernel: Kernel, clock: Clock, listener: (event: EngineEvent) => void, stateFile?: StateFile) {
    this.#kernel = kernel;
    this.#clock = clock;
    const time = () => clock.wall() / 1000;
    this.ledger.follow(eventsOf(clock, listener));
    this.ledger.follow(this.#tally);
    this.ledger.follow(this.#denials);
    this.#problems = new ProblemList(
      (problem) => listener({ event: 'problem', time: time(), ...problem }),
      (problem) => listener({ event: 'solved', time: time(), ...problem }),
    );
    this.#source = new Source(
      kernel,
      clock,
      {
        see: (batch) => this.#see(batch),
        recheck: () => this.#running && this.#sync(),
        shakeHands: (ifindex, peer) => this.#shakeHands(ifindex, peer),
      },
      () => {
        this.#watch.clear();
      },
    );
    this.#advertising = new Advertising(
      kernel.routing,
      kernel.wireguard,
      clock,
      (link, peer, act) => {
        if (!this.#source.current) throw new Error('nothing keeps on record what is lent');
        this.#source.current.lendAllNodes(link, peer, act);
      },
      () => this.#running && this.#sync(),
    );
    this.#sharing = new Sharing(kernel.reach, clock, {
      admit: (batch) => this.#consider(batch),
      deny: (held, count) => this.#deny({ ...held, reason: 'in-use', count }),
      isLearned: (name, address) => this.ledger.get(name, address) !== undefined,
      recheck: () => this.#running && this.#sync(),
      report: (problem) => this.#report(problem),
    });
    this.ledger.follow(this.#sharing);
    this.#memory = new Memory(
      this.ledger,
      kernel.wireguard,
      clock,
      {
        nameOf: (device) => this.#config.interfaces.find((config) => config.device === device)?.name,
        isConfigured: (device, address) => this.#isConfigured(device, address),
      },
      (problem) => this.#report(problem),
    );
    this.#watch = new Watch(this.ledger, this.#learner, kernel.wireguard, clock, (problem) =>
      this.#report(problem),
    );
    this.#keeper =
      stateFile &&
      new StateKeeper(
        stateFile,
        clock,
        () => this.#state(),
        (problem) => this.#problems.add(problem),
      );
    this.#schedule = new Schedule(clock, () => this.#tick());
    this.view = new View({
      ledger: this.ledger,
      denials: this.#denials,
      tally: this.#tally,
      problems: this.#problems,
      source: this.#source,
      watch: this.#watch,
      advertising: this.#advertising,
      moving: this.#moving,
      pace: this.#pace,
      kernel,
      clock,
      enabledAmong: (links) => this.#enabled(links),
    });
    this.#deny = (denial) => {
      this.#denials.add(denial, clock.now());
      this.#tally.deny(denial);
      if (isNoAddress(denial.address) && this.#noteAddressless(denial)) return;
      listener({ event: 'denied', time: time(), ...denial, ...this.view.standingOf(denial) });
    };
    this.#executor = new Executor(this.ledger, kernel.wireguard, clock, (name) => this.#watch.named(name), {
      noteDelivery: (isTaken) => this.#tally.deliver(isTaken),
      report: (problem) => this.#report(problem),
    });
  }

  start(config: EngineConfig): void {
    this.#running = true;
    this.#config = config;
    const state = this.#keeper?.read();
    if (state) {
      this.#memory.recalled = state.addresses;
      this.#advertising.recall(state.advertised);
    }
    this.#kernel.links.onChange(() => this.#running && this.#sync());
    this.#sync();
  }

  /**
   * Leaves every learned address in place, and what the kernel remembers of it for the next start; withdraws what the kernel
   * would not remember, as it would be nobody's to withdraw then.
   */
  stop(): void {
    if (this.#running) this.#keeper?.stop(); // else it knows nothing, not even what was known
    this.#running = false;
    this.#advertising.stop();
    this.#sharing.stop();
    this.#schedule.stop();
    if (this.#source.current?.outlives === false)
      this.#carryOut(this.#learner.forget(this.ledger.entries(), 'stopped'));
    this.#source.close();
  }

  /** Puts another configuration in force; what it no longer allows is withdrawn at once. */
  configure(config: EngineConfig): void {
    this.#config = config;
    this.#sync();
  }

  /** Moves a learned address, whose peer has no session, to another peer. Why not, if it cannot be. */
  give(name: string, address: string, peer: string): Refusal | undefined {
    const on = this.#watch.named(name);
    const device = on && this.#watch.look(on, true);
    if (!device) return { code: 'away' };
    const refusal = this.#moving.refusalOf(on, device, address, peer, this.#clock.now());
    const entry = this.ledger.get(name, address);
    if (refusal || entry?.peer === peer) return refusal;
    this.#carryOut(this.#moving.give(on, entry!, peer, this.#clock.now()));
    if (this.ledger.get(name, address)?.peer !== peer) return { code: 'failed', owner: entry!.peer };
    this.#noteAddress(this.ledger.get(name, address)!);
    return undefined;
  }

  /** Withdraws one address; false if it is not a learned one. */
  forget(name: string, address: string): boolean {
    const entry = this.ledger.get(name, address);
    if (entry) this.#forgetAll([entry]);
    return entry !== undefined;
  }

  /** Withdraws all, or all of an interface, or of a peer; how many. */
  flush(name?: string, peer?: string): number {
    const entries = [...this.ledger.entries(name)].filter(
      (entry) => peer === undefined || entry.peer === peer,
    );
    this.#forgetAll(entries);
    return entries.length;
  }

  #forgetAll(entries: readonly Entry[]): void {
    this.#carryOut(this.#learner.forget(entries, 'user'));
    if (entries.every((entry) => this.#watch.named(entry.interface))) return;
    this.#memory.hasLeftovers = true; // the kernel's records of an interface that is away
    this.#sync();
  }

  /**
   * Brings everything in line with configuration, links and WireGuard. What fails is tried again. `isDue`: as its time has
   * come, not for something that has been told.
   */
  #sync(isDue = false): void {
    this.#problems.begin();
    try {
      this.#problems.set(this.#align(isDue));
    } catch (error) {
      this.#problems.add({ code: 'links-failed', data: failureOf(error) });
      this.#watch.isIncomplete = true;
    }
    this.#keeper?.note(isDue);
    const isSaved = this.#source.current?.save(this.#clock.now()) === true;
    this.#pace.note(isDue, !isSaved && this.#isToldAll());
    this.#scheduleNext();
  }

  /** Of what has failed, or is not as it should be, just now: a look soon tries again, or finds that it is over. */
  #report(problem: Problem): void {
    this.#problems.add(problem);
    this.#pace.hurry();
    if (this.#running) this.#schedule.setNoLater(this.#clock.now() + this.#pace.interval);
  }

  /** Whether there is nothing that only a look could find. */
  #isToldAll(): boolean {
    const { seesChanges = false, seesHandshakes = false } = this.#source.current ?? {};
    const isSettled = !this.#watch.isIncomplete && !this.#memory.hasLeftovers;
    // Nobody tells what a host on a shared link claims, or that something has removed what leads to an address.
    return seesChanges && seesHandshakes && isSettled && !this.#hasAddressless() && !this.#sharing.isOn;
  }

  #hasAddressless(): boolean {
    return this.#addressless.list(this.#clock.now()).length > 0;
  }

  /** What there is to know after a reboot. */
  #state(): State {
    const { interfaces } = this.#config;
    const isConfigured = (device: string) => interfaces.some((config) => config.device === device);
    const learned = interfaces.flatMap(({ name, device }) => lastAddresses(this.ledger, name, device));
    const recalled = this.#memory.recalled.filter(({ device }) => isConfigured(device));
    const advertised = [...this.#advertising.advertised].filter(([device]) => isConfigured(device));
    return { addresses: [...learned, ...recalled], advertised: new Map(advertised) };
  }

  /** Answers with the problems that there are. */
  #align(isDue: boolean): Problem[] {
    this.#lastReconcile = this.#clock.now();
    let links = this.#kernel.links.list();
    this.#openSource(links);
    // Before anything is withdrawn: last advertisements are to arrive.
    const advertised = this.#advertise(links);
    if (advertised.hasChangedAddresses) links = this.#kernel.links.list();
    this.#watch.note(links);
    const found = this.#enabled(links);
    const shares = found.flatMap(({ share }) => share ?? []);
    this.#sharing.align(shares, links);
    this.#releaseConfigured();
    this.#forgetDisabled(found);
    this.#openSource(links);
    const sightings = this.#source.current;
    const records = sightings && new Records(sightings);
    this.#keepSource(links, records);
    const active = new Map<number, Active>();
    for (const { config, link, share } of found) {
      if (link?.kind !== 'wireguard' || !sightings) continue;
      const departed = this.#advertising.departed(link.ifindex);
      const others = [...(share?.prefixes ?? []), ...departed];
      const scope = scopeOf(
        config.settings.prefixes,
        link,
        links,
        others,
        this.#sharing.refused(link.ifindex),
      );
      active.set(link.ifindex, { ...config, ifindex: link.ifindex, scope, sightings });
    }
    this.#watch.set(active, records);
    this.#watch.isIncomplete ||= advertised.isIncomplete;
    this.#releaseConfigured();
    const owned: Problem[] = [];
    for (const on of this.#watch.all()) {
      const asked = this.#clock.now();
      const device = this.#watch.look(on, isDue);
      this.#carryOut(this.#learner.expire(this.#clock.now(), [on]));
      this.#carryOut(this.#learner.rescope({ ...on, scope: this.#watch.scopeToStay(on) }));
      this.#carryOut(this.#learner.limit(on));
      if (device) owned.push(...this.#reconcile(on, device, asked));
    }
    return withoutConsequences([
      ...this.#source.problems(),
      ...(this.#keeper?.problems() ?? []),
      ...found.flatMap((each) => this.#interfaceProblems(each, links)),
      ...shares.flatMap(({ problem }) => problem ?? []),
      ...advertised.problems,
      ...owned,
      ...this.#addressless
        .list(this.#clock.now())
        .filter(({ name }) => this.#watch.named(name))
        .map(({ name, peer }) => this.#noAddress(name, peer)),
    ]);
  }

  #interfaceProblems({ config, link, share }: EnabledInterface, links: readonly Link[]): Problem[] {
    const { device, settings } = config;
    const now = this.#clock.now();
    this.#presence.note(device, link !== undefined, now);
    if (this.#presence.hasJustChanged(device, now)) return [];
    const configured = this.#config.interfaces.map((each) => each.device);
    if (!link) return [noInterface(device, links, configured, config.absence)];
    const own = interfaceProblems(device, settings, link, this.#kernel.routing, share?.prefixes, config);
    return [...own.map((problem) => withHolder(problem, link, links)), ...twiceProblems(link, links)];
  }

  #enabled(links: readonly Link[]): EnabledInterface[] {
    return enabledAmong(this.#config, links);
  }

  #advertise(links: readonly Link[]): ReturnType<Advertising['align']> {
    const wireguardLinks = links.filter(({ kind }) => kind === 'wireguard');
    const enabled = this.#enabled(links).flatMap(({ config, link, share }) =>
      link?.kind === 'wireguard' ? [{ ...config, link, shared: share?.shared }] : [],
    );
    return this.#advertising.align(enabled, wireguardLinks);
  }

  /** An interface keeps what was learned on it for as long as it is configured, under whatever device name. */
  #forgetDisabled(found: readonly EnabledInterface[]): void {
    for (const name of this.ledger.interfaces()) {
      const on = this.#watch.named(name);
      const stays = found.some(
        ({ config, link }) =>
          config.name === name && (!on || config.device === on.device || link?.ifindex === on.ifindex),
      );
      if (stays) continue;
      this.#carryOut(this.#learner.forget(this.ledger.entries(name), 'disabled'));
      // What could not be withdrawn, or not be found, is still in the kernel's records.
      for (const entry of [...this.ledger.entries(name)]) {
        this.ledger.delete(entry);
        this.ledger.tellGone(entry, { event: 'forgotten', reason: 'disabled' });
      }
      this.#memory.hasLeftovers = true;
    }
  }

  /** What was learned and then configured stays in force, but is no longer ours. */
  #releaseConfigured(): void {
    if (!this.#config.isConfigured) return;
    for (const { name, device } of this.#watch.all()) {
      const configured = [...this.ledger.entries(name)].filter((entry) => this.#isConfigured(device, entry));
      this.#carryOut(this.#learner.release(configured));
    }
  }

  #isConfigured(device: string, address: PeerAddress): boolean {
    return this.#config.isConfigured?.(device, address) ?? false;
  }

  #isWatching(links: readonly Link[]): boolean {
    return this.#enabled(links).some(({ link }) => link?.kind === 'wireguard');
  }

  /** The hook is needed to watch an interface, and to withdraw what its records have of others. */
  #openSource(links: readonly Link[]): void {
    const wireguardLinks = links.filter(({ kind }) => kind === 'wireguard');
    if (this.#isWatching(links) || (this.#memory.hasLeftovers && wireguardLinks.length > 0)) {
      this.#source.need(this.#config.hook, wireguardLinks);
    }
  }

  #keepSource(links: readonly Link[], records: Records | undefined): void {
    const wireguardLinks = links.filter(({ kind }) => kind === 'wireguard');
    if (records) this.#memory.align(records, wireguardLinks);
    if (!this.#isWatching(links) && !this.#memory.hasLeftovers) this.#source.release();
  }

  #see(batch: Sighting[]): void {
    this.#consider(this.#sharing.examine(batch));
  }

  #consider(batch: readonly Sighting[]): void {
    if (batch.length === 0) return;
    const plan = this.#learner.consider(batch, this.#watch.byIfindex, ({ ifindex }, isFresh) => {
      const on = this.#watch.byIfindex.get(ifindex)!;
      return isFresh ? this.#watch.look(on, true) : this.#watch.dump(on);
    });
    for (const { ifindex, packet } of plan.deliver) this.#advertising.expect(ifindex, packet);
    this.#carryOut(plan);
    for (const { to } of plan.move) this.#noteAddress(to);
    for (const { entry } of plan.add) this.#noteAddress(entry);
    for (const name of plan.wiped) {
      const on = this.#watch.named(name)!;
      const asked = this.#clock.now();
      const device = this.#watch.dump(on, true);
      if (device) this.#reconcile(on, device, asked);
    }
    this.#scheduleFor(plan);
  }

  #shakeHands(ifindex: number, peer: string | undefined): void {
    const on = this.#watch.byIfindex.get(ifindex);
    if (!on) return;
    if (peer !== undefined) this.#learner.shakeHands(on.name, peer, this.#clock.now(), this.#clock.wall());
    if (!this.#advertising.isOn(ifindex)) return;
    this.#schedule.setNoLater(this.#clock.now() + this.#pace.interval);
    if (peer !== undefined) this.#advertising.shakeHands(ifindex, peer);
    else {
      const device = this.#watch.dump(on);
      if (device) this.#advertising.setRecipients(ifindex, device);
    }
  }

  /** Told once as an address that is denied, then as a problem, not packet by packet; whether it has been told. */
  #noteAddressless(denial: Denial): boolean {
    const { interface: name, peer } = denial;
    const now = this.#clock.now();
    const isTold = this.#addressless.note(name, denial, now);
    if (this.#addressless.isWithout(name, peer, now)) {
      this.#report(this.#noAddress(name, peer));
    }
    return isTold;
  }

  #noAddress(name: string, peer: string): Problem {
    return { code: 'no-address', data: { device: this.#watch.named(name)?.device ?? name, peer } };
  }

  /** Who has just got a link-local address is told what there is to know. */
  #noteAddress(entry: Entry): void {
    const on = this.#watch.named(entry.interface);
    if (on && this.ledger.get(entry.interface, entry.address) === entry)
      this.#advertising.noteAddress(on.ifindex, entry, this.#sessions.latest(on.name, entry.peer) ?? 0);
  }

  /**
   * Answers with what its configuration makes impossible. `asked` is the time before the device was read: what was wiped
   * while it was, or since, must not count as confirmed then.
   */
  #reconcile(on: Active, device: Device, asked: number): Problem[] {
    const isGone = (peer: string) => this.#config.isGone?.(on.device, peer) ?? false;
    const plan = this.#learner.reconcile(on.name, device, asked, isGone);
    this.#carryOut(plan);
    const hasChanged = plan.add.length + plan.remove.length > 0;
    const current = (hasChanged && this.#watch.dump(on)) || device;
    this.#advertising.setRecipients(on.ifindex, current);
    this.#advertising.probe(on.ifindex, (packet) => on.sightings.deliver(on.ifindex, packet));
    return [...ownedProblems(on.device, on.scope, device), ...this.#sharing.reconcile(on.name, current)];
  }

  #scheduleNext(): void {
    const hasEntries = this.ledger.entries()[Symbol.iterator]().next().done === false;
    const next = Math.min(
      this.#lastReconcile + this.#pace.interval,
      this.#learner.nextExpiry(this.#watch.all()),
    );
    const isBusy =
      (hasEntries && this.#watch.byIfindex.size > 0) ||
      this.#watch.isIncomplete ||
      this.#hasAddressless() ||
      this.#advertising.hasRecipients ||
      (this.#source.current?.seesHandshakes === false && this.#advertising.isOnAny) ||
      this.#sharing.isOn ||
      (this.#source.current !== undefined && this.#memory.hasLeftovers);
    const end = this.#nextEnd(this.#clock.now());
    this.#schedule.set(isBusy ? Math.min(next, end) : end);
  }

  /** What was just learned expires later than anything else, unless there was nothing. */
  #scheduleFor(plan: Plan): void {
    if (plan.add.length === 0) return;
    const lifetimes = this.#watch.all().map(({ settings }) => settings.lifetime);
    this.#schedule.setNoLater(this.#clock.now() + Math.min(this.#pace.interval, ...lifetimes));
  }

  /** When something is over for which others are given time, after `since`. */
  #nextEnd(since: number): number {
    return Math.min(this.#presence.nextEnd(since), this.#learner.nextRelease(since));
  }

  #tick(): void {
    if (this.#schedule.hasCome(this.#lastReconcile + this.#pace.interval)) this.#sync(true);
    else if (this.#schedule.hasCome(this.#nextEnd(this.#lastReconcile))) this.#sync();
    else {
      this.#carryOut(this.#learner.expire(this.#clock.now(), this.#watch.all()));
      this.#scheduleNext();
    }
  }

  #carryOut(plan: Plan): void {
    this.#executor.execute(plan);
    plan.denied.forEach(this.#deny);
  }

  #lastSeen(entry: Entry): number | undefined {
    const on = this.#watch.named(entry.interface);
    return on?.sightings.lastSeen(on.ifindex, entry.address);
  }
}
