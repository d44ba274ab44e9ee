// SPDX-License-Identifier: GPL-2.0-only
// Many peers use many addresses, all new at once.

import type { Figure, Values } from './measurement.ts';
import type { Swarm } from './swarm.ts';

/** So many addresses of each of so many peers. */
export interface Size {
  readonly peers: number;
  readonly each: number;
}

const nameOf = ({ peers, each }: Size) => `storm.${peers}x${each}`;

export function stormFigures(size: Size): Figure[] {
  const name = nameOf(size);
  const many = `${size.peers.toLocaleString('en')} × ${size.each.toLocaleString('en')}`;
  return [
    {
      key: `${name}.rate`,
      title: `Storm of ${many} new addresses: learned a second`,
      unit: '',
      better: 'higher',
    },
    { key: `${name}.missed`, title: '… never learned', unit: '', better: 'lower' },
    { key: `${name}.lost`, title: '… packets lost', unit: '', better: 'lower' },
    { key: `${name}.cpu`, title: '… CPU time for an address', unit: 'µs', better: 'lower' },
    { key: `${name}.peak`, title: '… peak resident set', unit: 'MB', better: 'lower' },
    { key: `${name}.anonymous`, title: '… anonymous memory', unit: 'MB', better: 'lower' },
    { key: `${name}.bpf`, title: '… memory of BPF maps and programs', unit: 'MB', better: 'lower' },
  ];
}

/** With a learner that runs and knows nothing yet. */
export async function storm(swarm: Swarm, size: Size): Promise<Values> {
  const name = nameOf(size);
  const total = size.peers * size.each;
  const { seconds, cpu, delivered } = await swarm.storm(size.each);
  const learned = await swarm.allowed();
  const { peak, anonymous, bpf } = await swarm.router.memory();
  return {
    [`${name}.rate`]: learned / seconds,
    [`${name}.missed`]: total - learned,
    [`${name}.lost`]: total - delivered,
    [`${name}.cpu`]: (cpu / learned) * 1e6,
    [`${name}.peak`]: peak / 1024,
    [`${name}.anonymous`]: anonymous / 1024,
    [`${name}.bpf`]: bpf / 1024,
  };
}
