// SPDX-License-Identifier: GPL-2.0-only
// What the rest of OpenWrt has to say on Router Advertisements: who else is configured to send them (odhcpd's sections of
// /etc/config/dhcp), and the DNS search domains that netifd has.

import { isTable, type Ubus, UbusError, type UbusTable, ubusStatus } from '../ubus/types.ts';
import { sectionsOf } from './sections.ts';
import { readSections } from './uci.ts';

export interface Network {
  /** By WireGuard interface, whose logical name in UCI is that of its device: who advertises there, in words. */
  readonly advertisers: ReadonlyMap<string, string>;
  readonly search: readonly string[];
}

/** Modes of odhcpd's option ra in which it answers solicitations. */
const serving = ['server', 'relay', 'hybrid'];

/** Rejects with UbusError. What is not installed has nothing to say. */
export async function readNetwork(ubus: Ubus): Promise<Network> {
  const [dhcp, dump] = await Promise.all([
    orNothing(readSections(ubus, 'dhcp', 'dhcp')),
    orNothing(ubus.call('network.interface', 'dump')),
  ]);
  return { advertisers: advertisersOf(dhcp), search: searchOf(dump) };
}

async function orNothing(answer: Promise<UbusTable>): Promise<UbusTable> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof UbusError && error.status === ubusStatus.notFound) return {};
    throw error;
  }
}

export function advertisersOf(dhcp: UbusTable): Map<string, string> {
  const found = new Map<string, string>();
  for (const { name, options } of sectionsOf(dhcp)) {
    const [device = name] = options.get('interface') ?? [];
    const [ra = ''] = options.get('ra') ?? [];
    const isIgnored = options.get('ignore')?.[0] === '1';
    if (serving.includes(ra) && !isIgnored) found.set(device, `odhcpd (dhcp.${name}.ra is '${ra}')`);
  }
  return found;
}

/** Each once, of the interfaces that are up. */
export function searchOf(dump: UbusTable): string[] {
  const interfaces = Array.isArray(dump.interface) ? dump.interface.filter(isTable) : [];
  const domains = interfaces
    .filter(({ up }) => up === true)
    .flatMap((each) => (Array.isArray(each['dns-search']) ? each['dns-search'] : []));
  return [...new Set(domains.filter((domain) => typeof domain === 'string'))];
}
