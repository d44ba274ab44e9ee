// SPDX-License-Identifier: GPL-2.0-only
// What has to be known after a reboot, which wipes the kernel's memory, and its text: a line for each peer, and one for
// each interface that is advertised on.

import { contains, type Prefix, parseAddress, parsePrefix } from '../address.ts';
import { formatAddress, formatPrefix } from '../address-text.ts';
import type { Advertised } from '../advertiser/beliefs.ts';
import type { PeerAddress } from '../model.ts';
import { isLinkLocal, linkLocal, neverUnicast } from '../scope.ts';
import type { Entry, Ledger } from './ledger.ts';

/** The link-local address that a peer of a device used last. */
export interface LastAddress extends PeerAddress {
  readonly device: string;
}

export interface State {
  /** One for each peer of a device, and none twice on a device. */
  readonly addresses: readonly LastAddress[];
  /** What hosts believe, by device. */
  readonly advertised: ReadonlyMap<string, Advertised>;
}

/** What a text says, and how many of its lines cannot be read. */
export interface DecodedState extends State {
  readonly unreadable: number;
  /** There are lines, and none of them is of ours. */
  readonly isForeign: boolean;
}

const TITLE = '# What wg-slaacer has to know after a reboot. It is written by wg-slaacer itself.';
const DEFAULT_ROUTER = 'default-router';
/** What follows are routes. */
const ROUTES = 'routes';
/** More prefixes, or routes, of one interface are not kept. */
const MOST_PREFIXES = 16;

/** By what the ledger has of an interface: one for each peer, however many it uses. */
export function lastAddresses(ledger: Ledger, name: string, device: string): LastAddress[] {
  const last = new Map<string, Entry>();
  for (const entry of ledger.entries(name)) {
    const known = last.get(entry.peer);
    if (isLinkLocal(entry.address) && !(known && known.lastSeen > entry.lastSeen))
      last.set(entry.peer, entry);
  }
  return [...last.values()].map(({ peer, address }) => ({ device, peer, address }));
}

/** Always the same for what is the same; empty if there is nothing to know. */
export function encodeState({ addresses, advertised }: State): string {
  const lines = addresses.map(({ device, peer, address }) => `peer ${device} ${peer} ${address}`);
  const some = (prefixes: readonly Prefix[]) =>
    [...new Set(prefixes.map(formatPrefix))].slice(0, MOST_PREFIXES).sort();
  for (const [device, { isDefaultRouter, prefixes, routes }] of advertised) {
    const told = some(prefixes);
    if (isDefaultRouter) told.unshift(DEFAULT_ROUTER);
    if (routes.length > 0) told.push(ROUTES, ...some(routes));
    if (told.length > 0) lines.push(['interface', device, ...told].join(' '));
  }
  return lines.length > 0 ? `${[TITLE, ...lines.sort()].join('\n')}\n` : '';
}

/** Whatever the text is. A last line without its end may be a part of one, and is none. */
export function decodeState(text: string): DecodedState {
  const lines = text.split('\n');
  const cut = lines.pop();
  const addresses = new Map<string, LastAddress>();
  const taken = new Set<string>();
  const advertised = new Map<string, Advertised>();
  let unreadable = cut === '' ? 0 : 1;
  let isOurs = lines.includes(TITLE);
  for (const line of lines) {
    if (line === '' || line.startsWith('#')) continue;
    const [kind, device = '', ...words] = line.split(' ');
    const peer = kind === 'peer' && device !== '' ? lastAddressOf(device, words) : undefined;
    const told = kind === 'interface' && device !== '' ? advertisedOf(words) : undefined;
    if (peer && !addresses.has(`${device} ${peer.peer}`) && !taken.has(`${device} ${peer.address}`)) {
      addresses.set(`${device} ${peer.peer}`, peer);
      taken.add(`${device} ${peer.address}`);
    } else if (told && !advertised.has(device)) advertised.set(device, told);
    else {
      unreadable++;
      continue;
    }
    isOurs = true;
  }
  const isForeign = !isOurs && text.trim() !== '';
  return { addresses: [...addresses.values()], advertised, unreadable, isForeign };
}

function lastAddressOf(device: string, [peer = '', text = '', ...rest]: string[]): LastAddress | undefined {
  const bytes = parseAddress(text);
  const key = Buffer.from(peer, 'base64');
  if (rest.length > 0 || key.length !== 32 || key.toString('base64') !== peer) return undefined;
  if (!bytes || !contains(linkLocal, bytes) || formatAddress(bytes) !== text) return undefined;
  return { device, peer, address: text };
}

function advertisedOf(words: string[]): Advertised | undefined {
  const isDefaultRouter = words[0] === DEFAULT_ROUTER;
  const end = words.includes(ROUTES) ? words.indexOf(ROUTES) : words.length;
  const prefixes = words.slice(isDefaultRouter ? 1 : 0, end).map(announcedPrefix);
  const routes = words.slice(end + 1).map(canonicalPrefix);
  if (words.length === 0 || Math.max(prefixes.length, routes.length) > MOST_PREFIXES) return undefined;
  const isAll = (read: (Prefix | undefined)[]): read is Prefix[] => !read.includes(undefined);
  return isAll(prefixes) && isAll(routes) ? { isDefaultRouter, prefixes, routes } : undefined;
}

function canonicalPrefix(text: string): Prefix | undefined {
  const prefix = parsePrefix(text);
  return prefix && formatPrefix(prefix) === text ? prefix : undefined;
}

/** A /64 that can have been announced: routes are made of what is read here. */
function announcedPrefix(text: string): Prefix | undefined {
  const prefix = canonicalPrefix(text);
  if (prefix?.length !== 64) return undefined;
  const isNone = [linkLocal, ...neverUnicast].some(
    (other) => contains(other, prefix.bytes) || contains(prefix, other.bytes),
  );
  return isNone ? undefined : prefix;
}
