// SPDX-License-Identifier: GPL-2.0-only
// The service: builds the parts, starts and stops them. The only file that knows them all.

import type { Clock } from './clock.ts';
import type { EngineConfig } from './engine/config.ts';
import { Engine } from './engine/engine.ts';
import type { EngineEvent } from './engine/events.ts';
import { History } from './history/history.ts';
import { HistoryKeeper } from './history/history-keeper.ts';
import type { Kernel, StateFile } from './kernel/ports.ts';
import type { PeerAddress } from './model.ts';
import { type Problem, ProblemList } from './problem.ts';
import { assignPrefix } from './service/assign.ts';
import { Firewall, type Member } from './service/firewall.ts';
import { type Host, Hosts } from './service/hosts.ts';
import { Hotplug, type Scripts } from './service/hotplug.ts';
import { Log } from './service/log.ts';
import { isDomain, type NamedPeer, namePeers } from './service/names.ts';
import { absenceOf, searchListOf } from './service/network.ts';
import { ServiceObject, type Subject } from './service/object.ts';
import type { PeerSection } from './service/peers.ts';
import { Pinner } from './service/pin.ts';
import { readHosts } from './service/reachable.ts';
import { Reader } from './service/reader.ts';
import { type LogLevel, serviceDefaults } from './settings.ts';
import type { Ubus } from './ubus/types.ts';
import { describeProblem } from './words/problems.ts';

/** What it is built on, and closes when it stops. */
export interface Foundation {
  readonly version: string;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly ubus: Ubus;
  /** For what has to be known after a reboot. */
  readonly stateFile?: StateFile | undefined;
  /** A file of that name, be it there or not. */
  openFile(path: string): StateFile;
  /** For dnsmasq; without it no name resolves. */
  readonly hostsFile?: StateFile | undefined;
  /** For the names of sets of nftables; without it no set is filled. */
  readonly setsFile?: StateFile | undefined;
  /** Those that are to be called for what becomes of addresses. */
  readonly scripts?: Scripts | undefined;
  /** The router's own, without a domain. */
  readonly hostname?: string;
  write(level: LogLevel, line: string): void;
  /** Called when learning has begun. */
  started?(): void;
}

/** How long a start may wait for ubus until that is told, in milliseconds. */
const UBUS_GRACE = 5_000;

/**
 * What could not be read is tried again after so many milliseconds, then twice as many, up to LAST_RETRY; besides when
 * ubusd or rpcd comes back.
 */
const FIRST_RETRY = 1_000;
const LAST_RETRY = 32_000;

export class Daemon implements Subject {
  readonly version: string;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly history: History;
  readonly #pinner: Pinner;
  readonly #log: Log;
  readonly #reader: Reader;
  /** Of the configuration; the engine has its own. */
  readonly #complaints: ProblemList;
  /** Of the file in which the history is kept. */
  readonly #fileComplaints: ProblemList;
  #historyKeeper: HistoryKeeper | undefined;
  /** Of what follows the ledger. */
  readonly #troubles: ProblemList;
  readonly #hosts: Hosts | undefined;
  readonly #firewall: Firewall | undefined;
  /** By section of the interface and public key. */
  #names: ReadonlyMap<string, NamedPeer> = new Map();
  /** … before the configuration was last read: what went with it is told by them. */
  #formerNames: ReadonlyMap<string, NamedPeer> = new Map();
  #object: ServiceObject | undefined;
  #isLearning = false;
  /** What an earlier process has said of peers elsewhere is left as it is until then. */
  #hasReadAll = false;
  #isStopped = false;
  /** Readings of the configuration follow one another. */
  #lastReading: Promise<unknown> = Promise.resolve();
  /** The one that has not begun. */
  #nextReading: Promise<boolean> | undefined;
  #nextRetry = FIRST_RETRY;
  #cancelRetry: (() => void) | undefined;

  readAt: number;

  readonly #foundation: Foundation;

