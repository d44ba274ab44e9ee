// SPDX-License-Identifier: GPL-2.0-only
// Law 6: the daemon may be killed and started again at any time. And what law 9 says of a start without an interface.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guestFor, ways } from '../../bed/bed.ts';
import { type Client, floodAddress } from '../../bed/client.ts';
import { Daemon, type DaemonOptions, PROGRAM } from '../../bed/daemon.ts';
import { Lab } from '../../bed/lab.ts';
import { Pinger } from '../../bed/pinger.ts';
import { expectRefused, reveal } from '../../bed/ways.ts';

const PATIENCE = 30_000;
const PREFIX = '2001:db8:1::';
const COUNT = 40;
/** Seconds. */
const LIFETIME = 12;

const configured = ['2001:db8:1::10/128'];
const busy = '2001:db8:1::5';
const idle = Array.from({ length: COUNT }, (_, n) => floodAddress(PREFIX, n));
const learned = [busy, ...idle].map((address) => `${address}/128`);
const stranger = '2001:db8:2::1';

describe.each(ways)('by %s', (hook) => {
  let lab: Lab;
  let laptop: Client;
  let daemon: Daemon;
  /** Before the idle addresses were used for the last time, in seconds by the guest's clock. */
  let lastUse: number;

  const start = async (set: DaemonOptions['set'] = {}, interfaces = ['wg1']) => {
    daemon = await Daemon.start(lab.router, {
      hook,
      interfaces,
      set: { rate: 0, max_addresses: 99, ...set },
    });
  };
  const useIdle = async () => {
    lastUse = Number((await lab.router.run('date +%s.%N')).stdout);
    await laptop.flood({ prefix: PREFIX, count: COUNT, pps: 200 });
  };
  /** The names of the events, but that it has to lend. */
  const told = () =>
    daemon.events
      .filter((event) => event.event !== 'problem' || event.code !== 'lending')
      .map(({ event }) => event);
  const addresses = (name: 'learned' | 'restored' | 'expired') =>
    daemon
      .all(name)
      .map(({ address }) => address)
      .sort();

  beforeAll(async () => {
    lab = await Lab.create(await guestFor(hook), {
      clients: ['laptop'],
      allowedIps: { laptop: configured },
    });
    laptop = lab.client('laptop');
    await laptop.addAddress(busy);
    await start();
  });

  afterAll(async () => {
    await daemon?.stop('SIGKILL');
    await lab?.destroy();
  });

  test('many addresses are learned', async () => {
    await reveal(daemon, laptop, [busy]);
    await useIdle(); // by lending, from the borrower
    await lab.guest.until(() => expect(addresses('learned')).toEqual([busy, ...idle].sort()), PATIENCE);
  });

  test('no packet is lost when it is killed and when it starts again', async () => {
    const pinger = await Pinger.start(laptop, busy);
    await daemon.stop('SIGKILL');
    await pinger.more(10);
    await start();
    await pinger.more(10);
    expect(await pinger.stop()).toMatchObject({ lost: [] });
  });

  test('it knows every address, and their packets are nothing new to it', async () => {
    await useIdle();
    await expectRefused(lab, daemon, laptop, { address: stranger, reason: 'scope' });
    const adopted = learned.map(() => 'adopted');
    expect(told()).toEqual(['ready', ...adopted, ...(hook === 'lending' ? [] : ['denied'])]);
    expect((await lab.allowedIps()).laptop).toEqual([...configured, ...learned].sort());
  });

  test('a second one says in a line that there is one, and ends', async () => {
    const before = told();
    const second = await lab.router.run(`${PROGRAM} run --interface wg1`, { check: false });
    expect(second).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^wg-slaacer: another wg-slaacer is already running here: .*\n$/),
    });
    expect(told()).toEqual(before);
  });

  test('addresses are back when it starts after the link was replaced', async () => {
    await daemon.stop('SIGKILL');
    await lab.recreateLink();
    expect((await lab.allowedIps()).laptop).toEqual(configured);
    await start();
    await lab.guest.until(() => expect(addresses('restored')).toEqual([busy, ...idle].sort()), PATIENCE);
    expect(addresses('learned')).toEqual([]);
    expect((await lab.allowedIps()).laptop).toEqual([...configured, ...learned].sort());
    expect(await laptop.ping({ from: busy })).toMatchObject({ received: 1 });
  });

  test('asked to end, it leaves every address in place', async () => {
    await useIdle();
    expect(await daemon.stop('SIGTERM')).toBe(0);
    expect(await lab.borrower()).toBeUndefined();
    expect((await lab.allowedIps()).laptop).toEqual([...configured, ...learned].sort());
  });

  test('what is not used expires when it is due since its last use, whenever it was started', async () => {
    const pinger = await Pinger.start(laptop, busy);
    await lab.guest.sleep(1_000); // they expire late by up to LIFETIME / 30
    await start({ lifetime: `${LIFETIME}s` });
    await lab.guest.until(() => expect(addresses('expired')).toEqual([...idle].sort()), PATIENCE);
    const { time: started } = await daemon.event('ready');
    for (const { time } of daemon.all('expired')) {
      expect(time - lastUse).toBeGreaterThan(LIFETIME);
      expect(time - started).toBeLessThan(LIFETIME);
    }
    // What is used stays, even if it would have been due in the meantime.
    expect(await pinger.stop()).toMatchObject({ lost: [] });
    expect((await lab.allowedIps()).laptop).toEqual([...configured, `${busy}/128`]);
  });

  test('started without the interface, it withdraws at once what was learned there', async () => {
    await daemon.stop('SIGKILL');
    await lab.router.run('ip link add wg2 type wireguard');
    await start({}, ['wg2']);
    const [{ laptop: left }, borrower] = [await lab.allowedIps(), await lab.borrower()];
    await daemon.stop('SIGKILL');
    await lab.router.run('ip link delete wg2');
    expect({ left, borrower }).toEqual({ left: configured, borrower: undefined });

    await start();
    expect(told()).toEqual(['ready']);
    expect((await lab.allowedIps()).laptop).toEqual(configured);
  });
});
