// SPDX-License-Identifier: GPL-2.0-only
// systemd-networkd: it takes advertisements if the interface has a link-local address and multicast, and never makes
// such an address on WireGuard by itself.

import { isLinkLocal } from '../scope.ts';
import { linkLocalFor } from './addresses.ts';
import { allowedIpsOf } from './allowed-ips.ts';
import {
  type Client,
  type ClientSetup,
  DEVICE,
  endpointOf,
  KEEPALIVE,
  mtuOf,
  presharedKeyOf,
  publicKeyOf,
  type RouterSide,
  withLength,
} from './facts.ts';
import { placeholders } from './placeholders.ts';

export function networkd(client: Client, router: RouterSide): ClientSetup {
  const mtu = mtuOf(router);
  const netdev = [
    '[NetDev]',
    `Name=${DEVICE}`,
    'Kind=wireguard',
    ...(mtu === undefined ? [] : [`MTUBytes=${mtu}`]),
    '',
    '[WireGuard]',
    `PrivateKey=${placeholders.privateKey}`,
    '',
    '[WireGuardPeer]',
    `PublicKey=${publicKeyOf(router)}`,
    ...presharedKeyOf(client, `PresharedKey=${placeholders.presharedKey}`),
    `Endpoint=${endpointOf(router)}`,
    `AllowedIPs=${allowedIpsOf(client, router).join(',')}`,
    `PersistentKeepalive=${KEEPALIVE}`,
    '',
  ];
  const network = [
    '[Match]',
    `Name=${DEVICE}`,
    '',
    '[Link]',
    '# Without, networkd takes no Router Advertisements on WireGuard:',
    'Multicast=yes',
    '',
    '[Network]',
    `Address=${linkLocalFor(client)}/64`,
    ...client.addresses
      .filter((address) => !isLinkLocal(address))
      .map((address) => `Address=${withLength(address)}`),
    'IPv6AcceptRA=yes',
    '',
  ];
  return {
    files: [
      { path: `/etc/systemd/network/${DEVICE}.netdev`, mode: '640', text: netdev.join('\n') },
      { path: `/etc/systemd/network/${DEVICE}.network`, mode: '640', text: network.join('\n') },
    ],
    commands: [
      `chgrp systemd-network /etc/systemd/network/${DEVICE}.netdev /etc/systemd/network/${DEVICE}.network`,
      'networkctl reload',
    ],
    notes: [],
  };
}
