// SPDX-License-Identifier: GPL-2.0-only
// What a guest's own time is worth: it passes only while a test waits for it, waiting is for nothing, and what happens
// happens in the same order, at the same times, again.

import { beforeAll, describe, expect, test } from 'vitest';
import { bootOwn, sharedGuest } from '../../bed/bed.ts';
import { Daemon } from '../../bed/daemon.ts';
import type { Guest } from '../../bed/guest.ts';
import { Lab } from '../../bed/lab.ts';
import { Traffic } from '../../bed/traffic.ts';

describe('the time of a guest', () => {
  let guest: Guest;

  beforeAll(async () => {
    guest = await sharedGuest();
  });

  test('does not pass between two commands', async () => {
    const before = await guest.uptime();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect((await guest.uptime()) - before).toBeLessThan(200);
  });

  test('does not pass because someone asks for what is there already', async () => {
    const process = guest.spawn('exit 3');
    await process.exit;
    const before = await guest.uptime();
    expect(await process.exit).toBe(3);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await guest.uptime()) - before).toBeLessThan(200);
  });

  test('passes while it is waited for, which takes next to no time', async () => {
    const [before, start] = [await guest.uptime(), Date.now()];
    await guest.sleep(600_000);
    const passed = (await guest.uptime()) - before;
    expect(passed).toBeGreaterThanOrEqual(600_000);
    expect(passed).toBeLessThan(601_000);
    expect(Date.now() - start).toBeLessThan(passed / 4);
  });

  test('is what a time-out is of', async () => {
    const before = await guest.uptime();
    await expect(guest.run('sleep 999', { timeout: 30_000 })).rejects.toThrow('took over 30000 ms');
    await expect(guest.until(() => expect(1).toBe(2), 30_000)).rejects.toThrow('expected 1 to be 2');
    const process = guest.spawn('sleep 999');
    await expect(process.waitFor(/never/, 30_000)).rejects.toThrow('30000 ms passed');
    process.kill();
    await process.exit;
    expect((await guest.uptime()) - before).toBeGreaterThan(90_000);
  });
});

describe('two runs', () => {
  const COUNT = 50;
  const runs: (readonly { time: number; what: string }[])[] = [];

  /**
   * Two clients that claim the same addresses, one shortly after the other. At the very same time, who is first depends on
   * the hash tables that the random keys are in.
   */
  async function run(guest: Guest) {
    const lab = await Lab.create(guest, { clients: ['laptop', 'phone'] });
    const daemon = await Daemon.start(lab.router, { hook: 'fexit', set: { rate: 0, max_addresses: COUNT } });
    const options = { prefix: '2001:db8:1::', count: COUNT, pps: 20 };
    await Traffic.of(guest);
    const floods: Promise<unknown>[] = [];
    for (const client of lab.clients) {
      floods.push(client.flood(options));
      await lab.guest.sleep(10);
    }
    await Promise.all(floods);
    await lab.guest.until(() => expect(daemon.events.length).toBeGreaterThan(COUNT));
    const nameOf = (key: string) => lab.clients.find(({ publicKey }) => publicKey === key)?.name;
    return daemon.events.slice(0, COUNT).map((event) => ({
      time: event.time,
      what: 'peer' in event ? `${event.event} ${event.address} ${nameOf(event.peer)}` : event.event,
    }));
  }

  beforeAll(async () => {
    for (let n = 0; n < 2; n++) {
      const guest = await bootOwn();
      try {
        runs.push(await run(guest));
      } finally {
        await guest.stop();
      }
    }
  });

  test('see the same in the same order, though every key is another', () => {
    expect(runs[0]).toHaveLength(COUNT);
    expect(runs[0]!.map(({ what }) => what)).toEqual(runs[1]!.map(({ what }) => what));
  });

  test('see it at the same times, to within some milliseconds', () => {
    const differences = runs[0]!.map(({ time }, n) => Math.abs(time - runs[1]![n]!.time));
    expect(Math.max(...differences)).toBeLessThan(0.02);
  });
});
