// SPDX-License-Identifier: GPL-2.0-only
// Law 1 when it is close: two peers use one address, nobody's until then, at the same moment.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { twoCpuGuest, ways } from '../../bed/bed.ts';
import { type Client, floodAddress } from '../../bed/client.ts';
import { Daemon } from '../../bed/daemon.ts';
import { Lab } from '../../bed/lab.ts';

const PREFIX = '2001:db8:1::';
const ROUNDS = 5;
const PATIENCE = 60_000;
const TRIES = 10; // in a round: fewer than what is told of one peer's refusals at once

describe.each(ways)('by %s', (hook) => {
  let lab: Lab;
  let daemon: Daemon;
  let clients: Client[];

  beforeAll(async () => {
    lab = await Lab.create(await twoCpuGuest(hook), { clients: ['laptop', 'phone'] });
    clients = [...lab.clients];
    daemon = await Daemon.start(lab.router, { hook, set: { rate: 0, max_addresses: 100 } });
  });

  afterAll(async () => {
    await daemon?.stop();
    await lab?.destroy();
  });

  /** Both clients use the addresses of a round, until these are learned. */
  async function claim(round: number): Promise<void> {
    const first = round * TRIES;
    const once = () =>
      Promise.all(clients.map((client) => client.flood({ prefix: PREFIX, count: TRIES, first })));
    if (hook === 'lending')
      return lab.guest.until(
        async () => {
          await once();
          expect(daemon.all('learned')).toHaveLength(first + TRIES);
        },
        PATIENCE,
        1_000,
      );
    await once();
    const last = { address: floodAddress(PREFIX, first + TRIES - 1), reason: 'owned' } as const;
    await daemon.event('denied', last, PATIENCE);
    await lab.guest.sleep(1_000); // refusals are told at a limited rate
  }

  /** Both use each address once more: it is the loser's packets that are refused. */
  async function expectLosersRefused(): Promise<void> {
    const [before, allowedIps] = [await lab.refused(), await lab.allowedIps()];
    const all = { prefix: PREFIX, count: ROUNDS * TRIES, pps: 100 };
    await Promise.all(clients.map((client) => client.flood(all)));
    await lab.guest.until(async () => expect(await lab.refused()).toBeGreaterThanOrEqual(before + all.count));
    expect(daemon.all('learned')).toHaveLength(all.count);
    expect(await lab.allowedIps()).toEqual(allowedIps);
  }

  test('of two peers that claim one address at once, one has it and the other is refused, 50 times of 50', async () => {
    for (let round = 0; round < ROUNDS; round++) await claim(round);
    const addresses = Array.from({ length: ROUNDS * TRIES }, (_, n) => floodAddress(PREFIX, n));
    const allowedIps = await lab.allowedIps();
    const wins: Record<string, number> = { laptop: 0, phone: 0 };
    for (const address of addresses) {
      const owners = clients.filter(({ name }) => allowedIps[name]!.includes(`${address}/128`));
      expect(owners, address).toHaveLength(1);
      const [winner, loser] = [owners[0]!, clients.find((client) => client !== owners[0])!];
      wins[winner.name]!++;
      expect(daemon.all('learned').filter((event) => event.address === address)).toMatchObject([
        { peer: winner.publicKey },
      ]);
      if (hook !== 'lending')
        expect(daemon.all('denied').filter((event) => event.address === address)).toMatchObject([
          { peer: loser.publicKey, reason: 'owned', owner: winner.publicKey },
        ]);
    }
    await expectLosersRefused();
    console.log(`${hook}: ${JSON.stringify(wins)}`);
  });
});
