// SPDX-License-Identifier: GPL-2.0-only
// Law 1 when it is close: two peers use one address, nobody's until then, at the same moment.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sharedGuest } from '../bed/bed.ts';
import { floodAddress } from '../bed/client.ts';
import { Daemon } from '../bed/daemon.ts';
import { Lab } from '../bed/lab.ts';

const PREFIX = '2001:db8:1::';
const ROUNDS = 5;
const TRIES = 10; // in a round: fewer than what is told of one peer's refusals at once

describe.each(['fexit', 'kprobe'] as const)('with the %s hook', (hook) => {
  let lab: Lab;
  let daemon: Daemon;

  beforeAll(async () => {
    lab = await Lab.create(await sharedGuest(), { clients: ['laptop', 'phone'] });
    daemon = await Daemon.start(lab.router, { hook, set: { rate: 0, max_addresses: 100 } });
  });

  afterAll(async () => {
    await daemon?.stop();
    await lab?.destroy();
  });

  test('of two peers that claim one address at once, one has it and the other is refused and reported, 50 times of 50', async () => {
    const clients = [lab.client('laptop'), lab.client('phone')];
    for (let round = 0; round < ROUNDS; round++) {
      const claims = { prefix: PREFIX, count: TRIES, first: round * TRIES };
      await Promise.all(clients.map((client) => client.flood(claims)));
      const last = floodAddress(PREFIX, round * TRIES + TRIES - 1);
      await daemon.event('denied', { address: last, reason: 'owned' });
      await new Promise((resolve) => setTimeout(resolve, 1_000)); // refusals are told at a limited rate
    }
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
      expect(daemon.all('denied').filter((event) => event.address === address)).toMatchObject([
        { peer: loser.publicKey, reason: 'owned', owner: winner.publicKey },
      ]);
    }
    console.log(`${hook}: ${JSON.stringify(wins)}`);
  });
});
