// SPDX-License-Identifier: GPL-2.0-only
// The text in which the history is kept: a line for each peer, with a number, and one for each stay, the oldest first.

import { parseAddress } from '../address.ts';
import { formatAddress } from '../address-text.ts';
import type { ForgetReason } from '../engine/ledger.ts';
import { type End, MOST_STAYS, type Stay } from './history.ts';

/** What a text says, and how many of its lines cannot be read. */
export interface DecodedHistory {
  /** The oldest first. */
  readonly stays: readonly Stay[];
  /** When it was written, in seconds since 1970. */
  readonly written: number;
  readonly unreadable: number;
  /** There are lines, and none of them is of ours. */
  readonly isForeign: boolean;
}

const TITLE = '# Which peer had which address, and when. It is written by wg-slaacer itself.';

const ends: readonly End[] = ['expired', 'evicted', 'released', 'forgotten', 'interrupted'];
const reasons: readonly ForgetReason[] = [
  'user',
  'disabled',
  'scope',
  'owned',
  'peer',
  'given',
  'taken',
  'stopped',
];

/** Of these stays, the newest of which come first, as many as are kept; empty if there are none. */
export function encodeHistory(stays: readonly Stay[], written: number): string {
  if (stays.length === 0) return '';
  const peers = new Map<string, number>();
  const lines = [TITLE, `written ${written}`];
  for (const { interface: name, address, peer, from, lastSeen, to, how, reason } of stays
    .slice(0, MOST_STAYS)
    .reverse()) {
    const owner = `${name} ${peer}`;
    let number = peers.get(owner);
    if (number === undefined) {
      number = peers.size;
      peers.set(owner, number);
      lines.push(`peer ${number} ${owner}`);
    }
    const end = to === undefined ? [] : [to, how, ...(reason ? [reason] : [])];
    lines.push(['stay', number, address, from, lastSeen, ...end].join(' '));
  }
  return `${lines.join('\n')}\n`;
}

/** Whatever the text is. A last line without its end may be a part of one, and is none. */
export function decodeHistory(text: string): DecodedHistory {
  const lines = text.split('\n');
  const cut = lines.pop();
  const peers = new Map<string, readonly [name: string, peer: string]>();
  const stays: Stay[] = [];
  let written = 0;
  let unreadable = cut === '' ? 0 : 1;
  for (const line of lines) {
    if (line === '' || line.startsWith('#')) continue;
    const [kind, ...words] = line.split(' ');
    const owner = kind === 'peer' ? ownerOf(words) : undefined;
    const stay = kind === 'stay' ? stayOf(words, peers) : undefined;
    const time = kind === 'written' && words.length === 1 ? timeOf(words[0]!) : undefined;
    if (owner) peers.set(words[0]!, owner);
    else if (stay) stays.push(stay);
    else if (time !== undefined) written = time;
    else unreadable++;
  }
  const isForeign = !lines.includes(TITLE) && text.trim() !== '';
  return { stays: stays.slice(-MOST_STAYS), written, unreadable, isForeign };
}

function ownerOf([number = '', name = '', peer = '', ...rest]: string[]) {
  const key = Buffer.from(peer, 'base64');
  const isKey = key.length === 32 && key.toString('base64') === peer;
  return number !== '' && name !== '' && isKey && rest.length === 0 ? ([name, peer] as const) : undefined;
}

function stayOf(
  words: string[],
  peers: ReadonlyMap<string, readonly [name: string, peer: string]>,
): Stay | undefined {
  const [number = '', address = '', begin = '', use = '', end, ending, because, ...rest] = words;
  const [name, peer] = peers.get(number) ?? [];
  const bytes = parseAddress(address);
  const [from, lastSeen, to] = [timeOf(begin), timeOf(use), end === undefined ? undefined : timeOf(end)];
  if (name === undefined || peer === undefined || from === undefined || lastSeen === undefined)
    return undefined;
  if (!bytes || formatAddress(bytes) !== address || rest.length > 0 || lastSeen < from) return undefined;
  const common = { interface: name, address, peer, from, lastSeen };
  if (end === undefined) return { ...common, how: 'present' };
  const how = ends.find((each) => each === ending);
  const reason = reasons.find((each) => each === because);
  if (to === undefined || to < lastSeen || !how || (because !== undefined && !reason)) return undefined;
  return { ...common, to, how, ...(reason && { reason }) };
}

/** Seconds since 1970. */
function timeOf(text: string): number | undefined {
  return /^[1-9]\d{0,10}$/.test(text) ? Number(text) : undefined;
}
