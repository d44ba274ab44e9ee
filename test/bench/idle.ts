// SPDX-License-Identifier: GPL-2.0-only
// What a learner takes that has nothing to do: a few addresses are learned, and there is no traffic.

import type { Guest } from '../bed/guest.ts';
import { Lab } from '../bed/lab.ts';
import { addAddresses } from './addresses.ts';
import { anyLearner, type Measurement } from './measurement.ts';
import { median } from './statistics.ts';
import { WatchedRouter } from './watched.ts';

const CLIENTS = ['laptop', 'phone', 'tablet'];
const ADDRESSES = 4;
/** Seconds. */
const SETTLING = 30;
const WATCHED = 600;

export const idle: Measurement = {
  name: 'idle',
  figures: [
    { key: 'idle.cpu', title: 'Idle: CPU time an hour', unit: 's', better: 'lower' },
    { key: 'idle.wake-ups', title: '… wake-ups a minute', unit: '', better: 'lower' },
    { key: 'idle.available', title: '… MemAvailable less than without', unit: 'MB', better: 'lower' },
    { key: 'idle.bpf', title: '… memory of BPF maps and programs', unit: 'MB', better: 'lower' },
    { key: 'idle.anonymous', title: '… anonymous memory', unit: 'MB', better: 'lower' },
    { key: 'idle.proportional', title: '… proportional set (PSS)', unit: 'MB', better: 'lower' },
    { key: 'idle.resident', title: '… resident set (RSS)', unit: 'MB', better: 'lower' },
  ],
  counting: true,
  // The kernel frees memory long after it was used.
  fresh: true,
  suits: anyLearner,
  async measure(guest, learner) {
    const lab = await Lab.create(guest, { clients: CLIENTS });
    const router = new WatchedRouter(guest);
    try {
      // Else up to 20 MB of free pages wait for a CPU to use them again, which count as taken.
      await guest.run(`sysctl -qw vm.percpu_pagelist_high_fraction=1000000; sleep ${SETTLING}`);
      const before = await available(guest);
      const running = await learner.start({ guest, router }, 'wg1', { rate: 0, ra: 1 });
      for (const [client, from] of await addAddresses(lab, ADDRESSES)) await client.connect({ from });
      await guest.run(`sleep ${SETTLING}`);
      const [wakeUps, cpu] = [await router.wakeUps(), await router.cpu()];
      await guest.run(`sleep ${WATCHED}`, { timeout: 300_000 });
      const values = {
        'idle.cpu': ((await router.cpu()) - cpu) * (3_600 / WATCHED),
        'idle.wake-ups': ((await router.wakeUps()) - wakeUps) * (60 / WATCHED),
      };
      const { bpf, anonymous, proportional, resident } = await router.memory();
      const taken = before - (await available(guest));
      await running.stop();
      return {
        ...values,
        'idle.available': taken / 1024,
        'idle.bpf': bpf / 1024,
        'idle.anonymous': anonymous / 1024,
        'idle.proportional': proportional / 1024,
        'idle.resident': resident / 1024,
      };
    } finally {
      await lab.destroy();
    }
  },
};

/**
 * Kilobytes that could be had, when the kernel has given up what it keeps for nobody. What is left of the page cache are
 * files that are mapped, which count as available, too.
 */
async function available(guest: Guest): Promise<number> {
  const { stdout } = await guest.run(
    `for n in 1 2 3 4 5; do
  sync
  echo 3 >/proc/sys/vm/drop_caches
  sleep 2
  grep MemAvailable /proc/meminfo
done`,
  );
  return median([...stdout.matchAll(/\d+/g)].map(Number))!;
}
