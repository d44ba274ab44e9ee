// SPDX-License-Identifier: GPL-2.0-only
// A model of what the engine meets in Linux: WireGuard devices, links, and the hook of bpf/wg-slaacer.bpf.c with its
// maps. Changes are announced and sightings passed on when the test says so, so that it can put anything in between.

import { contains, type Prefix, parseAddress, parsePrefix } from '../../src/address.ts';
import { formatAddress, formatPrefix } from '../../src/address-text.ts';
import type { Clock } from '../../src/clock.ts';
import { withoutLoan } from '../../src/kernel/lending/loans.ts';
import {
  HookError,
  type Kernel,
  type Links,
  type NftSets,
  type Observer,
  type Sightings,
} from '../../src/kernel/ports.ts';
import type {
  Counters,
  Device,
  Hook,
  LearnedRecord,
  Limits,
  Link,
  Loan,
  PeerAddress,
  Scope,
  Sighting,
  Verdict,
} from '../../src/model.ts';
import { solicitorOf } from '../../src/packets/advertisement.ts';
import type { Problem } from '../../src/problem.ts';
import { allowedIpsOf } from './allowed-ips.ts';
import { FakeNftables } from './fake-nftables.ts';
import { FakeReach } from './fake-reach.ts';
import { FakeRouting } from './fake-routing.ts';

const ATTEMPT_HOLD = 1_000;
const ATTEMPT_PACKETS = 8;
const REPORT_INTERVAL = 100;
const REPORT_BURST = 32;
/** 100 jiffies where HZ is 100. */
const LAST_SEEN_SLACK = 1_000;

/** Allowed IPs by peer: prefixes as text. */
export type PeerTable = Readonly<Record<string, readonly string[]>>;

interface FakePeer {
  /** As the kernel's internal_id: another one when the peer is added again. */
  readonly id: number;
  readonly key: string;
  readonly allowedIps: Map<string, Prefix>;
}

type FakeDevice = Map<string, FakePeer>;

/** An allowed IP that the engine added, whose the address was until then, and the links as the engine saw them last. */
export interface Added extends PeerAddress {
  readonly device: string;
  readonly previousOwner: string | undefined;
  readonly links: readonly Link[];
  readonly time: number;
}

/** What the process sees of its own death: nothing happens any more. */
export class Killed extends Error {}

/** What the next calls are to fail with, and after how many of their addresses. */
interface Failures {
  add?: number | undefined;
  remove?: number | undefined;
  remember?: number | undefined;
  deliver?: boolean;
  hook?: readonly Problem[] | undefined;
}

export class FakeKernel implements Kernel {
  readonly wireguard: { -readonly [Key in keyof Kernel['wireguard']]: Kernel['wireguard'][Key] };
  readonly links: Links;
  readonly routing = new FakeRouting();
  readonly nft = new FakeNftables();
  readonly reach = new FakeReach();
  readonly failures: Failures = {};
  /** Every allowed IP that the engine added, each removal of one that was there, and each packet put back. */
  readonly added: Added[] = [];
  readonly removed: (PeerAddress & { readonly device: string })[] = [];
  readonly delivered: { readonly ifindex: number; readonly packet: string }[] = [];
  /** The names of the calls that were made, in order. */
  readonly calls: string[] = [];
  /** To whom ff02::1 was lent. */
  readonly allNodes: string[] = [];
  hooksOpened = 0;
  seesHandshakes = true;
  /** Whether the hook tells of others' changes. */
  tells = false;
  /** Whether what is learned outlives the process only if that sees to it. */
  saves = false;
  /** Whether what is learned outlives the process. */
  remembers = true;
  /** Of every device. */
  publicKey: string | undefined;
  /** Peers that have one. */
  readonly withPresharedKey = new Set<string>();
  /** When a peer's latest handshake was, in seconds since 1970. */
  readonly handshakes = new Map<string, number>();
  /** The links as the engine saw them last. */
  listed: readonly Link[] = [];

