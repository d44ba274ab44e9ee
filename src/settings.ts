// SPDX-License-Identifier: GPL-2.0-only
// What can be configured: each option's default, the values allowed, and how text becomes a value. The same options
// come from UCI and from --set.

import { type AddressBytes, contains, type Prefix, parseAddress, parsePrefix } from './address.ts';
import type { Hook, Limits, Preference } from './model.ts';
import { neverUnicast } from './scope.ts';

export interface InterfaceSettings extends Limits {
  /** How many learned addresses a peer may have. */
  readonly maxAddresses: number;
  /** Milliseconds without use until an address is withdrawn. */
  readonly lifetime: number;
  /** The scope; empty: the interface's own prefixes. */
  readonly prefixes: readonly Prefix[];
  /** Another interface, or its device: peers may have addresses in its /64s. */
  readonly share: string | undefined;
  /** Router Advertisements: auto leaves them to another program that is configured to send them. */
  readonly ra: 'auto' | '1' | '0';
  /** Whether this is a default router to peers; auto: if anything leads on from an announced prefix. */
  readonly raDefault: 'auto' | '1' | '0';
  /** Of this router's default route and others, among those of other routers. */
  readonly raPreference: Preference;
  /** Where else this router leads to. */
  readonly raRoutes: readonly Prefix[];
  /** DNS servers; auto: the router, if one listens there. */
  readonly raDns: readonly ('auto' | AddressBytes)[];
  /** DNS search domains; auto: those of the router. */
  readonly raSearch: readonly string[];
  /** Bytes; auto: that of the interface. */
  readonly raMtu: 'auto' | number;
  /** Whether a learned address goes to another peer that uses it, when its own is silent. */
  readonly takeover: boolean;
}

export interface GlobalSettings {
  readonly hook: Hook | 'auto';
}

export const interfaceDefaults: InterfaceSettings = {
  rate: 5,
  burst: 16,
  maxAddresses: 32,
  lifetime: 24 * 3_600_000,
  prefixes: [],
  share: undefined,
  ra: 'auto',
  raDefault: 'auto',
  raPreference: 'medium',
  raRoutes: [],
  raDns: ['auto'],
  raSearch: ['auto'],
  raMtu: 'auto',
  takeover: false,
};

export const globalDefaults: GlobalSettings = { hook: 'auto' };

/** From the gravest on; what is graver than the level chosen is logged, too. */
export const logLevels = ['error', 'warn', 'info', 'debug'] as const;

export type LogLevel = (typeof logLevels)[number];

/** What the service has besides. */
export interface ServiceSettings extends GlobalSettings {
  readonly logLevel: LogLevel;
  /** Where the history is kept; undefined: in memory only. */
  readonly historyFile: string | undefined;
}

/** Which of a peer's global addresses its name resolves to: none, all, or those that stay the same. */
export type Dns = '0' | '1' | 'stable';

/** What a section for an interface says besides. */
export interface SectionSettings extends InterfaceSettings {
  readonly enabled: boolean;
  /** Undefined: as the section is called. */
  readonly device: string | undefined;
  readonly dns: Dns;
  /** A set of nftables for each peer is called so, followed by the peer's name. */
  readonly nftsetPrefix: string | undefined;
}

/** What a section for a peer says. */
export interface PeerSettings {
  /** The section of its interface, or the device. */
  readonly interface: string | undefined;
  readonly publicKey: string | undefined;
  /** Undefined: made of the description. */
  readonly name: string | undefined;
  /** Undefined: as its interface. */
  readonly dns: Dns | undefined;
  /** Sets of nftables that its addresses are in, each "family#table#set". */
  readonly nftsets: readonly string[];
}

export const serviceDefaults: ServiceSettings = {
  ...globalDefaults,
  logLevel: 'info',
  historyFile: undefined,
};

export const sectionDefaults: SectionSettings = {
  ...interfaceDefaults,
  enabled: false,
  device: undefined,
  dns: '0',
  nftsetPrefix: undefined,
};

export const peerDefaults: PeerSettings = {
  interface: undefined,
  publicKey: undefined,
  name: undefined,
  dns: undefined,
  nftsets: [],
};

/** A value that is not one; `allowed` says in words what would be. */
export class InvalidValue extends Error {
  constructor(
    readonly option: string,
    readonly value: string,
    readonly allowed: string,
    /** What is in force instead: of a list the other elements, if there are any that can be used. */
    readonly instead: 'default' | 'others' = 'default',
  ) {
    super(`option ${option}: "${value}" is not allowed: ${allowed}`);
  }
}

/** Undefined where the text is no value. Lists take one text for each element. */
interface Option<Settings, Key extends keyof Settings> {
  readonly key: Key;
  readonly allowed: string;
  readonly isList?: true;
  parse(texts: readonly string[]): Settings[Key] | undefined;
}

export type Options<Settings> = {
  readonly [name: string]: { [Key in keyof Settings]: Option<Settings, Key> }[keyof Settings];
};

