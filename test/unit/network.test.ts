// SPDX-License-Identifier: GPL-2.0-only

import { describe, expect, it } from 'vitest';
import { assignmentsOf } from '../../src/service/delegation.ts';
import {
  absenceOf,
  absencesOf,
  advertisersOf,
  domainOf,
  interfacesOf,
  noNetwork,
  randomPortsOf,
  readNetwork,
  relaysOf,
  searchListOf,
  searchOf,
} from '../../src/service/network.ts';
import { type Ubus, UbusError, type UbusTable, ubusStatus } from '../../src/ubus/types.ts';

const section = (options: UbusTable) => ({ '.type': 'dhcp', ...options });

/** By the logical name: netifd's entry of an interface that is up. */
const netifd = (interfaces: Record<string, UbusTable>): UbusTable => ({
  interface: Object.entries(interfaces).map(([name, entry]) => ({
    interface: name,
    up: true,
    l3_device: name,
    ...entry,
  })),
});

const advertisers = (dhcp: UbusTable, interfaces: Record<string, UbusTable> = {}) =>
  Object.fromEntries(advertisersOf(dhcp, interfacesOf(netifd(interfaces))));
const search = (dhcp: UbusTable, interfaces: Record<string, UbusTable> = {}) =>
  Object.fromEntries(searchOf(dhcp, interfacesOf(netifd(interfaces))));

/** What ubus answers to each call, of uci by the type of section; a number is a status. */
function ubusOf(answers: Record<string, UbusTable | number>): Ubus {
  return {
    call: async (object: string, method: string, { type = '' }: UbusTable = {}) => {
      const answer = answers[`${object} ${method} ${type}`.trim()] ?? ubusStatus.notFound;
      if (typeof answer === 'number') throw new UbusError(answer, 'no');
      return answer;
    },
  } as unknown as Ubus;
}

it('a WireGuard interface without a port of its own gets another whenever it is made anew', () => {
  const network = {
    wg1: { '.type': 'interface', proto: 'wireguard' },
    wg2: { '.type': 'interface', proto: 'wireguard', listen_port: '51820' },
    lan: { '.type': 'interface', proto: 'static' },
  };
  const interfaces = interfacesOf(netifd({ wg1: { l3_device: 'wg-home' } }));
  expect([...randomPortsOf(network, interfaces)]).toEqual(['wg-home']);
});

it('an interface may be away because it is disabled, or cannot be set up, or is none of netifd', () => {
  const network = {
    wg1: { '.type': 'interface', proto: 'wireguard', disabled: '1' },
    wg2: { '.type': 'interface', proto: 'wireguard', disabled: '0' },
    wg3: { '.type': 'interface', proto: 'wireguard' },
    wg4: { '.type': 'interface', proto: 'wireguard', auto: '0' },
    wg5: { '.type': 'interface', proto: 'wireguard', disabled: 'true' },
  };
  const down = (autostart: boolean) => ({ up: false, pending: false, available: true, autostart });
  const dump = netifd({ lan: {}, wg2: {}, wg3: down(true), wg4: down(false) });
  const absences = absencesOf(network, interfacesOf(dump));
  const of = (...devices: string[]) => devices.map((each) => absenceOf({ ...noNetwork, absences }, each));
  expect(of('wg1', 'wg2', 'wg3', 'wg4', 'wg5', 'wg9')).toEqual([
    'disabled',
    undefined,
    'failing',
    undefined,
    'disabled',
    'unconfigured',
  ]);
  expect(absenceOf(noNetwork, 'wg9')).toBe(undefined);
});