  readonly #linkTable: Link[] = [];
  readonly #devices = new Map<number, FakeDevice>();
  #nextIfindex = 1;
  #nextPeerId = 1;
  #onChange: (() => void) | undefined;
  #changed = false;
  #hook: FakeHook | undefined;
  #callsToLive = Number.POSITIVE_INFINITY;
  /** What is lent, by ifindex: the engine is told, and sees it among the allowed IPs. */
  readonly loans = new Map<number, Loan>();
  /** The pinned map. */
  readonly learned = new Map<string, RecordInMap>();

  constructor(readonly clock: Clock) {
    this.wireguard = {
      dump: (device) => this.call('dump', () => this.#dump(device)),
      add: (device, entries) => this.call('add', () => this.#add(device, entries)),
      remove: (device, entries) => this.call('remove', () => this.#remove(device, entries)),
      close: () => {},
      missed: 0,
    };
    this.links = {
      list: () =>
        this.call('list', () => {
          this.listed = [...this.#linkTable];
          return [...this.#linkTable];
        }),
      onChange: (callback) => {
        this.#onChange = callback;
      },
      refused: () => 0,
      close: () => {},
    };
  }

  openSightings(hook: Hook | 'auto', observer: Observer): Sightings {
    return this.call('openSightings', () => {
      if (this.failures.hook) throw new HookError(this.failures.hook);
      this.hooksOpened++;
      this.#hook = new FakeHook(this, hook === 'auto' ? 'fexit' : hook, observer);
      return this.#hook;
    });
  }

  openNftSets(): NftSets {
    return this.nft.open();
  }

  close(): void {}

  /** Every call of the engine's comes through here. */
  call<Value>(name: string, act: () => Value): Value {
    if (this.#callsToLive <= 0) {
      this.kill();
      throw new Killed();
    }
    this.#callsToLive--;
    this.calls.push(name);
    return act();
  }

  // What happens in the world

  addLink(name: string, { kind = 'wireguard', addresses = [] as readonly string[] } = {}): number {
    const ifindex = this.#nextIfindex++;
    this.#linkTable.push({ name, ifindex, up: true, kind, mtu: 1420, addresses: addresses.map(linkAddress) });
    if (kind === 'wireguard') this.#devices.set(ifindex, new Map());
    this.#changed = true;
    return ifindex;
  }

  deleteLink(name: string): void {
    const { ifindex } = this.#link(name);
    this.#linkTable.splice(this.#linkTable.indexOf(this.#link(name)), 1);
    this.#devices.delete(ifindex);
    this.#changed = true;
  }

  renameLink(from: string, to: string): void {
    this.#replaceLink(from, { name: to });
  }

  setLinkAddresses(name: string, addresses: readonly string[]): void {
    this.#replaceLink(name, { addresses: addresses.map(linkAddress) });
  }

  /** Of all its addresses, in milliseconds from now. */
  setLifetimes(name: string, preferred: number, valid: number): void {
    const addresses = this.#link(name).addresses.map((address) => ({ ...address, preferred, valid }));
    this.#replaceLink(name, { addresses });
  }

  /** Makes an address of a link one that this program has added. */
  disown(name: string, address: string): void {
    const addresses = this.#link(name).addresses.map((each) => ({
      ...each,
      isOurs: each.isOurs || formatAddress(each.bytes) === address,
    }));
    this.#replaceLink(name, { addresses });
  }

  /** Whatever else may change of it; undefined: it is not so any more. */
  changeLink(name: string, change: { [Key in keyof Link]?: Link[Key] | undefined }): void {
    this.#replaceLink(name, change as Partial<Link>);
  }

  setLinkUp(name: string, up: boolean): void {
    this.#replaceLink(name, { up });
  }

  /** `wg setconf`: these peers and no others, with these allowed IPs and no others. */
  setPeers(name: string, table: PeerTable): void {
    const device = this.#device(name);
    for (const key of device.keys()) if (!(key in table)) device.delete(key);
    for (const key of Object.keys(table)) {
      const peer = device.get(key) ?? { id: this.#nextPeerId++, key, allowedIps: new Map() };
      peer.allowedIps.clear();
      device.set(key, peer);
    }
    for (const [key, allowedIps] of Object.entries(table)) this.allow(name, key, ...allowedIps);
  }

  /** `wg set … peer … allowed-ips +…`: moved silently if it was another peer's. */
  allow(name: string, key: string, ...allowedIps: readonly string[]): void {
    for (const text of allowedIps) move(this.#device(name), key, parsePrefix(text)!);
  }

  disallow(name: string, key: string, allowedIp: string): void {
    this.#device(name).get(key)?.allowedIps.delete(allowedIp);
  }

  /** A peer has a new session, of which the hook tells. */
  shakeHands(name: string, peer: string): void {
    this.handshakes.set(peer, Math.floor(this.clock.wall() / 1_000));
    this.#hook?.shakeHands(this.ifindex(name), peer);
  }

  /** The hook tells that others have changed WireGuard's configuration. */
  tellChanges(): void {
    this.#hook?.tellChanges();
  }

  /** Tells of changed links, if there are any. */
  announce(): void {
    if (!this.#changed) return;
    this.#changed = false;
    this.#onChange?.();
  }

  /** An authenticated packet from a peer; whether WireGuard accepts it. */
  receive(
    name: string,
    sender: string,
    address: string,
    packet: string | Buffer | null = `from ${address}`,
  ): boolean {
    const { ifindex } = this.#link(name);
    const peer = this.#device(name).get(sender);
    if (!peer) return false; // it has no session
    const owner = longestMatch(this.#device(name), address);
    this.#hook?.received({ ifindex, sender: peer, owner, address, packet });
    return owner === sender;
  }

  /** A packet from an address that is lent to its sender, or offered to it, if it has an owner. */
  accepted(name: string, sender: string, address: string, owner?: string): void {
    const { ifindex } = this.#link(name);
    this.#hook?.accepted({ ifindex, address, sender, ...(owner !== undefined && { owner }) });
  }

  /** Something that the hook's user should know comes up. */
  warn(problem: Problem): void {
    this.#hook?.warn(problem);
  }

  /** Passes on the sightings that have come up since the last time. */
  flush(): void {
    this.#hook?.flush();
  }

  /** SIGKILL: the process and its hook are gone; allowed IPs and the pinned map stay. */
  kill(): void {
    this.#hook = undefined;
    this.#onChange = undefined;
    this.#callsToLive = 0;
  }

  /** … after so many more calls. */
  killAfter(calls: number): void {
    this.#callsToLive = calls;
  }

  /** Another process may begin. */
  revive(): void {
    this.kill();
    this.#callsToLive = Number.POSITIVE_INFINITY;
  }

  /** The system is started anew: nothing is left. Its links are to be added again. */
  reboot(): void {
    this.kill();
    for (const name of this.linkNames()) this.deleteLink(name);
    this.learned.clear();
    this.routing.routes.length = 0;
  }

  // What a test wants to know

  get hookIsOpen(): boolean {
    return this.#hook !== undefined;
  }

  /** Whether the process has not been killed. */
  get isAlive(): boolean {
    return this.#callsToLive > 0;
  }

  get watched(): number[] {
    return this.#hook?.watched() ?? [];
  }

  linkNames(): string[] {
    return this.#linkTable.map(({ name }) => name);
  }

  ifindex(name: string): number {
    return this.#link(name).ifindex;
  }

  peers(name: string): string[] {
    return [...this.#device(name).keys()];
  }

  /** As text, sorted. */
  allowedIps(name: string, key: string): string[] {
    return [...(this.#device(name).get(key)?.allowedIps.keys() ?? [])].sort();
  }

  owner(name: string, address: string): string | undefined {
    return longestMatch(this.#device(name), address);
  }

  records(): LearnedRecord[] {
    return [...this.learned.values()].map(({ written, ...record }) => record);
  }

  // The kernel's side

  detach(hook: FakeHook): void {
    if (this.#hook === hook) this.#hook = undefined;
  }

  #link(name: string): Link {
    const link = this.#linkTable.find((link) => link.name === name);
    if (!link) throw new Error(`ENODEV: ${name}`);
    return link;
  }

  #device(name: string): FakeDevice {
    const device = this.#devices.get(this.#link(name).ifindex);
    if (!device) throw new Error(`EOPNOTSUPP: ${name}`);
    return device;
  }

  #replaceLink(name: string, change: Partial<Link>): void {
    const link = this.#link(name);
    this.#linkTable[this.#linkTable.indexOf(link)] = { ...link, ...change };
    this.#changed = true;
  }

  #dump(name: string): Device | undefined {
    const ifindex = this.#linkTable.find((link) => link.name === name)?.ifindex;
    const device = ifindex !== undefined && this.#devices.get(ifindex);
    if (!device) return undefined;
    const peers = [...device.values()].map(({ key, allowedIps }) => ({
      key,
      ...allowedIpsOf(allowedIps.values()),
      latestHandshake: this.handshakes.get(key) ?? 0,
      rxBytes: 0,
      ...(this.withPresharedKey.has(key) && { hasPresharedKey: true as const }),
    }));
    return { ifindex, ...(this.publicKey && { publicKey: this.publicKey }), listenPort: 51820, peers };
  }

  #add(name: string, entries: readonly PeerAddress[]): void {
    const device = this.#device(name);
    this.eachUntilFailure('add', entries, ({ peer, address }) => {
      if (!device.has(peer)) return; // UPDATE_ONLY
      const previousOwner = longestMatch(device, address);
      const time = this.clock.now();
      this.added.push({ device: name, peer, address, previousOwner, links: this.listed, time });
      move(device, peer, parsePrefix(`${address}/128`)!);
    });
  }

  #remove(name: string, entries: readonly PeerAddress[]): void {
    const device = this.#device(name);
    this.eachUntilFailure('remove', entries, ({ peer, address }) => {
      if (device.get(peer)?.allowedIps.delete(`${address}/128`))
        this.removed.push({ device: name, peer, address });
    });
  }

  /** An injected failure lets some through. */
  eachUntilFailure<Item>(
    call: 'add' | 'remove' | 'remember',
    items: readonly Item[],
    act: (item: Item) => void,
  ): void {
    const fails = this.failures[call];
    items.slice(0, fails).forEach(act);
    if (fails === undefined) return;
    if (fails < items.length) throw new Error(`ENOMEM: ${call}`);
    this.failures[call] = fails - items.length;
  }
}

interface RecordInMap extends LearnedRecord {
  readonly lastSeen: number;
  /** When lastSeen was written by the hook. */
  readonly written: number;
}

interface Packet {
  readonly ifindex: number;
  readonly sender: FakePeer;
  readonly owner: string | undefined;
  readonly address: string;
  readonly packet: string | Buffer | null;
}

interface Attempt {
  readonly told: number;
  untold: number;
  packets: number;
}

interface Watch {
  readonly limits: Limits;
  readonly trie: ReadonlyMap<string, { readonly prefix: Prefix; readonly learn: boolean }>;
  readonly counters: Record<Verdict, number>;
}

class FakeHook implements Sightings {
  readonly warnings: Problem[] = [];
  save(): boolean {
    return this.#kernel.saves;
  }

  get outlives(): boolean {
    return this.#kernel.remembers;
  }
  get seesHandshakes(): boolean {
    return this.#kernel.seesHandshakes;
  }
  get seesChanges(): boolean {
    return this.#kernel.tells;
  }
  readonly #interfaces = new Map<number, Watch>();
  readonly #budgets = new Map<string, { learn: number; report: number }>();
  readonly #attempts = new Map<string, Attempt>();
  #queue: Sighting[] = [];

  readonly #kernel: FakeKernel;
  readonly #observer: Observer;

  constructor(
    kernel: FakeKernel,
    readonly hook: Hook,
    observer: Observer,
  ) {
    this.#kernel = kernel;
    this.#observer = observer;
  }

  watch({ ifindex }: Pick<Link, 'ifindex'>, limits: Limits, scope: Scope): void {
    this.#kernel.call('watch', () => {
      const trie = new Map<string, { prefix: Prefix; learn: boolean }>();
      for (const prefix of scope.learn) trie.set(formatPrefix(prefix), { prefix, learn: true });
      for (const prefix of scope.reserved) trie.set(formatPrefix(prefix), { prefix, learn: false });
      const counters = this.#interfaces.get(ifindex)?.counters ?? noCounters();
      this.#interfaces.set(ifindex, { limits, trie, counters });
    });
  }

  unwatch(ifindex: number): void {
    this.#kernel.call('unwatch', () => this.#interfaces.delete(ifindex));
  }

  counters(ifindex: number): Counters {
    return this.#interfaces.get(ifindex)?.counters ?? noCounters();
  }

  accepted(sighting: Pick<Sighting, 'ifindex' | 'address' | 'sender' | 'owner'>): void {
    const time = this.#kernel.clock.now();
    const verdict = sighting.owner === undefined ? 'candidate' : 'owned';
    this.#observer.see([{ ...sighting, time, verdict, count: 1, accepted: true }]);
  }

  shakeHands(ifindex: number, peer: string): void {
    this.#observer.shakeHands(ifindex, peer);
  }

  tellChanges(): void {
    this.#observer.recheck();
  }

  warn(problem: Problem): void {
    this.warnings.push(problem);
    this.#observer.recheck();
  }

  lendAllNodes({ name }: Pick<Link, 'name'>, peer: string, act: () => void): void {
    this.#kernel.call('lendAllNodes', () => {
      this.#kernel.allNodes.push(peer);
      this.#kernel.allow(name, peer, 'ff02::1/128');
      act();
      this.#kernel.disallow(name, peer, 'ff02::1/128');
    });
  }

  withoutLoan(device: Device): Device {
    return withoutLoan(device, this.#kernel.loans.get(device.ifindex));
  }

  deliver(ifindex: number, packet: Buffer): void {
    this.#kernel.call('deliver', () => {
      if (this.#kernel.failures.deliver) throw new Error('ENOMEM: deliver');
      this.#kernel.delivered.push({ ifindex, packet: packet.toString() });
      const solicitor = solicitorOf(packet);
      if (solicitor !== undefined && !this.#kernel.routing.keepsOut)
        this.#kernel.routing.sockets.get(ifindex)?.(parseAddress(solicitor)!);
    });
  }

  records(): LearnedRecord[] {
    return this.#kernel.call('records', () => this.#kernel.records());
  }

  keepRecord(record: LearnedRecord): void {
    this.#kernel.call('remember', () =>
      this.#kernel.eachUntilFailure('remember', [record], () =>
        this.#kernel.learned.set(`${record.ifindex} ${record.address}`, { ...record, written: 0 }),
      ),
    );
  }

