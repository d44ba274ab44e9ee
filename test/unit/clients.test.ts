// SPDX-License-Identifier: GPL-2.0-only
// What clients are told to do, read as they read it.

import { describe, expect, it } from 'vitest';
import { contains, parseAddress, parsePrefix } from '../../src/address.ts';
import { type ClientSystem, clientSystems } from '../../src/answers.ts';
import { addressInNetwork, chooseAddress, linkLocalFor, singleAddress } from '../../src/clients/addresses.ts';
import type { Client, RouterSide } from '../../src/clients/facts.ts';
import { complete, missingIn, placeholders } from '../../src/clients/placeholders.ts';
import { setupOf, textOf } from '../../src/clients/setup.ts';
import { isLinkLocal } from '../../src/scope.ts';
import { parseUci } from '../bed/ubus-broker/uci-file.ts';
import { alice, bob } from './bench.ts';

const home = parsePrefix('2001:db8:1::/64')!;
const local = parsePrefix('fd00:1::/64')!;

const client: Client = {
  peer: alice,
  description: "Alice's phone",
  hasPresharedKey: true,
  addresses: ['192.168.10.2', '2001:db8:1::a'],
  fixedAddresses: ['fd00:1::cafe'],
};
/** Has nothing configured, and no name. */
const plainClient: Client = {
  peer: alice,
  hasPresharedKey: false,
  addresses: [],
  fixedAddresses: ['2001:db8:1::cafe', 'fd00:1::cafe'],
};
const router: RouterSide = {
  publicKey: bob,
  host: 'home.example.org',
  port: 51_820,
  hasRandomPort: false,
  mtu: 1420,
  prefixes: [home, local],
  routes: [parsePrefix('fd00:2::/48')!],
  servers: ['2001:db8:1::1'],
  isDefaultRouter: true,
  ipv4: ['0.0.0.0/0'],
};

type Ini = Record<string, Record<string, string[]>>;

/** As wg, systemd and GKeyFile read it: comments are lines of their own. */
function ini(text: string): Ini {
  const sections: Ini = {};
  let section: Record<string, string[]> | undefined;
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, title] = /^\[([^\]]+)\]$/.exec(line) ?? [];
    const [, name, value] = /^([^=]+?) ?= ?(.*)$/.exec(line) ?? [];
    if (title) {
      section = {};
      sections[title] = section;
    } else if (section && name !== undefined) {
      section[name] = [...(section[name] ?? []), value!];
    } else {
      throw new Error(`not a line of a configuration: ${line}`);
    }
  }
  return sections;
}

const fileOf = (system: ClientSystem, end: string, of = client, from = router) =>
  setupOf(of, from, system).files.find(({ path }) => path.endsWith(end))!.text;

/** The router's entry, as wg-quick, wireguard-go and the apps have it. */
const peer = {
  PublicKey: [bob],
  PresharedKey: [placeholders.presharedKey],
  Endpoint: ['home.example.org:51820'],
  AllowedIPs: ['0.0.0.0/0, ::/0'],
  PersistentKeepalive: ['25'],
};