describe('an interface that is to have a prefix', () => {
  const wanting = (options: UbusTable = {}): UbusTable => ({
    wg1: { '.type': 'interface', ip6assign: '64', ...options },
    lan: { '.type': 'interface' },
  });
  const none = { globals: { '.type': 'globals' } };
  const ula = { globals: { '.type': 'globals', ula_prefix: 'fd00:1::/48' } };
  const prefix = (mask: number, assigned: Record<string, number> = {}): UbusTable => ({
    address: '2001:db8::',
    mask,
    class: 'wan6',
    assigned: Object.fromEntries(
      Object.entries(assigned).map(([name, length]) => [name, { address: '2001:db8::', mask: length }]),
    ),
  });
  const uplink = (...prefixes: UbusTable[]) => ({ wan6: { delegation: true, 'ipv6-prefix': prefixes } });
  const of = (network: UbusTable, globals: UbusTable, interfaces: Record<string, UbusTable>) =>
    assignmentsOf(network, globals, interfacesOf(netifd(interfaces)));
  const assignments = (globals: UbusTable, interfaces: Record<string, UbusTable>, options: UbusTable = {}) =>
    Object.fromEntries(of(wanting(options), globals, interfaces).assignments);
  const exhausted = (interfaces: Record<string, UbusTable>, options: UbusTable = {}) =>
    of(wanting(options), ula, interfaces).exhausted.get('wg1');

  it('may not have been given one, where there is any', () => {
    const unassigned = { assignment: 'unassigned' };
    expect(assignments(none, uplink(prefix(56)))).toEqual({ wg1: unassigned });
    expect(assignments(ula, {})).toEqual({ wg1: unassigned });
    expect(assignments(ula, { wg1: { l3_device: 'wg-home' } })).toEqual({ 'wg-home': unassigned });
  });

  it('cannot be given one, where there is none', () => {
    expect(assignments(none, { wan6: {} })).toEqual({ wg1: { assignment: 'undelegated' } });
  });

  it('is given none of an uplink that delegates none (option delegate 0)', () => {
    const withheld = { wan6: { ...uplink(prefix(56)).wan6, delegation: false } };
    expect(assignments(none, withheld)).toEqual({ wg1: { assignment: 'withheld', uplink: 'wan6' } });
    expect(assignments(ula, withheld)).toEqual({ wg1: { assignment: 'unassigned' } });
    expect(exhausted({ wan6: { ...uplink(prefix(64, { lan: 64 })).wan6, delegation: false } })).toBe(
      undefined,
    );
  });

  it('is given none of a class that it does not take (option ip6class)', () => {
    const there = uplink(prefix(56));
    expect(assignments(ula, there, { ip6class: ['wan_6'] })).toEqual({ wg1: { assignment: 'class' } });
    for (const ip6class of [['local'], ['wan6'], 'wan_6 wan6'])
      expect(assignments(ula, there, { ip6class })).toEqual({ wg1: { assignment: 'unassigned' } });
  });

  it('gets nothing of a prefix that others have all of, be it that the LAN has more than it needs', () => {
    const common = { prefix: '2001:db8::/60', uplink: 'wan6', holders: 'lan', holder: 'lan' };
    expect(exhausted(uplink(prefix(60, { lan: 60 })))).toEqual({ ...common, share: 'wide' });
    expect(exhausted(uplink(prefix(64, { lan: 64 })))).toEqual({
      ...common,
      prefix: '2001:db8::/64',
      share: 'whole',
    });
    expect(exhausted(uplink(prefix(62, { guest: 64, iot: 64, lan: 63 })))).toEqual({
      ...common,
      prefix: '2001:db8::/62',
      holders: 'lan, guest, iot',
      share: 'wide',
    });
  });

  it('gets something where there is room, or where it has something already', () => {
    expect(exhausted(uplink(prefix(60, { lan: 61, guest: 62 })))).toBe(undefined);
    expect(exhausted(uplink(prefix(64)))).toBe(undefined);
    expect(exhausted(uplink(prefix(64, { wg1: 64 })))).toBe(undefined);
    expect(exhausted(uplink(prefix(64, { lan: 64 }), prefix(56, { lan: 60, wg1: 64 })))).toBe(undefined);
    expect(exhausted(uplink(prefix(64, { lan: 64 }), prefix(56, { lan: 60 })))).toBe(undefined);
    expect(exhausted({})).toBe(undefined);
  });

  it('lacks nothing of a prefix whose class it does not take', () => {
    expect(exhausted(uplink(prefix(64, { lan: 64 })), { ip6class: 'local' })).toBe(undefined);
  });

  it('takes anything for an answer of netifd', () => {
    const strange = [
      7,
      null,
      {},
      { address: 7, mask: 56 },
      { address: '2001:db8::', mask: 64, assigned: 'x' },
    ];
    expect(exhausted({ wan6: { 'ipv6-prefix': strange as never } })).toBe(undefined);
    expect(exhausted({ wan6: { 'ipv6-prefix': 'x' } })).toBe(undefined);
  });
});

