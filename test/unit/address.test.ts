// SPDX-License-Identifier: GPL-2.0-only

import { isIPv6, SocketAddress } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, parseAddress, parsePrefix, prefixOf } from '../../src/address.ts';
import { formatAddress, formatPrefix } from '../../src/address-text.ts';

/** Zeros often, as what is special about the text are they. */
const group = fc.oneof(fc.constant([0, 0]), fc.tuple(fc.nat(255), fc.nat(255)));
const address = fc
  .array(group, { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flat()));
const length = fc.nat(128);

/** All eight groups, with or without leading zeros and in either case. */
const longForm = fc
  .record({ bytes: address, padded: fc.boolean(), upper: fc.boolean() })
  .map(({ bytes, padded, upper }) => {
    const groups = Array.from({ length: 8 }, (_, i) =>
      ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16),
    );
    const text = groups.map((group) => (padded ? group.padStart(4, '0') : group)).join(':');
    return { bytes, text: upper ? text.toUpperCase() : text };
  });

const bitsOf = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex');

describe('an address', () => {
  it('reads back as the text that it was written as', () => {
    fc.assert(
      fc.property(address, (bytes) => {
        expect(parseAddress(formatAddress(bytes))).toEqual(bytes);
      }),
    );
  });

  it('is written as the system does', () => {
    fc.assert(
      fc.property(address, (bytes) => {
        fc.pre(bytes.subarray(0, 12).some((byte) => byte !== 0)); // the system writes ::1.2.3.4, which is deprecated
        const text = formatAddress(bytes);
        expect(text).toBe(new SocketAddress({ address: text, family: 'ipv6' }).address);
      }),
    );
  });

  /** Mostly addresses, with something cut out and something else put in. */
  const nearly = fc
    .record({
      bytes: address,
      mapped: fc.boolean(),
      at: fc.nat(40),
      cut: fc.nat(3),
      put: fc.string({ unit: fc.constantFrom(...'0189afAFg:.-% '), maxLength: 4 }),
    })
    .map(({ bytes, mapped, at, cut, put }) => {
      if (mapped) bytes.set(parseAddress('::ffff:0:0')!.subarray(0, 12));
      const text = formatAddress(bytes);
      return text.slice(0, at) + put + text.slice(at + cut);
    });

  it('is read if the system takes it for one, without a zone', () => {
    fc.assert(
      fc.property(nearly, (text) => {
        expect(parseAddress(text) !== undefined).toBe(isIPv6(text) && !text.includes('%'));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is read in its long forms', () => {
    fc.assert(
      fc.property(longForm, ({ bytes, text }) => {
        expect(parseAddress(text)).toEqual(bytes);
      }),
    );
  });

  it.each([
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['1::', '00010000000000000000000000000000'],
    ['2001:DB8::8:800:200C:417A', '20010db80000000000080800200c417a'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
    ['1:2:3:4:5:6:7.8.9.10', '0001000200030004000500060708090a'],
  ])('%s is %s', (text, expected) => expect(hex(parseAddress(text))).toBe(expected));

  it.each([
    '',
    ':',
    '1.2.3.4',
    'fe80::1%eth0',
    '1::2::3',
    '12345::',
    '::g',
    '1:2:3:4:5:6:7:8:9',
    '::/0',
    ' ::1',
  ])('%j is none', (text) => expect(parseAddress(text)).toBeUndefined());

  it.each([
    ['the first of two equally long runs of zeros is left out', '1:0:0:2:3:0:0:4', '1::2:3:0:0:4'],
    ['the longest run of zeros is left out', '1:0:0:2:0:0:0:4', '1:0:0:2::4'],
    ['a single zero is not', '1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['IPv4-mapped ones end in dotted form', '::ffff:c000:0201', '::ffff:192.0.2.1'],
  ])('when written, %s', (_, text, expected) => expect(formatAddress(parseAddress(text)!)).toBe(expected));
});

describe('a prefix', () => {
  it('reads back as the text that it was written as', () => {
    fc.assert(
      fc.property(address, length, (bytes, length) => {
        const prefix = prefixOf(bytes, length);
        expect(parsePrefix(formatPrefix(prefix))).toEqual(prefix);
      }),
    );
  });

  it('has the first bits of the address that it was made of, and zeros', () => {
    fc.assert(
      fc.property(address, length, (bytes, length) => {
        expect(bitsOf(prefixOf(bytes, length).bytes)).toBe(bitsOf(bytes).slice(0, length).padEnd(128, '0'));
      }),
    );
  });

  it('holds an address that begins with the same bits, and no other', () => {
    fc.assert(
      fc.property(address, length, fc.nat(127), (bytes, length, flipped) => {
        const other = bytes.slice();
        other[flipped >> 3]! ^= 0x80 >> (flipped & 7);
        expect(contains(prefixOf(bytes, length), bytes)).toBe(true);
        expect(contains(prefixOf(bytes, length), other)).toBe(flipped >= length);
      }),
    );
  });

  it('has its host bits cleared when read', () => {
    expect(formatPrefix(parsePrefix('2001:db8::1234:5/64')!)).toBe('2001:db8::/64');
  });

  it.each(['2001:db8::', '::/129', '::/', '::/-1', '::/6 4', '10.0.0.0/8', '::/1/2', '/64'])(
    '%j is none',
    (text) => expect(parsePrefix(text)).toBeUndefined(),
  );
});
