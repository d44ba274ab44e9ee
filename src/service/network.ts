// SPDX-License-Identifier: GPL-2.0-only
// What the rest of OpenWrt has to say on Router Advertisements: where odhcpd answers solicitations, by its sections of
// /etc/config/dhcp, and the DNS domains that peers are to search in.

import { parsePrefix } from '../address.ts';
import type { Absence, Assignment, Exhausted } from '../problem.ts';
import {
  isTable,
  tablesIn,
  type Ubus,
  UbusError,
  type UbusTable,
  type UbusValue,
  ubusStatus,
} from '../ubus/types.ts';
import { ofBlob } from './booleans.ts';
import { assignmentsOf, type Delegated, delegatedBy } from './delegation.ts';
import { type Section, sectionsOf } from './sections.ts';
import { readSections } from './uci.ts';
import { outsideZones, zoneOptions } from './zones.ts';

export interface Network {
  /** By the kernel's name of an interface: who advertises there, in words. */
  readonly advertisers: ReadonlyMap<string, string>;
  /** By the names of netifd's interfaces: the kernel's, of those that are up. */
  readonly devices: ReadonlyMap<string, string>;
  /**
   * By the kernel's name, the WireGuard interfaces that netifd has made, whose peers are those in /etc/config/network, and
   * their networks of IPv4, as "10.0.0.0/24".
   */
  readonly wireguard: ReadonlyMap<string, readonly string[]>;
  /** By the kernel's name of an interface: who passes on neighbour solicitations there, in words. */
  readonly relays: ReadonlyMap<string, string>;
  /** By the kernel's name of an interface: the domains that are configured for it. */
  readonly search: ReadonlyMap<string, readonly string[]>;
  /** Of netifd's interfaces by their names, which WireGuard's have in the kernel, too: what keeps them away, if anything. */
  readonly absences: ReadonlyMap<string, Absence | undefined>;
  /** By the kernel's name of an interface that is to have a prefix of the router's: why it may have none. */
  readonly assignments: ReadonlyMap<string, Assignment>;
  /** … and has none of a prefix that is delegated, as others have all of it. */
  readonly exhausted: ReadonlyMap<string, Exhausted>;
  /** By the kernel's name, the WireGuard interfaces that are in no zone of the firewall. */
  readonly outsideZones: ReadonlySet<string>;
  /** By the kernel's name, the WireGuard interfaces that get another port whenever they are made anew. */
  readonly withRandomPort: ReadonlySet<string>;
  /** The router's own domain, if it has one: its peers search there, too. */
  readonly domain: string | undefined;
}

export const noNetwork: Network = {
  advertisers: new Map(),
  devices: new Map(),
  wireguard: new Map(),
  relays: new Map(),
  search: new Map(),
  absences: new Map(),
  assignments: new Map(),
  exhausted: new Map(),
  outsideZones: new Set(),
  withRandomPort: new Set(),
  domain: undefined,
};

const poolOptions = ['interface', 'ra', 'ndp', 'master', 'domain'];
const interfaceOptions = ['ip6assign', 'ip6class', 'proto', 'listen_port', 'disabled'];

/** Rejects with UbusError. What is not installed has nothing to say. */
export async function readNetwork(ubus: Ubus): Promise<Network> {
  const [dhcp, dnsmasq, network, globals, zones, defaults, dump] = await Promise.all([
    orNothing(readSections(ubus, { config: 'dhcp', type: 'dhcp', options: poolOptions })),
    orNothing(readSections(ubus, { config: 'dhcp', type: 'dnsmasq', options: ['domain'] })),
    orNothing(readSections(ubus, { config: 'network', type: 'interface', options: interfaceOptions })),
    orNothing(readSections(ubus, { config: 'network', type: 'globals', options: ['ula_prefix'] })),
    orNothing(readSections(ubus, { config: 'firewall', type: 'zone', options: zoneOptions })),
    orNothing(readSections(ubus, { config: 'firewall', type: 'defaults', options: ['forward'] })),
    orNothing(ubus.call('network.interface', 'dump')),
  ]);
  const interfaces = interfacesOf(dump);
  const wireguards = [...interfaces].flatMap(([name, { device, isWireGuard }]) =>
    isWireGuard && device !== undefined ? [[name, device] as const] : [],
  );
  return {
    advertisers: advertisersOf(dhcp, interfaces),
    devices: new Map(
      [...interfaces].flatMap(([name, { device }]) =>
        device === undefined ? [] : [[name, device] as const],
      ),
    ),
    wireguard: new Map(wireguards.map(([name, device]) => [device, interfaces.get(name)!.ipv4])),
    relays: relaysOf(dhcp, interfaces),
    search: searchOf(dhcp, interfaces),
    absences: absencesOf(network, interfaces),
    ...assignmentsOf(network, globals, interfaces),
    outsideZones: outsideZones(
      zones,
      defaults,
      wireguards.filter(([name]) => !interfaces.get(name)!.hasZone),
    ),
    withRandomPort: randomPortsOf(network, interfaces),
    domain: domainOf(dnsmasq),
  };
}

