// SPDX-License-Identifier: GPL-2.0-only
// The text of what has to be known after a reboot.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAddress, formatPrefix } from '../../src/address-text.ts';
import { decodeState, encodeState, type State } from '../../src/engine/state.ts';
import { alice, bob, prefixes } from './bench.ts';

const some: State = {
  addresses: [
    { device: 'wg1', peer: alice, address: 'fe80::a' },
    { device: 'wg1', peer: bob, address: 'fe80::b' },
    { device: 'wg-home', peer: alice, address: 'fe80::a' },
  ],
  advertised: new Map([
    ['wg1', { isDefaultRouter: true, prefixes: prefixes('2001:db8:1::/64', 'fd00::/64'), routes: [] }],
    [
      'wg-home',
      {
        isDefaultRouter: false,
        prefixes: prefixes('2001:db8:2::/64'),
        routes: prefixes('fd01::/48', '::/0'),
      },
    ],
  ]),
};
const text = encodeState(some);
const lines = text.split('\n').slice(0, -1);

const device = fc
  .string({ minLength: 1, maxLength: 15, unit: 'grapheme' })
  .filter((name) => !/[\s/]/.test(name));
const bytesOf = (length: number, head: number[]) =>
  fc
    .uint8Array({ minLength: length - head.length, maxLength: length - head.length })
    .map((rest) => new Uint8Array([...head, ...rest]));
const address = bytesOf(16, [0xfe, 0x80, 0, 0, 0, 0, 0, 0]).map(formatAddress);
const peer = bytesOf(32, []).map((bytes) => Buffer.from(bytes).toString('base64'));
const prefix = bytesOf(8, [0x20]).map((head) => ({
  bytes: new Uint8Array([...head, ...Buffer.alloc(8)]),
  length: 64,
}));
const state: fc.Arbitrary<State> = fc.record({
  addresses: fc
    .uniqueArray(fc.record({ device, peer, address }), { selector: (each) => `${each.device} ${each.peer}` })
    .map((all) => [...new Map(all.map((each) => [`${each.device} ${each.address}`, each])).values()]),
  advertised: fc
    .uniqueArray(
      fc.tuple(
        device,
        fc.record({
          isDefaultRouter: fc.boolean(),
          prefixes: fc.uniqueArray(prefix, { maxLength: 16 }),
          routes: fc.uniqueArray(prefix, { maxLength: 16 }),
        }),
      ),
      { selector: ([name]) => name },
    )
    .map(
      (all) =>
        new Map(
          all.filter(([, told]) => told.isDefaultRouter || told.prefixes.length + told.routes.length > 0),
        ),
    ),
});

