// SPDX-License-Identifier: GPL-2.0-only
// What the engine needs of a kernel. The real one is made in linux.ts, a fake one in test/unit/.

import type { AddressBytes, Prefix } from '../address.ts';

/** A learned or to be learned allowed IP, always a /128. */
export interface PeerAddress {
  /** The peer's public key in base64. */
  readonly peer: string;
  /** Canonical text. */
  readonly address: string;
}

/** Any allowed IP. */
export interface AllowedIp extends PeerAddress {
  /** Of the prefix, in bits; 128 unless told. */
  readonly length?: number;
}

export interface Endpoint {
  /** IPv4 addresses are mapped ones. */
  readonly address: AddressBytes;
  readonly port: number;
}

export interface Peer {
  /** The public key in base64. */
  readonly key: string;
  /** Its allowed IPs that are single addresses, by their canonical texts. */
  readonly addresses: readonly string[];
  /** The wider ones. */
  readonly prefixes: readonly Prefix[];
  /** Where its last authenticated datagram came from, or is expected to come from. */
  readonly endpoint?: Endpoint;
  /** Seconds since 1970; 0 if there was none. */
  readonly latestHandshake: number;
  /** UDP payload bytes of all that WireGuard accepted from it. */
  readonly rxBytes: number;
}

/** A WireGuard device as the kernel has it now. IPv4 allowed IPs are left out. */
export interface Device {
  readonly ifindex: number;
  /** The interface's own public key in base64; absent as long as it has no private key. */
  readonly publicKey?: string;
  /** The UDP port. */
  readonly listenPort: number;
  readonly peers: readonly Peer[];
}

/** Generic netlink "wireguard". All calls are synchronous: the kernel answers within the system call. */
export interface WireGuard {
  /** Undefined if there is no such interface or it is not a WireGuard one. Never keeps or returns a key but public ones. */
  dump(device: string): Device | undefined;
  /**
   * Adds each allowed IP to its peer, many to a message. A peer that does not exist is skipped without an error, and
   * never created. What another peer has is moved: the caller makes sure that it may be. After an error, some may
   * have been added.
   */
  add(device: string, entries: readonly AllowedIp[]): void;
  /** Removes each allowed IP if it is still that very peer's. No other changes. */
  remove(device: string, entries: readonly AllowedIp[]): void;
  close(): void;
}

export interface LinkAddress {
  readonly bytes: AddressBytes;
  readonly prefixLength: number;
  /** For so many more milliseconds, as the kernel counts whole seconds; Infinity: for ever. 0: it is deprecated. */
  readonly preferred: number;
  readonly valid: number;
  /** Routing.addAddress() has added it. */
  readonly isOurs: boolean;
}

export interface Link {
  readonly name: string;
  readonly ifindex: number;
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  /** IFLA_INFO_KIND: "wireguard", "bridge" …; empty for physical ones. */
  readonly kind: string;
  /** Bytes. */
  readonly mtu: number;
  /** Its IPv6 addresses. */
  readonly addresses: readonly LinkAddress[];
}

/** rtnetlink. */
export interface Links {
  /** All links of this network namespace, as they are now. */
  list(): Link[];
  /** Calls back, soon and once for many changes, after links, IPv6 addresses or default routes have changed. */
  onChange(callback: () => void): void;
  /** How many packets a WireGuard interface has refused for their source address (rx_frame_errors), since it exists. */
  refused(ifindex: number): number;
  close(): void;
}

/** A route that outlives the prefix that it is for. */
export interface KeptRoute {
  readonly ifindex: number;
  readonly prefix: Prefix;
  /** For so many more milliseconds, in whole seconds. */
  readonly remaining: number;
}

/** What carries Router Advertisements and Solicitations on one interface. */
export interface AdvertisementSocket {
  /** From the interface's link-local address; the checksum is filled in. Throws SystemError. */
  send(message: Buffer, to: AddressBytes): void;
  close(): void;
}

/** What makes a router of this system. Calls that change something throw what the kernel says. */
export interface Routing {
  /** Whether IPv6 packets that come from an interface are forwarded. */
  isForwarding(device: string): boolean;
  /** Whether there is an IPv6 default route that leads out of another interface. */
  hasDefaultRoute(ifindex: number): boolean;
  /** The local addresses, "::" for any, at which a DNS server listens. */
  dnsListeners(): AddressBytes[];
  /** Adds an address that can be told from what others have added: LinkAddress.isOurs. */
  addAddress(ifindex: number, address: AddressBytes, prefixLength: number): void;
  removeAddress(ifindex: number, address: AddressBytes, prefixLength: number): void;
  /** All that were kept, be it by this process or by an earlier one, and have not expired. */
  keptRoutes(): KeptRoute[];
  /** Adds one, or changes how long it remains. The kernel itself lets it expire. */
  keepRoute(route: KeptRoute): void;
  dropRoute(route: Pick<KeptRoute, 'ifindex' | 'prefix'>): void;
  /** `onSolicitation` is called, from the event loop, with the source of each valid one. */
  openAdvertisements(
    link: Pick<Link, 'name' | 'ifindex'>,
    onSolicitation: (from: AddressBytes) => void,
  ): AdvertisementSocket;
  close(): void;
}

