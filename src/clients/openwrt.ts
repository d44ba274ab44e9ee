// SPDX-License-Identifier: GPL-2.0-only
// OpenWrt as a client: odhcp6c, on an alias of the interface, takes what is advertised.

import { isLinkLocal } from '../scope.ts';
import { linkLocalFor } from './addresses.ts';
import { allowedIpsOf } from './allowed-ips.ts';
import {
  type Client,
  type ClientSetup,
  DEVICE,
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
  ];
  return {
    files: [{ path: '/etc/config/network', mode: '600', text: sections.join('\n') }],
    commands: ['reload_config'],
    notes: ['This is to be added to the end of the file; the interfaces belong into a firewall zone.'],
  };
}

function section(type: string, name: string | undefined, lines: readonly string[]): string {
  return [`config ${type}${name === undefined ? '' : ` '${name}'`}`, ...lines, ''].join('\n');
}

function option(name: string, value: string | number): string {
  return `\toption ${name} '${value}'`;
}

function list(name: string, value: string): string {
  return `\tlist ${name} '${value}'`;
}
