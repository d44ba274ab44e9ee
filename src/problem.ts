// SPDX-License-Identifier: GPL-2.0-only
// What keeps the service from doing its job, as a program reads it. words/problems.ts says it to people, with a hint.

/** A system call that failed. */
export interface Failure {
  /** The errno's name, such as "ENOMEM"; empty if there is none. */
  readonly error: string;
  /** The call, and what the system said: one line of at most 400 characters. */
  readonly detail: string;
}

/** `device` is the kernel's name of an interface. */
interface OnDevice {
  readonly device: string;
}

/**
 * Why netifd has not made an interface: option disabled says so, WireGuard does not take what is configured, or nothing is
 * configured.
 */
export type Absence = 'disabled' | 'failing' | 'unconfigured';

/**
 * Why netifd has not given an interface the prefix that it is to have: it has not got to it, or has none to give, or none of
 * the classes that the interface takes, or is not to assign those of an uplink.
 */
export type Assignment =
  | { readonly assignment: 'unassigned' | 'undelegated' | 'class' }
  | { readonly assignment: 'withheld'; readonly uplink: string };

/** A delegated prefix of which other interfaces have all, so that one that is to have a part of it gets none. */
export interface Exhausted {
  readonly prefix: string;
  readonly uplink: string;
  /** The names of interfaces, separated by commas. */
  readonly holders: string;
  /** The first of them, which can be content with less if that is `wide`. */
  readonly holder: string;
  readonly share: 'wide' | 'whole';
}

interface OfPeer extends OnDevice {
  /** The public key in base64. */
  readonly peer: string;
  /** What the configuration calls the peer, if anything. */
  readonly description?: string;
}

/** A section, or an option, of /etc/config/wg-slaacer. */
interface InSection {
  readonly section: string;
}

/** What something unreadable was answered with. */
interface Unreadable {
  readonly detail: string;
}

/** Nothing more to say. */
type Nothing = Readonly<Record<never, never>>;

/** What is known of each kind of problem, by its code. */
export interface ProblemData {
  // The configuration
  'invalid-option': InSection & {
    readonly option: string;
    readonly value: string;
    /** What would be allowed, in words. */
    readonly allowed: string;
    /** What is in force instead: of a list the other elements; without its device nothing of a section is. */
    readonly instead: 'default' | 'others' | 'nothing';
  };
  'unknown-option': InSection & { readonly option: string; readonly known: string };
  'ignored-section': InSection &
    (
      | { readonly reason: 'type'; readonly type: string }
      | { readonly reason: 'globals' | 'no-name' | 'no-device' | 'no-key' | 'nowhere' }
      | { readonly reason: 'name' | 'no-interface'; readonly name: string }
      | { readonly reason: 'device'; readonly device: string; readonly rival: string }
      /** Of a peer. */
      | { readonly reason: 'peer'; readonly rival: string }
      | { readonly reason: 'no-peer'; readonly device: string }
    );
  /** Another peer, or the router, has the name that it would have. */
  'name-taken': OfPeer & { readonly name: string };
  'no-configuration': Unreadable & { /** An earlier one is. */ readonly isInForce: boolean };
  'no-peers': OnDevice & Unreadable;
  'no-network': Unreadable;

  // Interfaces
  /** `present`: WireGuard interfaces that are there, but not enabled; one of them may be meant. */
  'no-interface': OnDevice & { readonly present?: string; readonly absence?: Absence };
  /** `kind` is IFLA_INFO_KIND; empty for a physical one. */
  'not-wireguard': OnDevice & { readonly kind: string };
  /** The kernel has no IPv6 on it. */
  'no-ipv6': OnDevice &
    ({ readonly reason: 'mtu'; readonly mtu: number } | { readonly reason: 'disabled' | 'kernel' });
  'no-prefix': OnDevice & (Assignment | { readonly assignment?: undefined });
  'prefix-exhausted': OnDevice & Exhausted;
  /** The firewall forwards nothing from there. */
  'no-zone': OnDevice;
  /** Another interface of the router has it, too. */
  'prefix-twice': OnDevice & { readonly prefix: string; readonly other: string };
  /** A prefix to learn in to which no route leads by the interface. */
  'no-route': OnDevice & { readonly prefix: string };
  /** All of `prefix` is the peer's by its allowed IP `cover`; of a provider all of IPv6 is, or half of it. */
  'prefix-owned': OfPeer & { readonly cover: string } & (
      | { readonly prefix: string; readonly isProvider?: undefined }
      | { readonly isProvider: true }
    );
  'refused-peer': OfPeer;
  /** It sends from ::1 or ::. */
  'no-address': OfPeer;

  // The prefix of another link
  /** `share` as it is configured: there is no such device, or it is the interface itself, or has no /64. */
  'no-share': OnDevice & { readonly share: string; readonly reason: 'away' | 'self' | 'no-64' };
  /** A host on the shared link uses an address that a peer has. */
  'share-claimed': OfPeer & { readonly address: string; readonly shared: string };
  /** Something else passes on solicitations there, in words. */
  'share-conflict': OnDevice & { readonly shared: string; readonly rival: string };

