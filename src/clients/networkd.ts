// SPDX-License-Identifier: GPL-2.0-only
// systemd-networkd: it takes advertisements if the interface has a link-local address and multicast, and never makes
// such an address on WireGuard by itself.

import { isLinkLocal } from '../scope.ts';
import { linkLocalFor } from './addresses.ts';
import { allowedIpsOf } from './allowed-ips.ts';
import {
  ALL_IPV4,
  type Client,
  type ClientSetup,
  DEVICE,
  endpointOf,
  fullFamiliesOf,
  ipv4Of,
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

/** What goes into the tunnel. Routes to what peers have addresses in come with advertisements. */
function routing(client: Client, router: RouterSide): readonly string[] {
  const families = fullFamiliesOf(client, router);
  const routes = ipv4Of(client, router).flatMap((prefix) => [
    '[Route]',
    `Destination=${prefix}`,
    ...(prefix === ALL_IPV4 ? [`Table=${MARK}`] : []),
    '',
  ]);
  if (families.length === 0) return routes;
  const family = families.length > 1 ? 'both' : `ipv${families.join()}`;
  return [
    `# All ${family === 'both' ? 'IP' : `IPv${families.join()}`} goes through the tunnel, but for the tunnel's own packets and what has a better route than a default one:`,
    ...(router.isDefaultRouter ? ['[IPv6AcceptRA]', `RouteTable=${MARK}`, ''] : []),
    ...routes,
    '[RoutingPolicyRule]',
    `Family=${family}`,
    'Table=main',
    'SuppressPrefixLength=0',
    `Priority=${PRIORITY.mainButDefault}`,
    '',
    '[RoutingPolicyRule]',
    `Family=${family}`,
    `FirewallMark=${MARK}`,
    'InvertRule=yes',
    `Table=${MARK}`,
    `Priority=${PRIORITY.tunnel}`,
    '',
  ];
}

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
    ...(fullFamiliesOf(client, router).length > 0 ? [`FirewallMark=${MARK}`] : []),
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
    ...routing(client, router),
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
