// SPDX-License-Identifier: GPL-2.0-only
// What it costs to compare WireGuard with what is learned, as is done every 25 seconds.

import type { Figure, Values } from './measurement.ts';
import type { Swarm } from './swarm.ts';

/** Seconds. */
const INTERVAL = 25;
const COUNT = 8;

export const comparisonFigures: readonly Figure[] = [
  {
    key: 'comparison.cpu',
    title: 'With all of these: CPU time of a comparison',
    unit: 'ms',
    better: 'lower',
  },
];

/** Of ours, with nothing else to do. */
export async function comparison({ guest, router }: Swarm): Promise<Values> {
  const before = await router.cpu();
  await guest.run(`sleep ${COUNT * INTERVAL}`, { timeout: 300_000 });
  return { 'comparison.cpu': (((await router.cpu()) - before) / COUNT) * 1_000 };
}
