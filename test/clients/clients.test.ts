// SPDX-License-Identifier: GPL-2.0-only
// Client systems of Debian 12, configured as wg-slaacer client has it, get on line and stay on line.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type System, systems } from './systems.ts';
import { World } from './world.ts';

/** What happens, in this order. */
const scenarios = [
  ['configured', (world: World) => world.configured()],
  ['switched off and on', (world: World) => world.switchedOffAndOn()],
  ['away for three lifetimes', (world: World) => world.away()],
  ['router rebooted', (world: World) => world.routerRebooted('SIGTERM')],
  ['router cut off', (world: World) => world.routerRebooted('SIGKILL')],
  ['moved to another endpoint', (world: World) => world.moved()],
  ['renumbered', (world: World) => world.renumbered()],
] as const;

describe.each(['fexit', 'lending'] as const)('by %s', (way) => {
  let world: World;
  const seconds = new Map<System, string[]>(systems.map((system) => [system, []]));

  beforeAll(async () => {
    world = await World.create(way);
  });

  afterAll(async () => {
    const lines = await Promise.all(
      (world?.clients ?? []).map(async (client) => {
        const name = `${client.system.name} ${await client.version()}`;
        return [name.padEnd(30), ...seconds.get(client.system)!].join('');
      }),
    );
    const head = [
      'seconds until advertised to / on line'.padEnd(30),
      ...scenarios.map(([name]) => name.slice(0, 15).padStart(16)),
    ];
    console.log([`by ${way}`, head.join(''), ...lines].join('\n'));
    await world?.destroy();
  });

  describe.each(scenarios)('%s', (_, happen) => {
    let outcomes: Awaited<ReturnType<typeof happen>>;

    beforeAll(async () => {
      outcomes = await happen(world);
    });

    test.each(systems)('$name', async (system) => {
      const outcome = outcomes.get(system)!;
      seconds
        .get(system)!
        .push(
          (outcome.status === 'rejected'
            ? '–'
            : [outcome.value.advertised, outcome.value.online]
                .map((ms) => (ms / 1_000).toFixed(1))
                .join(' / ')
          ).padStart(16),
        );
      if (outcome.status === 'rejected') throw outcome.reason;
      const { client } = world.clients.find((each) => each.system === system)!;
      const { stdout: routes } = await client.run('ip -6 route show default');
      expect(routes).toMatch(/^default via fe80::\S+ dev wg0 proto ra/m);
    });
  });

  test.each(systems)('$name prefers the new prefix, and deprecates the old one', async ({ name }) => {
    const { stdout } = await world.lab.client(name).run('ip -6 -oneline address show dev wg0 scope global');
    const [old, fresh] = ['2001:db8:1:', '2001:db8:2:'].map((prefix) =>
      stdout.split('\n').filter((line) => line.includes(` ${prefix}`)),
    );
    expect(old).not.toEqual([]);
    for (const line of old!) expect(line).toContain('deprecated');
    expect(fresh).not.toEqual([]);
    for (const line of fresh!) expect(line).not.toContain('deprecated');
  });
});
