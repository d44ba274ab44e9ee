// SPDX-License-Identifier: GPL-2.0-only
// IPv6 addresses and prefixes. An address is its 16 bytes in network byte order; as a key and for people it is its
// canonical text, which address-text.ts makes. The page uses this file, too.

/** 16 bytes in network byte order. */
export type AddressBytes = Uint8Array;

/** All addresses whose first `length` bits are those of `bytes`; the rest of `bytes` is zero. */
export interface Prefix {
  readonly bytes: AddressBytes;
  /** 0–128. */
  readonly length: number;
}

/**
 * The bytes of an address in any of RFC 4291's textual forms, without zone; undefined if it is none. By hand, as the
 * regular expression of isIPv6 (node:net) takes longer to compile than Node to start.
 */
export function parseAddress(text: string): AddressBytes | undefined {
  const bytes = new Uint8Array(16);
  return writeAddress(text, bytes, 0) ? bytes : undefined;
}

/** Writes them to where they are needed, `start`. False, and anything there, if it is none. */
export function writeAddress(text: string, bytes: Uint8Array, start: number): boolean {
  let size = 0;
  /** Where "::" was, in bytes. */
  let gap = -1;
  let group = 0;
  let digits = 0;
  for (let at = 0; at <= text.length; at++) {
    // What reads beyond the end is never optimised.
    const code = at < text.length ? text.charCodeAt(at) : END;
    const digit = digitOf(code);
    if (digit >= 0) {
      group = (group << 4) | digit;
      digits++;
    } else if (code === DOT) {
      if (size > 12 || !writeDottedQuad(text.slice(at - digits), bytes, start + size)) return false;
      size += 4;
      break;
    } else if (code !== COLON && code !== END) {
      return false;
    } else if (digits > 0) {
      if (digits > 4 || size === 16) return false;
      bytes[start + size++] = group >> 8;
      bytes[start + size++] = group & 0xff;
      group = 0;
      digits = 0;
    } else if (code === END) {
      if (gap !== size) return false;
    } else if (at > 0) {
      if (gap >= 0) return false;
      gap = size;
    } else if (!text.startsWith('::')) {
      return false;
    }
  }
  if (gap < 0) return size === 16;
  if (size === 16) return false;
  // To the end, from there on, and zeros for what "::" stands for.
  let to = start + 16;
  for (let from = start + size; from > start + gap; ) bytes[--to] = bytes[--from]!;
  while (to > start + gap) bytes[--to] = 0;
  return true;
}

const END = -1;
const DOT = 46;
const COLON = 58;

/** The value of a hexadecimal digit; −1 if it is none. */
function digitOf(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

/** Whether a text is four numbers as in 192.0.2.1, without leading zeros. */
function writeDottedQuad(text: string, bytes: Uint8Array, at: number): boolean {
  const parts = text.split('.');
  parts.slice(0, 4).forEach((part, i) => {
    bytes[at + i] = Number(part);
  });
  return parts.length === 4 && parts.every((part, i) => part === `${bytes[at + i]}`);
}

/** Whether all bytes from `start` to before `end` are zero. */
export function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0) return false;
  return true;
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

/** The last address in a prefix. */
export function lastOf({ bytes, length }: Prefix): AddressBytes {
  return bytes.map((byte, i) => byte | (0xff >> Math.min(8, Math.max(0, length - 8 * i))));
}

/** The prefix that "2001:db8::/64" names, host bits cleared; undefined if the text is none. */
export function parsePrefix(text: string): Prefix | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const bytes = match && parseAddress(match[1]!);
  const length = Number(match?.[2]);
  return bytes && length <= 128 ? prefixOf(bytes, length) : undefined;
}

/** Whether a prefix holds an address. */
export function contains(prefix: Prefix, bytes: AddressBytes): boolean {
  const whole = prefix.length >> 3;
  for (let i = 0; i < whole; i++) if (prefix.bytes[i] !== bytes[i]) return false;
  const rest = prefix.length & 7;
  return rest === 0 || (prefix.bytes[whole]! ^ bytes[whole]!) >> (8 - rest) === 0;
}
