// SPDX-License-Identifier: GPL-2.0-only
// Routers as people have them, after their posts and issues: what is told of each, and what its first peer is to have.

import { expect, it } from 'vitest';
import type { UbusTable } from '../../src/ubus/types.ts';
import { OpenWrtRouter, type RouterFiles } from './openwrt-router.ts';

interface Household extends Partial<RouterFiles> {
  readonly what: string;
  /** The interface, and its peers. */
  readonly wg: string;
  /** The codes of the problems that are told, in order. */
  readonly problems?: readonly string[];
  /** Where addresses are learned on it. */
  readonly prefixes?: readonly string[];
  /** Lines of the configuration for an app of its first peer. */
  readonly app?: readonly string[];
}

const key = (n: number) => Buffer.alloc(32, 33 + n).toString('base64');

/** With tabs before options, as uci writes them. */
const uci = (head: string, ...options: readonly string[]) =>
  `\nconfig ${head}\n${options.map((option) => `\t${option}\n`).join('')}`;

const wireguard = (options: readonly string[], ...peers: readonly (readonly string[])[]) =>
  uci("interface 'wg0'", "option proto 'wireguard'", "option private_key 'x'", ...options) +
  peers.map((peer, n) => uci('wireguard_wg0', `option public_key '${key(n)}'`, ...peer)).join('');

const globals = uci("globals 'globals'", "option ula_prefix 'fd9e:6f09:9f5c::/48'");
const router = [
  uci("interface 'loopback'", "option device 'lo'", "option proto 'static'", "list ipaddr '127.0.0.1/8'"),
  uci("interface 'lan'", "option device 'br-lan'", "option proto 'static'", "option ip6assign '60'"),
  uci("interface 'wan'", "option device 'wan'", "option proto 'dhcp'"),
  uci("interface 'wan6'", "option device '@wan'", "option proto 'dhcpv6'"),
].join('');

const zones = (...inLan: readonly string[]) =>
  uci('defaults', "option input 'REJECT'", "option forward 'REJECT'") +
  uci('zone', "option name 'lan'", ...inLan.map((name) => `list network '${name}'`));

const ipv4 = (address: string, more: UbusTable = {}): UbusTable => ({
  'ipv4-address': [{ address, mask: 24 }],
  route: [{ target: '0.0.0.0', mask: 0 }],
  ...more,
});

/** The prefix is what is delegated, and the rest who has what part of it. */
const ipv6 = (address: string | undefined, prefix?: string, ...parts: readonly string[]): UbusTable => ({
  'ipv6-address': address === undefined ? [] : [{ address, mask: 64, preferred: 1_000, valid: 2_000 }],
  route: [{ target: '::', mask: 0 }],
  'ipv6-prefix': prefix === undefined ? [] : [delegated(prefix, parts)],
});
const delegated = (prefix: string, parts: readonly string[]): UbusTable => {
  const of = (text: string) => {
    const [address = '', mask] = text.split('/');
    return { address, mask: Number(mask) };
  };
  const assigned = parts.map((part) => part.split(' ') as [string, string]);
  return {
    ...of(prefix),
    class: 'wan6',
    assigned: Object.fromEntries(assigned.map(([name, text]) => [name, of(text)])),
  };
};

const wan = ipv4('203.0.113.5');
const [localLan, lan] = ['fd9e:6f09:9f5c::1/60', '2001:db8:77:10::1/60'];
const native = ipv6('2001:db8:ff::5', '2001:db8:77::/56', 'lan 2001:db8:77:10::/60');
/** As most have it: a public address, and a /56. */
const usual: Pick<RouterFiles, 'provided' | 'assigned'> = {
  provided: { wan, wan6: native },
  assigned: { lan: [localLan, lan] },
};
const learning = (...options: readonly string[]) => uci("interface 'wg0'", "option enabled '1'", ...options);
const port = "option listen_port '51820'";
const phone = "list allowed_ips '10.0.0.2/32'";

