// SPDX-License-Identifier: GPL-2.0-only
// Law 5: learned addresses come back by themselves after anything wipes them, and their coming back costs nothing.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guestFor, ways } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Daemon } from '../../bed/daemon.ts';
import { Lab } from '../../bed/lab.ts';
import { answered, expectAnswered, expectRefused, reveal, use } from '../../bed/ways.ts';

const PATIENCE = 30_000;

/** In the guest: the router's configuration, without anything learned. */
const CONF = '/run/configured.conf';

/** What the laptop and the phone use, and what is configured for them. */
const [first, second, receiver] = ['2001:db8:1::5', '2001:db8:1::6', '2001:db8:1::8'];
const configured = { laptop: ['2001:db8:1::10/128'], phone: ['2001:db8:1::99/128'] };
const all = {
  laptop: [...configured.laptop, `${first}/128`, `${second}/128`],
  phone: [`${receiver}/128`, ...configured.phone],
};

describe.each(ways)('by %s', (hook) => {
  let lab: Lab;
  let daemon: Daemon;
  let laptop: Client;
  let phone: Client;

  beforeAll(async () => {
    lab = await Lab.create(await guestFor(hook), { clients: ['laptop', 'phone'], allowedIps: configured });
    await lab.router.run(`cat >${CONF}`, { input: lab.wgConf() });
    laptop = lab.client('laptop');
    phone = lab.client('phone');
    // The laptop's two addresses take all that its rate allows.
    daemon = await Daemon.start(lab.router, { hook, set: { rate: 1, burst: 2 } });
    await addAddresses();
    await reveal(daemon, phone, [receiver]);
    await reveal(daemon, laptop, [first, second]);
    expect(await lab.allowedIps()).toEqual(all);
  });

  afterAll(async () => {
    await daemon?.stop();
    await lab?.destroy();
  });

  async function addAddresses(): Promise<void> {
    for (const address of [first, second]) await laptop.addAddress(address);
    await phone.addAddress(receiver);
  }

  // That it has wiped, "restored" tells: a comparison may come before a look from here.
  const wipe = (command: string) => lab.router.run(`set -e\n${command}`);

  const allow = (client: Client, ...prefixes: string[]) =>
    `wg set wg1 peer '${client.publicKey}' allowed-ips '${prefixes}'`;

  const wipeBySet = () =>
    wipe(`${allow(laptop, ...configured.laptop)}\n${allow(phone, ...configured.phone)}`);

  const restored = (address: string, from: number, timeout = PATIENCE) =>
    daemon.event('restored', { address }, timeout, from);

  test('a third address is more than its rate allows', async () => {
    const outcome = await use(daemon, laptop, '2001:db8:1::7');
    expect(outcome).toMatchObject({ event: 'denied', reason: 'rate' });
  });

  test.each([
    ['wg set', wipeBySet],
    ['wg syncconf', () => wipe(`wg syncconf wg1 ${CONF}`)],
    [
      'wg setconf',
      async () => {
        await wipe(`wg setconf wg1 ${CONF}`);
        await lab.handshake();
      },
    ],
  ])(
    `after %s, the next packet brings all addresses back, and its peer has ${answered[hook]}`,
    async (_, wiping) => {
      const from = daemon.mark;
      await wiping();
      await expectAnswered(daemon, laptop, first);
      // Sooner than the comparison of every half a minute would.
      for (const address of [first, second, receiver]) await restored(address, from, 5_000);
      expect(await lab.allowedIps()).toEqual(all);
      expect(await laptop.ping({ from: second, timeout: 5 })).toMatchObject({ received: 1 });
    },
  );

  test('a peer that only receives has its address back within 30 s', async () => {
    const [from, refused] = [daemon.mark, await lab.refused()];
    await wipe(`wg syncconf wg1 ${CONF}`);
    const wiped = Number((await lab.router.run('date +%s.%N')).stdout);
    expect((await restored(receiver, from)).time - wiped).toBeLessThan(30);
    expect(await lab.refused()).toBe(refused); // nobody has sent anything
    const { stdout } = await lab.router.run(`ping -n -c 1 -W 5 ${receiver}`);
    expect(stdout).toContain('1 received');
  });

  // Until it has found the new link, and has loaded a hook that went with the module, what is refused is lost.
  test.each([
    ['the link went down and up', () => lab.restartLink()],
    [
      'the link was replaced',
      async () => {
        const from = daemon.mark;
        await lab.recreateLink();
        await restored(first, from);
      },
    ],
    [
      'the module was loaded anew',
      async () => {
        const from = daemon.mark;
        await lab.reloadModule();
        await addAddresses();
        await restored(first, from);
      },
    ],
  ])(`after %s, each address has ${answered[hook]} and all are back`, async (_, wiping) => {
    await wiping();
    for (const from of [first, second]) await expectAnswered(daemon, laptop, from);
    await lab.guest.until(async () => expect(await lab.allowedIps()).toEqual(all), PATIENCE);
  });

  test('nothing of it was learned again, withdrawn, or held against a rate', () => {
    const learned = daemon.all('learned').map(({ address }) => address);
    expect(learned.sort()).toEqual([first, second, receiver]);
    expect(daemon.all('forgotten')).toEqual([]);
    expect(daemon.all('denied').map(({ address }) => address)).toEqual(['2001:db8:1::7']);
  });

  test('an address that was meanwhile configured for another peer stays with that one', async () => {
    const from = daemon.mark;
    await wipe(`wg syncconf wg1 ${CONF}`);
    await lab.router.run(allow(phone, ...configured.phone, `${second}/128`));
    await laptop.ping({ from: first, timeout: 5 });
    await daemon.event('forgotten', { address: second, reason: 'owned' }, PATIENCE, from);
    const denial = { address: second, reason: 'owned', owner: phone.publicKey } as const;
    await expectRefused(lab, daemon, laptop, denial);
    expect(await lab.allowedIps()).toEqual({
      laptop: [...configured.laptop, `${first}/128`],
      phone: [`${second}/128`, ...all.phone],
    });
  });
});

describe.each(ways.filter((way) => way !== 'lending'))('by %s', (hook) => {
  test('a wipe in the midst of traffic costs no packet but one that is on its way', async () => {
    const lab = await Lab.create(await guestFor(hook), { clients: ['laptop'] });
    const daemon = await Daemon.start(lab.router, { hook });
    try {
      const laptop = lab.client('laptop');
      await laptop.addAddress(first);
      await reveal(daemon, laptop, [first]);
      const ping = laptop.ping({ from: first, count: 60, interval: 0.03, timeout: 5 });
      const from = daemon.mark;
      await lab.syncconf();
      await daemon.event('restored', { address: first }, PATIENCE, from);
      expect((await ping).received).toBeGreaterThanOrEqual(59);
    } finally {
      await daemon.stop();
      await lab.destroy();
    }
  });
});
