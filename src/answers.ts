// SPDX-License-Identifier: GPL-2.0-only
// What the ubus object "wg-slaacer" answers: of use to the service, its command line and its page, so that this file
// imports nothing. Times are Unix seconds.

export interface StatusAnswer {
  readonly version: string;
  /** Seconds. */
  readonly uptime: number;
  /** "none" if new addresses cannot be seen. */
  readonly hook: 'fexit' | 'kprobe' | 'lending' | 'none';
  /** Each with its cure. */
  readonly problems: readonly { readonly code: string; readonly message: string; readonly hint: string }[];
  readonly interfaces: readonly InterfaceStatus[];
}

export interface InterfaceStatus {
  readonly name: string;
  readonly device: string;
  readonly enabled: boolean;
  readonly up: boolean;
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

export interface DeniedAddress extends PeerAddress {
  readonly reason: string;
  readonly count: number;
  readonly last: number;
}

export interface DeniedAnswer {
  readonly denied: readonly DeniedAddress[];
  readonly omitted?: number;
}
