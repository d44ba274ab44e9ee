// SPDX-License-Identifier: GPL-2.0-only
// IPv6 addresses and prefixes. An address is its 16 bytes in network byte order; as a key and for people it is its
// canonical text (RFC 5952).

import { isIPv6 } from 'node:net';

/** 16 bytes in network byte order. */
export type AddressBytes = Uint8Array;

/** All addresses whose first `length` bits are those of `bytes`; the rest of `bytes` is zero. */
export interface Prefix {
  readonly bytes: AddressBytes;
  /** 0–128. */
  readonly length: number;
}

/** The bytes of an address in any of RFC 4291's textual forms, without zone; undefined if it is none. */
export function parseAddress(text: string): AddressBytes | undefined {
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const [head = '', tail] = expandDottedQuad(text).split('::');
  const first = groupsOf(head);
  const last = groupsOf(tail ?? '');
  const groups = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 0xff;
  });
  return bytes;
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

/** Turns the last part of ::ffff:192.0.2.1 into two groups. */
function expandDottedQuad(text: string): string {
  return text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...quad: string[]) => {
    const [a, b, c, d] = quad.slice(0, 4).map(Number) as [number, number, number, number];
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
}

/** The canonical text of an address (RFC 5952), IPv4-mapped ones in dotted form. */
export function formatAddress(bytes: AddressBytes): string {
  if (isMapped(bytes)) return `::ffff:${bytes.subarray(12).join('.')}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!);
  const { start, length } = longestZeroRun(groups);
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

function longestZeroRun(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
    if (end > start) start = end;
  }
  return best;
}

function isMapped(bytes: AddressBytes): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0);
}

/** The prefix of `length` bits that holds an address. */
export function prefixOf(bytes: AddressBytes, length: number): Prefix {
  const masked = bytes.slice();
  for (let i = 0; i < 16; i++) {
    const bits = Math.min(8, Math.max(0, length - 8 * i));
    masked[i]! &= 0xff << (8 - bits);
  }
  return { bytes: masked, length };
}

/** The prefix that "2001:db8::/64" names, host bits cleared; undefined if the text is none. */
export function parsePrefix(text: string): Prefix | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const bytes = match && parseAddress(match[1]!);
  const length = Number(match?.[2]);
  return bytes && length <= 128 ? prefixOf(bytes, length) : undefined;
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.bytes)}/${prefix.length}`;
}

/** Whether a prefix holds an address. */
export function contains(prefix: Prefix, bytes: AddressBytes): boolean {
  const whole = prefix.length >> 3;
  for (let i = 0; i < whole; i++) if (prefix.bytes[i] !== bytes[i]) return false;
  const rest = prefix.length & 7;
  return rest === 0 || (prefix.bytes[whole]! ^ bytes[whole]!) >> (8 - rest) === 0;
}