  dropRecords(ifindex: number, addresses: readonly string[]): void {
    for (const address of addresses)
      this.#kernel.call('forget', () => this.#kernel.learned.delete(`${ifindex} ${address}`));
  }

  lastSeen(ifindex: number, address: string): number | undefined {
    return this.#kernel.call('lastSeen', () => this.#kernel.learned.get(`${ifindex} ${address}`)?.lastSeen);
  }

  close(): void {
    this.#kernel.call('close', () => this.#kernel.detach(this));
  }

  watched(): number[] {
    return [...this.#interfaces.keys()];
  }

  flush(): void {
    const batch = this.#queue;
    this.#queue = [];
    if (batch.length > 0) this.#observer.see(batch);
  }

  received(packet: Packet): void {
    const { ifindex, sender, owner, address } = packet;
    const watch = this.#interfaces.get(ifindex);
    if (!watch) return;
    if (owner !== sender.key) {
      this.#refused(packet, watch);
      return;
    }
    const now = this.#kernel.clock.now();
    const known = this.#kernel.learned.get(`${ifindex} ${address}`);
    if (!known || now - known.written < LAST_SEEN_SLACK) return;
    this.#kernel.learned.set(`${ifindex} ${address}`, { ...known, lastSeen: now, written: now });
  }

  #refused(packet: Packet, { limits, counters, trie }: Watch): void {
    const now = this.#kernel.clock.now();
    const peer = `${packet.ifindex} ${packet.sender.id}`;
    const key = `${peer} ${packet.address}`;
    let { verdict, owner } = this.#judge(packet, trie);

    const last = this.#attempts.get(key);
    if (last && now - last.told < ATTEMPT_HOLD) {
      if (passes(verdict) && last.packets > 0 && last.packets < ATTEMPT_PACKETS) {
        last.packets++;
        this.#tell(packet, verdict, owner, 0);
      } else {
        last.untold++;
        if (passes(verdict) && last.packets === 0) verdict = 'rate';
      }
      counters[verdict]++;
      return;
    }
    const budget = this.#budgets.get(peer) ?? { learn: 0, report: 0 };
    this.#budgets.set(peer, budget);
    const interval = limits.rate === 0 ? 0 : 60_000 / limits.rate;
    if (verdict === 'candidate' && interval > 0 && !takeToken(budget, 'learn', now, interval, limits.burst)) {
      verdict = 'rate';
      owner = undefined;
    }
    counters[verdict]++;
    if (!passes(verdict) && !takeToken(budget, 'report', now, REPORT_INTERVAL, REPORT_BURST)) return;
    this.#tell(packet, verdict, owner, 1 + (last?.untold ?? 0));
    this.#attempts.set(key, { told: now, untold: 0, packets: passes(verdict) ? 1 : 0 });
  }