/** How unknown addresses are seen: by a hook in the kernel, or, without one, by lending the prefix to who may use them. */
export type Hook = 'fexit' | 'kprobe' | 'lending';

/**
 * What the kernel found out about a source address that WireGuard refused: nobody's and to be learned; nobody's, but
 * learned for this peer before something wiped it; another peer's; outside the scope; reserved; one too many.
 */
export type Verdict = 'candidate' | 'restore' | 'owned' | 'scope' | 'reserved' | 'rate';

/** An authenticated peer used an address that is not (yet) its own. */
export interface Sighting {
  /** Milliseconds of the monotonic clock. */
  readonly time: number;
  readonly ifindex: number;
  readonly verdict: Verdict;
  /** How many packets it stands for: repeats within a second are not told one by one. */
  readonly count: number;
  /** Another packet of a `candidate` or `restore` of less than a second ago: it cost the peer no token. */
  readonly repeat?: true;
  /** It was accepted all the same, since the sender has the prefix on loan. */
  readonly accepted?: true;
  /** Canonical text. */
  readonly address: string;
  /** The sender's public key in base64. */
  readonly sender: string;
  /** With `owned`: the owner's. */
  readonly owner?: string;
  /** With `candidate` and `restore`: the IPv6 packet that is to be delivered, unless it was too large to be kept. */
  readonly packet?: Buffer;
}

/** What outlives the process: who uses which address. Times are milliseconds of the monotonic clock. */
export interface LearnedRecord extends PeerAddress {
  readonly ifindex: number;
  readonly interface: string;
  readonly learned: number;
  readonly lastSeen: number;
}

/** Where addresses may be learned: the longest match decides. A /64's own subnet-router anycast address is reserved besides. */
export interface Scope {
  readonly learn: readonly Prefix[];
  readonly reserved: readonly Prefix[];
}

export interface Limits {
  /** New addresses that a peer may register per minute; 0: no limit. */
  readonly rate: number;
  /** … and at once. */
  readonly burst: number;
}

/** Packets refused on an interface since it is watched, by verdict. */
export type Counters = Readonly<Record<Verdict, number>>;

/** Prefixes that a peer has for as long as addresses are looked for in what it sends. */
export interface Loan {
  /** The borrower's public key in base64. */
  readonly peer: string;
  readonly allowedIps: readonly Prefix[];
}

/** A source of sightings, together with the kernel's memory of what was learned. */
export interface Sightings {
  readonly hook: Hook;
  /** What does not work as it should, although sightings do. */
  readonly warnings: readonly Problem[];
  /** Begins to watch an interface, or changes how. */
  watch(link: Pick<Link, 'name' | 'ifindex'>, limits: Limits, scope: Scope): void;
  /** What is among an interface's allowed IPs now, but neither configured nor learned. */
  loan(ifindex: number): Loan | undefined;
  /** No error if it is not watched. */
  unwatch(ifindex: number): void;
  counters(ifindex: number): Counters;
  /** Makes the kernel receive an IPv6 packet on an interface as if WireGuard had delivered it; throws if it cannot. */
  deliver(ifindex: number, packet: Buffer): void;
  records(): LearnedRecord[];
  remember(record: LearnedRecord): void;
  /** After they were withdrawn. No error if one is not remembered. */
  forget(ifindex: number, addresses: readonly string[]): void;
  /** When a remembered address was last used, to within a second. */
  lastSeen(ifindex: number, address: string): number | undefined;
  /** Records stay, sightings end. */
  close(): void;
}

/** Something that the user should know and can cure. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  /** The cure. */
  readonly hint: string;
}

/** Who is told of what a source of sightings finds. */
export interface Observer {
  see(sightings: Sighting[]): void;
  /** The warnings have changed, or something has changed WireGuard's allowed IPs: everything is to be looked at again. */
  recheck(): void;
}

export interface Kernel {
  readonly wireguard: WireGuard;
  readonly links: Links;
  readonly routing: Routing;
  /**
   * Tries one hook or, with `auto`, one after the other. Needs a WireGuard interface to be there, as the module may
   * be loaded only then. Withdraws the loans of who is no more. Throws HookError.
   */
  openSightings(hook: Hook | 'auto', observer: Observer): Sightings;
  close(): void;
}

/** No hook could be attached: why, for each that was tried. */
export class HookError extends Error {
  constructor(readonly problems: readonly Problem[]) {
    super(problems.map((problem) => problem.message).join('; '));
  }
}

/** Time, so that tests can turn it. */
export interface Clock {
  /** Milliseconds of CLOCK_MONOTONIC, as the kernel's records have it. */
  now(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  /** Calls back once, after so many milliseconds; the answer cancels it. */
  after(milliseconds: number, callback: () => void): () => void;
}
