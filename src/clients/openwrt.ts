// SPDX-License-Identifier: GPL-2.0-only
// OpenWrt as a client: odhcp6c, on an alias of the interface, takes what is advertised.

import { isLinkLocal } from '../scope.ts';
import { linkLocalFor } from './addresses.ts';
import { allowedIpsOf } from './allowed-ips.ts';
import {
  ALL_IPV4,
  type Client,
  type ClientSetup,
  DEVICE,
  ipv4Of,
  KEEPALIVE,
  mtuOf,
  presharedKeyOf,
  publicKeyOf,
  type RouterSide,
  withLength,
} from './facts.ts';
import { placeholders } from './placeholders.ts';

export function openwrt(client: Client, router: RouterSide): ClientSetup {
  const mtu = mtuOf(router);
  const ipv4 = ipv4Of(client, router);
  const networks = ipv4.filter((prefix) => prefix !== ALL_IPV4);
  const own = client.addresses.filter((address) => !isLinkLocal(address));
  const sections = [
    section('interface', DEVICE, [
      option('proto', 'wireguard'),
      option('private_key', placeholders.privateKey),
      list('addresses', `${linkLocalFor(client)}/64`),
      ...own.map((address) => list('addresses', withLength(address))),
      ...(mtu === undefined ? [] : [option('mtu', mtu)]),
    ]),
    section(`wireguard_${DEVICE}`, undefined, [
      option('public_key', publicKeyOf(router)),
      ...presharedKeyOf(client, option('preshared_key', placeholders.presharedKey)),
      option('endpoint_host', router.host ?? placeholders.host),
      option('endpoint_port', router.port),
      option('persistent_keepalive', KEEPALIVE),
      ...allowedIpsOf(client, router).map((prefix) => list('allowed_ips', prefix)),
    ]),
    section('interface', `${DEVICE}_6`, [
      option('proto', 'dhcpv6'),
      option('device', `@${DEVICE}`),
      option('reqaddress', 'none'),
      option('reqprefix', 'no'),
    ]),
    ...networks.map((prefix) =>
      section('route', undefined, [option('interface', DEVICE), option('target', prefix)]),
    ),
  ];
  return {
    files: [{ path: '/etc/config/network', mode: '600', text: sections.join('\n') }],
    commands: ['reload_config'],
    notes: [
      'This is to be added to the end of the file; the interfaces belong into a firewall zone. If the client has an',
      `interface ${DEVICE} already, call this one otherwise everywhere: uci takes sections of the same name for one.`,
      ...(networks.length < ipv4.length ? ipv4Note : []),
    ],
  };
}

/** It would take the hosts behind the client off line where neither it nor the router does NAT for them. */
const ipv4Note = [
  "For a route that sends all IPv4 into the tunnel, add option route_allowed_ips '1' to the section of the peer, and",
  "option masq '1' to the firewall zone.",
];

function section(type: string, name: string | undefined, lines: readonly string[]): string {
  return [`config ${type}${name === undefined ? '' : ` '${name}'`}`, ...lines, ''].join('\n');
}

function option(name: string, value: string | number): string {
  return `\toption ${name} '${value}'`;
}

function list(name: string, value: string): string {
  return `\tlist ${name} '${value}'`;
}
