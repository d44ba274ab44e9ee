// SPDX-License-Identifier: GPL-2.0-only
// How long who uses a new address waits for a first reply: for a TCP connection, as that sends again what is lost.

import { Lab } from '../bed/lab.ts';
import { anyLearner, type Measurement } from './measurement.ts';
import { median, worst } from './statistics.ts';

const COUNT = 30;

export const firstReply: Measurement = {
  name: 'first-reply',
  figures: [
    {
      key: 'first-reply.median',
      title: 'First packet from a new address to its first reply: median',
      unit: 'ms',
      better: 'lower',
    },
    { key: 'first-reply.worst', title: '… worst', unit: 'ms', better: 'lower' },
  ],
  counting: false,
  suits: anyLearner,
  async measure(guest, learner) {
    const lab = await Lab.create(guest, { clients: ['laptop', 'phone'] });
    try {
      const running = await learner.start(lab, 'wg1', { rate: 0, max_addresses: COUNT });
      const times: number[] = [];
      for (let n = 0; n < COUNT; n++) {
        // By lending, it is either's turn.
        const client = lab.clients[n % lab.clients.length]!;
        const from = `2001:db8:1::f:${n.toString(16)}`;
        await client.addAddress(from);
        times.push(await client.connect({ from }));
      }
      await running.stop();
      return { 'first-reply.median': median(times), 'first-reply.worst': worst(times) };
    } finally {
      await lab.destroy();
    }
  },
};
