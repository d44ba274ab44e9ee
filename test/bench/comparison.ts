// SPDX-License-Identifier: GPL-2.0-only
// What it costs to look after what is learned, with nothing else to do: the first looks, which come at growing intervals.

import type { Figure, Values } from './measurement.ts';
import type { Swarm } from './swarm.ts';

/** Seconds. */
const REST = 200;

export const comparisonFigures: readonly Figure[] = [
  {
    key: 'rest.cpu',
    title: `With all of these: CPU time in ${REST} s of rest`,
    unit: 'ms',
    better: 'lower',
  },
];

export async function comparison({ guest, router }: Swarm): Promise<Values> {
  const before = await router.cpu();
  await guest.run(`sleep ${REST}`, { timeout: 300_000 });
  return { 'rest.cpu': ((await router.cpu()) - before) * 1_000 };
}
