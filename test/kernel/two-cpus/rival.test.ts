// SPDX-License-Identifier: GPL-2.0-only
// Law 1 when it is close: another program configures an address for its peer in the very moment in which it is learned.

import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { twoCpuGuest, ways } from '../../bed/bed.ts';
import { floodAddress } from '../../bed/client.ts';
import { Daemon } from '../../bed/daemon.ts';
import { Lab } from '../../bed/lab.ts';

const RIVAL = fileURLToPath(new URL('../../bed/rival.py', import.meta.url));
const PREFIX = '2001:db8:1::';
const ROUNDS = 10;
const TRIES = 100;
const PATIENCE = 60_000;
/** Milliseconds: the host may be busy while it is measured how long it takes. */
const MOST = 30;
const configured = { phone: ['2001:db8:1::99/128'] };

describe.each(ways.filter((way) => way !== 'lending'))('by %s', (hook) => {
  let lab: Lab;
  let daemon: Daemon;

  beforeAll(async () => {
    lab = await Lab.create(await twoCpuGuest(hook), { clients: ['laptop', 'phone'], allowedIps: configured });
    daemon = await Daemon.start(lab.router, { hook, set: { rate: 0, max_addresses: 1_000 } });
  });

  afterAll(async () => {
    await daemon?.stop();
    await lab?.destroy();
  });

  /** Milliseconds that it takes to learn an address. */
  async function pace(): Promise<number> {
    await lab.client('laptop').flood({ prefix: PREFIX, count: 20, pps: 20 });
    const last = floodAddress(PREFIX, 19);
    await daemon.event('learned', { address: last }, PATIENCE);
    const times = daemon.all('learned').map(({ took }) => took);
    return times.sort((a, b) => a - b)[10]!;
  }

  test(`the configured one wins, ${ROUNDS * TRIES} times of ${ROUNDS * TRIES}`, async () => {
    const took = await pace();
    const { publicKey } = lab.client('phone');
    const before = daemon.all('learned').length;
    for (let round = 0; round < ROUNDS; round++) {
      const first = 0x1000 + round * TRIES;
      const range = [first, TRIES, Math.min(1.5 * took, MOST)].join(' ');
      await lab.router.run(`/usr/bin/python3 -IBS '${RIVAL}' laptop '${publicKey}' ${PREFIX} ${range}`, {
        timeout: PATIENCE,
      });
      const wanted = Array.from({ length: TRIES }, (_, n) => `${PREFIX}${(first + n).toString(16)}/128`);
      await lab.guest.until(async () => {
        const { laptop, phone } = await lab.allowedIps();
        expect(phone).toEqual([...configured.phone, ...wanted].sort());
        expect(laptop!.filter((prefix) => wanted.includes(prefix))).toEqual([]);
      }, PATIENCE);
      // What was learned first is another's by now.
      await lab.guest.until(() => {
        const [first, gone] = (['learned', 'forgotten'] as const).map((name) => daemon.all(name).length);
        expect(gone).toBe(first! - before);
      }, PATIENCE);
      await lab.router.run(`wg set wg1 peer '${publicKey}' allowed-ips ${configured.phone}`);
    }
    console.log(`${hook}: ${daemon.all('forgotten').length} were learned for a moment; it takes ${took} ms`);
    expect(daemon.all('problem').map(({ code }) => code)).not.toContain('change-missed');
  });
});
