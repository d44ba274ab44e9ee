// SPDX-License-Identifier: GPL-2.0-only

import { describe, expect, it } from 'vitest';
import { type PeerSection, PeerTable, parsePeers } from '../../src/service/peers.ts';
import { readPeers } from '../../src/service/uci.ts';
import type { UbusTable } from '../../src/ubus/types.ts';
import { alice, bob } from './bench.ts';
import { FakeRpcd, FakeUbus } from './fake-ubus.ts';

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

  it('not by a peer that is disabled', () => {
    const address = { peer: alice, address: '2001:db8:1::5' };
    const allowed_ips = '2001:db8:1::5/128';
    expect(table({ allowed_ips, disabled: '1' }).isConfigured('wg1', address)).toBe(false);
    expect(table({ allowed_ips, disabled: '0' }).isConfigured('wg1', address)).toBe(true);
  });
});

it('of several sections for a peer the last in force counts alone, as wg(8) has it', () => {
  const allowed = (...addresses: string[]) => ({
    allowed_ips: addresses.map((each) => `2001:db8:1::${each}`),
  });
  const peers = table(
    allowed('5', '6'),
    { ...allowed('7'), description: 'phone' },
    { ...allowed('8'), disabled: '1' },
  );
  const has = (end: string) => peers.isConfigured('wg1', { peer: alice, address: `2001:db8:1::${end}` });
  expect(['5', '6', '7', '8'].filter(has)).toEqual(['7']);
  expect([...peers.configured('wg1', alice)]).toEqual(['2001:db8:1::7']);
  expect(peers.inForce('wg1')).toHaveLength(1);
});

describe('a peer is disabled by the words that netifd takes for it', () => {
  const words = ['1', 'on', 'true', 'yes', 'enabled', '0', 'off', 'false', 'no', 'disabled', 'TRUE', '2', ''];
  const disabling = async (handlers?: UbusTable) => {
    const ubus = new FakeUbus();
    const sections = words.map((disabled, i) => [`cfg0${i}`, section({ disabled })] as const);
    new FakeRpcd({ network: Object.fromEntries(sections) }).join(ubus);
    if (handlers) ubus.publish('network', { get_proto_handlers: { call: () => handlers } } as never);
    const peers = await readPeers(ubus, 'wg1');
    return words.filter((_, i) => peers[i]!.disabled);
  };

  it('with its handler in shell, which has config_get_bool', async () => {
    const validate = { private_key: '(null)', listen_port: 'integer' };
    expect(await disabling({ wireguard: { validate, no_device: false }, dhcp: {} })).toEqual(
      words.slice(0, 5),
    );
  });

  it('with its handler in ucode, which knows one; and where netifd does not say', async () => {
    expect(await disabling({ wireguard: { no_device: false }, dhcp: { validate: {} } })).toEqual(['1']);
    expect(await disabling({})).toEqual(['1']);
    expect(await disabling()).toEqual(['1']);
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
