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
  MARK,
  mtuOf,
  PRIORITY,
  presharedKeyOf,
  publicKeyOf,
  type RouterSide,
  withLength,
} from './facts.ts';
import { placeholders } from './placeholders.ts';

const routing = [
  "# All IPv6 goes through the tunnel, but for the tunnel's own packets and what has a better route than a default one:",
  '[IPv6AcceptRA]',
  `RouteTable=${MARK}`,
  '',
  '[RoutingPolicyRule]',
  'Family=ipv6',
  'Table=main',
  'SuppressPrefixLength=0',
  `Priority=${PRIORITY.mainButDefault}`,
  '',
  '[RoutingPolicyRule]',
  'Family=ipv6',
  `FirewallMark=${MARK}`,
  'InvertRule=yes',
  `Table=${MARK}`,
  `Priority=${PRIORITY.tunnel}`,
  '',
];

export function networkd(client: Client, router: RouterSide): ClientSetup {
  const mtu = mtuOf(router);
  const { isDefaultRouter } = router;
  const netdev = [
    '[NetDev]',
    `Name=${DEVICE}`,
    'Kind=wireguard',
    ...(mtu === undefined ? [] : [`MTUBytes=${mtu}`]),
    '',
    '[WireGuard]',
    `PrivateKey=${placeholders.privateKey}`,
    ...(isDefaultRouter ? [`FirewallMark=${MARK}`] : []),
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
    ...(isDefaultRouter ? routing : []),
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