describe('the text', () => {
  it('is a short line for each peer and each interface', () => {
    expect(lines).toEqual(
      [
        expect.stringMatching(/^# .*wg-slaacer/),
        'interface wg-home 2001:db8:2::/64 routes ::/0 fd01::/48',
        'interface wg1 default-router 2001:db8:1::/64 fd00::/64',
        `peer wg-home ${alice} fe80::a`,
        `peer wg1 ${alice} fe80::a`,
        `peer wg1 ${bob} fe80::b`,
      ].sort(),
    );
  });

  it('is empty if there is nothing to know', () => {
    expect(encodeState({ addresses: [], advertised: new Map() })).toBe('');
    expect(decodeState('')).toEqual({
      addresses: [],
      advertised: new Map(),
      unreadable: 0,
      isForeign: false,
    });
  });

  it('says what it was made of, whatever that is', () => {
    fc.assert(
      fc.property(state, (written) => {
        const { unreadable, isForeign, ...read } = decodeState(encodeState(written));
        expect({ unreadable, isForeign }).toEqual({ unreadable: 0, isForeign: false });
        expect(encodeState(read)).toBe(encodeState(written));
        expect(read.addresses).toHaveLength(written.addresses.length);
        expect(read.advertised.size).toBe(written.advertised.size);
      }),
    );
  });

  it('names no more than 16 prefixes, and routes, of an interface', () => {
    const many = Array.from({ length: 100 }, (_, n) => `2001:db8:${(n + 1).toString(16)}::/64`);
    const told = { isDefaultRouter: true, prefixes: prefixes(...many), routes: prefixes(...many) };
    const { advertised, unreadable } = decodeState(
      encodeState({ addresses: [], advertised: new Map([['wg1', told]]) }),
    );
    for (const kept of [advertised.get('wg1')!.prefixes, advertised.get('wg1')!.routes])
      expect(kept.map(formatPrefix).sort()).toEqual(many.slice(0, 16).sort());
    expect(unreadable).toBe(0);
  });
});

describe('a damaged text', () => {
  it('never throws, and says nothing that cannot be', () => {
    const bytes = fc.uint8Array({ maxLength: 400 }).map((each) => Buffer.from(each).toString('utf8'));
    const mixed = fc
      .tuple(fc.nat(text.length), fc.nat(20), fc.string({ maxLength: 20 }))
      .map(([at, length, other]) => text.slice(0, at) + other + text.slice(at + length));
    fc.assert(
      fc.property(fc.oneof(bytes, fc.string({ unit: 'binary' }), mixed), (damaged) => {
        const { addresses, advertised } = decodeState(damaged);
        const owners = addresses.map(({ device, address }) => `${device} ${address}`);
        expect(new Set(owners).size).toBe(owners.length);
        const peers = addresses.map(({ device, peer }) => `${device} ${peer}`);
        expect(new Set(peers).size).toBe(peers.length);
        for (const { prefixes } of advertised.values()) expect(prefixes.length).toBeLessThanOrEqual(16);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(lines.map((line, n) => [line, n]))('loses with "%s" nothing else', (line, n) => {
    const { unreadable, isForeign, ...read } = decodeState(
      [...lines.slice(0, n), `${line}\u0000`, ...lines.slice(n + 1), ''].join('\n'),
    );
    const isTitle = line.startsWith('#');
    expect({ unreadable, isForeign }).toEqual({ unreadable: isTitle ? 0 : 1, isForeign: false });
    const kept = encodeState(read).split('\n').slice(1, -1);
    expect(kept.sort()).toEqual(
      lines
        .slice(1)
        .filter((other) => other !== line)
        .sort(),
    );
  });

  it('that was cut loses its last line, which may be a part of one', () => {
    for (let length = 0; length < text.length; length++) {
      const { addresses, unreadable, isForeign } = decodeState(text.slice(0, length));
      for (const each of addresses) expect(some.addresses).toContainEqual(each);
      expect(unreadable).toBe(text.slice(0, length).endsWith('\n') || length === 0 ? 0 : 1);
      if (length > lines[0]!.length) expect(isForeign).toBe(false);
    }
  });

  it.each([
    ['a multicast address', `peer wg1 ${alice} ff02::1`],
    ['a global address', `peer wg1 ${alice} 2001:db8::1`],
    ['another link-local prefix', `peer wg1 ${alice} fe80:0:0:1::1`],
    ['another spelling', `peer wg1 ${alice} fe80::0a`],
    ['a short key', `peer wg1 ${alice.slice(4)} fe80::a`],
    ['no device', `peer  ${alice} fe80::a`],
    ['a word too many', `peer wg1 ${alice} fe80::a fe80::b`],
    ['a prefix that is no /64', 'interface wg1 2001:db8::/48'],
    ['a multicast prefix', 'interface wg1 ff02::/64'],
    ['the link-local prefix', 'interface wg1 fe80::/64'],
    ['the loopback prefix', 'interface wg1 ::/64'],
    ['the prefix of mapped addresses', 'interface wg1 ::/64'],
    ['an interface of which nothing is said', 'interface wg1'],
    ['a route that is none', 'interface wg1 routes fd00::'],
    ['a route in another spelling', 'interface wg1 routes fd00:0::/48'],
    ['another kind of line', 'route wg1 2001:db8::/64'],
  ])('is not taken for %s', (_, line) => {
    expect(decodeState(`${lines[0]}\n${line}\n`)).toEqual({
      addresses: [],
      advertised: new Map(),
      unreadable: 1,
      isForeign: false,
    });
  });

  it('gives an address to one peer only, and a peer one address', () => {
    const twice = `peer wg1 ${alice} fe80::a\npeer wg1 ${bob} fe80::a\npeer wg1 ${alice} fe80::b\n`;
    const { addresses, unreadable } = decodeState(twice);
    expect(addresses).toEqual([{ device: 'wg1', peer: alice, address: 'fe80::a' }]);
    expect(unreadable).toBe(2);
  });

  it.each(['root:x:0:0:root:/root:/bin/ash\n', '\u0000\u0001', '#!/bin/sh\necho\n', '# Other\n'])(
    'that is another program’s is told from it: %j',
    (other) => expect(decodeState(other).isForeign).toBe(true),
  );
});
