// SPDX-License-Identifier: GPL-2.0-only
// What it costs to withdraw 10,000 addresses that are due at once. Before Linux 6.16, WireGuard cannot be told to remove
// one: it is moved to a temporary peer.

import { UNLIMITED } from './crowd.ts';
import type { Measurement } from './measurement.ts';
import { Swarm } from './swarm.ts';

const SIZE = { peers: 625, each: 16 };
/** Seconds. */
const LIFETIME = 3_600;

export function expiry(kernel?: string): Measurement {
  const key = kernel ? `expiry.${kernel}` : 'expiry';
  const title = kernel ? `The same on Linux ${kernel}` : '10,000 addresses expire at once: CPU time';
  return {
    name: key,
    figures: [
      { key: `${key}.cpu`, title, unit: 'ms', better: 'lower' },
      { key: `${key}.left`, title: '… not withdrawn', unit: '', better: 'lower' },
    ],
    counting: true,
    ...(kernel && { kernel }),
    suits: ({ way, locked }) => way !== undefined && !locked,
    async measure(guest, learner) {
      const swarm = await Swarm.of(guest);
      await swarm.use(SIZE.peers);
      await swarm.forgetAll();
      const running = await learner.start(swarm, 'wg1', { ...UNLIMITED, lifetime: `${LIFETIME}s` });
      await swarm.storm(SIZE.each);
      const learned = await swarm.allowed();
      if (learned !== SIZE.peers * SIZE.each) throw new Error(`only ${learned} were learned`);
      // It sleeps until all are due.
      await swarm.router.signal('STOP');
      await guest.run(`sleep ${LIFETIME}`, { timeout: 300_000 });
      const before = await swarm.router.cpu();
      await swarm.router.signal('CONT');
      await swarm.rest();
      const cpu = (await swarm.router.cpu()) - before;
      const left = await swarm.allowed();
      await running.stop();
      return { [`${key}.cpu`]: cpu * 1_000, [`${key}.left`]: left };
    },
  };
}
