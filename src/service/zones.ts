// SPDX-License-Identifier: GPL-2.0-only
// Which interfaces the firewall of OpenWrt forwards nothing from, as they belong to none of its zones.

import type { UbusTable } from '../ubus/types.ts';
import { ofFirewall } from './booleans.ts';
import { type Section, sectionsOf } from './sections.ts';

/** Options of a zone by which it may hold anything: subnets, and conditions of the firewall program. */
const unclear = ['subnet', 'extra', 'extra_src', 'extra_dest'];

export const zoneOptions = ['enabled', 'network', 'device', ...unclear];

/**
 * `firewall` and `defaults` are its sections of these types, `interfaces` the names of netifd's with the kernel's. Where there
 * are no zones, something else is the firewall, or there is none.
 */
export function outsideZones(
  zones: UbusTable,
  defaults: UbusTable,
  interfaces: Iterable<readonly [name: string, device: string]>,
): Set<string> {
  const inForce = sectionsOf(zones).filter(({ options }) => ofFirewall(options.get('enabled')?.[0]));
  const forwardsAll = sectionsOf(defaults).some(
    ({ options }) => options.get('forward')?.[0]?.toUpperCase() === 'ACCEPT',
  );
  if (inForce.length === 0 || forwardsAll) return new Set();
  const outside = [...interfaces].filter(
    ([name, device]) => !inForce.some((zone) => mayHold(zone, name, device)),
  );
  return new Set(outside.map(([, device]) => device));
}

function mayHold({ options }: Section, name: string, device: string): boolean {
  const words = (option: string) => (options.get(option) ?? []).flatMap((text) => text.trim().split(/\s+/));
  return (
    words('network').includes(name) ||
    words('device').some((pattern) => isLike(pattern, device)) ||
    unclear.some((option) => options.has(option))
  );
}

/** "wg0", "wg+" for all that begin so, "*" for all, "!eth0" for all others. */
function isLike(pattern: string, device: string): boolean {
  if (pattern.startsWith('!')) return !isLike(pattern.slice(1).trim(), device);
  if (pattern === '*') return true;
  return pattern.endsWith('+') ? device.startsWith(pattern.slice(0, -1)) : pattern === device;
}
