// SPDX-License-Identifier: GPL-2.0-only
// What the service answers over ubus, as far as it is shown. Times are Unix seconds.

export interface StatusAnswer {
  readonly version: string;
  /** Seconds. */
  readonly uptime: number;
  /** "none" if new addresses cannot be seen. */
  readonly hook: string;
  readonly problems: readonly { readonly message: string; readonly hint: string }[];
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

export interface LearnedAddress extends PeerName {
  readonly interface: string;
  readonly address: string;
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

export interface DeniedAddress extends PeerName {
  readonly interface: string;
  readonly address: string;
  readonly reason: string;
  readonly count: number;
  readonly last: number;
}

export interface DeniedAnswer {
  readonly denied: readonly DeniedAddress[];
  readonly omitted?: number;
}
