// SPDX-License-Identifier: GPL-2.0-only
// The ubus object "wg-slaacer".

import { formatAddress, formatPrefix } from '../address-text.ts';
import type {
  DeniedAddress,
  InterfaceOptions,
  InterfacePeer,
  LearnedAddress,
  StatusAnswer,
  StatusTotals,
  Stay,
} from '../answers.ts';
import type { Clock } from '../clock.ts';
import type { EngineEvent } from '../engine/events.ts';
import type { Refusal } from '../engine/moving.ts';
import type { Totals } from '../engine/totals.ts';
import type { History } from '../history/history.ts';
import type { Counters, PeerAddress } from '../model.ts';
import type { Problem } from '../problem.ts';
import type { ServiceSettings } from '../settings.ts';
import {
  type Method,
  type PublishedObject,
  type Ubus,
  UbusError,
  type UbusTable,
  ubusStatus,
} from '../ubus/types.ts';
import { describeProblem } from '../words/problems.ts';
import * as argument from './arguments.ts';
import { type ClientSubject, configureClient, listPeers } from './clients.ts';
import type { InterfaceSection } from './config.ts';
import { notificationOf, ownerOf } from './notification.ts';
import { NotConfigured } from './pin.ts';

/** ubusd takes no message of more than a megabyte (UBUS_MAX_MSGLEN): what is beyond is left out, and counted. */
const MOST_BYTES = 1_000_000;

const noCounters: Counters = { candidate: 0, restore: 0, owned: 0, scope: 0, reserved: 0, rate: 0 };

/** What a caller of `give` is answered. */
const refusals = {
  away: 'noData',
  'unknown-peer': 'notFound',
  'not-learned': 'notFound',
  configured: 'notSupported',
  session: 'permissionDenied',
  failed: 'unknownError',
} as const satisfies Record<Refusal['code'], keyof typeof ubusStatus>;

/** What the object is about, as it is now. */
export interface Subject extends ClientSubject {
  readonly version: string;
  readonly clock: Clock;
  readonly history: History;
  /** When the configuration was last read, by the clock. */
  readonly readAt: number;
  /** What is in force for all of it. */
  readonly global: ServiceSettings;
  /** All that are configured, disabled ones as well. */
  readonly interfaces: readonly InterfaceSection[];
  problems(): Problem[];
  /** Makes a learned address a configured one. Rejects with NotConfigured, or another error: then nothing has changed. */
  pin(device: string, address: PeerAddress): Promise<void>;
  /** Gives a WireGuard interface a /64, unless it is to have one already: false then. Rejects as `pin` does. */
  assignPrefix(name: string): Promise<boolean>;
  /** Reads the configuration again. Resolves when it is in force, with whether all of it could be read. */
  reload(): Promise<boolean>;
}

export class ServiceObject {
  readonly #started: number;
  readonly #published: PublishedObject;

  readonly #subject: Subject;

  constructor(ubus: Ubus, subject: Subject) {
    this.#subject = subject;
    this.#started = subject.clock.now();
    this.#published = ubus.publish('wg-slaacer', this.#methods());
  }

