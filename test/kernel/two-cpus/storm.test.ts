// SPDX-License-Identifier: GPL-2.0-only
// Law 7 where packets come to both CPUs at once: a storm of addresses costs bounded memory, and only the peer who makes it.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { twoCpuGuest, ways } from '../../bed/bed.ts';
import { type Client, floodAddress } from '../../bed/client.ts';
import { Daemon } from '../../bed/daemon.ts';
import { Lab } from '../../bed/lab.ts';
import { reveal } from '../../bed/ways.ts';

const PREFIX = '2001:db8:1::';
const OUTSIDE = '2001:db8:2::';
/** Milliseconds. The host may be busy. */
const PATIENCE = 120_000;

describe.each(ways)('by %s', (hook) => {
  let lab: Lab;
  let daemon: Daemon | undefined;
  let bad: Client;
  let laptop: Client;

  beforeAll(async () => {
    lab = await Lab.create(await twoCpuGuest(hook), { clients: ['bad', 'laptop'] });
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

  test('100,000 addresses from one peer cost bounded memory, and another peer goes on learning', async () => {
    const [burst, rate, cap] = [16, 60, 8];
    daemon = await Daemon.start(lab.router, { hook, set: { burst, rate, max_addresses: cap } });
    await bad.flood({ prefix: OUTSIDE, count: 2_000 });
    const before = { ...(await daemon.memory(lab.router)), maps: await daemon.mapMemory(lab.router) };
    const start = await lab.guest.uptime();
    const flood = Promise.all([
      bad.flood({ prefix: PREFIX, count: 50_000, first: 100 }),
      bad.flood({ prefix: OUTSIDE, count: 50_000, first: 100 }),
    ]);
    const answered: number[] = [];
    const pings = hook === 'lending' ? { count: 8, interval: 1 } : { count: 3, interval: 0.3 };
    for (const n of [1, 2, 3]) {
      const address = `2001:db8:1::a:${n}`;
      await laptop.addAddress(address);
      answered.push((await laptop.ping({ from: address, ...pings })).received);
      await daemon.event('learned', { address }, PATIENCE);
    }
    const seconds = await flood;
    const elapsed = ((await lab.guest.uptime()) - start) / 1000;
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
  });

  test('an address stays its owner’s while packets of both are looked up at the same time', async () => {
    daemon = await Daemon.start(lab.router, { hook, set: { rate: 0 } });
    const address = floodAddress(PREFIX, 1);
    await reveal(daemon, laptop, [address]);
    const allowedIps = await lab.allowedIps();
    const refused = await lab.refused();
    // A burst may be more than a busy guest's queues hold.
    await lab.guest.until(async () => {
      await Promise.all([laptop, bad].map((client) => client.sendFrom(address, { count: 200 })));
      expect(await lab.refused()).toBeGreaterThanOrEqual(refused + 1_000);
    }, PATIENCE);
    expect(await lab.allowedIps()).toEqual(allowedIps);
    const learned = daemon.all('learned').filter((event) => event.address === address);
    expect(learned).toMatchObject([{ peer: laptop.publicKey }]);
    expect(daemon.all('restored')).toEqual([]);
  });
});
