// SPDX-License-Identifier: GPL-2.0-only
// Client systems of Debian 12, configured as `wg-slaacer client` and docs/clients.md have it, get on line and stay there.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systems } from './systems.ts';
import { Times } from './times.ts';
import { type Outcomes, World } from './world.ts';

/** What happens, one after the other. */
const scenarios: readonly (readonly [what: string, happen: (world: World) => Promise<Outcomes>])[] = [
  ['configured', (world) => world.configured()],
  ['switched off and on', (world) => world.switchedOffAndOn()],
  ['away for three lifetimes', (world) => world.away()],
  ['router rebooted', (world) => world.rebooted('SIGTERM', false)],
  ['router lost power', (world) => world.rebooted('SIGKILL', false)],
  ['… and clients busy', (world) => world.rebooted('SIGKILL', true)],
  ['moved to another endpoint', (world) => world.moved()],
  ['router renumbered', (world) => world.renumbered()],
  ['reached by IPv6, which the network below has, too', (world) => world.uplinked()],
];

describe.each(['fexit', 'lending'] as const)('by %s', (way) => {
  let world: World;
  let times: Times;

  beforeAll(async () => {
    world = await World.create(way);
    const names = world.clients.map(async (client) => `${client.system.name} ${await client.version()}`);
    times = new Times(`by ${way}, s`, await Promise.all(names));
  });

  afterAll(async () => {
    if (times) console.log(`Until advertised to / on line\n${times}`);
    await world?.destroy();
  });

  describe.each(scenarios)('%s:', (what, happen) => {
    let outcomes: Outcomes;

    beforeAll(async () => {
      outcomes = await happen(world);
      times.add(what, outcomes);
    });

    test.each(systems)('$name has what is advertised, and reaches a host behind the router', (system) => {
      const outcome = outcomes.get(system)!;
      if (outcome.status === 'rejected') throw outcome.reason;
    });

    if (what === 'configured')
      test.each(systems.filter(({ hasNoIpv4 }) => !hasNoIpv4))(
        '$name reaches the router by IPv4',
        async (system) => {
          expect(await world.reachesByIpv4(system)).toBe(true);
        },
      );
  });

  test.each(systems)('$name deprecates the old prefix', async (system) => {
    const client = world.clients.find((each) => each.system === system)!;
    const lifetimes = await client.lifetimes('2001:db8:1::');
    expect(lifetimes).not.toEqual([]);
    for (const { valid, preferred } of lifetimes) {
      expect(valid).toBeGreaterThan(0);
      expect(preferred).toBe(0);
    }
  });
});