  #judge(
    { ifindex, sender, owner, address }: Packet,
    trie: Watch['trie'],
  ): { verdict: Verdict; owner?: string | undefined } {
    if (owner !== undefined) return { verdict: 'owned', owner };
    const known = this.#kernel.learned.get(`${ifindex} ${address}`);
    if (known)
      return known.peer === sender.key ? { verdict: 'restore' } : { verdict: 'owned', owner: known.peer };
    const bytes = parseAddress(address)!;
    const [match] = [...trie.values()]
      .filter(({ prefix }) => contains(prefix, bytes))
      .sort((a, b) => b.prefix.length - a.prefix.length);
    if (!match) return { verdict: 'scope' };
    const isSubnetRouter = bytes.subarray(8).every((byte) => byte === 0);
    return { verdict: match.learn && !isSubnetRouter ? 'candidate' : 'reserved' };
  }

  /** A count of 0 stands for a repeat. */
  #tell(
    { ifindex, sender, address, packet }: Packet,
    verdict: Verdict,
    owner: string | undefined,
    count: number,
  ): void {
    this.#queue.push({
      time: this.#kernel.clock.now(),
      ifindex,
      verdict,
      count: count || 1,
      ...(count === 0 && { repeat: true as const }),
      address,
      sender: sender.key,
      ...(verdict === 'owned' && owner !== undefined && { owner }),
      ...(passes(verdict) && packet !== null && { packet: Buffer.from(packet) }),
    });
  }
}

