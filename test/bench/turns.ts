// SPDX-License-Identifier: GPL-2.0-only
// How long clients wait for a TCP connection from a new address where the prefix has to be lent to them first.

import type { Client } from '../bed/client.ts';
import { Lab } from '../bed/lab.ts';
import type { Measurement } from './measurement.ts';
import { median } from './statistics.ts';

const ROUNDS = 3;
const PATIENCE = 40_000;
/** Of twenty clients, one after the other. */
const SOME = [3, 19, 0, 11, 7, 15, 4];

export const turns: Measurement = {
  name: 'turns',
  figures: [
    { key: 'turns.one', title: 'New address, three clients in turn: median', unit: 'ms', better: 'lower' },
    { key: 'turns.all', title: '… three clients at once', unit: 'ms', better: 'lower' },
    { key: 'turns.crowd', title: '… some of twenty clients in turn', unit: 'ms', better: 'lower' },
  ],
  counting: false,
  suits: (learner) => learner.way === 'lending',
  async measure(guest, learner) {
    let next = 0;
    const connect = async (client: Client) => {
      const from = `2001:db8:1::c:${(++next).toString(16)}`;
      await client.addAddress(from);
      return client.connect({ from, timeout: PATIENCE });
    };
    const inTurn = async (clients: readonly Client[]) => {
      const times: number[] = [];
      for (const client of clients) times.push(await connect(client));
      return times;
    };
    const withClients = async <T>(count: number, measure: (clients: readonly Client[]) => Promise<T>) => {
      const clients = Array.from({ length: count }, (_, n) => `c${n + 1}`);
      const lab = await Lab.create(guest, { clients });
      try {
        const running = await learner.start(lab, 'wg1', { max_addresses: 99, rate: 0 });
        const times = await measure(lab.clients);
        await running.stop();
        return times;
      } finally {
        await lab.destroy();
      }
    };
    const few = await withClients(3, async (clients) => {
      const [one, all]: [number[], number[]] = [[], []];
      for (let round = 0; round < ROUNDS; round++) {
        one.push(...(await inTurn(clients)));
        all.push(...(await Promise.all(clients.map(connect))));
      }
      return { one, all };
    });
    const crowd = await withClients(20, (clients) => inTurn(SOME.map((index) => clients[index]!)));
    return {
      'turns.one': median(few.one),
      'turns.all': median(few.all),
      'turns.crowd': median(crowd),
    };
  },
};