  constructor(foundation: Foundation) {
    this.#foundation = foundation;
    const { version, kernel, clock, ubus, write, stateFile, hostsFile, setsFile, scripts } = foundation;
    this.version = version;
    this.clock = clock;
    this.readAt = clock.now();
    this.#log = new Log(clock, write, (name, peer) => this.describePeer(name, peer));
    this.#reader = new Reader(ubus);
    this.engine = new Engine(kernel, clock, (event) => this.#tell(event), stateFile);
    this.history = new History(
      clock,
      () => this.engine.view.addresses(),
      () => this.#historyKeeper?.note(),
    );
    this.engine.ledger.follow(this.history);
    this.#pinner = new Pinner(ubus);
    const listed = () =>
      new ProblemList(
        (problem) => this.#log.problem(this.#withDescription(problem)),
        (problem) =>
          this.#log.line('info', `solved: ${describeProblem(this.#withDescription(problem)).message}`),
      );
    this.#complaints = listed();
    this.#fileComplaints = listed();
    this.#troubles = listed();
    const noteTroubles = () =>
      this.#troubles.set([...(this.#hosts?.problems ?? []), ...(this.#firewall?.problems ?? [])]);
    if (hostsFile) {
      this.#hosts = new Hosts(
        this.engine.ledger,
        clock,
        hostsFile,
        // As odhcpd's own script does (odhcpd-update).
        () => ubus.call('service', 'signal', { name: 'dnsmasq' }),
        noteTroubles,
      );
      this.engine.ledger.follow(this.#hosts);
    }
    if (setsFile) {
      const open = () => kernel.openNftSets();
      this.#firewall = new Firewall(this.engine.ledger, clock, open, setsFile, noteTroubles);
      this.engine.ledger.follow(this.#firewall);
    }
    if (scripts) {
      const nameOf = (name: string, peer: string) => {
        const key = `${name} ${peer}`;
        return (this.#names.get(key) ?? this.#formerNames.get(key))?.name ?? '';
      };
      const onOmitted = (count: number) =>
        this.#log.line('warn', `hotplug scripts were too slow: ${count} events were left out`);
      this.engine.ledger.follow(new Hotplug(scripts, nameOf, onOmitted));
    }
  }

  get interfaces() {
    return this.#reader.configuration?.interfaces ?? [];
  }

  get global() {
    return this.#reader.configuration?.global ?? serviceDefaults;
  }

  problems(): Problem[] {
    const lists = [
      this.#complaints.list(),
      this.#fileComplaints.list(),
      this.engine.view.problems(),
      this.#troubles.list(),
    ];
    return lists.flat().map((problem) => this.#withDescription(problem));
  }

  /** Learning begins when the configuration can be read. */
  start(): void {
    const { ubus } = this.#foundation;
    this.#object = new ServiceObject(ubus, this);
    ubus.onConnected((connected) => {
      if (this.#isStopped) return;
      this.#log.line(connected ? 'info' : 'warn', connected ? 'connected to ubus' : 'ubus is gone');
      if (connected) void this.reload();
    });
    ubus.listen('ubus.object.add', (_, { path }) => {
      if (path === 'uci') void this.reload();
    });
    ubus.subscribe('network.interface', () => void this.reload());
    if (ubus.connected) void this.reload();
    else this.#retryAfter(UBUS_GRACE);
  }

  /** Leaves every learned address in place. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelRetry?.();
    this.engine.stop();
    this.#historyKeeper?.stop();
    this.#hosts?.stop();
    this.#firewall?.stop();
    this.#foundation.ubus.close();
    this.#foundation.kernel.close();
  }

  /** Reads the configuration again. Resolves when it is in force, with whether all of it could be read. */
  reload(): Promise<boolean> {
    this.#nextReading ??= this.#lastReading.then(() => {
      this.#nextReading = undefined;
      return this.#read();
    });
    this.#lastReading = this.#nextReading.catch(() => {}); // who asked for it is told
    return this.#nextReading;
  }

  async pin(device: string, { address, peer }: PeerAddress): Promise<void> {
    try {
      await this.#pinner.pin(device, { address, peer });
    } catch (error) {
      this.#log.line('error', `${device}: ${address} cannot be pinned: ${(error as Error).message}`);
      throw error;
    }
    await this.reload();
  }

  async assignPrefix(name: string): Promise<boolean> {
    try {
      const hasChanged = await assignPrefix(this.#foundation.ubus, name);
      if (hasChanged) this.#log.line('info', `${name}: it is to have a /64 from now on`);
      return hasChanged;
    } catch (error) {
      this.#log.line('error', `${name}: it cannot be given a /64: ${(error as Error).message}`);
      throw error;
    }
  }

  async #read(): Promise<boolean> {
    this.#cancelRetry?.();
    this.readAt = this.clock.now();
    await this.#reader.read();
    if (this.#isStopped) return false;
    const { configuration, network, failures } = this.#reader;
    this.#log.level = this.global.logLevel;
    this.#complaints.begin();
    const named = namePeers(
      this.interfaces,
      this.#reader.peers,
      configuration?.peers ?? [],
      this.#foundation.hostname ?? '',
      this.#reader.network.wireguard,
    );
    this.#formerNames = this.#names;
    this.#names = new Map(named.peers.map((peer) => [`${peer.interface} ${peer.key}`, peer]));
    const unzoned = this.interfaces.filter(
      ({ enabled, device }) => enabled && network.outsideZones.has(device),
    );
    this.#complaints.set([
      ...failures,
      ...(configuration?.problems ?? []),
      ...named.problems,
      ...unzoned.map(({ device }): Problem => ({ code: 'no-zone', data: { device } })),
    ]);
    if (failures.length > 0) this.#retryAfter(this.#nextRetry);
    this.#nextRetry = failures.length > 0 ? Math.min(2 * this.#nextRetry, LAST_RETRY) : FIRST_RETRY;
    if (configuration) this.#apply();
    return failures.length === 0;
  }

  #apply(): void {
    const { configuration, peers, network, failures } = this.#reader;
    const config: EngineConfig = {
      hook: configuration!.global.hook,
      interfaces: configuration!.interfaces
        .filter(({ enabled }) => enabled)
        .map((section) => {
          const otherAdvertiser = network.advertisers.get(section.device);
          const search = searchListOf(network, section.device);
          const assignment = network.assignments.get(section.device);
          const exhausted = network.exhausted.get(section.device);
          const absence = absenceOf(network, section.device);
          const { share = '' } = section.settings;
          const sharedDevice = network.devices.get(share);
          const rival = network.relays.get(sharedDevice ?? share) ?? network.relays.get(section.device);
          return {
            ...section,
            ...(otherAdvertiser && { otherAdvertiser }),
            ...(assignment && { assignment }),
            ...(exhausted && { exhausted }),
            ...(absence && { absence }),
            ...(sharedDevice && { sharedDevice }),
            ...(rival && { rival }),
            search,
          };
        }),
      isConfigured: (device, address) => peers.isConfigured(device, address),
      isGone: (device, peer) => peers.isGone(device, peer),
    };
    this.#keepHistory(configuration!.global.historyFile);
    this.#hasReadAll ||= failures.length === 0;
    if (this.#hasReadAll) {
      this.#hosts?.configure(this.#named());
      this.#firewall?.configure(this.#members());
    }
    if (this.#isLearning) {
      this.engine.configure(config);
      this.#log.line('debug', 'the configuration has been read again');
      return;
    }
    this.#isLearning = true;
    this.engine.start(config);
    const time = this.clock.wall() / 1000;
    this.#log.event({ event: 'ready', time, hook: this.engine.view.hook, version: this.version });
    this.#foundation.started?.();
  }

  /** Before anything is adopted, so that what an earlier process has seen begin goes on. */
  #keepHistory(path: string | undefined): void {
    if (path === this.#historyKeeper?.path) return;
    this.#historyKeeper?.stop();
    this.#fileComplaints.set([]);
    this.#historyKeeper =
      path === undefined
        ? undefined
        : new HistoryKeeper(this.#foundation.openFile(path), this.clock, this.history, (problems) =>
            this.#fileComplaints.set(problems),
          );
  }

  /** What dnsmasq is to know. */
  #named(): Host[] {
    const { peers, network } = this.#reader;
    return [...this.#names.values()].flatMap(({ interface: section, device, key, name, dns }) => {
      if (name === undefined || dns === '0') return [];
      const domain = searchListOf(network, device).find(isDomain);
      const names = domain === undefined ? [name] : [`${name}.${domain}`, name];
      return [{ interface: section, key, names, dns, configured: peers.configured(device, key) }];
    });
  }

  /** Whose addresses are to be in sets of nftables. */
  #members(): Member[] {
    return [...this.#names.values()].flatMap(({ interface: section, device, key, nftsets, derivedSet }) => {
      const optional = derivedSet === undefined ? [] : [derivedSet];
      if (nftsets.length + optional.length === 0) return [];
      const configured = this.#reader.peers.configured(device, key);
      return [{ interface: section, key, sets: nftsets, optional, configured }];
    });
  }

  #retryAfter(milliseconds: number): void {
    this.#cancelRetry?.();
    this.#cancelRetry = this.clock.after(milliseconds, () => void this.reload());
  }

  #tell(event: EngineEvent): void {
    this.#log.event('data' in event ? this.#withDescription(event) : event);
    this.#object?.notify(event);
  }

  /** With what the configuration calls the peer that a problem is about. */
  #withDescription<About extends Problem>(problem: About): About {
    const { data } = problem;
    const description = 'peer' in data && this.#reader.peers.description(data.device, data.peer);
    return description ? { ...problem, data: { ...data, description } } : problem;
  }

  peersOf(device: string): readonly PeerSection[] {
    return this.#reader.peers.inForce(device);
  }

  hasRandomPort(device: string): boolean {
    return this.#reader.network.withRandomPort.has(device);
  }

  ipv4Of(device: string): readonly string[] {
    return this.#reader.network.wireguard.get(device) ?? [];
  }

  hosts(): Promise<readonly string[]> {
    return readHosts(this.#foundation.ubus);
  }

  namePeer(name: string, peer: string): string | undefined {
    const named = this.#names.get(`${name} ${peer}`);
    return named?.dns === '0' ? undefined : named?.name;
  }

  describePeer(name: string, peer: string): string | undefined {
    const device = this.interfaces.find((section) => section.name === name)?.device ?? name;
    return this.#reader.peers.description(device, peer);
  }
}