  // Router Advertisements
  'no-forwarding': OnDevice;
  'no-64': OnDevice;
  /** The kernel has made an address of a peer's advertisement. */
  'ra-taken': OnDevice & { readonly prefix: string };
  /** So many prefixes, routes, DNS servers and DNS search domains do not fit. */
  'ra-too-long': OnDevice & {
    readonly prefixes: number;
    readonly routes: number;
    readonly servers: number;
    readonly domains: number;
  };
  'ra-blocked': OnDevice;
  /** `prefix`: the announced ones, separated by commas. */
  'ra-unheeded': OfPeer & { readonly prefix: string };
  'solicitations-blocked': OnDevice;
  'ra-conflict': OnDevice & { /** Who else sends them, and by what option. */ readonly advertiser: string };

  // What follows addresses
  'hosts-failed': { readonly file: string } & Failure;
  /** dnsmasq could not be told to read the hosts file. */
  'dnsmasq-untold': Unreadable;
  /** `set` is "family#table#set", and `name` what its last part is. */
  'no-nftset': { readonly set: string; readonly name: string; readonly reason: 'missing' | 'unfit' };
  'nftset-failed': { readonly set: string } & Failure;

  // What is kept for a reboot
  'state-corrupt': { readonly file: string /** How many of them cannot be read. */; readonly lines: number };
  /** Something else has written it. */
  'state-foreign': { readonly file: string };
  'state-failed': { readonly file: string } & Failure;

  // The file of the history
  'history-corrupt': {
    readonly file: string /** How many of them cannot be read. */;
    readonly lines: number;
  };
  /** Something else has written it. */
  'history-foreign': { readonly file: string };
  'history-failed': { readonly file: string } & Failure;

  // What a hook needs
  'no-permission': Nothing;
  'no-module': Nothing;
  'no-btf': Nothing;
  'no-module-btf': { /** Where the types of a kernel may be given. */ readonly file: string };
  lockdown: Nothing;
  'no-symbol': Nothing;
  'no-bpf-events': Nothing;
  'no-kprobes': Nothing;
  'no-ftrace': Nothing;
  /** What was learned is kept in a file instead. */
  'not-pinned':
    | { readonly reason: 'unmounted' }
    | { readonly reason: 'read-only' | 'occupied' | 'foreign' | 'layout'; readonly file: string };
  /** … which cannot be written, so that nothing outlives the process. */
  'not-kept': { readonly file: string } & Failure;
  /** It is the way of learning since there is no hook, and that is for another problem. */
  lending: { readonly because: Problem };
  /** The way of learning that is configured does not work here. */
  'unfit-hook': { readonly hook: string; readonly because: Problem };

  // System calls
  'no-fexit': Failure;
  'no-kprobe': Failure;
  'no-lending': Failure;
  'links-failed': Failure;
  'dump-failed': OnDevice & Failure;
  /** By others, of peers or allowed IPs; the hook should have told of it. */
  'change-missed': OnDevice;
  'add-failed': OnDevice & Failure;
  'remove-failed': OnDevice & Failure;
  'watch-failed': OnDevice & Failure;
  'ra-failed': OnDevice & Failure;
  'share-failed': OnDevice & Failure;
  'lending-failed': OnDevice & Failure;
}

export type ProblemCode = keyof ProblemData;

/** Something that the user should know and can cure. */
export type Problem = {
  [Code in ProblemCode]: { readonly code: Code; readonly data: ProblemData[Code] };
}[ProblemCode];

const DETAIL_LENGTH = 400; // the verifier can be long-winded

/** Of what the addon, netlink or ubus has thrown. */
export function failureOf(thrown: unknown): Failure {
  const { code, message } = thrown as Error & { code?: unknown };
  return {
    error: typeof code === 'string' ? code : '',
    detail: message.replace(/\s+/g, ' ').slice(0, DETAIL_LENGTH),
  };
}

/** Whether two say the same. */
export function isSame(one: Problem, other: Problem): boolean {
  return keyOf(one) === keyOf(other);
}

function keyOf({ code, data }: Problem): string {
  return `${code} ${JSON.stringify(data)}`;
}

/** Tells of each problem when it comes up and when it is gone. */
export class ProblemList {
  #problems = new Map<string, Problem>();
  /** Met on the way since `begin`. */
  #met = new Map<string, Problem>();

  readonly #onRaised: (problem: Problem) => void;
  readonly #onSolved: (problem: Problem) => void;

  constructor(onRaised: (problem: Problem) => void, onSolved: (problem: Problem) => void) {
    this.#onRaised = onRaised;
    this.#onSolved = onSolved;
  }

  list(): Problem[] {
    return [...this.#problems.values()];
  }

  /** One that was met on the way; it stands until everything has been looked at again. */
  add(problem: Problem): void {
    const key = keyOf(problem);
    this.#met.set(key, problem);
    if (this.#problems.has(key)) return;
    this.#problems.set(key, problem);
    this.#onRaised(problem);
  }

  /** Everything is going to be looked at. */
  begin(): void {
    this.#met.clear();
  }

  /** All that there are now, besides what was met since `begin`. */
  set(problems: readonly Problem[]): void {
    const before = this.#problems;
    this.#problems = new Map([
      ...problems.map((problem) => [keyOf(problem), problem] as const),
      ...this.#met,
    ]);
    this.#met.clear();
    for (const [key, problem] of before) if (!this.#problems.has(key)) this.#onSolved(problem);
    for (const [key, problem] of this.#problems) if (!before.has(key)) this.#onRaised(problem);
  }
}