const everything = (...lines: readonly string[]) => ["list allowed_ips '0.0.0.0/0'", ...lines];

const households: readonly Household[] = [
  {
    what: 'a road warrior by the wiki: unique local addresses, configured by hand',
    wg: wireguard(
      [port, "list addresses '192.168.9.1/24'", "list addresses 'fd00:9::1/64'"],
      ["list allowed_ips '192.168.9.2/32'", "list allowed_ips 'fd00:9::2/128'"],
    ),
    prefixes: ['fd00:9::/64'],
    app: [
      'Address = 192.168.9.2/32, fd00:9::2/128',
      'Endpoint = 203.0.113.5:51820',
      'AllowedIPs = 0.0.0.0/0, fd00:9::/64',
    ],
  },
  {
    what: 'a /64 of the provider, by ip6assign and ip6hint',
    wg: wireguard([port, "option ip6assign '64'", "option ip6hint '40'"], [phone]),
    provided: {
      wan,
      wan6: ipv6(undefined, '2001:db8:77::/56', 'lan 2001:db8:77:10::/60', 'wg0 2001:db8:77:40::/64'),
    },
    assigned: { lan: [localLan, lan], wg0: ['fd9e:6f09:9f5c:40::1/64', '2001:db8:77:40::1/64'] },
    prefixes: ['fd9e:6f09:9f5c:40::/64', '2001:db8:77:40::/64'],
    app: ['AllowedIPs = 0.0.0.0/0, ::/0'],
  },
  {
    what: 'behind CGNAT, with a delegated prefix and no address of IPv6 besides',
    wg: wireguard([port, "option ip6assign '64'"], []),
    provided: {
      wan: ipv4('100.72.1.2'),
      lan: {
        'ipv6-prefix-assignment': [{ 'local-address': { address: '2001:db8:77:10::1', mask: 60 } }],
      },
      wan6: ipv6(undefined, '2001:db8:77::/56', 'lan 2001:db8:77:10::/60', 'wg0 2001:db8:77:40::/64'),
    },
    assigned: { lan: [lan], wg0: ['2001:db8:77:40::1/64'] },
    prefixes: ['2001:db8:77:40::/64'],
    app: ['Endpoint = [2001:db8:77:10::1]:51820', 'AllowedIPs = ::/0'],
  },
  {
    what: 'DS-Lite',
    wg: wireguard([port, "option ip6assign '64'"], []),
    provided: { wan: ipv4('192.0.0.2'), wan6: native },
    assigned: { lan: [lan], wg0: ['2001:db8:77:20::1/64'] },
    prefixes: ['2001:db8:77:20::/64'],
    app: ['Endpoint = [2001:db8:ff::5]:51820'],
  },
  {
    what: 'behind another router, which has all that is public',
    wg: wireguard([port, "list addresses 'fd00:9::1/64'"], []),
    provided: { wan: ipv4('192.168.178.2'), wan6: ipv6('fd00:178::2') },
    app: ['Endpoint = ADDRESS-OF-THE-ROUTER:51820'],
  },
  {
    what: 'dynamic DNS, and one entry of it that is switched off',
    wg: wireguard([port, "list addresses 'fd00:9::1/64'"], []),
    ddns:
      uci("service 'myddns_ipv4'", "option enabled '0'", "option lookup_host 'yourhost.example.com'") +
      uci("service 'home'", "option enabled '1'", "option lookup_host 'home.example.net'"),
    app: ['Endpoint = home.example.net:51820'],
  },
  {
    what: 'the only /64 of the provider, which the LAN has',
    wg: wireguard([port, "option ip6assign '64'"], [phone]),
    provided: { wan, wan6: ipv6('2001:db8:ff::5', '2001:db8:77::/64', 'lan 2001:db8:77::/64') },
    assigned: { lan: [localLan, '2001:db8:77::1/64'], wg0: ['fd9e:6f09:9f5c:10::1/64'] },
    problems: ['prefix-exhausted'],
    prefixes: ['fd9e:6f09:9f5c:10::/64'],
  },
  {
    what: 'that /64, shared',
    wg: wireguard([port, "list addresses '10.0.0.1/24'"], [phone]),
    provided: { wan, wan6: ipv6('2001:db8:ff::5', '2001:db8:77::/64', 'lan 2001:db8:77::/64') },
    assigned: { lan: [localLan, '2001:db8:77::1/64'] },
    slaacer: learning("option share 'lan'"),
    prefixes: ['fd9e:6f09:9f5c::/64', '2001:db8:77::/64'],
    app: ['AllowedIPs = 0.0.0.0/0, ::/0'],
  },
  {
    what: 'a /64 on the uplink that odhcpd relays, shared',
    wg: wireguard([port, "list addresses '10.0.0.1/24'"], [phone]),
    provided: { wan, wan6: ipv6('2001:db8:77::9') },
    assigned: { lan: ['2001:db8:77::1/64'] },
    dhcp:
      uci("dhcp 'lan'", "option interface 'lan'", "option ra 'relay'", "option ndp 'relay'") +
      uci("dhcp 'wan6'", "option interface 'wan6'", "option master '1'", "option ra 'relay'"),
    slaacer: learning("option share 'lan'"),
    problems: ['share-conflict'],
  },
  {
    what: 'no IPv6 from the provider, and no unique local prefix',
    network: router,
    wg: wireguard([port, "list addresses '10.0.0.1/24'", "option ip6assign '64'"], [phone]),
    provided: { wan },
    assigned: { lan: [] },
    problems: ['no-prefix'],
    app: ['Address = 10.0.0.2/32', 'AllowedIPs = 0.0.0.0/0'],
  },
  {
    what: 'NAT66 for unique local addresses',
    wg: wireguard([port, "option ip6assign '64'", "list ip6class 'local'"], [phone]),
    provided: { wan, wan6: ipv6('2001:db8:ff::5') },
    assigned: { lan: [localLan], wg0: ['fd9e:6f09:9f5c:10::1/64'] },
    slaacer: learning("option ra_default '1'"),
    app: ['AllowedIPs = 0.0.0.0/0, ::/0'],
  },
  {
    what: 'ip6class with the name that the uplink had before',
    wg: wireguard([port, "option ip6assign '64'", "option ip6class 'wan_6'"], []),
    problems: ['no-prefix'],
  },
  {
    what: 'ip6assign since a moment ago',
    wg: wireguard([port, "option ip6assign '64'"], []),
    problems: ['no-prefix'],
  },
  {
    what: 'a tunnel that is IPv4 only, with list and option mixed up and a named peer',
    wg: wireguard(["option addresses '10.0.0.1/24'"]).concat(
      uci(
        "wireguard_wg0 'wireguard_wg0'",
        `option public_key '${key(0)}'`,
        "option allowed_ips '10.0.0.2/32'",
        "option route_allowed_ips '0'",
      ),
    ),
    problems: ['no-prefix'],
    app: ['Address = 10.0.0.2/32', 'AllowedIPs = 0.0.0.0/0'],
  },
  {
    what: 'each address by itself',
    wg: wireguard(
      [port, "list addresses '192.168.0.254/32'", "list addresses 'fdd3:686e:2179:f001::1/128'"],
      ["list allowed_ips '192.168.0.200/32'", "list allowed_ips 'fdd3:686e:2179:f001::c8/128'"],
    ),
    problems: ['no-prefix', 'no-64'],
    app: ['AllowedIPs = 0.0.0.0/0, fdd3:686e:2179:f001::1/128'],
  },
  {
    what: 'a /48, and a /112',
    wg: wireguard([port, "list addresses 'fd00:7::1/48'", "list addresses 'fd00:8::1/112'"], []),
    prefixes: ['fd00:7::/48', 'fd00:8::/112'],
  },
  {
    what: 'two peers that have the network of the tunnel, each with its own address in front',
    wg: wireguard(
      [port, "list addresses '10.0.0.1/24'", "list addresses 'fd00:9::1/64'"],
      ["list allowed_ips '10.0.0.2/24'", "list allowed_ips 'fd00:9::2/64'"],
      ["list allowed_ips '10.0.0.3/24'", "list allowed_ips 'fd00:9::3/64'"],
    ),
    problems: ['prefix-owned'],
    app: ['Address = 10.0.0.2/32, fd00:9::2/128'],
  },
  {
    what: 'a phone with everything in its allowed IPs, as the client would have it',
    wg: wireguard(
      [port, "list addresses '10.0.0.1/24'", "list addresses 'fd00:9::1/64'"],
      everything("list allowed_ips '::/0'"),
    ),
    problems: ['prefix-owned'],
  },
  {
    what: 'a VPN provider by which the router sends everything',
    wg: wireguard(
      ["list addresses '10.66.1.2/32'", "list addresses 'fc00:bbbb:bbbb:bb01::1:2/128'", "option mtu '1380'"],
      everything("list allowed_ips '::0/0'", "option route_allowed_ips '1'", "option endpoint_port '51820'"),
    ),
    problems: ['prefix-owned'],
    prefixes: [],
  },
  {
    what: 'the same with ip6assign, an MTU that IPv6 does not fit into, and no lengths',
    wg: wireguard(
      [
        "option mtu '1200'",
        "list addresses 'fc00:bbbb:1818:bb01::8:f0b7'",
        "list addresses '10.71.240.184'",
        "option ip6assign '64'",
      ],
      everything("list allowed_ips '::0/0'", "option route_allowed_ips '0'"),
    ),
    problems: ['no-ipv6', 'prefix-owned'],
    prefixes: [],
  },
  {
    what: 'a VPN of a public address beside the tunnel, behind CGNAT',
    wg:
      wireguard([port, "list addresses '10.0.0.1/24'", "list addresses 'fd00:9::1/64'"], [phone]) +
      uci(
        "interface 'awarp'",
        "option proto 'wireguard'",
        "list addresses '172.16.0.2/32'",
        "list addresses '2606:4700:110:8d8d::2/128'",
      ) +
      uci(
        'wireguard_awarp',
        `option public_key '${key(9)}'`,
        "option allowed_ips '0.0.0.0/0 ::/0'",
        "option route_allowed_ips '1'",
      ),
    provided: { wan: ipv4('100.72.1.2'), wan6: ipv6('2001:db8:ff::5') },
    slaacer: learning(),
    app: ['Endpoint = [2001:db8:ff::5]:51820'],
  },
  {
    what: 'two sites',
    wg: wireguard(
      [port, "list addresses 'fd00:99::1/127'", "list addresses '10.99.0.1/31'"],
      [
        "option endpoint_host 'other.example.org'",
        "list allowed_ips '192.168.2.0/24'",
        "list allowed_ips '2001:db8:88::/48'",
        "list allowed_ips 'fd00:99::/127'",
      ],
    ),
    problems: ['no-64', 'prefix-owned'],
  },
  {
    what: 'a prefix that the LAN has, by hand',
    wg: wireguard([port, "list addresses '2001:db8:77:10::2/64'"], []),
    problems: ['prefix-twice'],
  },
  {
    what: 'odhcpd on the tunnel, and domains',
    wg: wireguard([port, "list addresses 'fd00:9::1/64'"], []),
    dhcp:
      uci("dhcp 'wg0'", "option interface 'wg0'", "option ra 'server'", "list domain 'vpn.home.arpa'") +
      uci('dnsmasq', "option domain 'home.arpa'"),
    problems: ['ra-conflict'],
  },
  {
    what: 'an interface that no zone of the firewall has',
    wg: wireguard([port, "list addresses 'fd00:9::1/64'"], []),
    firewall: zones('lan'),
    problems: ['no-zone'],
  },
  {
    what: 'an interface in a zone by a pattern of devices',
    wg: wireguard([port, "list addresses 'fd00:9::1/64'"], []),
    firewall: `${zones('lan')}${uci('zone', "option name 'vpn'", "list device 'wg+'")}`,
  },
  {
    what: 'an interface that is disabled, and one that was deleted',
    wg: wireguard(["option disabled '1'", "list addresses 'fd00:9::1/64'"], []),
    slaacer: learning() + uci("interface 'wg9'", "option enabled '1'"),
    problems: ['no-interface', 'no-interface'],
  },
  {
    what: 'an interface that is not to come up by itself',
    wg: wireguard(["option auto '0'", "list addresses 'fd00:9::1/64'"], []),
    problems: ['no-interface'],
  },
  {
    what: 'peers that are disabled, described oddly, and in capitals',
    wg: wireguard(
      [port, "list addresses 'FD00:9::1/64'"],
      ['option description \'Jürgens Händy; "x" #1\'', "list allowed_ips 'FD00:9::00A2'"],
      ["option disabled '1'", "list allowed_ips 'fd00:9::2/128'"],
    ),
    app: [`# For peer "Jürgens Händy; "x" #1" (${key(0)})`, 'Address = fd00:9::a2/128'],
  },
  {
    what: 'a section as those of dhcp are, and one for the LAN',
    wg: wireguard([port, "list addresses 'fd00:9::1/64'"], []),
    slaacer:
      uci('interface', "option interface 'wg0'", "option enabled '1'") +
      uci("interface 'lan'", "option enabled '1'", "option lifetime '24'", "option rate '5/min'"),
    problems: ['unknown-option', 'ignored-section', 'invalid-option', 'invalid-option', 'no-interface'],
  },
  {
    what: 'PPPoE, whose IPv6 comes on an interface that netifd makes, and MAP-E beside',
    wg:
      wireguard([port, "list addresses 'fd00:9::1/64'"], []) +
      uci("interface 'wan_6'", "option proto 'dhcpv6'"),
    provided: { wan: ipv4('203.0.113.5', { proto: 'map' }), wan_6: native },
    app: ['Endpoint = [2001:db8:ff::5]:51820'],
  },
  {
    what: 'a tunnel broker (6in4) with a routed /48, of which the interface takes that and local addresses',
    wg:
      wireguard([port, "option ip6assign '64'", "list ip6class 'henet'", "list ip6class 'local'"], []) +
      uci("interface 'henet'", "option proto '6in4'", "list ip6prefix '2001:db8:e1ec::/48'"),
    provided: { wan, wan6: { up: false }, henet: ipv6('2001:db8:1f0a::2', '2001:db8:e1ec::/48') },
    assigned: { lan: [localLan], wg0: ['2001:db8:e1ec:5::1/64', 'fd9e:6f09:9f5c:5::1/64'] },
    prefixes: ['2001:db8:e1ec:5::/64', 'fd9e:6f09:9f5c:5::/64'],
    app: ['Endpoint = 203.0.113.5:51820', 'AllowedIPs = ::/0'],
  },
  {
    what: 'two uplinks, one of them CGNAT with a default route of its own (mwan3)',
    wg: wireguard([port, "list addresses 'fd00:9::1/64'"], []) + uci("interface 'lte'", "option proto 'qmi'"),
    provided: { lte: ipv4('100.64.7.7'), wan, wan6: native },
    app: ['Endpoint = 203.0.113.5:51820'],
  },
  {
    what: '464XLAT, where IPv4 is none of the router’s',
    wg:
      wireguard([port, "list addresses 'fd00:9::1/64'"], []) +
      uci("interface 'clat'", "option proto '464xlat'"),
    provided: { wan: { up: false }, wan6: native, clat: ipv4('192.0.0.1', { proto: '464xlat' }) },
    app: ['Endpoint = [2001:db8:ff::5]:51820'],
  },
  {
    what: 'an uplink that delegates nothing to others',
    network: router,
    wg: wireguard([port, "option ip6assign '64'"], []),
    provided: { wan, wan6: { ...native, delegation: false } },
    problems: ['no-prefix'],
  },
  {
    what: 'a LAN that takes all of a /60',
    wg: wireguard([port, "option ip6assign '64'"], []),
    provided: { wan, wan6: ipv6('2001:db8:ff::5', '2001:db8:77:10::/60', 'lan 2001:db8:77:10::/60') },
    assigned: { lan: [localLan, lan], wg0: ['fd9e:6f09:9f5c:10::1/64'] },
    problems: ['prefix-exhausted'],
  },
  {
    what: 'a VLAN on a bridge, shared by the name of its device',
    wg: wireguard([port, "list addresses 'fe80::1/64'"], []),
    assigned: { 'lan.20': ['2001:db8:77:20::1/64'] },
    slaacer: learning("option share 'br-lan.20'"),
    prefixes: ['2001:db8:77:20::/64'],
  },
  {
    what: 'a guest network that is asked for, but not there',
    wg: wireguard([port, "list addresses 'fe80::1/64'"], []),
    slaacer: learning("option share 'guest'"),
    problems: ['no-share'],
  },
  {
    what: 'lists of allowed IPs with commas, and with signs of wg(8)',
    wg: wireguard(
      [port, "option addresses '10.0.0.1/24 fd00:9::1/64'"],
      ["option allowed_ips '10.0.0.2/32,fd00:9::2/128'", "option persistent_keepalive '25'"],
    ),
    prefixes: ['fd00:9::/64'],
    app: ['Address = 10.0.0.2/32, fd00:9::2/128'],
  },
  {
    what: 'an address that is lost to the peer below it',
    wg: wireguard(
      [port, "list addresses 'fd00:9::1/64'"],
      ["list allowed_ips 'fd00:9::2/128'"],
      ["list allowed_ips 'fd00:9::2'"],
    ),
    app: ['Address = fd00:9::2/128'],
  },
  {
    what: 'a tunnel that other things are told of: fwmark, tunlink, tables, metrics, DNS',
    wg: wireguard([
      port,
      "option ip6assign '64'",
      "option ip6hint 'beef'",
      "option ip6ifaceid '::1'",
      "option fwmark '0xca6c'",
      "option tunlink 'wan6'",
      "option nohostroute '1'",
      "option ip4table '100'",
      "option metric '50'",
      "option peerdns '0'",
      "list dns '2001:db8::53'",
      "option delegate '0'",
    ]).concat(uci('wireguard_wg0', `option public_key ' ${key(0)} '`, phone)),
    assigned: { lan: [lan], wg0: ['2001:db8:77:ef::1/64'] },
    prefixes: ['2001:db8:77:ef::/64'],
    app: ['AllowedIPs = 0.0.0.0/0, ::/0'],
  },
  {
    what: 'a tunnel for some networks only',
    wg: wireguard([port, "list addresses '10.0.0.1/24'", "list addresses 'fd00:9::1/64'"], [phone]),
    slaacer: learning("option ra_default '0'", "list ra_route 'fd9e:6f09:9f5c::/48'"),
    app: ['AllowedIPs = 10.0.0.0/24, fd00:9::/64, fd9e:6f09:9f5c::/48'],
  },
];

it.each(households)('$what', async ({ wg, problems = [], prefixes, app, ...files }) => {
  const network = (files.network ?? globals + router) + wg;
  const home = await OpenWrtRouter.boot({ firewall: zones('lan', 'wg0'), ...usual, ...files, network });
  const status = await home.call('status');
  const told = status.problems as UbusTable[];
  expect(told.map(({ code, message }) => `${code}: ${message}`)).toEqual(
    problems.map((code) => expect.stringMatching(`^${code}: `)),
  );
  if (prefixes) expect((status.interfaces as UbusTable[])[0]!.prefixes).toEqual(prefixes);
  if (app) expect((await home.client('wg0', 'app')).split('\n')).toEqual(expect.arrayContaining([...app]));
  expect(home.log.filter((line) => line.startsWith('error'))).toEqual([]);
});
