// SPDX-License-Identifier: GPL-2.0-only
// Clients that read a configuration as wg(8) and wg-quick(8) have it.

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

const PATH = `/etc/wireguard/${DEVICE}.conf`;

export function wgQuick(client: Client, router: RouterSide): ClientSetup {
  const { servers } = router;
  const text = configuration(client, router, [
    ...option('Address', client.addresses.map(withLength)),
    ...option('MTU', [mtuOf(router)]),
    ...(servers.length > 0 ? ['# wg-quick needs resolvconf for this:', `# DNS = ${servers.join(', ')}`] : []),
    ...(router.isDefaultRouter
      ? [
          '# wg-quick has a default route of its own:',
          'PostUp = sysctl -w net.ipv6.conf.%i.accept_ra_defrtr=0',
        ]
      : []),
    '# The kernel gives itself a link-local address, and asks for a Router Advertisement:',
    'PostUp = sysctl -w net.ipv6.conf.%i.addr_gen_mode=3',
  ]);
  return { files: [{ path: PATH, mode: '600', text }], commands: [`wg-quick up ${DEVICE}`], notes: [] };
}

/** Its link-local address comes by itself. */
export function wireguardGo(client: Client, router: RouterSide): ClientSetup {
  const families = fullFamiliesOf(client, router);
  const networks = ipv4Of(client, router).filter((prefix) => prefix !== ALL_IPV4);
  return {
    files: [
      {
        path: PATH,
        mode: '600',
        text: configuration(client, router, families.length > 0 ? [`FwMark = ${MARK}`] : []),
      },
    ],
    commands: [
      `wireguard-go ${DEVICE}`,
      `wg setconf ${DEVICE} ${PATH}`,
      ...client.addresses.map((address) => `ip address add ${withLength(address)} dev ${DEVICE}`),
      ...(router.isDefaultRouter ? [`sysctl -w net.ipv6.conf.${DEVICE}.accept_ra_defrtr=0`] : []),
      `ip link set ${DEVICE} mtu ${router.mtu} up`,
      ...networks.map((prefix) => `ip route add ${prefix} dev ${DEVICE}`),
      ...families.flatMap(routing),
    ],
    notes: [],
  };
}

/**
 * The rules outlive the interface. A strict rp_filter would drop what comes for WireGuard itself by IPv4: it has no mark, so
 * that answers would go into the tunnel (wg-quick has the firewall give it one).
 */
function routing(family: 4 | 6): string[] {
  return [
    `ip -${family} route add default dev ${DEVICE} table ${MARK}`,
    `ip -${family} rule add table main suppress_prefixlength 0 priority ${PRIORITY.mainButDefault} || true`,
    `ip -${family} rule add not fwmark ${MARK} table ${MARK} priority ${PRIORITY.tunnel} || true`,
    ...(family === 4 ? ['sysctl -w net.ipv4.conf.all.rp_filter=2'] : []),
  ];
}

/** The apps for Android, iOS, macOS and Windows. */
export function app(client: Client, router: RouterSide): ClientSetup {
  const { addresses, fixedAddresses } = client;
  const all = [...addresses, ...fixedAddresses].map(withLength);
  const text = configuration(
    client,
    router,
    [
      ...option('Address', all.length > 0 ? all : [placeholders.address]),
      ...option('DNS', router.servers),
      ...option('MTU', [mtuOf(router)]),
    ],
    true,
  );
  const notes = [
    'The apps take no address by SLAAC, so this one is fixed. When the router gets another prefix,',
    'IPv6 does not work until the app has got a new configuration.',
  ];
  return {
    files: [{ path: `${DEVICE}.conf`, mode: '600', text }],
    commands: [],
    notes: fixedAddresses.length > 0 ? notes : [],
  };
}

function configuration(
  client: Client,
  router: RouterSide,
  ofInterface: readonly string[],
  isFixed = false,
): string {
  return [
    '[Interface]',
    `PrivateKey = ${placeholders.privateKey}`,
    ...ofInterface,
    '',
    '[Peer]',
    `PublicKey = ${publicKeyOf(router)}`,
    ...presharedKeyOf(client, `PresharedKey = ${placeholders.presharedKey}`),
    `Endpoint = ${endpointOf(router)}`,
    ...option('AllowedIPs', allowedIpsOf(client, router, isFixed)),
    `PersistentKeepalive = ${KEEPALIVE}`,
    '',
  ].join('\n');
}

/** A line, unless there is nothing to say. */
function option(name: string, values: readonly (string | number | undefined)[]): string[] {
  const given = values.filter((value) => value !== undefined);
  return given.length > 0 ? [`${name} = ${given.join(', ')}`] : [];
}