async function orNothing(answer: Promise<UbusTable>): Promise<UbusTable> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof UbusError && error.status === ubusStatus.notFound) return {};
    throw error;
  }
}

/** An interface of netifd, by its logical name. */
interface NetifdInterface {
  /** The kernel's name; undefined while it is down. */
  readonly device: string | undefined;
  readonly isWireGuard: boolean;
  /** Whether it says itself which zone of the firewall it is in. */
  readonly hasZone: boolean;
  /** Whether it is to be up, and is not, though nothing is missing for that. */
  readonly isFailing: boolean;
  readonly delegated: readonly Delegated[];
  /** Whether others get parts of that. */
  readonly isDelegating: boolean;
  readonly search: readonly string[];
  /** Its networks, as "10.0.0.0/24". */
  readonly ipv4: readonly string[];
}

export function interfacesOf(dump: UbusTable): Map<string, NetifdInterface> {
  const tables = Array.isArray(dump.interface) ? dump.interface.filter(isTable) : [];
  const named = tables.filter((table) => typeof table.interface === 'string');
  return new Map(
    named.map((table) => [
      table.interface as string,
      {
        device: typeof table.l3_device === 'string' ? table.l3_device : undefined,
        isWireGuard: table.proto === 'wireguard',
        hasZone: isTable(table.data) && table.data.zone !== undefined,
        isFailing: table.autostart === true && table.available === true && table.up === false,
        delegated: delegatedBy(table),
        isDelegating: table.delegation !== false,
        search: textsOf(table['dns-search']),
        ipv4: tablesIn(table['ipv4-address']).flatMap(networkOf),
      },
    ]),
  );
}

/** The network around an address of IPv4. */
function networkOf({ address, mask }: UbusTable): string[] {
  const prefix = parsePrefix(`::ffff:${address}/${96 + Number(mask)}`);
  return prefix ? [`${prefix.bytes.slice(12).join('.')}/${mask}`] : [];
}

function textsOf(value: UbusValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : [];
}

/** What odhcpd is to do on a logical interface: of several sections for it, the last that says something counts. */
interface Pool {
  readonly section: string;
  readonly ra: string;
  readonly isMaster: boolean;
}

/**
 * The devices on which odhcpd answers solicitations, as its config.c and router.c read it: in mode server, or hybrid
 * where there is nothing to relay, and not on a master. It reads no `ignore`. What it relays, it sends to ff02::1 only,
 * which WireGuard has no peer for.
 */
export function advertisersOf(
  dhcp: UbusTable,
  interfaces: ReadonlyMap<string, NetifdInterface>,
): Map<string, string> {
  const pools = poolsOf(dhcp);
  const isRelaying = [...pools].some(
    ([name, { ra, isMaster }]) =>
      isMaster && (ra === 'relay' || (ra === 'hybrid' && !interfaces.get(name)?.delegated.length)),
  );
  const found = new Map<string, string>();
  for (const [name, { section, ra, isMaster }] of pools) {
    const isServing = ra === 'server' || (ra === 'hybrid' && !isRelaying);
    if (isServing && !isMaster)
      found.set(interfaces.get(name)?.device ?? name, `odhcpd (dhcp.${section}.ra is '${ra}')`);
  }
  return found;
}

