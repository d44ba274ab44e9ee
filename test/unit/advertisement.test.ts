// SPDX-License-Identifier: GPL-2.0-only

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress, parsePrefix } from '../../src/address.ts';
import {
  type Advertisement,
  encodeAdvertisement,
  fitting,
  isSolicitation,
  solicitorOf,
} from '../../src/packets/advertisement.ts';
import { routerSolicitation } from '../../src/packets/solicitation.ts';

const hex = (text: string) => text.replace(/\s/g, '');
const bytes = (text: string) => Buffer.from(hex(text), 'hex');
const address = (text: string) => parseAddress(text)!;

const nothing: Advertisement = {
  routerLifetime: 0,
  preference: 'medium',
  prefixes: [],
  routes: [],
  servers: [],
  search: [],
  dnsLifetime: 0,
};

describe('an advertisement', () => {
  it('has these bytes', () => {
    const message = encodeAdvertisement({
      routerLifetime: 2700,
      preference: 'high',
      mtu: 1420,
      prefixes: [
        { prefix: parsePrefix('2001:db8:1::/64')!, onLink: true, preferred: 2700, valid: 5400 },
        { prefix: parsePrefix('2001:db8:a::/64')!, onLink: true, preferred: 0, valid: 0xfffffffe },
      ],
      routes: [
        { prefix: parsePrefix('fd00:1::/48')!, lifetime: 2700 },
        { prefix: parsePrefix('::/0')!, lifetime: 0 },
        { prefix: parsePrefix('2001:db8:f::f/128')!, lifetime: 0xffffffff },
      ],
      servers: [address('2001:db8:1::1'), address('fe80::1')],
      search: ['lan', 'home.example.'],
      dnsLifetime: 2700,
    });
    expect(message.toString('hex')).toBe(
      hex(`
        86 00 0000  40 08 0a8c  00000000 00000000
        05 01 0000 0000058c
        03 04 40 c0 00001518 00000a8c 00000000 20010db8000100000000000000000000
        03 04 40 c0 fffffffe 00000000 00000000 20010db8000a00000000000000000000
        18 02 30 08 00000a8c fd00000100000000
        18 01 00 08 00000000
        18 03 80 08 ffffffff 20010db8000f0000000000000000000f
        19 05 0000 00000a8c 20010db8000100000000000000000001 fe800000000000000000000000000001
        1f 04 0000 00000a8c 036c616e00 04686f6d65076578616d706c6500 0000000000
      `),
    );
  });

  it.each([
    ['high', 2700, '08', '08'],
    ['medium', 2700, '00', '00'],
    ['low', 2700, '18', '18'],
    // RFC 4191, 2.2
    ['low', 0, '00', '18'],
  ] as const)('of preference %s and lifetime %i', (preference, routerLifetime, ofRouter, ofRoute) => {
    const routes = [{ prefix: parsePrefix('::/0')!, lifetime: 0 }];
    const message = encodeAdvertisement({ ...nothing, routerLifetime, preference, routes }).toString('hex');
    expect([message.slice(10, 12), message.slice(38, 40)]).toEqual([ofRouter, ofRoute]);
  });

  it('has no options for what there is none of', () => {
    expect(encodeAdvertisement(nothing).toString('hex')).toBe(hex('86000000 40000000 00000000 00000000'));
  });

  it.each([
    '',
    '.',
    'a..b',
    'with blank.example',
    'ä.example',
    'x'.repeat(64),
    Array(64).fill('abcd').join('.'),
  ])('leaves out %j, which is no domain', (domain) => {
    const message = encodeAdvertisement({ ...nothing, search: [domain, 'lan'] });
    expect(message.subarray(16).toString('hex')).toBe(hex('1f02 0000 00000000 036c616e00 000000'));
    expect(encodeAdvertisement({ ...nothing, search: [domain] })).toHaveLength(16);
  });
});

