// SPDX-License-Identifier: GPL-2.0-only
// Whether all that was learned comes back after WireGuard has lost it, and what that takes.

import type { Learner, Running } from './learners.ts';
import type { Figure, Values } from './measurement.ts';
import type { Swarm } from './swarm.ts';

export const comebackFigures: readonly Figure[] = [
  { key: 'wipe.back', title: '… back after syncconf and one packet', unit: '', better: 'higher' },
  { key: 'wipe.seconds', title: '… which takes', unit: 's', better: 'lower' },
  { key: 'restart.back', title: '… back when started after a wipe', unit: '', better: 'higher' },
  { key: 'restart.cpu', title: '… for CPU time, start included', unit: 's', better: 'lower' },
];

/** Ends what runs. */
export async function comeback(
  swarm: Swarm,
  learner: Learner,
  running: Running,
  set: Parameters<Learner['start']>[2],
): Promise<Values> {
  const wipe = await swarm.wipeAndSend();
  const afterWipe = await swarm.allowed();
  await running.stop();
  await swarm.wipe();
  const before = await swarm.router.cpu();
  const again = await learner.start(swarm, 'wg1', set);
  await swarm.rest();
  const cpu = (await swarm.router.cpu()) - before;
  const afterRestart = await swarm.allowed();
  await again.stop();
  return {
    'wipe.back': afterWipe,
    'wipe.seconds': afterWipe > 0 ? wipe.seconds : undefined,
    'restart.back': afterRestart,
    'restart.cpu': afterRestart > 0 ? cpu : undefined,
  };
}
