// SPDX-License-Identifier: GPL-2.0-only

import { describe, expect, it } from 'vitest';
import { parseAddress, parsePrefix } from '../../src/address.ts';
import { formatPrefix } from '../../src/address-text.ts';
import { inScope, onLinkPrefixes, scopeOf } from '../../src/scope.ts';
import { prefixes } from './bench.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeKernel } from './fake-kernel.ts';

const router = new FakeKernel(new FakeClock());
router.addLink('lo', { kind: '', addresses: ['::1/128'] });
router.addLink('br-lan', { kind: 'bridge', addresses: ['2001:db8:a::1/64', '2001:db8:1::99/128'] });
router.addLink('wg1', {
  addresses: ['fe80::1/64', '2001:db8:1::1/64', 'fd00:1::1/120', '2001:db8:2::7/128'],
});
const links = router.links.list();
const wg1 = links.find(({ name }) => name === 'wg1')!;

const learns = (configured: string[], address: string) =>
  inScope(scopeOf(prefixes(...configured), wg1, links), parseAddress(address)!);

describe('without configured prefixes', () => {
  it.each(['2001:db8:1::2', '2001:db8:1:0:ffff:ffff:ffff:ffff', 'fd00:1::ff', 'fe80::2'])(
    '%s is learned',
    (address) => expect(learns([], address)).toBe(true),
  );

  it.each([
    ['in no prefix of the interface', '2001:db8:3::2'],
    ["in another interface's prefix", '2001:db8:a::2'],
    ['beside a prefix that is no multiple of 8 long', 'fd00:1::100'],
    ["in a /128 of the interface's", '2001:db8:2::8'],
    ['link-local, but outside of fe80::/64', 'fe80:0:0:1::2'],
    ['multicast', 'ff02::1'],
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['IPv4-mapped', '::ffff:192.0.2.1'],
    ["the interface's own", '2001:db8:1::1'],
    ["the interface's own link-local one", 'fe80::1'],
    ["another interface's", '2001:db8:1::99'],
    ['the subnet-router anycast address of a /64', '2001:db8:1::'],
    ['the subnet-router anycast address of a longer prefix', 'fd00:1::'],
    ['the subnet-router anycast address of link-local ones', 'fe80::'],
  ])('what is %s is not: %s', (_, address) => expect(learns([], address)).toBe(false));
});

describe('with configured prefixes', () => {
  it('those are learned in', () => expect(learns(['2001:db8:77::/48'], '2001:db8:77:5::2')).toBe(true));
  it('link-local ones are learned still', () => expect(learns(['2001:db8:77::/48'], 'fe80::2')).toBe(true));
  it("the interface's own do not count", () =>
    expect(learns(['2001:db8:77::/48'], '2001:db8:1::2')).toBe(false));
  it('a single address can be learned', () =>
    expect(learns(['2001:db8:77::5/128'], '2001:db8:77::5')).toBe(true));
  it('both addresses of a /127 can be learned', () => {
    expect(learns(['2001:db8:77::4/127'], '2001:db8:77::4')).toBe(true);
    expect(learns(['2001:db8:77::4/127'], '2001:db8:77::5')).toBe(true);
  });

  it.each([
    ["the router's own", ['2001:db8:1::1/128'], '2001:db8:1::1'],
    ['multicast', ['::/0'], 'ff02::1'],
    ['unspecified', ['::/0'], '::'],
    ['loopback', ['::/0'], '::1'],
    ['IPv4-mapped', ['::/0'], '::ffff:192.0.2.1'],
    ['a subnet-router anycast address of any /64 in them', ['2001:db8:77::/48'], '2001:db8:77:5::'],
    ['the subnet-router anycast address of a /126', ['2001:db8:77::4/126'], '2001:db8:77::4'],
  ])('what is %s is not learned', (_, configured, address) =>
    expect(learns(configured, address)).toBe(false),
  );
});

it("an interface's prefixes are those of its addresses, host bits cleared, without link-local ones", () => {
  expect(onLinkPrefixes(wg1).map(formatPrefix)).toEqual(['2001:db8:1::/64', 'fd00:1::/120']);
});

it('of a prefix that the kernel does not route there, as netifd has it with ip6assign 60, the /64 of the address is its own', () => {
  const own = (text: string, hasNoPrefixRoute: boolean) => {
    const { bytes, length: prefixLength } = parsePrefix(text)!;
    const [address] = wg1.addresses;
    const assigned = { ...address!, bytes, prefixLength, ...(hasNoPrefixRoute && { hasNoPrefixRoute }) };
    return onLinkPrefixes({ ...wg1, addresses: [assigned] }).map(formatPrefix);
  };
  expect(own('2001:db8:1:10::/60', true)).toEqual(['2001:db8:1:10::/64']);
  expect(own('2001:db8:1:10::/60', false)).toEqual(['2001:db8:1:10::/60']);
  expect(own('fd00:1::/120', true)).toEqual(['fd00:1::/120']);
});
