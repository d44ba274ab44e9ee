// SPDX-License-Identifier: GPL-2.0-only

import { describe, expect, it } from 'vitest';
import { type PeerSection, PeerTable, parsePeers } from '../../src/service/peers.ts';
import type { UbusTable } from '../../src/ubus/types.ts';
import { alice, bob } from './bench.ts';

const section = (options: UbusTable) => ({ '.type': 'wireguard_wg1', public_key: alice, ...options });
const table = (...sections: UbusTable[]) =>
  new PeerTable(
    new Map<string, PeerSection[]>([
      ['wg1', parsePeers(Object.fromEntries(sections.map((each, i) => [`cfg0${i}`, section(each)])))],
    ]),
  );
const isConfigured = (allowed_ips: string | string[], address = '2001:db8:1::5') =>
  table({ allowed_ips }).isConfigured('wg1', { peer: alice, address });

describe('an address is configured', () => {
  it.each([
    ['in a list', ['192.168.10.2/32', '2001:db8:1::5/128']],
    ['in an option with spaces', '192.168.10.2/32 2001:db8:1::5/128'],
    ['in an option with a comma, as wg(8) takes it', '192.168.10.2/32,2001:db8:1::5/128'],
    ['in an element of a list with commas and spaces', ['192.168.10.2/32', '10.0.0.2, 2001:db8:1::5/128 ,']],
    ['without a length', '2001:db8:1::5'],
    ['by another spelling', '2001:DB8:1:0::0005/128'],
    ['with a plus', '+2001:db8:1::5/128'],
    ['next to one that is none', ['2001:db8:1::5/129', 'nonsense', '2001:db8:1::5/128']],
  ])('%s', (_, allowedIps) => {
    expect(isConfigured(allowedIps)).toBe(true);
  });

  it.each([
    ['in a wider prefix only', '2001:db8:1::/64'],
    ['to be removed', '-2001:db8:1::5/128'],
    ['not at all', ''],
  ])('not if it is %s', (_, allowedIps) => {
    expect(isConfigured(allowedIps)).toBe(false);
  });

  it('not by a peer that is disabled, of which netifd of 2026 takes "1" only for an answer', () => {
    const address = { peer: alice, address: '2001:db8:1::5' };
    const allowed_ips = '2001:db8:1::5/128';
    expect(table({ allowed_ips, disabled: '1' }).isConfigured('wg1', address)).toBe(false);
    for (const disabled of ['0', 'yes', 'true', ''])
      expect(table({ allowed_ips, disabled }).isConfigured('wg1', address)).toBe(true);
  });
});

describe('a peer of several sections', () => {
  const phone = { description: 'Phone', allowed_ips: ['192.168.10.2/32'] };
  const sold = { description: 'old tablet (sold)', disabled: '1', allowed_ips: ['192.168.10.7/32'] };

  it('has the name of the enabled one, wherever it stands', () => {
    expect(table(phone, sold).description('wg1', alice)).toBe('Phone');
    expect(table(sold, phone).description('wg1', alice)).toBe('Phone');
  });

  it('has no name rather than that of a disabled one', () => {
    expect(table({ allowed_ips: ['192.168.10.2/32'] }, sold).description('wg1', alice)).toBeUndefined();
  });

  it('has the name of a disabled one if there is no other', () => {
    expect(table(sold).description('wg1', alice)).toBe('old tablet (sold)');
    expect(table(sold, { ...phone, public_key: bob }).description('wg1', alice)).toBe('old tablet (sold)');
  });
});
