// SPDX-License-Identifier: GPL-2.0-only
// How long peers wait for replies after their router has read its configuration again, which takes from them what was
// learned.

import { Lab } from '../bed/lab.ts';
import { addAddresses } from './addresses.ts';
import { anyLearner, type Measurement } from './measurement.ts';
import { median, worst } from './statistics.ts';

const WIPES = 10;
const ADDRESSES = 8;
/** Milliseconds until what does not come back is given up. */
const PATIENCE = 10_000;

export const heal: Measurement = {
  name: 'heal',
  figures: [
    {
      key: 'heal.median',
      title: `${2 * ADDRESSES} addresses wiped by syncconf, until all have a reply: median`,
      unit: 'ms',
      better: 'lower',
    },
    { key: 'heal.worst', title: '… worst', unit: 'ms', better: 'lower' },
  ],
  counting: false,
  suits: anyLearner,
  async measure(guest, learner) {
    const lab = await Lab.create(guest, { clients: ['laptop', 'phone'] });
    try {
      const running = await learner.start(lab, 'wg1', { rate: 0 });
      const uses = await addAddresses(lab, ADDRESSES);
      const connectAll = () =>
        Promise.all(uses.map(([client, from]) => client.connect({ from, timeout: PATIENCE })));
      await connectAll();
      const times: number[] = [];
      try {
        for (let n = 0; n < WIPES; n++) {
          await lab.syncconf();
          times.push(Math.max(...(await connectAll())));
        }
      } catch {
        // It did not come back.
        return {};
      } finally {
        await running.stop();
      }
      return { 'heal.median': median(times), 'heal.worst': worst(times) };
    } finally {
      await lab.destroy();
    }
  },
};
