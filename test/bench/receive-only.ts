// SPDX-License-Identifier: GPL-2.0-only
// For how long peers cannot be reached that only receive, when their router has read its configuration again: nothing they
// do tells that what they had learned is gone.

import { fileURLToPath } from 'node:url';
import { floodAddress } from '../bed/client.ts';
import { Lab } from '../bed/lab.ts';
import { byHook, type Measurement } from './measurement.ts';
import { median, worst } from './statistics.ts';
import { WatchedRouter } from './watched.ts';

const SCRIPT = fileURLToPath(new URL('outage.py', import.meta.url));
const CONF = '/run/receive-only.conf';
const PREFIX = '2001:db8:1::';
const WIPES = 20;
const MANY = 1_000;
const WIPES_OF_MANY = 3;
/** Addresses at a time: emulation takes long for many. */
const PORTION = 100;
/** Seconds until what does not come back is given up. */
const PATIENCE = 40;

export const receiveOnly: Measurement = {
  name: 'receive-only',
  figures: [
    {
      key: 'receive-only.median',
      title: 'A peer that only receives cannot be reached after syncconf: median',
      unit: 'ms',
      better: 'lower',
    },
    { key: 'receive-only.worst', title: '… worst', unit: 'ms', better: 'lower' },
    { key: 'receive-only.many', title: `… any of ${MANY} addresses, worst`, unit: 'ms', better: 'lower' },
  ],
  counting: true,
  suits: byHook,
  async measure(guest, learner) {
    const lab = await Lab.create(guest, { clients: ['phone'] });
    try {
      await lab.router.run(`cat >${CONF}`, { input: lab.wgConf() });
      const running = await learner.start({ guest, router: new WatchedRouter(guest) }, 'wg1', {
        rate: 0,
        burst: MANY,
        max_addresses: MANY,
      });
      const outages = async (count: number, wipes: number): Promise<(number | undefined)[]> => {
        for (let first = 0; first < count; first += PORTION) {
          const portion = Math.min(PORTION, count - first);
          await lab.client('phone').flood({ prefix: PREFIX, first, count: portion, pps: 500 });
        }
        const all = Array.from({ length: count }, (_, n) => floodAddress(PREFIX, n));
        const some = all.filter((_, n) => n % Math.ceil(count / 10) === 0 || n === count - 1);
        const times: (number | undefined)[] = [];
        for (let n = 0; n < wipes; n++) {
          await guest.run('sleep 2');
          const { stdout } = await lab.router.run(
            `/usr/bin/python3 -IBS '${SCRIPT}' ${PATIENCE} wg syncconf wg1 ${CONF}`,
            { input: some.join('\n'), timeout: 2_000 * PATIENCE },
          );
          times.push(stdout === '' ? undefined : Number(stdout));
          if (stdout === '') break;
        }
        return times;
      };
      const one = await outages(1, WIPES);
      const many = await outages(MANY, WIPES_OF_MANY);
      await running.stop();
      const known = (times: (number | undefined)[]) => times.filter((time) => time !== undefined);
      const of = (times: (number | undefined)[], figure: (times: number[]) => number | undefined) =>
        times.includes(undefined) ? undefined : figure(known(times));
      return {
        'receive-only.median': of(one, median),
        'receive-only.worst': of(one, worst),
        'receive-only.many': of(many, worst),
      };
    } finally {
      await lab.destroy();
    }
  },
};
