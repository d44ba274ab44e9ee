// SPDX-License-Identifier: GPL-2.0-only
// Under which names and addresses the router can be reached from outside, as LuCI's dialog for WireGuard peers finds
// them: names that are kept by dynamic DNS, the router's own if it has a domain, and addresses of its uplinks.

import { contains, parseAddress, parsePrefix } from '../address.ts';
import { tablesIn, type Ubus, type UbusTable, type UbusValue } from '../ubus/types.ts';
import { ofScript } from './booleans.ts';
import { sectionsOf } from './sections.ts';
import { readSections } from './uci.ts';

/** IPv4 as mapped addresses. Private, link-local, shared, of DS-Lite (RFC 1918, 3927, 6598, 6333), unique local (RFC 4193). */
const notPublic = [
  '::ffff:10.0.0.0/104',
  '::ffff:172.16.0.0/108',
  '::ffff:192.168.0.0/112',
  '::ffff:169.254.0.0/112',
  '::ffff:100.64.0.0/106',
  '::ffff:192.0.0.0/120',
  'fe80::/10',
  'fc00::/7',
].map((text) => parsePrefix(text)!);

/** Top-level domains of names that only some network knows (RFC 6762, appendix G, and what is usual besides). */
const notOutside = /\.(?:lan|local|home|home\.arpa|internal|intranet|private|corp|localdomain)$/i;

/** A name of the DNS, or an address: nothing that could end a line or a quotation. */
function isHost(text: string): boolean {
  return (
    text.length <= 253 && (/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text) || !!parseAddress(text))
  );
}

/** Where a client is to find the router, as far as that is given. */
export interface Reach {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
}

/** "router.example.org:51820", "[2001:db8::1]:51820", "2001:db8::1"; undefined if it is none of these. */
export function parseReach(text: string): Reach | undefined {
  const [, bracketed, name, digits] = /^(?:\[(.*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text.trim()) ?? [];
  const host = bracketed ?? name ?? text.trim();
  const port = digits === undefined ? undefined : Number(digits);
  return isHost(host) && port !== 0 && (port ?? 1) <= 65_535 ? { host, port } : undefined;
}

/** The best one first. Never rejects: what cannot be read, or is not installed, has nothing to say. */
export async function readHosts(ubus: Ubus): Promise<string[]> {
  const [ddns, system, dump] = await Promise.all(
    [
      readSections(ubus, { config: 'ddns', type: 'service', options: ['enabled', 'lookup_host'] }),
      readSections(ubus, { config: 'system', type: 'system', options: ['hostname'] }),
      ubus.call('network.interface', 'dump'),
    ].map((answer) => answer.catch(() => ({}))),
  );
  return hostsOf(ddns!, system!, dump!);
}

export function hostsOf(ddns: UbusTable, system: UbusTable, dump: UbusTable): string[] {
  const names = sectionsOf(ddns)
    .filter(({ options }) => ofScript(options.get('enabled')?.[0]))
    .flatMap(({ options }) => options.get('lookup_host') ?? []);
  const own = sectionsOf(system)
    .flatMap(({ options }) => options.get('hostname') ?? [])
    .filter((name) => name.indexOf('.') > 0 && !notOutside.test(name));
  return [...new Set([...names, ...own, ...addressesOf(tablesIn(dump.interface)).filter(isPublic)])].filter(
    isHost,
  );
}

/** Of uplinks and, as a provider may give the router none but those that it delegates, of the networks behind it. */
function addressesOf(interfaces: readonly UbusTable[]): string[] {
  const uplinks = interfaces.filter(hasDefaultRoute);
  const [direct, tunnels] = [uplinks.filter((each) => !isTunnel(each)), uplinks.filter(isTunnel)];
  const ipv4 = (all: readonly UbusTable[]) => all.flatMap((each) => addressesIn(each['ipv4-address']));
  const ipv6 = (all: readonly UbusTable[]) => all.flatMap((each) => addressesIn(each['ipv6-address']));
  const behind = interfaces
    .filter((each) => each.up === true && !isTunnel(each))
    .flatMap((each) => tablesIn(each['ipv6-prefix-assignment']))
    .filter(({ preferred }) => preferred !== 0)
    .flatMap((each) => addressesIn([each['local-address'] ?? null]));
  const hasIpv6 = direct.some(({ route }) => tablesIn(route).some(({ target }) => target === '::'));
  // With MAP, others have the same address, and no more than some ports lead here.
  const isMap = ({ proto }: UbusTable) => proto === 'map';
  return [
    ...ipv4(direct.filter((each) => !isMap(each))),
    ...ipv6(direct),
    ...(hasIpv6 ? behind : []),
    ...ipv4(direct.filter(isMap)),
    ...ipv4(tunnels),
    ...ipv6(tunnels),
  ];
}

/** Of a VPN, whose provider hardly ever lets anybody in. */
function isTunnel({ proto }: UbusTable): boolean {
  return ['wireguard', 'amneziawg', 'openvpn', 'openconnect'].includes(String(proto));
}

function hasDefaultRoute({ up, route }: UbusTable): boolean {
  return up === true && tablesIn(route).some(({ mask, target }) => mask === 0 && isAny(target));
}

function isAny(target: UbusValue | undefined): boolean {
  return target === '0.0.0.0' || target === '::';
}

/** Without what is deprecated: a renumbering has left it behind. */
function addressesIn(list: UbusValue | undefined): string[] {
  return tablesIn(list).flatMap(({ address, preferred }) =>
    typeof address === 'string' && preferred !== 0 ? [address] : [],
  );
}

function isPublic(text: string): boolean {
  const bytes = parseAddress(text.includes(':') ? text : `::ffff:${text}`);
  return bytes !== undefined && !notPublic.some((prefix) => contains(prefix, bytes));
}
