// SPDX-License-Identifier: GPL-2.0-only
// What a kernel runs that no other test of it does for long: a program of each kind that is interpreted or translated for its
// CPU, on every packet, while programs come and go. A fault there is the whole router's.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guestFor, kernel, type Way, ways } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Daemon, PROGRAM } from '../../bed/daemon.ts';
import { Lab } from '../../bed/lab.ts';
import { reveal } from '../../bed/ways.ts';

/** Seconds; of what 32-bit arm interprets, as its translator does not know it, until a fault had time. */
const load = (way: Way) => (kernel === 'armv7' && way === 'lending' ? 600 : 60);
const [known, fresh] = ['2001:db8:1::5', '2001:db8:1::6'];
const COMPLAINT =
  /Oops|BUG:|Internal error|Alignment trap|Unhandled fault|Unable to handle|Kernel panic|WARNING:/;

describe.each(ways)('by %s', (hook) => {
  let lab: Lab;
  let bad: Client;
  let laptop: Client;
  let sent = 0;

  beforeAll(async () => {
    lab = await Lab.create(await guestFor(hook), { clients: ['bad', 'laptop'] });
    bad = lab.client('bad');
    laptop = lab.client('laptop');
    await laptop.addAddress(known);
  });

  afterAll(async () => {
    await lab?.destroy();
  });

  /** Packets from addresses that are nobody's, in the prefix and outside of it, until `act` is done. */
  async function underLoad(act: () => Promise<void>): Promise<void> {
    let over = false;
    const acted = act().finally(() => {
      over = true;
    });
    while (!over) {
      const load = { first: sent, count: 2_000 };
      await Promise.all([
        bad.flood({ prefix: '2001:db8:1::', ...load }),
        bad.flood({ prefix: '2001:db8:2::', ...load }),
      ]);
      sent += 2 * load.count;
    }
    await acted;
  }

  const look = async () =>
    expect((await lab.router.run(`${PROGRAM} doctor`)).stdout).toContain('can be learned');

  const complaints = async () =>
    (await lab.router.run('dmesg')).stdout.split('\n').filter((line) => COMPLAINT.test(line));

  test('the kernel has nothing to complain of while doctor looks at it under load', async () => {
    await underLoad(look);
    expect(await complaints()).toEqual([]);
  });

  test(`nor in ${load(hook)} s of learning under load, after which it still learns`, async () => {
    const daemon = await Daemon.start(lab.router, { hook, set: { rate: 60, max_addresses: 8 } });
    try {
      await reveal(daemon, laptop, [known]);
      const start = await lab.guest.uptime();
      await underLoad(async () => {
        while ((await lab.guest.uptime()) < start + 1_000 * load(hook)) await look();
      });
      console.log(`${kernel}, ${hook}: ${sent} packets from strange addresses`);
      await laptop.addAddress(fresh);
      await reveal(daemon, laptop, [fresh]);
      expect((await lab.allowedIps()).laptop).toEqual([`${known}/128`, `${fresh}/128`]);
      expect(await complaints()).toEqual([]);
    } finally {
      await daemon.stop();
      await lab.forgetAll();
    }
  });
});
