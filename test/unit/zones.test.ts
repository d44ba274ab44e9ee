// SPDX-License-Identifier: GPL-2.0-only

import { describe, expect, it } from 'vitest';
import { outsideZones } from '../../src/service/zones.ts';
import type { UbusTable } from '../../src/ubus/types.ts';

const zone = (options: UbusTable): UbusTable => ({ '.type': 'zone', ...options });
const outside = (zones: readonly UbusTable[], defaults: UbusTable = {}) => {
  const named = Object.fromEntries(zones.map((each, i) => [`cfg${i}`, zone(each)]));
  const interfaces = [
    ['wg1', 'wg1'],
    ['home', 'wg-home'],
  ] as const;
  return [...outsideZones(named, { cfg9: { '.type': 'defaults', ...defaults } }, interfaces)];
};

describe('an interface is in a zone of the firewall', () => {
  const lan = { name: 'lan', network: ['lan'] };

  it('by its name in a list, or in one option, as older ones have it', () => {
    expect(outside([lan])).toEqual(['wg1', 'wg-home']);
    expect(outside([{ name: 'lan', network: ['lan', 'wg1'] }])).toEqual(['wg-home']);
    expect(outside([{ name: 'lan', network: 'lan  wg1 home' }])).toEqual([]);
    expect(outside([lan, { name: 'vpn', network: 'home' }])).toEqual(['wg1']);
    expect(outside([{ name: 'vpn', enabled: '0', network: 'wg1' }, lan])).toEqual(['wg1', 'wg-home']);
  });

  it('unless fw4 leaves the zone out, by a word for no, or one that it does not know', () => {
    const inZone = (enabled: string) =>
      outside([{ name: 'vpn', enabled, network: 'wg1 home' }, lan]).length === 0;
    const words = ['1', 'on', 'true', 'yes', '0', 'off', 'false', 'no', 'enabled', 'TRUE'];
    expect(words.filter(inZone)).toEqual(words.slice(0, 4));
  });

  it('by its device, or a pattern for that', () => {
    expect(outside([{ device: 'wg-home' }])).toEqual(['wg1']);
    expect(outside([{ device: ['tun+', 'wg+'] }])).toEqual([]);
    expect(outside([{ device: 'wg-+' }])).toEqual(['wg1']);
    expect(outside([{ device: '!wg1' }])).toEqual(['wg1']);
    for (const all of ['+', '*']) expect(outside([{ device: all }])).toEqual([]);
  });

  it('for all that is known if a zone has conditions of another kind', () => {
    for (const option of ['subnet', 'extra', 'extra_src', 'extra_dest'])
      expect(outside([lan, { name: 'vpn', [option]: '10.0.0.0/24' }])).toEqual([]);
  });

  it('where there are zones, and what is in none is not forwarded anyway', () => {
    expect(outside([])).toEqual([]);
    expect(outside([lan], { forward: 'REJECT' })).toEqual(['wg1', 'wg-home']);
    expect(outside([lan], { forward: 'accept' })).toEqual([]);
  });
});
