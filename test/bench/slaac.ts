// SPDX-License-Identifier: GPL-2.0-only
// How long it takes from a client's link coming up until it is on line, with nothing but a link-local address of its own.

import { Lab } from '../bed/lab.ts';
import { anyLearner, type Measurement } from './measurement.ts';
import { median, worst } from './statistics.ts';

const COUNT = 8;
const PATIENCE = 20_000;

export const slaac: Measurement = {
  name: 'slaac',
  figures: [
    { key: 'slaac.median', title: 'Link up to first reply by SLAAC: median', unit: 'ms', better: 'lower' },
    { key: 'slaac.worst', title: '… worst', unit: 'ms', better: 'lower' },
  ],
  counting: false,
  suits: anyLearner,
  async measure(guest, learner) {
    const lab = await Lab.create(guest, { clients: ['laptop'] });
    try {
      await lab.router.run('ip -6 route add default dev behind');
      const laptop = lab.client('laptop');
      await laptop.run('ip -6 route flush dev wg0 proto boot');
      const running = await learner.start(lab, 'wg1', { rate: 0, ra: 1 });
      const times: number[] = [];
      try {
        for (let n = 1; n <= COUNT; n++)
          times.push(await laptop.comeUp(`fe80::a:${n}`, '2001:db8:ff::1', PATIENCE));
      } catch {
        // Nobody has told it a prefix.
        return {};
      } finally {
        await running.stop();
      }
      return { 'slaac.median': median(times), 'slaac.worst': worst(times) };
    } finally {
      await lab.destroy();
    }
  },
};
