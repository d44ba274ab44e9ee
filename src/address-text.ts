// SPDX-License-Identifier: GPL-2.0-only
// The canonical texts of addresses and prefixes (RFC 5952).

import { type AddressBytes, isZero, type Prefix } from './address.ts';

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

export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.bytes)}/${prefix.length}`;
}