function only<Value>(
  parse: (text: string) => Value | undefined,
): (texts: readonly string[]) => Value | undefined {
  return (texts) => (texts.length === 1 ? parse(texts[0]!.trim()) : undefined);
}

function integer(least: number, most: number): (texts: readonly string[]) => number | undefined {
  return only((text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
    return value >= least && value <= most ? value : undefined;
  });
}

function oneOf<const Value extends string>(values: readonly Value[]) {
  return only((text) => values.find((value) => value === text));
}

const units: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseDuration(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const milliseconds = Number(count) * (units[unit ?? ''] ?? Number.NaN);
  return milliseconds >= 1_000 && milliseconds <= 365 * 86_400_000 ? milliseconds : undefined;
}

/** As config_get_bool of OpenWrt's /lib/functions.sh has it. */
export function parseBoolean(text: string): boolean | undefined {
  if (['1', 'on', 'true', 'yes', 'enabled'].includes(text)) return true;
  return ['0', 'off', 'false', 'no', 'disabled'].includes(text) ? false : undefined;
}

/** A name that Linux allows for an interface (dev_valid_name), without what no shell or file name likes. */
export function parseDevice(text: string): string | undefined {
  return /^[\w.@-]{1,15}$/.test(text) && text !== '.' && text !== '..' ? text : undefined;
}

/** 32 bytes in base64. */
export function isPublicKey(text: string): boolean {
  return /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text);
}

/** A label of a host's name (RFC 1123, 2.1) in lower case. One of digits only could be taken for an address. */
export function parseLabel(text: string): string | undefined {
  const label = text.toLowerCase();
  const isLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label);
  return isLabel && /[a-z]/.test(label) && label !== 'localhost' ? label : undefined;
}

