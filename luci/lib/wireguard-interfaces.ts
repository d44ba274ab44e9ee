// SPDX-License-Identifier: GPL-2.0-only
// The WireGuard interfaces of the router, and the sections that configure learning on them.

import type uci from 'luci:uci';
import { contains, type Prefix, parseAddress, prefixOf } from '../../src/address.ts';
import { linkLocal, slaacPrefix } from '../../src/scope.ts';
import type { NetifdInterface, NetworkDevice } from './service.ts';

export const CONFIG = 'wg-slaacer';

export interface WireGuardInterface {
  /** Of the section, which need not be there yet. */
  readonly section: string;
  readonly device: string;
  /** Whether it is configured in /etc/config/network, which may give it a prefix. */
  readonly inNetwork: boolean;
  /** Whether the router has it. */
  readonly present: boolean;
  /** Whether the router has a default route by it, as by a VPN provider’s. */
  readonly isUplink: boolean;
  /** Its prefixes, without the link-local one. */
  readonly prefixes: readonly string[];
  /** An interface that has a /64 whose addresses peers could have, too. */
  readonly shareable: string | undefined;
}

/** wg2 before wg10. */
const { compare: natural } = new Intl.Collator(undefined, { numeric: true });

/** By section first, as they stand in the configuration, then those without one. */
export function wireGuardInterfaces(
  sections: readonly ReturnType<typeof uci.sections>[number][],
  interfaces: readonly NetifdInterface[],
  devices: Readonly<Record<string, NetworkDevice>>,
): WireGuardInterface[] {
  const inNetwork = new Set(
    interfaces
      .filter(({ proto }) => proto === 'wireguard')
      .map((entry) => entry.l3_device ?? entry.interface),
  );
  const uplinks = new Set(
    interfaces
      .filter(({ route = [] }) => route.some(({ mask }) => mask === 0))
      .map((entry) => entry.l3_device),
  );
  const shareable = shareableOf(interfaces, devices);
  const wireguards = Object.values(devices).filter(({ devtype }) => devtype === 'wireguard');
  const present = new Set([...inNetwork, ...wireguards.map(({ name }) => name)]);
  const describe = (section: string, device: string): WireGuardInterface => ({
    section,
    device,
    inNetwork: inNetwork.has(device),
    present: present.has(device),
    isUplink: uplinks.has(device),
    prefixes: prefixesOf(devices[device]),
    shareable,
  });

  const configured = sections.map((section) => {
    const name = section['.name'];
    return describe(name, typeof section.device === 'string' ? section.device : name);
  });
  const taken = new Set(configured.map(({ section }) => section));
  const known = new Set(configured.map(({ device }) => device));
  const others = [...present].filter((device) => !known.has(device)).sort(natural);
  return [
    ...configured,
    ...others.map((device) => {
      const section = freeName(device, taken);
      taken.add(section);
      return describe(section, device);
    }),
  ];
}

/** Whether hosts can choose addresses there. */
export function is64(prefix: string): boolean {
  return prefix.endsWith('/64');
}

/** The LAN, if it has a /64, else any that is no tunnel and has one. */
function shareableOf(
  interfaces: readonly NetifdInterface[],
  devices: Readonly<Record<string, NetworkDevice>>,
): string | undefined {
  const has64 = ({ proto, l3_device: device }: NetifdInterface) =>
    proto !== 'wireguard' && device !== undefined && prefixesOf(devices[device]).some(is64);
  const names = interfaces.filter(has64).map((entry) => entry.interface);
  return names.find((name) => name === 'lan') ?? names[0];
}

/** A section's name is of letters, digits and "_" only, and no other section's. */
function freeName(device: string, taken: ReadonlySet<string>): string {
  const name = device.replace(/[^A-Za-z0-9_]/g, '_');
  let free = name;
  for (let count = 2; taken.has(free); count++) free = `${name}_${count}`;
  return free;
}

/** Of a wider one the /64 around the router's own address, where hosts choose theirs. */
function prefixesOf(device: NetworkDevice | undefined): string[] {
  const prefixes = (device?.ip6addrs ?? []).flatMap(({ address, netmask }) => {
    const bytes = parseAddress(address.split('%')[0]!);
    if (!bytes || contains(linkLocal, bytes)) return [];
    const own = { bytes, prefixLength: prefixLength(netmask) };
    return [textOf(slaacPrefix(own) ?? prefixOf(bytes, own.prefixLength))];
  });
  return [...new Set(prefixes)];
}

/** Of a netmask written as an address. */
function prefixLength(netmask: string): number {
  const bits = (byte: number) => byte.toString(2).replace(/0/g, '').length;
  return [...(parseAddress(netmask) ?? [])].reduce((sum, byte) => sum + bits(byte), 0);
}

/** "2001:db8:1::/64" */
function textOf({ bytes, length }: Prefix): string {
  let end = 8;
  const group = (index: number) => (bytes[2 * index]! << 8) | bytes[2 * index + 1]!;
  while (end > 0 && group(end - 1) === 0) end--;
  const head = Array.from({ length: end }, (_, index) => group(index).toString(16));
  return `${head.join(':')}${end < 8 ? '::' : ''}/${length}`;
}