describe('what fits into an advertisement', () => {
  const domains = (count: number) =>
    Array.from({ length: count }, (_, i) => `department-${i}.office.example.com`);
  const prefixesOf = (count: number, preferred: (i: number) => number) =>
    Array.from({ length: count }, (_, i) => ({
      prefix: parsePrefix(`2001:db8:${i}::/64`)!,
      onLink: true,
      preferred: preferred(i),
      valid: 5400,
    }));

  it('is all of it, as a rule', () => {
    const content = { ...nothing, mtu: 1420, prefixes: prefixesOf(4, () => 2700), search: domains(10) };
    const leftOut = { prefixes: 0, routes: 0, servers: 0, domains: 0 };
    expect(fitting(content)).toEqual({ content, leftOut });
  });

  it('are as many domains as there is room for, from the first one on', () => {
    const whole = { ...nothing, prefixes: prefixesOf(2, () => 2700), search: domains(40) };
    const {
      content,
      leftOut: { domains: leftOut },
    } = fitting(whole);
    expect(content.search).toEqual(whole.search.slice(0, 40 - leftOut));
    expect(encodeAdvertisement(content).length).toBeLessThanOrEqual(1240);
    const oneMore = { ...content, search: whole.search.slice(0, 41 - leftOut) };
    expect(encodeAdvertisement(oneMore).length).toBeGreaterThan(1240);
  });

  it('are prefixes rather than domains, and those in use rather than deprecated ones', () => {
    const prefixes = prefixesOf(60, (i) => (i % 2 ? 2700 : 0));
    const fits = fitting({ ...nothing, mtu: 1420, prefixes, search: ['lan'] });
    expect(fits).toMatchObject({ leftOut: { prefixes: 60 - 38, domains: 1 } });
    expect(fits.content.prefixes.filter(({ preferred }) => preferred > 0)).toHaveLength(30);
  });

  it('are a DNS server, prefixes and routes rather than more servers, and those rather than what is taken back', () => {
    const routes = Array.from({ length: 20 }, (_, i) => ({
      prefix: parsePrefix(`fd00:${i}::/48`)!,
      lifetime: i % 2 ? 2700 : 0,
    }));
    const prefixes = prefixesOf(40, (i) => (i % 2 ? 2700 : 0));
    const servers = Array.from({ length: 40 }, (_, i) => address(`2001:db8::${i}`));
    const { content, leftOut } = fitting({
      ...nothing,
      mtu: 1420,
      prefixes,
      routes,
      servers,
      search: ['lan'],
    });
    expect(content.prefixes).toEqual(prefixes.filter(({ preferred }) => preferred > 0));
    expect(content.routes).toEqual(routes.filter(({ lifetime }) => lifetime > 0));
    // 1,216 − 24 − 20 · 32 − 10 · 16 bytes
    expect(content.servers).toEqual(servers.slice(0, 1 + 24));
    expect(leftOut).toEqual({ prefixes: 20, routes: 10, servers: 15, domains: 1 });
  });

  it('is never more than one packet, whatever there is', () => {
    fc.assert(
      fc.property(
        fc.nat(200),
        fc.nat(3),
        fc.array(fc.oneof(fc.domain(), fc.string()), { maxLength: 300 }),
        fc.boolean(),
        (prefixes, servers, search, hasMtu) => {
          const { content } = fitting({
            ...nothing,
            ...(hasMtu && { mtu: 1420 }),
            prefixes: prefixesOf(prefixes, () => 2700),
            servers: Array(servers).fill(address('fe80::1')),
            search,
          });
          const message = encodeAdvertisement(content);
          expect(message.length).toBeLessThanOrEqual(1240);
          let at = 16;
          while (at < message.length) at += 8 * (message[at + 1] || Number.NaN);
          expect(at).toBe(message.length);
        },
      ),
    );
  });
});

describe('a solicitation', () => {
  const from = address('fe80::a');

  it.each([
    ['without options', '8500000000000000'],
    ['with the address of a link layer', '8500000000000000 01 01 020000000001'],
    [
      'with an unknown option, and one of 16 bytes',
      '8500000000000000 fd01 000000000000 fe02 0000 000000000000000000000000',
    ],
    ['with something in its reserved field', '85000000ffffffff'],
  ])('%s is one', (_, message) => expect(isSolicitation(bytes(message), from, 255)).toBe(true));

  it.each([
    ['that is cut', '85000000000000'],
    ['that is empty', ''],
    ['of another type', '8700000000000000'],
    ['with a code', '8501000000000000'],
    ['with an option of no length', '8500000000000000 0100 000000000000'],
    ['with an option that is cut', '8500000000000000 0102 000000000000'],
    ['with half an option', '8500000000000000 01'],
  ])('%s is none', (_, message) => expect(isSolicitation(bytes(message), from, 255)).toBe(false));

  it.each([254, 64, 0, undefined])('that has come with hop limit %s is none', (hopLimit) => {
    expect(isSolicitation(bytes('8500000000000000'), from, hopLimit)).toBe(false);
  });

  it('from nowhere has no address of a link layer', () => {
    const nowhere = address('::');
    expect(isSolicitation(bytes('8500000000000000'), nowhere, 255)).toBe(true);
    expect(isSolicitation(bytes('8500000000000000 0e01 000000000000'), nowhere, 255)).toBe(true);
    expect(isSolicitation(bytes('8500000000000000 0e01 000000000000 0101 000000000000'), nowhere, 255)).toBe(
      false,
    );
  });

  it('is never read beyond its end', () => {
    const message = fc.uint8Array({ maxLength: 64 }).map((tail) => Buffer.from([133, 0, ...tail]));
    fc.assert(
      fc.property(message, (message) => {
        const lengths: number[] = [];
        for (let at = 8; at < message.length && message[at + 1]; at += 8 * message[at + 1]!)
          lengths.push(8 * message[at + 1]!);
        const isWhole = 8 + lengths.reduce((sum, length) => sum + length, 0) === message.length;
        expect(isSolicitation(message, from, 255)).toBe(message.length >= 8 && isWhole);
      }),
    );
  });
});

describe('the solicitor of a packet', () => {
  it('is its source', () => expect(solicitorOf(routerSolicitation(address('fe80::a')))).toBe('fe80::a'));

  it('is nobody in any other packet', () => {
    const packet = routerSolicitation(address('fe80::a'));
    fc.assert(
      fc.property(fc.nat(packet.length * 8 - 1), (bit) => {
        // Neither the traffic class nor the flow label matters.
        fc.pre(bit < 4 || bit >= 32);
        const changed = Buffer.from(packet);
        changed[bit >> 3]! ^= 0x80 >> (bit & 7);
        expect(solicitorOf(changed)).toBeUndefined();
      }),
    );
    for (let length = 0; length < packet.length; length++)
      expect(solicitorOf(packet.subarray(0, length))).toBeUndefined();
    expect(solicitorOf(routerSolicitation(address('2001:db8::a')))).toBeUndefined();
    expect(solicitorOf(Buffer.concat([packet, Buffer.alloc(8)]))).toBeUndefined();
  });
});
