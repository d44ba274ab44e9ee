// SPDX-License-Identifier: GPL-2.0-only
// Law 7: what one peer can cost, and that it is only that peer who pays.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { guestFor, ways } from '../../bed/bed.ts';
import { type Client, floodAddress } from '../../bed/client.ts';
import { Daemon } from '../../bed/daemon.ts';
import { Lab } from '../../bed/lab.ts';
import { expectAnswered, expectLoanLost, reveal, use } from '../../bed/ways.ts';

const PREFIX = '2001:db8:1::';

describe.each(ways)('by %s', (hook) => {
  let lab: Lab;
  let daemon: Daemon | undefined;
  let bad: Client;
  let laptop: Client;

  beforeAll(async () => {
    lab = await Lab.create(await guestFor(hook), { clients: ['bad', 'laptop'] });
    bad = lab.client('bad');
    laptop = lab.client('laptop');
  });

  afterEach(async () => {
    await daemon?.stop();
    await lab.forgetAll();
  });

  afterAll(async () => {
    await lab?.destroy();
  });

  test('a peer gets as many addresses at once as the burst says, then as many as the rate says', async () => {
    const started = lab.guest.now;
    const running = await Daemon.start(lab.router, { hook, set: { burst: 3, rate: 12 } });
    daemon = running;
    let next = 5;
    const useUntilDenied = async () => {
      const used: string[] = [];
      do used.push((await use(running, bad, floodAddress(PREFIX, next++))).event);
      while (used.at(-1) === 'learned' && used.length < 10);
      expect(used.at(-1)).toBe('denied');
    };
    const expectLearned = async (least: number) => {
      const { length } = (await lab.allowedIps()).bad!;
      expect(length).toBeGreaterThanOrEqual(least);
      expect(length).toBeLessThanOrEqual(3 + (lab.guest.now - started) / 5_000); // 12 per minute
      expect(running.all('learned')).toHaveLength(length);
    };
    await bad.flood({ prefix: PREFIX, count: 5 });
    await useUntilDenied();
    await expectLearned(3);
    await expectLoanLost(lab, running, bad);

    await lab.guest.sleep(5_100);
    await useUntilDenied();
    await expectLearned(4);
    expect(running.all('denied').map(({ reason }) => reason)).not.toContain('owned');

    await laptop.addAddress('2001:db8:1::5');
    await expectAnswered(running, laptop, '2001:db8:1::5');
  });

  test('at its cap a peer loses the address that it has not used for longest', async () => {
    daemon = await Daemon.start(lab.router, { hook, set: { rate: 0, max_addresses: 3 } });
    const addresses = [0, 1, 2, 3].map((n) => floodAddress(PREFIX, n));
    await reveal(daemon, bad, addresses.slice(0, 3));
    await lab.guest.sleep(1_100); // a last-seen time may be a second old
    await bad.sendFrom(addresses[0]!);
    await reveal(daemon, bad, addresses.slice(3));
    await daemon.event('evicted', { address: addresses[1]!, peer: bad.publicKey });
    const left = [0, 2, 3].map((n) => `${addresses[n]}/128`).sort();
    expect((await lab.allowedIps()).bad).toEqual(left);
  });
});
