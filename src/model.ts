// SPDX-License-Identifier: GPL-2.0-only
// The data that everything speaks of: peers and their allowed IPs, links, scopes, sightings and what is remembered of them.

import type { AddressBytes, Prefix } from './address.ts';

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

/**
 * WireGuard's REJECT_AFTER_TIME (drivers/net/wireguard/messages.h) in milliseconds: a peer whose latest handshake is older
 * has no session, and can send nothing.
 */
export const SESSION = 180_000;

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
  /** The key itself is never kept. */
  readonly hasPresharedKey?: true;
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

export interface LinkAddress {
  readonly bytes: AddressBytes;
  readonly prefixLength: number;
  /** For so many more milliseconds, as the kernel counts whole seconds; Infinity: for ever. 0: it is deprecated. */
  readonly preferred: number;
  readonly valid: number;
  /** Routing.addAddress() has added it. */
  readonly isOurs: boolean;
  /** It was made of a Router Advertisement that came there: a peer has chosen its prefix. */
  readonly isAutoconfigured?: true;
  /** The kernel has made no route to its prefix (IFA_F_NOPREFIXROUTE): whoever added it routes there what is to lead there. */
  readonly hasNoPrefixRoute?: true;
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
  /** Why the kernel has no IPv6 there: its MTU, a sysctl, or the kernel's own; undefined if it has. */
  readonly noIpv6?: 'mtu' | 'disabled' | 'kernel';
  /** Nobody there can be asked for an address (IFF_NOARP), as on an uplink by PPPoE or a modem. */
  readonly noNeighbours?: true;
  /** The routing table of the VRF that it belongs to. */
  readonly table?: number;
  /** Its IPv6 addresses. */
  readonly addresses: readonly LinkAddress[];
}

/** How unknown addresses are seen: by a hook in the kernel, or, without one, by lending the prefix to who may use them. */
export type Hook = 'fexit' | 'kprobe' | 'lending';

/** … or that they cannot be seen. */
export type HookInUse = Hook | 'none';

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
  readonly packet?: Uint8Array;
}

/** What outlives the process: who uses which address. Times are milliseconds of the monotonic clock. */
export interface LearnedRecord extends PeerAddress {
  readonly ifindex: number;
  /** The name of the device. */
  readonly device: string;
  readonly learned: number;
  readonly lastSeen: number;
}

/** Where addresses may be learned: the longest match decides. A /64's own subnet-router anycast address is reserved besides. */
export interface Scope {
  readonly learn: readonly Prefix[];
  readonly reserved: readonly Prefix[];
}

/** Of a router's routes, among those that hosts have of other routers (RFC 4191, 2.1). */
export type Preference = 'low' | 'medium' | 'high';

export interface Limits {
  /** New addresses that a peer may register per minute; 0: no limit. */
  readonly rate: number;
  /** … and at once. */
  readonly burst: number;
  /** Whether a peer may get an address of another, which is silent, by using it. */
  readonly takeover?: boolean;
}

/** Packets refused on an interface since it is watched, by verdict. */
export type Counters = Readonly<Record<Verdict, number>>;

/** Prefixes that a peer has for as long as addresses are looked for in what it sends. */
export interface Loan {
  /** The borrower's public key in base64. */
  readonly peer: string;
  readonly allowedIps: readonly Prefix[];
}