describe('odhcpd answers solicitations', () => {
  it('in mode server, of a section for the interface or with its name', () => {
    expect(
      advertisers({ lan: section({ ra: 'server' }), cfg05: section({ interface: 'wg2', ra: 'server' }) }),
    ).toEqual({
      lan: "odhcpd (dhcp.lan.ra is 'server')",
      wg2: "odhcpd (dhcp.cfg05.ra is 'server')",
    });
  });

  it('although dnsmasq is to ignore the interface, and whatever else the section says', () => {
    const options = { ignore: '1', dhcpv6: 'server', dynamicdhcp: '0', ra_default: '2', ra_lifetime: '0' };
    expect(advertisers({ wg1: section({ ra: 'server', ...options }) })).toHaveProperty('wg1');
  });

  it.each([
    ['it is disabled', { ra: 'disabled' }],
    ['only DHCPv6 is served', { dhcpv6: 'server' }],
    ['the mode is none', { ra: 'Server' }],
    ['the mode is a list', { ra: ['server'] }],
    ['advertisements are relayed, which goes to ff02::1', { ra: 'relay' }],
    ['the interface is a master', { ra: 'server', master: '1' }],
    ['the interface is a master, in words', { ra: 'hybrid', master: 'true' }],
  ])('not where %s', (_, options) => {
    expect(advertisers({ wg1: section(options) })).toEqual({});
  });

  it('not of a master: of that uci_to_blob knows four values', () => {
    expect(advertisers({ wg1: section({ ra: 'server', master: 'yes' }) })).toHaveProperty('wg1');
  });

  it('in mode hybrid, unless there is something to relay', () => {
    const wg1 = section({ ra: 'hybrid' });
    const wan = (ra: string) => section({ interface: 'wan6', ra, master: '1' });
    expect(advertisers({ wg1 })).toHaveProperty('wg1');
    expect(advertisers({ wg1, wan: wan('relay') })).toEqual({});
    expect(advertisers({ wg1, wan: wan('hybrid') }, { wan6: {} })).toEqual({});
    const delegated = { wan6: { 'ipv6-prefix': [{ address: '2001:db8::', mask: 56 }] } };
    expect(advertisers({ wg1, wan: wan('hybrid') }, delegated)).toHaveProperty('wg1');
  });

  it('as the last of several sections for the interface says, of those that say something', () => {
    const first = section({ interface: 'wg1', ra: 'server' });
    const wg1 = (options: UbusTable) => section({ interface: 'wg1', ...options });
    expect(advertisers({ first, second: wg1({ ra: 'disabled' }) })).toEqual({});
    expect(advertisers({ first, second: wg1({ ra: 'nonsense', dhcpv6: 'server' }) })).toEqual({
      wg1: "odhcpd (dhcp.first.ra is 'server')",
    });
    expect(advertisers({ first, second: wg1({ master: '1' }) })).toEqual({});
    expect(
      advertisers({ first: wg1({ ra: 'server', master: '1' }), second: wg1({ master: '0' }) }),
    ).toHaveProperty('wg1');
  });

  it('on the device of another logical interface', () => {
    expect(advertisers({ alias: section({ ra: 'server' }) }, { alias: { l3_device: 'wg1' } })).toEqual({
      wg1: "odhcpd (dhcp.alias.ra is 'server')",
    });
  });
});

