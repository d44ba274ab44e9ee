// SPDX-License-Identifier: GPL-2.0-only
// What the engine needs of a kernel. The real one is made in linux.ts, a fake one in test/unit/.

import type { AddressBytes, Prefix } from '../address.ts';
import type {
  AllowedIp,
  Counters,
  Device,
  Hook,
  LearnedRecord,
  Limits,
  Link,
  Scope,
  Sighting,
} from '../model.ts';
import type { Problem } from '../problem.ts';

/** Generic netlink "wireguard". All calls are synchronous: the kernel answers within the system call. */
export interface WireGuard {
  /**
   * Undefined if there is no such interface or it is not a WireGuard one. Never keeps or returns a key but public ones.
   * Where all changes are told, it may be what is known; then only peers, their allowed IPs and handshakes are of now,
   * unless it is to be fresh.
   */
  dump(device: string, isFresh?: boolean): Device | undefined;
  /**
   * Adds each allowed IP to its peer, many to a message. A peer that does not exist is skipped without an error, and
   * never created. What another peer has is moved: the caller makes sure, by the last dump, that it may be. What others
   * have changed since is left as it is, where changes are told. After an error, some may have been added.
   */
  add(device: string, entries: readonly AllowedIp[]): void;
  /** Removes each allowed IP if it is still that very peer's. No other changes. */
  remove(device: string, entries: readonly AllowedIp[]): void;
  close(): void;
}

/** rtnetlink. */
export interface Links {
  /** All links of this network namespace, as they are now. */
  list(): Link[];
  /**
   * Calls back, soon and once for many changes, after links, IPv6 addresses, routing rules, or routes have changed that
   * are default ones or lead through a WireGuard interface.
   */
  onChange(callback: () => void): void;
  /** How many packets a WireGuard interface has refused for their source address (rx_frame_errors), since it exists. */
  refused(ifindex: number): number;
  close(): void;
}

/** A route that outlives the prefix that it is for. */
export interface KeptRoute {
  readonly ifindex: number;
  readonly prefix: Prefix;
  /** Of its interface's VRF, if that belongs to one. */
  readonly table?: number;
  /** For so many more milliseconds, in whole seconds. */
  readonly remaining: number;
}

/** What carries Router Advertisements and Solicitations on one interface. */
export interface AdvertisementSocket {
  /** From the interface's link-local address; the checksum is filled in. Throws SystemError. */
  send(message: Buffer, to: AddressBytes): void;
  /** Solicitations come, even if IPv6 has been off on the interface since it was opened, be it for a moment. */
  listen(): void;
  close(): void;
}

/** What makes a router of this system. Calls that change something throw what the kernel says. */
export interface Routing {
  /** Whether IPv6 packets that come from an interface are forwarded. */
  isForwarding(device: string): boolean;
  /** Whether packets that come from an address by an interface have a route to the internet, by another interface. */
  leadsOn(ifindex: number, from: AddressBytes): boolean;
  /** Whether packets to an address leave by an interface. */
  leadsBack(ifindex: number, to: AddressBytes): boolean;
  /** The local addresses, "::" for any, at which a DNS server listens. */
  dnsListeners(): AddressBytes[];
  /** Adds an address that can be told from what others have added: LinkAddress.isOurs. */
  addAddress(ifindex: number, address: AddressBytes, prefixLength: number): void;
  removeAddress(ifindex: number, address: AddressBytes, prefixLength: number): void;
  /** All that were kept on an interface, be it by this process or by an earlier one, and have not expired. */
  keptRoutes(link: Pick<Link, 'ifindex' | 'table'>): KeptRoute[];
  /** Adds one, or changes how long it remains. The kernel itself lets it expire. */
  keepRoute(route: KeptRoute): void;
  dropRoute(route: Omit<KeptRoute, 'remaining'>): void;
  /** `onSolicitation` is called, from the event loop, with the source of each valid one. */
  openAdvertisements(
    link: Pick<Link, 'name' | 'ifindex'>,
    onSolicitation: (from: AddressBytes) => void,
  ): AdvertisementSocket;
  close(): void;
}

/** Has the kernel answer solicitations for an address on a link. */
export interface ProxyEntry {
  readonly ifindex: number;
  /** Canonical text. */
  readonly address: string;
}

