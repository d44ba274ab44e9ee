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
/** Until the daemon looks as seldom as it ever does, and what runs at rest is compiled, if it ever is. */
const CALMING = 3_600;
/** So long that it does not matter in which hour V8 happens to collect garbage or compile. */
const WATCHED = 6 * 3_600;
const PATIENCE = 1_800_000;

/**
 * Else free pages that wait for a CPU to use them again count as taken, up to 20 MB; and so does half of the page cache, up
 * to a watermark that Debian's kernel has raised to 55 MB for huge pages.
 */
const COUNTING_ALL =
  'vm.percpu_pagelist_high_fraction=1000000 vm.min_free_kbytes=1024 vm.watermark_scale_factor=1';

export const idle: Measurement = {
  name: 'idle',
  figures: [
    { key: 'idle.cpu', title: 'Idle: CPU time an hour', unit: 's', better: 'lower' },
    { key: 'idle.wake-ups', title: '… wake-ups a minute', unit: '', better: 'lower' },
    { key: 'idle.available', title: '… MemAvailable less than without', unit: 'MB', better: 'lower' },
    { key: 'idle.cached', title: '… page cache more than without', unit: 'MB', better: 'lower' },
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
      await guest.run(`sysctl -qw ${COUNTING_ALL}; sleep ${SETTLING}`);
      const before = await spare(guest);
      const running = await learner.start({ guest, router }, 'wg1', { rate: 0, ra: 1 });
      for (const [client, from] of await addAddresses(lab, ADDRESSES)) await client.connect({ from });
      await guest.run(`sleep ${CALMING}`, { timeout: PATIENCE });
      const [wakeUps, cpu] = [await router.wakeUps(), await router.cpu()];
      await guest.run(`sleep ${WATCHED}`, { timeout: PATIENCE });
      const values = {
        'idle.cpu': ((await router.cpu()) - cpu) * (3_600 / WATCHED),
        'idle.wake-ups': ((await router.wakeUps()) - wakeUps) * (60 / WATCHED),
      };
      const { bpf, anonymous, proportional, resident } = await router.memory();
      const after = await spare(guest);
      await running.stop();
      return {
        ...values,
        'idle.available': (before.available - after.available) / 1024,
        'idle.cached': (after.cached - before.cached) / 1024,
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
 * Kilobytes that could be had, when the kernel has given up what it keeps for nobody; and those of the page cache that are
 * left then: of files that are mapped, which could be had, too.
 */
async function spare(guest: Guest): Promise<{ available: number; cached: number }> {
  const { stdout } = await guest.run(
    `for n in 1 2 3 4 5; do
  sync
  echo 3 >/proc/sys/vm/drop_caches
  sleep 2
  grep -E '^(MemAvailable|Cached)' /proc/meminfo
done`,
  );
  const field = (name: string) =>
    median([...stdout.matchAll(new RegExp(`${name}:\\s+(\\d+)`, 'g'))].map(([, value]) => Number(value)))!;
  return { available: field('MemAvailable'), cached: field('Cached') };
}