describe('neighbour solicitations', () => {
  it('are passed on by odhcpd where it is configured to', () => {
    const relays = (dhcp: UbusTable) =>
      Object.fromEntries(relaysOf(dhcp, interfacesOf(netifd({ lan: { l3_device: 'br-lan' } }))));
    expect(
      relays({ lan: section({ ndp: 'relay' }), guest: section({ ndp: 'hybrid', interface: 'lan2' }) }),
    ).toEqual({
      'br-lan': "odhcpd (dhcp.lan.ndp is 'relay')",
      lan2: "odhcpd (dhcp.guest.ndp is 'hybrid')",
    });
    expect(
      relays({ lan: section({ ndp: 'disabled' }), a: section({ ndp: ['relay'] }), b: section({}) }),
    ).toEqual({});
  });
});

describe('peers search', () => {
  it('in what is configured for their interface, be it as a list or as one option', () => {
    const dhcp = {
      wg1: section({ domain: ['home.example', 'lan'] }),
      wg2: section({ domain: 'two.example three.example' }),
    };
    const wireguard = { proto: 'wireguard', 'dns-search': ['vpn.example', 'lan', 7] };
    expect(search(dhcp, { wg1: wireguard, wg3: wireguard })).toEqual({
      wg1: ['home.example', 'lan', 'vpn.example'],
      wg2: ['two.example', 'three.example'],
      wg3: ['vpn.example', 'lan'],
    });
  });

  it('never in what another interface was told by a provider', () => {
    const told = { 'dns-search': ['isp.example'] };
    const interfaces = { wan: { ...told, proto: 'dhcp' }, wan6: { ...told, proto: 'dhcpv6' }, lan: told };
    expect(search({ lan: section({ domain: 'lan' }) }, interfaces)).toEqual({ lan: ['lan'] });
  });

  it("in the router's own domain first, which is dnsmasq's, and in each once", () => {
    expect(domainOf({ cfg01: { '.type': 'dnsmasq', domain: 'lan' } })).toBe('lan');
    const network = { ...noNetwork, domain: 'lan', search: new Map([['wg1', ['home.example', 'lan']]]) };
    expect(searchListOf(network, 'wg1')).toEqual(['lan', 'home.example']);
    expect(searchListOf(network, 'wg2')).toEqual(['lan']);
    expect(searchListOf(noNetwork, 'wg1')).toEqual([]);
  });

  it('in no domain of the router if that is what the provider says, or none', () => {
    expect(domainOf({ cfg01: { '.type': 'dnsmasq', domain: '#' } })).toBeUndefined();
    expect(domainOf({ cfg01: { '.type': 'dnsmasq' } })).toBeUndefined();
    expect(domainOf({})).toBeUndefined();
  });
});

it('takes whatever netifd answers', () => {
  for (const odd of [{}, { interface: 'x' }, { interface: [7, {}, { interface: 7, l3_device: 7 }] }])
    expect(interfacesOf(odd).size).toBe(0);
  expect(interfacesOf({ interface: [{ interface: 'wg1', 'dns-search': 'lan' }] }).get('wg1')).toMatchObject({
    device: undefined,
    search: [],
  });
});

it('reads all of it', async () => {
  const network = await readNetwork(
    ubusOf({
      'uci get dhcp': { values: { wg1: section({ ra: 'server', domain: 'home.example' }) } },
      'uci get dnsmasq': { values: { cfg01: { '.type': 'dnsmasq', domain: 'lan' } } },
      'network.interface dump': netifd({ wan: { 'dns-search': ['isp.example'] }, wg1: {} }),
    }),
  );
  expect(network.advertisers.get('wg1')).toContain('odhcpd');
  expect(searchListOf(network, 'wg1')).toEqual(['lan', 'home.example']);
});

it('takes what is not installed for nothing, and nothing else', async () => {
  expect(await readNetwork(ubusOf({}))).toEqual(noNetwork);
  await expect(readNetwork(ubusOf({ 'uci get dhcp': ubusStatus.timeout }))).rejects.toThrow(UbusError);
  await expect(readNetwork(ubusOf({ 'network.interface dump': ubusStatus.timeout }))).rejects.toThrow(
    UbusError,
  );
});
