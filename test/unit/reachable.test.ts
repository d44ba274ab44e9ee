// SPDX-License-Identifier: GPL-2.0-only

import { expect, it } from 'vitest';
import { hostsOf, parseReach } from '../../src/service/reachable.ts';

const ddns = {
  home: { '.type': 'service', enabled: '1', lookup_host: 'home.example.org' },
  off: { '.type': 'service', enabled: '0', lookup_host: 'off.example.org' },
  hostile: { '.type': 'service', enabled: '1', lookup_host: "x'\nPostUp = reboot" },
};
const system = (hostname: string) => ({ cfg01: { '.type': 'system', hostname } });
const uplink = (target: string, addresses: object) => ({
  up: true,
  route: [{ target, mask: 0, nexthop: 'fe80::1' }],
  ...addresses,
});
const dump = {
  interface: [
    { up: true, 'ipv4-address': [{ address: '192.168.1.1', mask: 24 }] },
    uplink('0.0.0.0', { 'ipv4-address': [{ address: '203.0.113.7', mask: 24 }] }),
    uplink('::', {
      'ipv6-address': [
        { address: '2001:db8::7', mask: 64 },
        { address: 'fd00::7', mask: 64 },
      ],
    }),
    { ...uplink('0.0.0.0', { 'ipv4-address': [{ address: '198.51.100.1', mask: 24 }] }), up: false },
  ],
};

it('knows names that are kept up to date first, then its own, then addresses of its uplinks', () => {
  expect(hostsOf(ddns, system('gate.example.org'), dump)).toEqual([
    'home.example.org',
    'gate.example.org',
    '203.0.113.7',
    '2001:db8::7',
  ]);
});

it('knows names whose service is switched on by a word that the script of ddns takes', () => {
  const service = (enabled: string) => ({
    '.type': 'service',
    enabled,
    lookup_host: `${enabled}.example.org`,
  });
  const words = ['1', 'on', 'true', 'yes', 'enabled', '0', 'off', 'no', 'TRUE', '2'];
  const services = Object.fromEntries(words.map((word, i) => [`cfg${i}`, service(word)]));
  expect(hostsOf(services, {}, {})).toEqual(words.slice(0, 5).map((word) => `${word}.example.org`));
});

it('knows no address that a renumbering has left behind, and last one that others share by their ports', () => {
  const interfaces = [
    { ...uplink('0.0.0.0', { 'ipv4-address': [{ address: '203.0.113.7', mask: 32 }] }), proto: 'map' },
    uplink('::', {
      'ipv6-address': [
        { address: '2001:db8:0:1::7', mask: 64, preferred: 0, valid: 7_000 },
        { address: '2001:db8:0:2::7', mask: 64, preferred: 3_000, valid: 7_000 },
      ],
    }),
  ];
  expect(hostsOf({}, system('OpenWrt'), { interface: interfaces })).toEqual([
    '2001:db8:0:2::7',
    '203.0.113.7',
  ]);
});

it('takes an address of the LAN where the provider delegates a prefix and gives no address besides', () => {
  const assigned = (address: string, preferred = 3_000) => ({
    address: '2001:db8:7::',
    mask: 60,
    preferred,
    'local-address': { address, mask: 60 },
  });
  const ofLan = [assigned('fd00::1'), assigned('2001:db8:6::1', 0), assigned('2001:db8:7::1')];
  const wan = uplink('0.0.0.0', { 'ipv4-address': [{ address: '100.64.0.9', mask: 24 }] });
  const wan6 = uplink('::', { 'ipv6-address': [] });
  // In the tunnel's own prefix, where a client would look for it in the tunnel.
  const wg1 = { up: true, proto: 'wireguard', 'ipv6-prefix-assignment': [assigned('2001:db8:7:8::1')] };
  const lan = { up: true, proto: 'static', 'ipv6-prefix-assignment': ofLan };
  const hosts = (...interfaces: object[]) =>
    hostsOf({}, system('OpenWrt'), { interface: interfaces as never });
  expect(hosts(lan, wan, wan6, wg1)).toEqual(['2001:db8:7::1']);
  expect(hosts({ ...lan, up: false }, wan, wan6)).toEqual([]);
  expect(hosts(lan, wan)).toEqual([]);
  const native = uplink('::', { 'ipv6-address': [{ address: '2001:db8::7', mask: 128 }] });
  expect(hosts(lan, native)).toEqual(['2001:db8::7', '2001:db8:7::1']);
});

it('takes an address that a VPN provider gives last, as hardly any lets anybody in there', () => {
  const warp = {
    ...uplink('::', { 'ipv6-address': [{ address: '2606:4700:110::2', mask: 128 }] }),
    proto: 'wireguard',
    'ipv4-address': [{ address: '203.0.113.99', mask: 32 }],
  };
  const wan6 = uplink('::', { 'ipv6-address': [{ address: '2001:db8::7', mask: 64 }] });
  expect(hostsOf({}, system('OpenWrt'), { interface: [warp, wan6] as never })).toEqual([
    '2001:db8::7',
    '203.0.113.99',
    '2606:4700:110::2',
  ]);
});

// The last is that of every router with DS-Lite (RFC 6333, 5.7).
it.each(['10.1.2.3', '172.31.0.1', '192.168.0.2', '100.64.0.9', '169.254.1.1', '192.0.0.2'])(
  'does not take %s for an address at which anybody reaches it',
  (address) => {
    const interfaces = [uplink('0.0.0.0', { 'ipv4-address': [{ address, mask: 24 }] })];
    expect(hostsOf({}, system('OpenWrt'), { interface: interfaces })).toEqual([]);
  },
);

it.each(['router.lan', 'OpenWrt.local', 'gate.home.arpa', 'gate.Internal'])(
  'does not take %s for a name that anybody outside can resolve',
  (hostname) => {
    expect(hostsOf({}, system(hostname), dump)[0]).toBe('203.0.113.7');
  },
);

it('takes anything for an answer', () => {
  const strange = [
    null,
    7,
    { up: true, route: 'x' },
    uplink('::', { 'ipv6-address': [null, { address: 7 }, { address: 'x' }] }),
  ];
  expect(hostsOf({ a: null, b: 'x' }, {}, { interface: strange as never })).toEqual([]);
  expect(hostsOf({}, {}, {})).toEqual([]);
});

it.each([
  ['home.example.org', { host: 'home.example.org' }],
  ['home.example.org:443', { host: 'home.example.org', port: 443 }],
  ['203.0.113.7:1', { host: '203.0.113.7', port: 1 }],
  ['2001:db8::7', { host: '2001:db8::7' }],
  ['[2001:db8::7]', { host: '2001:db8::7' }],
  ['[2001:db8::7]:51820', { host: '2001:db8::7', port: 51_820 }],
  ['', undefined],
  [':443', undefined],
  ['home:0', undefined],
  ['home:65536', undefined],
  ['home:', undefined],
  ["ho'me", undefined],
  ['home\nPostUp = reboot', undefined],
  ['-home', undefined],
  ['x'.repeat(254), undefined],
])('understands where a client is to look: %j', (text, expected) => {
  expect(parseReach(text)).toEqual(expected);
});
