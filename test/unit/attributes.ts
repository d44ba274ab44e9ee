// SPDX-License-Identifier: GPL-2.0-only
// Netlink attributes as a list, for tests.

import { visitAttributes } from '../../src/kernel/netlink.ts';

/** The attributes from `start` to the end, each with a view of its value. */
export function decodeAttributes(bytes: Buffer, start = 0): { type: number; value: Buffer }[] {
  const attributes: { type: number; value: Buffer }[] = [];
  visitAttributes(bytes, start, bytes.length, (type, from, to) => {
    attributes.push({ type, value: bytes.subarray(from, to) });
  });
  return attributes;
}
