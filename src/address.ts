// SPDX-License-Identifier: GPL-2.0-only
// IPv6 addresses and prefixes. An address is its 16 bytes in network byte order; as a key and for people it is its
// canonical text (RFC 5952).

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
  let size = 0;
  /** Where "::" was, in bytes. */
  let gap = text.startsWith('::') ? 0 : -1;
  for (let at = gap === 0 ? 2 : 0; at < text.length || gap !== size; ) {
    const start = at;
    let group = 0;
    for (let digit = digitAt(text, at); digit >= 0; digit = digitAt(text, ++at)) group = (group << 4) | digit;
    if (text[at] === '.') {
      if (size > 12 || !writeDottedQuad(text.slice(start), bytes, size)) return undefined;
      size += 4;
      break;
    }
    if (at === start || at - start > 4 || size === 16) return undefined;
    bytes[size++] = group >> 8;
    bytes[size++] = group & 0xff;
    if (at === text.length) break;
    if (text[at++] !== ':') return undefined;
    if (text[at] === ':') {
      if (gap >= 0) return undefined;
      gap = size;
      at++;
    }
  }
  if (gap < 0) return size === 16 ? bytes : undefined;
  if (size === 16) return undefined;
  const tail = size - gap;
  bytes.copyWithin(16 - tail, gap, size);
  bytes.fill(0, gap, 16 - tail);
  return bytes;
}

/** The value of a hexadecimal digit; −1 if it is none. */
function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
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

/** Where a text is made, of 39 characters at most: this is quicker than joining parts, and takes less memory. */
const scratch = Buffer.alloc(39);

/** The canonical text of an address (RFC 5952), IPv4-mapped ones in dotted form. */
export function formatAddress(bytes: AddressBytes): string {
  return formatAddressAt(bytes, 0);
}

/** … of the one that stands at `from`. */
export function formatAddressAt(bytes: Uint8Array, from: number): string {
  if (isMapped(bytes, from)) return `::ffff:${bytes.subarray(from + 12, from + 16).join('.')}`;
  // The first of the longest runs of zeros; there is none at first.
  let gap = 16;
  let gapEnd = 18;
  for (let start = 0; start < 16; start += 2) {
    let end = start;
    while (end < 16 && bytes[from + end] === 0 && bytes[from + end + 1] === 0) end += 2;
    if (end - start > gapEnd - gap) {
      gap = start;
      gapEnd = end;
    }
    if (end > start) start = end;
  }
  let size = 0;
  for (let at = 0; at < 16; at += 2) {
    if (at === gap) {
      scratch[size++] = COLON;
      scratch[size++] = COLON;
      at = gapEnd - 2;
    } else {
      if (at > 0 && at !== gapEnd) scratch[size++] = COLON;
      size = writeGroup((bytes[from + at]! << 8) | bytes[from + at + 1]!, size);
    }
  }
  return scratch.toString('latin1', 0, size);
}

const COLON = 58;
const DIGITS = Buffer.from('0123456789abcdef', 'latin1');

/** In hexadecimal, without leading zeros; where it ends. Without a loop: it is called most often of all. */
function writeGroup(group: number, start: number): number {
  let at = start;
  if (group > 0xfff) scratch[at++] = DIGITS[group >> 12]!;
  if (group > 0xff) scratch[at++] = DIGITS[(group >> 8) & 0xf]!;
  if (group > 0xf) scratch[at++] = DIGITS[(group >> 4) & 0xf]!;
  scratch[at] = DIGITS[group & 0xf]!;
  return at + 1;
}

function isMapped(bytes: Uint8Array, from: number): boolean {
  if (bytes[from + 10] !== 0xff || bytes[from + 11] !== 0xff) return false;
  return isZero(bytes, from, from + 10);
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
