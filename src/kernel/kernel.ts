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

export interface Peer {
  /** The public key in base64. */
  readonly key: string;
  readonly allowedIps: readonly Prefix[];
}

/** A WireGuard device as the kernel has it now. IPv4 allowed IPs are left out. */
export interface Device {
  readonly ifindex: number;
  readonly peers: readonly Peer[];
}

/** Generic netlink "wireguard". All calls are synchronous: the kernel answers within the system call. */
export interface WireGuard {
  /** Undefined if there is no such interface or it is not a WireGuard one. Never keeps or returns a key but public ones. */
  dump(device: string): Device | undefined;
  /**
   * Adds each address to its peer, many to a message. A peer that does not exist is skipped without an error, and
   * never created. An address that another peer owns would be moved: the caller makes sure that nobody does. After
   * an error, some may have been added.
   */
  add(device: string, entries: readonly PeerAddress[]): void;
  /** Removes each address if it is still that very peer's. No other allowed IP changes. */
  remove(device: string, entries: readonly PeerAddress[]): void;
  close(): void;
}

export interface LinkAddress {
  readonly bytes: AddressBytes;
  readonly prefixLength: number;
}

export interface Link {
  readonly name: string;
  readonly ifindex: number;
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  /** IFLA_INFO_KIND: "wireguard", "bridge" …; empty for physical ones. */
  readonly kind: string;
  /** Its IPv6 addresses. */
  readonly addresses: readonly LinkAddress[];
}

/** rtnetlink. */
export interface Links {
  /** All links of this network namespace, as they are now. */
  list(): Link[];
  /** Calls back, soon and once for many changes, after links or IPv6 addresses have changed. */
  onChange(callback: () => void): void;
  close(): void;
}