/** How hosts on other links find the addresses of peers. Calls that change something throw what the kernel says. */
export interface Reach {
  /** Addresses to which a host route of ours leads by a link, whichever process has added it. */
  routes(link: Pick<Link, 'ifindex' | 'table'>): string[];
  /** Leaves one that is there as it is. */
  addRoute(link: Pick<Link, 'ifindex' | 'table'>, address: string): void;
  removeRoute(link: Pick<Link, 'ifindex' | 'table'>, address: string): void;
  /** All of ours, whichever process has added them. */
  proxies(): ProxyEntry[];
  addProxy(entry: ProxyEntry): void;
  removeProxy(entry: ProxyEntry): void;
  /** Has the kernel heed proxy entries, unless it does. */
  startProxying(): void;
  /** Undoes that, whichever process has done it, unless somebody else wants it since. */
  stopProxying(): void;
  /** Addresses that hosts on a link have, as far as the kernel knows, be it of some time ago. */
  neighbours(ifindex: number): string[];
  /** Whether an address is one of these; `isConfirmed`: of now. */
  isNeighbour(ifindex: number, address: string, isConfirmed: boolean): boolean;
  /** Asks a link who has an address. Whoever has it is a neighbour within a second. */
  solicit(ifindex: number, address: string): void;
  forgetNeighbour(ifindex: number, address: string): void;
  /** Programs that are configured to do the same for a device that shares the prefix of another, in words. */
  rivals(device: string, shared: string): string[];
  /** Until it is used again. */
  close(): void;
}

/** A source of sightings, together with the kernel's memory of what was learned. */
export interface Sightings {
  readonly hook: Hook;
  /** Whether what was learned is remembered when the process is no more. */
  readonly outlives: boolean;
  /** Whether new sessions of peers are told; else only a look at all peers finds them. */
  readonly seesHandshakes: boolean;
  /** Whether recheck() is called at once when others have changed what WireGuard has; else only a look finds that. */
  readonly seesChanges: boolean;
  /** What does not work as it should, although sightings do. */
  readonly warnings: readonly Problem[];
  /** Begins to watch an interface, or changes how. */
  watch(link: Pick<Link, 'name' | 'ifindex'>, limits: Limits, scope: Scope): void;
  /** Calls back while ff02::1 is an allowed IP of one peer, and nobody else's: it must not be anybody's so far. */
  lendAllNodes(link: Pick<Link, 'name' | 'ifindex'>, peer: string, act: () => void): void;
  /** What an interface has by configuration and by learning: without what is lent, with what is offered. */
  withoutLoan(device: Device): Device;
  /** No error if it is not watched. */
  unwatch(ifindex: number): void;
  counters(ifindex: number): Counters;
  /** Makes the kernel receive an IPv6 packet on an interface as if WireGuard had delivered it; throws if it cannot. */
  deliver(ifindex: number, packet: Uint8Array): void;
  records(): LearnedRecord[];
  keepRecord(record: LearnedRecord): void;
  /** After they were withdrawn. No error if one is not remembered. */
  dropRecords(ifindex: number, addresses: readonly string[]): void;
  /** When a remembered address was last used, to within a second. */
  lastSeen(ifindex: number, address: string): number | undefined;
  /**
   * Where the process has to see to it, which is the answer: times of last use outlive it, as of now or of less than a
   * minute ago.
   */
  save(now: number): boolean;
  /** Records stay, sightings end. */
  close(): void;
}

/** Who is told of what a source of sightings finds. */
export interface Observer {
  see(sightings: Sighting[]): void;
  /** The warnings have changed, or something has changed WireGuard's allowed IPs: everything is to be looked at again. */
  recheck(): void;
  /** A peer of an interface has a new session; undefined: it may be any peer's, or none's. */
  shakeHands(ifindex: number, peer: string | undefined): void;
}

/** Sets of nftables, each "family#table#set". All calls are synchronous; they throw what the kernel says. */
export interface NftSets {
  /** The addresses in it that were added here; or why there can be none: it is not there, or not for IPv6 addresses. */
  read(set: string): ReadonlySet<string> | 'missing' | 'unfit';
  /** All or none; what is in it already, by itself or within a prefix of somebody else's, stays as it is. */
  add(set: string, addresses: readonly string[]): void;
  /** All or none, if one of them is not in it. */
  remove(set: string, addresses: readonly string[]): void;
  /** Calls back, soon and once for many changes, after sets may have lost elements or may be there. */
  onChange(callback: () => void): void;
  close(): void;
}

/** A text that outlives the system. */
export interface StateFile {
  readonly path: string;
  /** Empty if there is no such file. Throws what the system says, also if it is anything but a file. */
  read(): string;
  /** All or nothing, also if the power is cut; an empty text is no file. Throws as read() does. */
  write(text: string): void;
}

export interface Kernel {
  readonly wireguard: WireGuard & {
    /** How often a fresh dump has shown a change that had not been told, though changes are. */
    readonly missed: number;
  };
  readonly links: Links;
  readonly routing: Routing;
  readonly reach: Reach;
  /**
   * Tries one hook or, with `auto`, one after the other. Needs a WireGuard interface to be there, as the module may
   * be loaded only then. Withdraws the loans of who is no more. Throws HookError.
   */
  openSightings(hook: Hook | 'auto', observer: Observer): Sightings;
  /** Nothing is opened until it is used. */
  openNftSets(): NftSets;
  close(): void;
}

/** No hook could be attached: why, for each that was tried. */
export class HookError extends Error {
  constructor(readonly problems: readonly Problem[]) {
    super(problems.map(({ code }) => code).join(', '));
  }
}