/** "Anna's Phone" is called "annas-phone"; undefined if nothing is left of a description. */
export function labelOf(description: string | undefined): string | undefined {
  const text = (description ?? '')
    .slice(0, 256)
    .normalize('NFKD') // which takes accents off, where Node has ICU
    .toLowerCase()
    .replace(/[\u0300-\u036f'\u2019]/g, '')
    .replace(/[^a-z0-9]+/g, '-');
  return parseLabel(text.replace(/^-/, '').slice(0, 63).replace(/-$/, ''));
}

/** As dnsmasq takes it, "family#table#set"; an IPv4 address has no place there. The names are those that nft(8) takes. */
function parseNftset(text: string): string | undefined {
  const set = text.replace(/^6#/, '');
  return isNftset(set) ? set : undefined;
}

export function isNftset(text: string): boolean {
  return /^(?:inet|ip6|bridge|netdev)(?:#[A-Za-z_.][\w/.-]{0,127}){2}$/.test(text);
}

/** … of which the end is missing: it may be any label. */
function parseNftsetPrefix(text: string): string | undefined {
  const longest = 'x'.repeat(63);
  return parseNftset(text + longest)?.slice(0, -longest.length);
}

/** The absolute name of a file, without spaces. */
export function parseFile(text: string): string | undefined {
  return /^\/\S*[^\s/]$/.test(text) ? text : undefined;
}

/** Each text gives any number of elements; undefined if one is no value. */
function listOf<Element>(
  parse: (text: string) => readonly Element[] | undefined,
): (texts: readonly string[]) => readonly Element[] | undefined {
  return (texts) => {
    const elements = texts.map((text) => parse(text.trim()));
    return elements.every((each) => each !== undefined) ? elements.flat() : undefined;
  };
}

/** One of unicast addresses only. */
function parseUnicastPrefix(text: string): Prefix[] | undefined {
  const prefix = parsePrefix(text);
  const isUnicast = (prefix: Prefix) =>
    !neverUnicast.some((other) => other.length <= prefix.length && contains(other, prefix.bytes));
  return prefix && isUnicast(prefix) ? [prefix] : undefined;
}

function parseServer(text: string): ('auto' | AddressBytes)[] | undefined {
  if (text === '0' || text === 'auto') return text === '0' ? [] : [text];
  const address = parseAddress(text);
  return address && !neverUnicast.some((prefix) => contains(prefix, address)) ? [address] : undefined;
}

function parseDomain(text: string): string[] | undefined {
  if (text === '0') return [];
  return text.length <= 253 && /^([\w-]{1,63}\.)*[\w-]{1,63}\.?$/.test(text) ? [text] : undefined;
}

export const interfaceOptions: Options<InterfaceSettings> = {
  rate: { key: 'rate', allowed: '0 (no limit) to 6000 new addresses per minute', parse: integer(0, 6_000) },
  burst: { key: 'burst', allowed: '1 to 1000 addresses at once', parse: integer(1, 1_000) },
  max_addresses: { key: 'maxAddresses', allowed: '1 to 1000 addresses per peer', parse: integer(1, 1_000) },
  lifetime: {
    key: 'lifetime',
    allowed: 'a number followed by s, m, h or d, from 1s to 365d',
    parse: only(parseDuration),
  },
  prefix: {
    key: 'prefixes',
    allowed: 'an IPv6 unicast prefix such as 2001:db8:1::/64',
    isList: true,
    parse: listOf(parseUnicastPrefix),
  },
  share: {
    key: 'share',
    allowed: 'the name of an interface or device, of 15 characters at most',
    parse: only(parseDevice),
  },
  ra: { key: 'ra', allowed: 'auto, 1 or 0', parse: oneOf(['auto', '1', '0']) },
  ra_default: { key: 'raDefault', allowed: 'auto, 1 or 0', parse: oneOf(['auto', '1', '0']) },
  ra_preference: {
    key: 'raPreference',
    allowed: 'low, medium or high',
    parse: oneOf(['low', 'medium', 'high']),
  },
  ra_route: {
    key: 'raRoutes',
    allowed: 'an IPv6 unicast prefix such as 2001:db8:1::/64',
    isList: true,
    parse: listOf(parseUnicastPrefix),
  },
  ra_dns: {
    key: 'raDns',
    allowed: 'auto, 0 (none) or an IPv6 address such as 2001:db8:1::1',
    isList: true,
    parse: listOf(parseServer),
  },
  ra_search: {
    key: 'raSearch',
    allowed: 'auto, 0 (none) or a domain such as home.example',
    isList: true,
    parse: listOf(parseDomain),
  },
  ra_mtu: {
    key: 'raMtu',
    allowed: 'auto, or 1280 to 65535 bytes',
    parse: (texts) => oneOf(['auto'])(texts) ?? integer(1_280, 65_535)(texts),
  },
  takeover: { key: 'takeover', allowed: '1 or 0', parse: only(parseBoolean) },
};

export const globalOptions: Options<GlobalSettings> = {
  hook: {
    key: 'hook',
    allowed: 'auto, fexit, kprobe or lending',
    parse: oneOf(['auto', 'fexit', 'kprobe', 'lending']),
  },
};

export const serviceOptions: Options<ServiceSettings> = {
  ...globalOptions,
  log_level: { key: 'logLevel', allowed: 'error, warn, info or debug', parse: oneOf(logLevels) },
  history_file: {
    key: 'historyFile',
    allowed: 'the name of a file, from / on, such as /etc/wg-slaacer/history',
    parse: only(parseFile),
  },
};

const dns = {
  key: 'dns',
  allowed: '0, 1 or stable',
  parse: oneOf(['0', '1', 'stable']),
} as const;

export const sectionOptions: Options<SectionSettings> = {
  ...interfaceOptions,
  enabled: { key: 'enabled', allowed: '1 or 0', parse: only(parseBoolean) },
  device: {
    key: 'device',
    allowed: 'the name of a network interface, of 1 to 15 letters, digits and . _ - @',
    parse: only(parseDevice),
  },
  dns,
  nftset_prefix: {
    key: 'nftsetPrefix',
    allowed: 'family#table#beginning of a set, such as inet#fw4#wg1_',
    parse: only(parseNftsetPrefix),
  },
};

export const peerOptions: Options<PeerSettings> = {
  interface: {
    key: 'interface',
    allowed: 'the name of an interface that is configured here',
    parse: only((text) => text),
  },
  public_key: {
    key: 'publicKey',
    allowed: 'a public key in base64',
    parse: only((text) => (isPublicKey(text) ? text : undefined)),
  },
  name: {
    key: 'name',
    allowed: '1 to 63 letters, digits and hyphens, with a letter, and no hyphen at either end',
    parse: only(parseLabel),
  },
  dns,
  nftset: {
    key: 'nftsets',
    allowed: 'family#table#set, such as inet#fw4#phone',
    isList: true,
    parse: listOf((text) => {
      const set = parseNftset(text);
      return set === undefined ? undefined : [set];
    }),
  },
};

/**
 * Reads options by their names. Those that are not known are left out of account; each invalid value, and element of a
 * list, is reported and leaves the default, or the others, in force.
 */
export function parseOptions<Settings extends object>(
  options: Options<Settings>,
  defaults: Settings,
  given: ReadonlyMap<string, readonly string[]>,
): { settings: Settings; invalid: InvalidValue[] } {
  const settings = { ...defaults };
  const invalid: InvalidValue[] = [];
  for (const [name, option] of Object.entries(options)) {
    const texts = given.get(name);
    if (!texts) continue;
    const elements = option.isList ? texts.filter((text) => option.parse([text]) !== undefined) : texts;
    const value = elements.length > 0 ? option.parse(elements) : undefined;
    if (value !== undefined) settings[option.key] = value;
    const wrong = option.isList ? texts.filter((text) => !elements.includes(text)) : [texts.join(' ')];
    if (option.isList || value === undefined)
      for (const text of new Set(wrong))
        invalid.push(
          new InvalidValue(name, text, option.allowed, value === undefined ? 'default' : 'others'),
        );
  }
  return { settings, invalid };
}

/** "1d": the shortest text that names a lifetime. */
export function formatDuration(milliseconds: number): string {
  const fitting = Object.entries(units).filter(([, length]) => milliseconds % length === 0);
  const [unit, length] = fitting[fitting.length - 1]!;
  return `${milliseconds / length}${unit}`;
}