/** The devices on which odhcpd passes on neighbour solicitations, or may. */
export function relaysOf(
  dhcp: UbusTable,
  interfaces: ReadonlyMap<string, NetifdInterface>,
): Map<string, string> {
  const found = new Map<string, string>();
  for (const section of sectionsOf(dhcp)) {
    const name = interfaceOf(section);
    const ndp = single(dhcp, section, 'ndp');
    if (ndp === 'relay' || ndp === 'hybrid')
      found.set(interfaces.get(name)?.device ?? name, `odhcpd (dhcp.${section.name}.ndp is '${ndp}')`);
  }
  return found;
}

const modes = ['disabled', 'server', 'relay', 'hybrid'];

function poolsOf(dhcp: UbusTable): Map<string, Pool> {
  const pools = new Map<string, Pool>();
  for (const section of sectionsOf(dhcp)) {
    const name = interfaceOf(section);
    const pool = pools.get(name) ?? { section: section.name, ra: 'disabled', isMaster: false };
    // uci_to_blob() takes no lists for these.
    const [ra, master] = [single(dhcp, section, 'ra'), single(dhcp, section, 'master')];
    pools.set(name, {
      ...(ra !== undefined && modes.includes(ra) ? { section: section.name, ra } : pool),
      isMaster: ofBlob(master) ?? pool.isMaster,
    });
  }
  return pools;
}

function interfaceOf({ name, options }: Section): string {
  return options.get('interface')?.[0] ?? name;
}

/** An option that is written as one, not as a list. */
function single(values: UbusTable, { name }: Section, option: string): string | undefined {
  const section = values[name];
  const value = isTable(section) ? section[option] : undefined;
  return typeof value === 'string' ? value : undefined;
}

/**
 * What is configured for a device: odhcpd's `list domain`, and the `dns_search` of a WireGuard interface, which has none
 * from anybody else. Those of other interfaces are not for peers: a provider may have chosen them.
 */
export function searchOf(
  dhcp: UbusTable,
  interfaces: ReadonlyMap<string, NetifdInterface>,
): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  const add = (device: string, domains: readonly string[]) =>
    found.set(device, [...new Set([...(found.get(device) ?? []), ...domains])]);
  for (const section of sectionsOf(dhcp)) {
    const name = interfaceOf(section);
    const domains = section.options.get('domain')?.flatMap((text) => text.trim().split(/\s+/)) ?? [];
    if (domains.length > 0) add(interfaces.get(name)?.device ?? name, domains);
  }
  for (const [name, { device, isWireGuard, search }] of interfaces)
    if (isWireGuard && search.length > 0) add(device ?? name, search);
  return found;
}

export function absencesOf(
  network: UbusTable,
  interfaces: ReadonlyMap<string, NetifdInterface>,
): Map<string, Absence | undefined> {
  const disabled = sectionsOf(network).filter(({ options }) => ofBlob(options.get('disabled')?.[0]));
  return new Map([
    ...sectionsOf(network).map(({ name }) => [name, undefined] as const),
    ...[...interfaces].map(([name, { isFailing }]) => [name, isFailing ? 'failing' : undefined] as const),
    ...disabled.map(({ name }) => [name, 'disabled'] as const),
  ]);
}

/** Why there may be no such device; undefined if nothing is known of it. */
export function absenceOf({ absences }: Network, device: string): Absence | undefined {
  return absences.size === 0 || absences.has(device) ? absences.get(device) : 'unconfigured';
}

export function randomPortsOf(
  network: UbusTable,
  interfaces: ReadonlyMap<string, NetifdInterface>,
): Set<string> {
  const without = sectionsOf(network).filter(
    ({ options }) => options.get('proto')?.[0] === 'wireguard' && !options.has('listen_port'),
  );
  return new Set(without.map(({ name }) => interfaces.get(name)?.device ?? name));
}

/** That of dnsmasq's first section; "#" has it taken from the provider. */
export function domainOf(dnsmasq: UbusTable): string | undefined {
  const domain = sectionsOf(dnsmasq)[0]?.options.get('domain')?.[0]?.trim();
  return domain === '#' ? undefined : domain;
}

/** The domains that the peers of a device are to search in, each once: the router's own first. */
export function searchListOf({ search, domain }: Network, device: string): string[] {
  return [...new Set([...(domain === undefined ? [] : [domain]), ...(search.get(device) ?? [])])];
}