describe('a configuration', () => {
  it('for wg-quick has the kernel make a link-local address, so that there is none to choose', () => {
    expect(ini(fileOf('wg-quick', 'wg0.conf'))).toEqual({
      Interface: {
        PrivateKey: [placeholders.privateKey],
        Address: ['192.168.10.2/32, 2001:db8:1::a/128'],
        PostUp: [
          'sysctl -w net.ipv6.conf.%i.accept_ra_defrtr=0',
          'sysctl -w net.ipv6.conf.%i.addr_gen_mode=3',
        ],
      },
      Peer: peer,
    });
    expect(Object.keys(ini(fileOf('wg-quick', 'wg0.conf', plainClient)).Interface!)).not.toContain('Address');
    expect(setupOf(client, router, 'wg-quick').commands).toEqual(['wg-quick up wg0']);
  });

  it('for systemd-networkd has a link-local address and multicast', () => {
    expect(ini(fileOf('networkd', 'wg0.netdev'))).toEqual({
      NetDev: { Name: ['wg0'], Kind: ['wireguard'] },
      WireGuard: { PrivateKey: [placeholders.privateKey], FirewallMark: ['51820'] },
      WireGuardPeer: { ...peer, AllowedIPs: ['0.0.0.0/0,::/0'] },
    });
    const { Network, IPv6AcceptRA, Route, RoutingPolicyRule, ...others } = ini(
      fileOf('networkd', 'wg0.network'),
    );
    expect(Route).toEqual({ Destination: ['0.0.0.0/0'], Table: ['51820'] });
    expect(IPv6AcceptRA).toEqual({ RouteTable: ['51820'] });
    expect(RoutingPolicyRule).toMatchObject({ Family: ['both'], Priority: ['32765'] }); // the last of two
    const ofIpv6 = ini(fileOf('networkd', 'wg0.network', plainClient));
    expect(ofIpv6.RoutingPolicyRule!.Family).toEqual(['ipv6']);
    expect(Object.keys(ofIpv6)).not.toContain('Route');
    expect(others).toEqual({ Match: { Name: ['wg0'] }, Link: { Multicast: ['yes'] } });
    expect(Network).toEqual({
      Address: [`${linkLocalFor(client)}/64`, '192.168.10.2/32', '2001:db8:1::a/128'],
      IPv6AcceptRA: ['yes'],
    });
  });

  it('for NetworkManager leaves IPv6 to the kernel, and tells that when the interface is up', () => {
    expect(ini(fileOf('networkmanager', '.nmconnection'))).toEqual({
      connection: { id: ['wg0'], type: ['wireguard'], 'interface-name': ['wg0'] },
      wireguard: { 'private-key': [placeholders.privateKey] },
      [`wireguard-peer.${bob}`]: {
        'preshared-key': [placeholders.presharedKey],
        'preshared-key-flags': ['0'],
        endpoint: ['home.example.org:51820'],
        'allowed-ips': ['0.0.0.0/0;::/0;'],
        'persistent-keepalive': ['25'],
      },
      ipv4: { method: ['manual'], address1: ['192.168.10.2/32'] },
      ipv6: { method: ['ignore'] },
    });
    const { ipv4 } = ini(fileOf('networkmanager', '.nmconnection', plainClient));
    expect(ipv4).toEqual({ method: ['disabled'] });
    expect(fileOf('networkmanager', '50-wg0').split('\n').slice(2)).toEqual([
      '[ "$1" = wg0 ] && [ "$2" = up ] || exit 0',
      'sysctl -q -w net.ipv6.conf.wg0.accept_ra_defrtr=0',
      'sysctl -q -w net.ipv6.conf.wg0.addr_gen_mode=3',
      'ip address replace 2001:db8:1::a/128 dev wg0',
      '',
    ]);
  });

  it('for OpenWrt has a link-local address, and odhcp6c on an alias, which asks for nothing else', () => {
    const sections = parseUci(fileOf('openwrt', 'network')).map(({ type, name, anonymous, options }) => [
      type,
      anonymous ? undefined : name,
      Object.fromEntries(options),
    ]);
    expect(sections).toEqual([
      [
        'interface',
        'wg0',
        {
          proto: 'wireguard',
          private_key: placeholders.privateKey,
          addresses: [`${linkLocalFor(client)}/64`, '192.168.10.2/32', '2001:db8:1::a/128'],
        },
      ],
      [
        'wireguard_wg0',
        undefined,
        {
          public_key: bob,
          preshared_key: placeholders.presharedKey,
          endpoint_host: 'home.example.org',
          endpoint_port: '51820',
          persistent_keepalive: '25',
          allowed_ips: ['0.0.0.0/0', '::/0'],
        },
      ],
      ['interface', 'wg0_6', { proto: 'dhcpv6', device: '@wg0', reqaddress: 'none', reqprefix: 'no' }],
    ]);
  });

  it('for wireguard-go has what wg setconf takes, and the rest as commands', () => {
    expect(ini(fileOf('wireguard-go', 'wg0.conf'))).toEqual({
      Interface: { PrivateKey: [placeholders.privateKey], FwMark: ['51820'] },
      Peer: peer,
    });
    const plain = setupOf(plainClient, router, 'wireguard-go').commands;
    expect(plain.filter((command) => /ip (-4|route|rule)|ipv4/.test(command))).toEqual([]);
    expect(setupOf(client, router, 'wireguard-go').commands).toEqual([
      'wireguard-go wg0',
      'wg setconf wg0 /etc/wireguard/wg0.conf',
      'ip address add 192.168.10.2/32 dev wg0',
      'ip address add 2001:db8:1::a/128 dev wg0',
      'sysctl -w net.ipv6.conf.wg0.accept_ra_defrtr=0',
      'ip link set wg0 mtu 1420 up',
      'ip -4 route add default dev wg0 table 51820',
      'ip -4 rule add table main suppress_prefixlength 0 priority 32764 || true',
      'ip -4 rule add not fwmark 51820 table 51820 priority 32765 || true',
      'sysctl -w net.ipv4.conf.all.rp_filter=2',
      'ip -6 route add default dev wg0 table 51820',
      'ip -6 rule add table main suppress_prefixlength 0 priority 32764 || true',
      'ip -6 rule add not fwmark 51820 table 51820 priority 32765 || true',
    ]);
  });

  it.each(clientSystems)(
    'for %s leaves default routes alone where the tunnel is for some networks',
    (system) => {
      const split = { ...router, isDefaultRouter: false, ipv4: ['192.168.10.0/24'] };
      const text = textOf(client, setupOf(client, split, system));
      expect(text).not.toMatch(/defrtr|mark|ip -[46]|route=|rule|0\.0\.0\.0|route_allowed/i);
      expect(text).toMatch(/allowed.?ips.*192\.168\.10\.0\/24/i);
      const ownRoute = { networkd: 'Destination=', openwrt: "target '", 'wireguard-go': 'ip route add ' };
      if (system in ownRoute)
        expect(text).toContain(`${ownRoute[system as keyof typeof ownRoute]}192.168.10.0/24`);
      expect(textOf(plainClient, setupOf(plainClient, split, system))).not.toContain('192.168');
    },
  );

  it('sends all IPv4 into the tunnel although IPv6 leads nowhere else', () => {
    const from = { ...router, isDefaultRouter: false };
    const network = ini(fileOf('networkd', 'wg0.network', client, from));
    expect(network.Route).toEqual({ Destination: ['0.0.0.0/0'], Table: ['51820'] });
    expect(network.RoutingPolicyRule!.Family).toEqual(['ipv4']);
    expect(Object.keys(network)).not.toContain('IPv6AcceptRA');
    expect(fileOf('networkd', 'wg0.netdev', client, from)).toContain('FirewallMark=51820');
    const { commands } = setupOf(client, from, 'wireguard-go');
    expect(commands.filter((command) => command.startsWith('ip -'))).toHaveLength(3);
    expect(textOf(client, setupOf(client, from, 'openwrt'))).toContain("route_allowed_ips '1'");
  });

  it('for an app has an address in each prefix, the DNS server, and says what comes when the prefix changes', () => {
    expect(ini(fileOf('app', 'wg0.conf'))).toEqual({
      Interface: {
        PrivateKey: [placeholders.privateKey],
        Address: ['192.168.10.2/32, 2001:db8:1::a/128, fd00:1::cafe/128'],
        DNS: ['2001:db8:1::1'],
      },
      Peer: peer,
    });
    expect(textOf(client, setupOf(client, router, 'app'))).toMatch(/^# .*another prefix/m);
    expect(ini(fileOf('app', 'wg0.conf', plainClient)).Interface!.Address).toEqual([
      '2001:db8:1::cafe/128, fd00:1::cafe/128',
    ]);
  });

  it.each(clientSystems)('for %s tells where to put what, and what is to be put in', (system) => {
    const setup = setupOf(client, { ...router, host: undefined, publicKey: undefined }, system);
    const text = textOf(client, setup);
    for (const { path } of setup.files) expect(text).toContain(`# ${path}`);
    for (const command of setup.commands) expect(text).toContain(`#   ${command}\n`);
    const { address: _, ...unknown } = placeholders;
    expect(missingIn(text)).toEqual(Object.values(unknown));
    expect(text).toContain(`# Put in: ${Object.values(unknown).join(', ')}\n`);
    const known = textOf(plainClient, setupOf(plainClient, router, system));
    expect(missingIn(known)).toEqual([placeholders.privateKey]);
  });

  it.each(clientSystems)('for %s has the MTU of the router where it is not the usual one', (system) => {
    expect(textOf(client, setupOf(client, { ...router, mtu: 1384 }, system))).toMatch(/mtu\w*[ =']+1384/i);
    if (system === 'wireguard-go') return;
    expect(textOf(client, setupOf(client, router, system))).not.toMatch(/mtu/i);
  });

  it.each(clientSystems)('for %s puts an IPv6 endpoint into brackets where a port follows', (system) => {
    const text = textOf(client, setupOf(client, { ...router, host: '2001:db8::1' }, system));
    const expected = system === 'openwrt' ? "endpoint_host '2001:db8::1'" : '[2001:db8::1]:51820';
    expect(text).toContain(expected);
  });

  it('lets advertisements in, and solicitations out, where the router leads nowhere else', () => {
    const { Peer } = ini(fileOf('wg-quick', 'wg0.conf', plainClient, { ...router, isDefaultRouter: false }));
    expect(Peer!.AllowedIPs).toEqual(['2001:db8:1::/64, fd00:1::/64, fd00:2::/48, fe80::/64, ff02::/16']);
  });

  it('for an app has neither, as apps look for no routers', () => {
    const { Peer } = ini(fileOf('app', 'wg0.conf', plainClient, { ...router, isDefaultRouter: false }));
    expect(Peer!.AllowedIPs).toEqual(['2001:db8:1::/64, fd00:1::/64, fd00:2::/48']);
  });

  it('for an app tells that an address is to be put in, if there is none: without one no app has a tunnel', () => {
    const nobody = { ...plainClient, fixedAddresses: [] };
    const text = textOf(nobody, setupOf(nobody, router, 'app'));
    expect(text).toContain('Address = ADDRESS-OF-THE-CLIENT\n');
    expect(missingIn(text)).toEqual([placeholders.privateKey, placeholders.address]);
    expect(textOf(nobody, setupOf(nobody, router, 'wg-quick'))).not.toContain('ADDRESS-OF-THE-CLIENT');
  });

  it('takes a link-local address that is configured for the peer', () => {
    const own = { ...client, addresses: ['fe80::2', '2001:db8:1::a'] };
    expect(ini(fileOf('networkd', 'wg0.network', own)).Network!.Address).toEqual([
      'fe80::2/64',
      '2001:db8:1::a/128',
    ]);
    expect(isLinkLocal(linkLocalFor(client))).toBe(true);
    expect(linkLocalFor({ ...client, peer: bob })).not.toBe(linkLocalFor(client));
  });
});

describe('a hostile description', () => {
  const hostile = [
    'x\n[Interface]\nPostUp = reboot',
    'x\r\nPostUp = reboot',
    "x'\nconfig interface 'lan'",
    'x\u2028PostUp = reboot\u0085y',
    '# %i %h $(reboot) `reboot` ; reboot',
    'ends in a backslash \\',
    '"quotes"\\',
    'x'.repeat(300),
    '\u001b[2Jx\u0000y',
    '\n',
  ];

  it.each(clientSystems)('is nothing but a comment, for %s', (system) => {
    const setup = setupOf(client, router, system);
    const named = textOf(client, setup).split('\n');
    for (const description of hostile) {
      const lines = textOf({ ...client, description }, setup).split('\n');
      expect(lines.slice(1)).toEqual(named.slice(1));
      expect(lines[0]).toMatch(/^# For peer [^\p{Cc}\u2028]*\)?$/u);
      expect(lines[0]!.length).toBeLessThan(150);
      expect(lines[0]).not.toMatch(/\\$/);
    }
  });
});

describe('placeholders', () => {
  const text =
    '# For peer "PRESHARED-KEY-OF-THE-PEER"\n# Put in: PRIVATE-KEY-OF-THE-CLIENT, ADDRESS-OF-THE-ROUTER\n\n';
  const rest =
    '[Interface]\nPrivateKey = PRIVATE-KEY-OF-THE-CLIENT\nEndpoint = ADDRESS-OF-THE-ROUTER:51820\n';

  it('are looked for in what is no comment', () => {
    expect(missingIn(text)).toEqual([]);
    expect(missingIn(text + rest)).toEqual([placeholders.privateKey, placeholders.host]);
  });

  it('give way to what is known, and the comment on them tells the rest', () => {
    const known = { [placeholders.privateKey]: '$&=', [placeholders.presharedKey]: 'x' };
    expect(complete(text + rest, known)).toBe(
      (text + rest)
        .replace('PRIVATE-KEY-OF-THE-CLIENT, ', '')
        .replace('PRIVATE-KEY-OF-THE-CLIENT', () => '$&='),
    );
    expect(complete(text + rest, { ...known, [placeholders.host]: 'home' })).not.toContain('Put in');
    expect(complete(text + rest, {})).toBe(text + rest);
  });
});

describe('an address for an app', () => {
  it('is the same each time, another for another peer and prefix, and in the prefix', () => {
    const first = chooseAddress(home, alice, () => true)!;
    expect(contains(home, parseAddress(first)!)).toBe(true);
    expect(chooseAddress(home, alice, () => true)).toBe(first);
    expect(chooseAddress(home, bob, () => true)).not.toBe(first);
    expect(chooseAddress(local, alice, () => true)!.slice(-9)).not.toBe(first.slice(-9));
  });

  it('keeps to a prefix of any length', () => {
    for (const text of ['2001:db8::/48', '2001:db8:1:2:3::/80', '2001:db8::8/125', '2001:db8::8/128']) {
      const prefix = parsePrefix(text)!;
      expect(contains(prefix, parseAddress(chooseAddress(prefix, alice, () => true)!)!)).toBe(true);
    }
  });

  it('is another one if that is not free, and none if nothing is', () => {
    const first = parseAddress(chooseAddress(home, alice, () => true)!)!;
    const second = chooseAddress(home, alice, (address) => Buffer.compare(address, first) !== 0)!;
    expect(parseAddress(second)).not.toEqual(first);
    expect(chooseAddress(home, alice, () => false)).toBeUndefined();
  });
});

it.each([
  ['2001:DB8::0:5', '2001:db8::5'],
  ['2001:db8::5/128', '2001:db8::5'],
  ['2001:db8::/64', undefined],
  ['192.0.2.1', '192.0.2.1'],
  ['+192.0.2.1/32', '192.0.2.1'],
  ['-192.0.2.1/32', undefined],
  ['192.0.2.1/32', '192.0.2.1'],
  ['192.0.2.0/24', undefined],
  ['192.0.2.1/128', undefined],
  ['0.0.0.0/0', undefined],
  ["192.0.2.1'", undefined],
  ['192.0.2.1\n', undefined],
  ['', undefined],
])('finds the address that an allowed IP names by itself: %s', (text, expected) => {
  expect(singleAddress(text)).toBe(expected);
});

it.each([
  ['192.0.2.1/24', '192.0.2.1'],
  ['+2001:DB8::5/64', '2001:db8::5'],
  ['2001:db8::/64', undefined],
  ['192.0.2.0/24', undefined],
  ['192.0.2.1/32', undefined],
  ['192.0.2.1', undefined],
  ['0.0.0.0/0', undefined],
  ['192.0.2.1/33', undefined],
  ['phone/24', undefined],
])('finds the address that stands in front of the length of its network: %s', (text, expected) => {
  expect(addressInNetwork(text)).toBe(expected);
});
