// SPDX-License-Identifier: GPL-2.0-only
// Many peers with many addresses, from their first packets on.

import { comeback, comebackFigures } from './comeback.ts';
import { comparison, comparisonFigures } from './comparison.ts';
import { byHook, type Measurement, type Values } from './measurement.ts';
import { type Size, storm, stormFigures } from './storm.ts';
import { Swarm } from './swarm.ts';

/** What comes after the storms is done with all the addresses of the last one. */
const SIZES: readonly Size[] = [
  { peers: 1, each: 1_000 },
  { peers: 100, each: 16 },
  { peers: 1_000, each: 16 },
];

/** No limit is to be in the way. */
export const UNLIMITED = { rate: 0, burst: 1_000, max_addresses: 1_000 };

export const crowd: Measurement = {
  name: 'crowd',
  figures: [...SIZES.flatMap(stormFigures), ...comparisonFigures, ...comebackFigures],
  counting: true,
  suits: byHook,
  async measure(guest, learner) {
    const swarm = await Swarm.of(guest);
    let values: Values = {};
    for (const size of SIZES) {
      await swarm.use(size.peers);
      await swarm.forgetAll();
      const running = await learner.start(swarm, 'wg1', UNLIMITED);
      values = { ...values, ...(await storm(swarm, size)) };
      if (size !== SIZES.at(-1)) {
        await running.stop();
        continue;
      }
      const compared = learner.way ? await comparison(swarm) : {};
      values = { ...values, ...compared, ...(await comeback(swarm, learner, running, UNLIMITED)) };
    }
    return values;
  },
};