function passes(verdict: Verdict): boolean {
  return verdict === 'candidate' || verdict === 'restore';
}

function noCounters(): Record<Verdict, number> {
  return { candidate: 0, restore: 0, owned: 0, scope: 0, reserved: 0, rate: 0 };
}

function takeToken<Name extends string>(
  arrivals: Record<Name, number>,
  name: Name,
  now: number,
  interval: number,
  burst: number,
): boolean {
  const next = Math.max(arrivals[name], now);
  if (next - now > (burst - 1) * interval) return false;
  arrivals[name] = next + interval;
  return true;
}

function linkAddress(text: string): Link['addresses'][number] {
  const [address, length] = text.split('/') as [string, string];
  const forEver = Number.POSITIVE_INFINITY;
  return {
    bytes: parseAddress(address)!,
    prefixLength: Number(length),
    preferred: forEver,
    valid: forEver,
    isOurs: false,
  };
}

/** A prefix belongs to one peer only. */
function move(device: FakeDevice, key: string, prefix: Prefix): void {
  const text = formatPrefix(prefix);
  for (const peer of device.values()) peer.allowedIps.delete(text);
  device.get(key)?.allowedIps.set(text, prefix);
}

function longestMatch(device: FakeDevice, address: string): string | undefined {
  const bytes = parseAddress(address)!;
  const matches = [...device.values()].flatMap(({ key, allowedIps }) =>
    [...allowedIps.values()]
      .filter((prefix) => contains(prefix, bytes))
      .map(({ length }) => ({ key, length })),
  );
  return matches.sort((a, b) => b.length - a.length)[0]?.key;
}

/** A peer's public key in base64. */
export function key(byte: number): string {
  return Buffer.alloc(32, byte).toString('base64');
}

/** The canonical text of an address, however it is written. */
export function canonical(address: string): string {
  return formatAddress(parseAddress(address)!);
}
