// SPDX-License-Identifier: GPL-2.0-only
// What the ubus object "wg-slaacer" answers: of use to the service, its command line and its page, so that this file
// imports nothing. Times are Unix seconds.

export interface StatusAnswer {
  readonly version: string;
  /** Seconds. */
  readonly uptime: number;
  /** Seconds since the configuration was last read. */
  readonly read: number;
  /** "none" if new addresses cannot be seen. */
  readonly hook: 'fexit' | 'kprobe' | 'lending' | 'none';
  /** Those of /etc/config/wg-slaacer that are in force. */
  readonly options: { readonly hook: string; readonly log_level: string; readonly history_file?: string };
  readonly problems: readonly StatusProblem[];
  readonly interfaces: readonly InterfaceStatus[];
  readonly totals: StatusTotals;
}

export interface StatusProblem {
  readonly code: string;
  /** In English. */
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
  /** What the message and the hint are made of, as src/problem.ts has it for the code. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** What has happened since the start. */
export interface StatusTotals {
  /** Addresses, each time counts. */
  readonly learned: number;
  readonly restored: number;
  readonly given: number;
  readonly adopted: number;
  readonly expired: number;
  readonly evicted: number;
  readonly forgotten: number;
  readonly released: number;
  /** Of those forgotten, the ones that another peer has taken over by itself. */
  readonly taken: number;
  /** Packets, by the reason why their source was denied. */
  readonly denied: Readonly<Record<string, number>>;
  /** Packets that WireGuard had refused and the kernel has taken back, and those that it has not. */
  readonly delivered: number;
  readonly delivery_failed: number;
  /** Changes of WireGuard's configuration that were found, though the hook should have told of them. */
  readonly missed: number;
}

/** As /etc/config/wg-slaacer has them, with defaults for what it does not say. */
export interface InterfaceOptions {
  readonly rate: number;
  readonly burst: number;
  readonly max_addresses: number;
  /** Seconds. */
  readonly lifetime: number;
  readonly prefix: readonly string[];
  /** Empty if nothing is shared. */
  readonly share: string;
  readonly ra: string;
  readonly ra_default: string;
  readonly ra_preference: string;
  readonly ra_route: readonly string[];
  readonly ra_dns: readonly string[];
  readonly ra_search: readonly string[];
  readonly ra_mtu: string;
  /** 1 or 0. */
  readonly takeover: number;
  readonly dns: string;
  /** Empty if there is none. */
  readonly nftset_prefix: string;
}

export interface InterfaceStatus {
  readonly name: string;
  readonly device: string;
  readonly enabled: boolean;
  readonly up: boolean;
  /** What is in force, or would be if it were enabled. */
  readonly options: InterfaceOptions;
  /** In which addresses are learned. */
  readonly prefixes: readonly string[];
  /** How many it has learned. */
  readonly addresses: number;
  /** How many packets the hook has seen of each kind. */
  readonly counters: Readonly<Record<string, number>>;
}

/** Public key, and what the configuration calls it. */
export interface PeerName {
  readonly peer: string;
  readonly description?: string | undefined;
  /** Its name in DNS, without a domain; absent where that is not switched on. */
  readonly name?: string | undefined;
}

/** An address that a peer has, or would have. */
export interface PeerAddress extends PeerName {
  readonly interface: string;
  readonly address: string;
}

export interface LearnedAddress extends PeerAddress {
  readonly learned: number;
  readonly last_seen: number;
  /** Seconds from now. */
  readonly expires: number;
}

export interface AddressesAnswer {
  readonly addresses: readonly LearnedAddress[];
  /** How many did not fit into the answer. */
  readonly omitted?: number;
}

export interface DeniedAddress extends PeerAddress, Partial<Owner> {
  readonly reason: string;
  readonly count: number;
  readonly last: number;
}

/** Whose a denied address is now. */
export interface Owner {
  /** The public key. */
  readonly owner: string;
  readonly owner_description?: string | undefined;
  /** "present": it may have a session. "silent": it has none, so give moves the address. "configured": it is not a learned one. */
  readonly state: string;
  /** Seconds since it shook hands or used the address; absent if it has done neither since the interface was made. */
  readonly silent?: number | undefined;
}

export interface DeniedAnswer {
  readonly denied: readonly DeniedAddress[];
  readonly omitted?: number;
}

/** For how long a peer has, or had, an address. */
export interface Stay extends PeerAddress {
  readonly from: number;
  /** Absent while it goes on. */
  readonly to?: number;
  readonly last_seen: number;
  /**
   * "present", or how it ended: "expired", "evicted", "released", "forgotten", as the notification is called, or
   * "interrupted": it was present when the history was last written, and not any more when the service was started again.
   */
  readonly how: string;
  /** Why it was forgotten. */
  readonly reason?: string;
}

export interface HistoryAnswer {
  /** By the router's clock. */
  readonly now: number;
  /** Those that began last come first. */
  readonly history: readonly Stay[];
  readonly omitted?: number;
}

/** A peer that is configured and not disabled. */
export interface InterfacePeer extends PeerName {
  readonly interface: string;
}

export interface PeersAnswer {
  readonly peers: readonly InterfacePeer[];
  readonly omitted?: number;
}

/** Kinds of clients for which there are configurations. */
export const clientSystems = [
  'wg-quick',
  'networkd',
  'networkmanager',
  'openwrt',
  'wireguard-go',
  'app',
] as const;

export type ClientSystem = (typeof clientSystems)[number];

export interface ClientAnswer extends InterfacePeer {
  readonly for: ClientSystem;
  /** Where the client finds the router, "host:port"; the host is a placeholder if it is not known. */
  readonly endpoint: string;
  /** All that is to be put where on the client. */
  readonly configuration: string;
  /** Placeholders in it, for what the router does not know or must not tell. */
  readonly missing: readonly string[];
}
