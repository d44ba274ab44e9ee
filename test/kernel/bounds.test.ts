// SPDX-License-Identifier: GPL-2.0-only
// Law 7: what one peer can cost, and that it is only that peer who pays.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { sharedGuest } from '../bed/bed.ts';
import { type Client, floodAddress } from '../bed/client.ts';
import { Daemon } from '../bed/daemon.ts';
import { Lab } from '../bed/lab.ts';

const PREFIX = '2001:db8:1::';
const OUTSIDE = '2001:db8:2::';

describe.each(['fexit', 'kprobe'] as const)('with the %s hook', (hook) => {
  let lab: Lab;
  let daemon: Daemon | undefined;
  let bad: Client;
  let laptop: Client;

  beforeAll(async () => {
    lab = await Lab.create(await sharedGuest(), { clients: ['bad', 'laptop'] });
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
    daemon = await Daemon.start(lab.router, { hook, set: { burst: 3, rate: 12 } });
    await bad.flood({ prefix: PREFIX, count: 5 });
    await daemon.event('denied', { address: floodAddress(PREFIX, 4), reason: 'rate' });
    expect((await lab.allowedIps()).bad).toHaveLength(3);

    await new Promise((resolve) => setTimeout(resolve, 5_100)); // 12 per minute: one more by now
    await bad.flood({ prefix: PREFIX, count: 2, first: 5 });
    await daemon.event('denied', { address: floodAddress(PREFIX, 6), reason: 'rate' });
    expect(daemon.all('learned').map(({ address }) => address)).toContain(floodAddress(PREFIX, 5));

    await laptop.addAddress('2001:db8:1::5');
    expect(await laptop.ping({ from: '2001:db8:1::5' })).toMatchObject({ received: 1 });
  });

  test('at its cap a peer loses the address that it has not used for longest', async () => {
    daemon = await Daemon.start(lab.router, { hook, set: { rate: 0, max_addresses: 3 } });
    for (const n of [0, 1, 2]) await bad.flood({ prefix: PREFIX, count: 1, first: n });
    await daemon.event('learned', { address: floodAddress(PREFIX, 2) });
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // a last-seen time may be a second old
    await bad.flood({ prefix: PREFIX, count: 1, first: 0 });
    await bad.flood({ prefix: PREFIX, count: 1, first: 3 });
    await daemon.event('evicted', { address: floodAddress(PREFIX, 1), peer: bad.publicKey });
    const left = [0, 2, 3].map((n) => `${floodAddress(PREFIX, n)}/128`).sort();
    expect((await lab.allowedIps()).bad).toEqual(left);
  });

  test('100,000 addresses from one peer cost bounded memory, and another peer goes on learning', async () => {
    const [burst, rate, cap] = [16, 60, 8];
    daemon = await Daemon.start(lab.router, { hook, set: { burst, rate, max_addresses: cap } });
    await bad.flood({ prefix: OUTSIDE, count: 2_000 });
    const before = { ...(await daemon.memory(lab.router)), maps: await daemon.mapMemory(lab.router) };
    const start = Date.now();
    const flood = Promise.all([
      bad.flood({ prefix: PREFIX, count: 50_000, first: 100 }),
      bad.flood({ prefix: OUTSIDE, count: 50_000, first: 100 }),
    ]);
    const answered: number[] = [];
    for (const n of [1, 2, 3, 4, 5]) {
      const address = `2001:db8:1::a:${n}`;
      await laptop.addAddress(address);
      answered.push((await laptop.ping({ from: address, count: 3, interval: 0.3 })).received);
      await daemon.event('learned', { address });
    }
    const seconds = await flood;
    const elapsed = (Date.now() - start) / 1000;
    const after = { ...(await daemon.memory(lab.router)), maps: await daemon.mapMemory(lab.router) };
    console.log(
      `${hook}: 100,000 packets in ${Math.max(...seconds).toFixed(1)} s; the other peer had ${answered} of 3 answered each;`,
      `memory in kB before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`,
    );
    expect((await lab.allowedIps()).bad!.length).toBeLessThanOrEqual(cap);
    const learned = daemon.all('learned').filter(({ peer }) => peer === bad.publicKey).length;
    expect(learned).toBeGreaterThanOrEqual(burst);
    expect(learned).toBeLessThanOrEqual(burst + (rate / 60) * elapsed + 1);
    expect(daemon.all('denied').length).toBeLessThan(100 + 20 * elapsed);
    expect(after.anonymous).toBeLessThan(before.anonymous + 8_000);
    expect(after.maps).toBeLessThan(before.maps + 100);
  }, 180_000);
});
