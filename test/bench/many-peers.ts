// SPDX-License-Identifier: GPL-2.0-only
// What a new address costs, by how many peers an interface has.

import { UNLIMITED } from './crowd.ts';
import { byHook, type Measurement, type Values } from './measurement.ts';
import { median } from './statistics.ts';
import { Swarm } from './swarm.ts';

const FEWEST = 1;
const MOST = 801;
const PEERS = [FEWEST, 101, MOST];
const ADDRESSES = 25;

export const manyPeers: Measurement = {
  name: 'many-peers',
  figures: [
    ...PEERS.map((peers) => ({
      key: `many-peers.${peers}`,
      title: `New address, ${peers === FEWEST ? 'one peer' : `one of ${peers} peers`}: CPU time, median`,
      unit: 'ms',
      better: 'lower' as const,
    })),
    {
      key: 'many-peers.ratio',
      title: `… one of ${MOST} peers, in times of one peer`,
      unit: '×',
      better: 'lower',
    },
  ],
  counting: true,
  suits: byHook,
  async measure(guest, learner) {
    const swarm = await Swarm.of(guest);
    const costs: Record<string, number> = {};
    for (const peers of PEERS) {
      await swarm.use(peers);
      await swarm.forgetAll();
      const running = await learner.start(swarm, 'wg1', UNLIMITED);
      costs[`many-peers.${peers}`] = median(await swarm.trickle(ADDRESSES))! * 1_000;
      await running.stop();
    }
    const ratio = costs[`many-peers.${MOST}`]! / costs[`many-peers.${FEWEST}`]!;
    return { ...costs, 'many-peers.ratio': ratio } satisfies Values;
  },
};