  /** Tells the subscribers. */
  notify(event: EngineEvent): void {
    if (!this.#published.isFollowed) return;
    const notification = notificationOf(event, (name, peer) => this.#subject.describePeer(name, peer));
    if (notification) this.#published.notify(notification.type, notification.data);
  }

  #methods(): Record<string, Method> {
    const one = { interface: 'String', address: 'String' } as const;
    const some = { interface: 'String', peer: 'String' } as const;
    return {
      status: { arguments: { interface: 'String' }, call: (args) => this.#status(args) },
      get_addresses: { arguments: some, call: (args) => this.#addresses(args) },
      get_denied: { arguments: { interface: 'String' }, call: (args) => this.#denied(args) },
      get_history: {
        arguments: { address: 'String', peer: 'String', at: 'Integer', last: 'Integer' },
        call: (args) => this.#history(args),
      },
      get_peers: { arguments: { interface: 'String' }, call: (args) => this.#peers(args) },
      get_client: {
        arguments: { interface: 'String', peer: 'String', for: 'String', endpoint: 'String' },
        call: (args) => this.#client(args),
      },
      forget: { arguments: one, call: (args) => this.#forget(args) },
      flush: { arguments: some, call: (args) => this.#flush(args) },
      pin: { arguments: one, call: (args) => this.#pin(args) },
      assign_prefix: { arguments: { interface: 'String' }, call: (args) => this.#assignPrefix(args) },
      give: { arguments: { ...one, peer: 'String' }, call: (args) => this.#give(args) },
      reload: {
        arguments: {},
        call: async () => {
          if (await this.#subject.reload()) return undefined;
          throw new UbusError(ubusStatus.unknownError, 'the configuration cannot be read: see status');
        },
      },
    };
  }

  #status(args: UbusTable): UbusTable {
    const only = this.#section(args);
    const { version, clock, readAt, engine, global, interfaces } = this.#subject;
    const { hook, interfaces: states, up, totals } = engine.view.status();
    return {
      version,
      uptime: Math.floor((clock.now() - this.#started) / 1000),
      read: Math.floor((clock.now() - readAt) / 1000),
      hook,
      options: {
        hook: global.hook,
        log_level: global.logLevel,
        ...(global.historyFile !== undefined && { history_file: global.historyFile }),
      },
      problems: this.#problemsOf(only).map((problem) => ({
        code: problem.code,
        ...describeProblem(problem),
        data: problem.data as unknown as UbusTable,
      })),
      interfaces: (only ? [only] : interfaces).map((section) => {
        const { name, device, enabled } = section;
        const state = enabled ? states.find((state) => state.name === name) : undefined;
        return {
          name,
          device,
          enabled,
          up: up.has(device),
          options: optionsAnswer(section),
          prefixes: state?.prefixes.map(formatPrefix) ?? [],
          addresses: state?.addresses ?? 0,
          counters: { ...(state?.counters ?? noCounters) },
        };
      }),
      totals: totalsAnswer(totals),
    } satisfies StatusAnswer;
  }

  /** Of an interface those that are not of another one. */
  #problemsOf(only: InterfaceSection | undefined): Problem[] {
    const { interfaces } = this.#subject;
    return this.#subject.problems().filter(({ data }) => {
      const { device, section } = data as { device?: string; section?: string };
      const isOf = (each: InterfaceSection) => each.device === device || each.name === section;
      return !only || isOf(only) || !interfaces.some(isOf);
    });
  }

  #addresses(args: UbusTable): UbusTable {
    const section = this.#section(args);
    const peer = argument.peer(args);
    const { clock, engine, interfaces } = this.#subject;
    const lifetimes = new Map(interfaces.map(({ name, settings }) => [name, settings.lifetime]));
    const entries = engine.view
      .addresses(section?.name)
      .filter((entry) => peer === undefined || entry.peer === peer);
    return bounded(
      'addresses',
      entries.map(
        ({ interface: name, address, peer, learned, lastSeen }) =>
          ({
            interface: name,
            address,
            peer,
            ...this.#named(name, peer),
            learned: this.#seconds(learned),
            last_seen: this.#seconds(lastSeen),
            expires: Math.max(0, Math.round((lastSeen + (lifetimes.get(name) ?? 0) - clock.now()) / 1000)),
          }) satisfies LearnedAddress,
      ),
    );
  }

  #denied(args: UbusTable): UbusTable {
    const section = this.#section(args);
    const denied = this.#subject.engine.view.denied(section?.name);
    return bounded(
      'denied',
      denied.map((denial) => {
        const { interface: name, address, peer, reason, count, last } = denial;
        return {
          interface: name,
          address,
          peer,
          ...this.#named(name, peer),
          reason,
          count,
          last: this.#seconds(last),
          ...ownerOf(denial, (owner) => this.#subject.describePeer(name, owner)),
        } satisfies DeniedAddress;
      }),
    );
  }

  #history(args: UbusTable): UbusTable {
    const now = this.#seconds(this.#subject.clock.now());
    const last = argument.seconds(args, 'last');
    const stays = this.#subject.history.stays({
      address: args.address === undefined ? undefined : argument.address(args),
      peer: argument.peer(args),
      at: argument.seconds(args, 'at'),
      since: last === undefined ? undefined : now - last,
    });
    const answer = bounded(
      'history',
      stays.map(({ interface: name, address, peer, from, to, lastSeen, how, reason }) => {
        const end = { ...(to !== undefined && { to }), last_seen: lastSeen, how, ...(reason && { reason }) };
        return { interface: name, address, peer, ...this.#named(name, peer), from, ...end } satisfies Stay;
      }),
    );
    return { now, ...answer };
  }

  #peers(args: UbusTable): UbusTable {
    const section = this.#section(args);
    const sections = section ? [section] : this.#subject.interfaces.filter(({ enabled }) => enabled);
    const peers = sections.flatMap((each) => listPeers(this.#subject, each));
    return bounded(
      'peers',
      peers.map(
        ({ interface: name, peer }) =>
          ({ interface: name, peer, ...this.#named(name, peer) }) satisfies InterfacePeer,
      ),
    );
  }

  async #client(args: UbusTable): Promise<UbusTable> {
    argument.required(args, 'interface');
    argument.required(args, 'peer');
    const peer = argument.peer(args)!;
    const system = argument.system(args);
    const reach = argument.endpoint(args);
    const section = this.#section(args)!;
    const answer = await configureClient(this.#subject, section, peer, system, reach);
    return { ...answer, ...this.#named(section.name, peer) };
  }

  #forget(args: UbusTable): undefined {
    const { name, address } = this.#learned(args);
    this.#subject.engine.forget(name, address);
  }

  #flush(args: UbusTable): UbusTable {
    const section = this.#section(args);
    return { count: this.#subject.engine.flush(section?.name, argument.peer(args)) };
  }

  async #pin(args: UbusTable): Promise<undefined> {
    const { device, address, peer } = this.#learned(args);
    await changingNetwork(this.#subject.pin(device, { address, peer }));
  }

  /** By the name that it has in /etc/config/network, whether it is known here or not. */
  async #assignPrefix(args: UbusTable): Promise<UbusTable> {
    const name = argument.device(args);
    return { changed: await changingNetwork(this.#subject.assignPrefix(name)) };
  }

  #give(args: UbusTable): undefined {
    argument.required(args, 'interface');
    argument.required(args, 'peer');
    const [address, peer] = [argument.address(args), argument.peer(args)!];
    const { name } = this.#section(args)!;
    const refusal = this.#subject.engine.give(name, address, peer);
    if (!refusal) return;
    const status = refusals[refusal.code];
    throw new UbusError(
      ubusStatus[status],
      `${name}: ${address} cannot be given to ${peer}: ${refusal.code}`,
    );
  }

  /** The learned address that is meant. */
  #learned(args: UbusTable): { name: string; device: string; address: string; peer: string } {
    argument.required(args, 'interface');
    const address = argument.address(args);
    const { name, device } = this.#section(args)!;
    const entry = this.#subject.engine.ledger.get(name, address);
    if (!entry) throw new UbusError(ubusStatus.notFound, `${name}: ${address} is no learned address`);
    return { name, device, address, peer: entry.peer };
  }

  /** The interface that is meant, by its section's name or its device's; undefined: all. */
  #section(args: UbusTable): InterfaceSection | undefined {
    const name = argument.text(args, 'interface');
    if (name === undefined) return undefined;
    const { interfaces } = this.#subject;
    const section =
      interfaces.find((section) => section.name === name) ??
      interfaces.find(({ enabled, device }) => enabled && device === name) ??
      interfaces.find(({ device }) => device === name);
    if (!section) throw new UbusError(ubusStatus.notFound, `interface ${name} is not configured`);
    return section;
  }

  #named(section: string, peer: string): { description?: string; name?: string } {
    const description = this.#subject.describePeer(section, peer);
    const name = this.#subject.namePeer(section, peer);
    return { ...(description !== undefined && { description }), ...(name !== undefined && { name }) };
  }

  /** Unix seconds of a time of the monotonic clock. */
  #seconds(time: number): number {
    const { clock } = this.#subject;
    return Math.round((clock.wall() - clock.now() + time) / 1000);
  }
}

/** Never with rpcd's own status: "not found" would be taken for the address. */
async function changingNetwork<Result>(change: Promise<Result>): Promise<Result> {
  try {
    return await change;
  } catch (error) {
    const status = error instanceof NotConfigured ? ubusStatus.notSupported : ubusStatus.unknownError;
    throw new UbusError(status, (error as Error).message);
  }
}

function optionsAnswer({ settings, dns, nftsetPrefix = '' }: InterfaceSection) {
  const orNone = (texts: readonly string[]) => (texts.length > 0 ? [...texts] : ['0']);
  return {
    rate: settings.rate,
    burst: settings.burst,
    max_addresses: settings.maxAddresses,
    lifetime: settings.lifetime / 1000,
    prefix: settings.prefixes.map(formatPrefix),
    share: settings.share ?? '',
    ra: settings.ra,
    ra_default: settings.raDefault,
    ra_preference: settings.raPreference,
    ra_route: settings.raRoutes.map(formatPrefix),
    ra_dns: orNone(settings.raDns.map((each) => (each === 'auto' ? each : formatAddress(each)))),
    ra_search: orNone(settings.raSearch),
    ra_mtu: String(settings.raMtu),
    takeover: settings.takeover ? 1 : 0,
    dns,
    nftset_prefix: nftsetPrefix,
  } satisfies InterfaceOptions;
}

function totalsAnswer({ addresses, denied, deliveryFailed, ...others }: Totals) {
  const answer = { ...addresses, denied: { ...denied }, delivery_failed: deliveryFailed, ...others };
  return answer satisfies StatusTotals;
}

/** As many rows as fit into a message; `omitted` tells of how many do not. */
function bounded(name: string, rows: readonly UbusTable[]): UbusTable {
  let bytes = 0;
  const kept = rows.filter((row) => {
    bytes += sizeOf(row);
    return bytes <= MOST_BYTES;
  });
  const omitted = rows.length - kept.length;
  return { [name]: kept, ...(omitted > 0 && { omitted }) };
}

/** What a table of texts and integers takes as an element of a blobmsg array. */
function sizeOf(row: UbusTable): number {
  const attribute = (name: string, length: number) => 4 + padded(3 + name.length) + padded(length);
  const fields = Object.entries(row).map(([name, value]) =>
    attribute(name, typeof value === 'string' ? Buffer.byteLength(value) + 1 : 8),
  );
  return fields.reduce((sum, size) => sum + size, attribute('', 0));
}

/** blob.h aligns attributes to 4 bytes. */
function padded(length: number): number {
  return (length + 3) & ~3;
}
