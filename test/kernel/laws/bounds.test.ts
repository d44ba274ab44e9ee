// SPDX-License-Identifier: GPL-2.0-only
// Law 7: what one peer can cost, and that it is only that peer who pays.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { guestFor, ways } from '../../bed/bed.ts';
import { type Client, floodAddress } from '../../bed/client.ts';
import { Daemon } from '../../bed/daemon.ts';
import { Lab } from '../../bed/lab.ts';
import { expectAnswered, expectLoanLost, reveal, use } from '../../bed/ways.ts';

const PREFIX = '2001:db8:1::';
const OUTSIDE = '2001:db8:2::';

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
      while ((await use(running, bad, floodAddress(PREFIX, next++))).event === 'learned');
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

  test('100,000 addresses from one peer cost bounded memory, and another peer goes on learning', async () => {
    const [burst, rate, cap] = [16, 60, 8];
    daemon = await Daemon.start(lab.router, { hook, set: { burst, rate, max_addresses: cap } });
    await bad.flood({ prefix: OUTSIDE, count: 2_000 });
    const before = { ...(await daemon.memory(lab.router)), maps: await daemon.mapMemory(lab.router) };
    const start = lab.guest.now;
    const flood = Promise.all([
      bad.flood({ prefix: PREFIX, count: 50_000, first: 100 }),
      bad.flood({ prefix: OUTSIDE, count: 50_000, first: 100 }),
    ]);
    const answered: number[] = [];
    const pings = hook === 'lending' ? { count: 8, interval: 1 } : { count: 3, interval: 0.3 };
    for (const n of [1, 2, 3, 4, 5]) {
      const address = `2001:db8:1::a:${n}`;
      await laptop.addAddress(address);
      answered.push((await laptop.ping({ from: address, ...pings })).received);
      await daemon.event('learned', { address }, 15_000);
    }
    const seconds = await flood;
    const elapsed = (lab.guest.now - start) / 1000;
    const after = { ...(await daemon.memory(lab.router)), maps: await daemon.mapMemory(lab.router) };
    console.log(
      `${hook}: 100,000 packets in ${Math.max(...seconds).toFixed(1)} s; the other peer had ${answered} of ${pings.count} answered each;`,
      `memory in kB before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`,
    );
    expect((await lab.allowedIps()).bad!.length).toBeLessThanOrEqual(cap);
    const learned = daemon.all('learned').filter(({ peer }) => peer === bad.publicKey).length;
    // By lending it may be that its packets are lost, as those of whoever does not hold the loan. Of what it uses at
    // once it gets no more than its number.
    if (hook !== 'lending') expect(learned).toBeGreaterThanOrEqual(cap);
    expect(learned).toBeLessThanOrEqual(burst + (rate / 60) * elapsed + 1);
    expect(daemon.all('denied').length).toBeLessThan(100 + 20 * elapsed);
    expect(after.anonymous).toBeLessThan(before.anonymous + 8_000);
    expect(after.maps).toBeLessThan(before.maps + 100);
  }, 300_000);
});
