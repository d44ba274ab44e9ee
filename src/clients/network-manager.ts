// SPDX-License-Identifier: GPL-2.0-only
// NetworkManager refuses SLAAC on WireGuard (ipv6.method=auto), and switches it off in the kernel with any method but
// "ignore", which leaves IPv6 to the kernel, and allows no address.

import { allowedIpsOf } from './allowed-ips.ts';
import {
  type Client,
  type ClientSetup,
  DEVICE,
  endpointOf,
  isIpv4,
  KEEPALIVE,
  mtuOf,
  presharedKeyOf,
  publicKeyOf,
  type RouterSide,
  withLength,
} from './facts.ts';
import { placeholders } from './placeholders.ts';

const PROFILE = `/etc/NetworkManager/system-connections/${DEVICE}.nmconnection`;

export function networkManager(client: Client, router: RouterSide): ClientSetup {
  return {
    files: [
      { path: PROFILE, mode: '600', text: profile(client, router) },
      {
        path: `/etc/NetworkManager/dispatcher.d/50-${DEVICE}`,
        mode: '755',
        text: dispatcher(client, router),
      },
    ],
    commands: [`nmcli connection load ${PROFILE}`, `nmcli connection up ${DEVICE}`],
    notes: [],
  };
}

function profile(client: Client, router: RouterSide): string {
  const ipv4 = client.addresses.filter(isIpv4);
  const mtu = mtuOf(router);
  return [
    '[connection]',
    `id=${DEVICE}`,
    'type=wireguard',
    `interface-name=${DEVICE}`,
    '',
    '[wireguard]',
    `private-key=${placeholders.privateKey}`,
    ...(mtu === undefined ? [] : [`mtu=${mtu}`]),
    '',
    `[wireguard-peer.${publicKeyOf(router)}]`,
    ...presharedKeyOf(client, `preshared-key=${placeholders.presharedKey}`, 'preshared-key-flags=0'),
    `endpoint=${endpointOf(router)}`,
    `allowed-ips=${allowedIpsOf(client, router)
      .map((prefix) => `${prefix};`)
      .join('')}`,
    `persistent-keepalive=${KEEPALIVE}`,
    '',
    '[ipv4]',
    ...(ipv4.length > 0
      ? ['method=manual', ...ipv4.map((address, i) => `address${i + 1}=${withLength(address)}`)]
      : ['method=disabled']),
    '',
    '[ipv6]',
    '# NetworkManager has no SLAAC on WireGuard: the kernel does it.',
    'method=ignore',
    '',
  ].join('\n');
}

function dispatcher({ addresses }: Client, { isDefaultRouter }: RouterSide): string {
  return [
    '#!/bin/sh',
    '# The kernel gives itself a link-local address, and asks for a Router Advertisement.',
    `[ "$1" = ${DEVICE} ] && [ "$2" = up ] || exit 0`,
    // NetworkManager has a default route of its own.
    ...(isDefaultRouter ? [`sysctl -q -w net.ipv6.conf.${DEVICE}.accept_ra_defrtr=0`] : []),
    `sysctl -q -w net.ipv6.conf.${DEVICE}.addr_gen_mode=3`,
    ...addresses
      .filter((address) => !isIpv4(address))
      .map((address) => `ip address replace ${withLength(address)} dev ${DEVICE}`),
    '',
  ].join('\n');
}
