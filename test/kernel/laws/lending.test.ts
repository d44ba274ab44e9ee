// SPDX-License-Identifier: GPL-2.0-only
// What lending is: the way to learn where no hook works. One peer at a time, the borrower, may send from any address.

import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { priceOfLending } from '../../../src/words/price.ts';
import { guestFor } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { complaint } from '../../bed/complaint.ts';
import { Daemon, PROGRAM } from '../../bed/daemon.ts';
import { Lab } from '../../bed/lab.ts';
import { LiveEngine } from '../../bed/live-engine.ts';
import { freshAddresses, reveal, use } from '../../bed/ways.ts';

const PATIENCE = 30_000;
const HALVES = ['2001:db8:1::/65', '2001:db8:1:0:8000::/65', 'fe80::/65', 'fe80::8000:0:0:0/65'];
const configured = { laptop: ['2001:db8:1::10/128'], phone: [], tablet: [] };

let lab: Lab;
let daemon: Daemon | undefined;
let laptop: Client;
let phone: Client;
/** Never has an address in the tunnel. */
let tablet: Client;
const fresh = freshAddresses();

beforeAll(async () => {
  lab = await Lab.create(await guestFor('lending'), {
    clients: ['laptop', 'phone', 'tablet'],
    allowedIps: configured,
  });
  [laptop, phone, tablet] = lab.clients as [Client, Client, Client];
});

afterEach(async () => {
  await daemon?.stop('SIGKILL');
  daemon = undefined;
  await lab.forgetAll();
});

afterAll(async () => {
  await lab?.destroy();
});

async function start(): Promise<Daemon> {
  daemon = await Daemon.start(lab.router, { hook: 'lending', set: { rate: 0, max_addresses: 99 } });
  return daemon;
}

describe('where no hook works', () => {
  test('auto chooses lending, and says what would lose nothing', async () => {
    daemon = await Daemon.start(lab.router, { hook: 'auto' });
    expect(daemon.way).toBe('lending');
    const { hint } = await daemon.event('problem', { code: 'lending' });
    expect(hint).toMatch(/CONFIG_\w+/);
    expect(daemon.all('problem')).toHaveLength(1);
  });

  test('lending that was asked for is no problem', async () => {
    daemon = await Daemon.start(lab.router, { hook: 'auto', set: { hook: 'lending' } });
    expect(daemon.way).toBe('lending');
    await reveal(daemon, laptop, [fresh()]);
    expect(daemon.all('problem')).toEqual([]);
  });

  test('a hook that was asked for is refused, and the cure is to ask for none', async () => {
    expect(await complaint(lab.guest, `${PROGRAM} run --interface wg1 --set hook=fexit`)).toEqual({
      code: 1,
      line: expect.stringMatching(
        /option hook is fexit, which does not work on this kernel: .*set option hook to auto, or build/,
      ),
    });
  });

  test('doctor says so, and that addresses can be learned', async () => {
    const { code, stdout } = await lab.router.run(`${PROGRAM} doctor --json`, { check: false });
    expect(JSON.parse(stdout)).toMatchObject({
      canLearn: true,
      hooks: [
        { hook: 'fexit', works: false },
        { hook: 'kprobe', works: false },
        { hook: 'lending', works: true },
      ],
    });
    expect(code).toBe(0);
  });

  test('doctor names the price, as docs/install.md shows it', async () => {
    const { stdout } = await lab.router.run(`${PROGRAM} doctor`);
    const conclusion = stdout.slice(stdout.indexOf('Addresses can be learned here'));
    for (const sentence of priceOfLending()) expect(conclusion).toContain(`- ${sentence}\n`);
    const page = readFileSync(new URL('../../../docs/install.md', import.meta.url), 'utf8');
    expect(page).toContain(`works  lending\n${conclusion}`);
  });
});

describe('the borrower', () => {
  test('has both halves of each prefix, so that it is nobody’s whole prefix, and the group of all nodes', async () => {
    await reveal(await start(), laptop, [fresh()]);
    const loans = { laptop: [...HALVES, 'ff02::/127'].sort(), phone: [], tablet: [] };
    await lab.guest.until(async () => expect(await lab.loans()).toEqual(loans));
  });

  test('is one peer after the other', async () => {
    const running = await start();
    for (const client of [laptop, phone, laptop, phone]) {
      await reveal(running, client, [fresh()]);
      expect(await lab.borrower()).toBe(client.name);
    }
  });

  test('loses no packet, from whatever address', async () => {
    await reveal(await start(), laptop, [fresh()]);
    for (let round = 0; round < 5; round++) {
      const address = fresh();
      await laptop.addAddress(address);
      expect(await laptop.ping({ from: address, count: 3, interval: 0.2 })).toMatchObject({ received: 3 });
      await daemon!.event('learned', { address, peer: laptop.publicKey });
    }
  });

  test('tells the address it prefers before it uses it, as it is asked', async () => {
    const running = await start();
    await phone.addAddress('2001:db8:1::e:1');
    const other = fresh();
    await use(running, phone, other);
    await running.event('learned', { address: '2001:db8:1::e:1', peer: phone.publicKey }, PATIENCE);
  });

  test('is not taken at its word with an address of another link, if it has none in the tunnel', async () => {
    await tablet.run('ip address add fe80::e/64 dev eth0 nodad');
    const running = await start();
    const address = fresh();
    await reveal(running, tablet, [address]);
    await lab.guest.sleep(2_000);
    expect((await lab.allowedIps()).tablet).toEqual([`${address}/128`]);
  });

  test.each([
    ['the router’s own address', '2001:db8:1::1'],
    ['the subnet-router anycast address', '2001:db8:1::'],
  ])('that uses %s is told, loses the loan, and gets it again later', async (_, address) => {
    const running = await start();
    await reveal(running, laptop, [fresh()]);
    await laptop.sendFrom(address);
    await running.event('denied', { address, reason: 'reserved', peer: laptop.publicKey });
    await lab.guest.until(async () => expect(await lab.borrower()).toBeUndefined());
    await reveal(running, laptop, [fresh()]);
    expect(await lab.borrower()).toBe('laptop');
  });

  test('goes on borrowing after the configuration was read again', async () => {
    const running = await start();
    const address = fresh();
    await reveal(running, laptop, [address]);
    await lab.syncconf();
    expect(await lab.borrower()).toBeUndefined();
    await reveal(running, laptop, [fresh()]);
    await running.event('restored', { address });
    expect(await lab.borrower()).toBe('laptop');
  });
});

describe('the loan', () => {
  test('is taken back when it ends', async () => {
    const address = fresh();
    await reveal(await start(), laptop, [address]);
    expect(await daemon!.stop('SIGTERM')).toBe(0);
    expect(await lab.borrower()).toBeUndefined();
    const left = (await lab.allowedIps()).laptop;
    expect(left).toEqual(expect.arrayContaining([...configured.laptop, `${address}/128`]));
  });

  test('is taken back when the interface is switched off', async () => {
    const engine = await LiveEngine.launch(lab.router, 'lending');
    daemon = engine;
    await engine.configure({ wg1: { rate: '0' } });
    await reveal(engine, laptop, [fresh()]);
    expect(await lab.borrower()).toBe('laptop');
    await engine.configure({});
    expect(await lab.borrower()).toBeUndefined();
    expect(await lab.allowedIps()).toEqual(configured);
  });

  test('outlives a kill, and the next start knows it: there is one borrower still', async () => {
    await reveal(await start(), laptop, [fresh()]);
    await daemon!.stop('SIGKILL');
    expect(await lab.borrower()).toBe('laptop');
    const running = await start();
    expect([undefined, 'laptop']).toContain(await lab.borrower());
    await reveal(running, phone, [fresh()]);
    expect(await lab.borrower()).toBe('phone');
    await running.stop();
    expect(await lab.borrower()).toBeUndefined();
  });

  test('is taken back by a start without the interface', async () => {
    await reveal(await start(), laptop, [fresh()]);
    await daemon!.stop('SIGKILL');
    await lab.router.run('ip link add wg2 type wireguard');
    daemon = await Daemon.start(lab.router, { hook: 'lending', interfaces: ['wg2'] });
    await lab.router.run('ip link delete wg2');
    expect(await lab.borrower()).toBeUndefined();
    expect(await lab.allowedIps()).toEqual(configured);
  });
});

test('a peer whose device has another key now is blamed for nothing that the new peer sends', async () => {
  // The phone comes back with the tablet's key, from the same address and port; the router has known that of the tablet.
  await lab.router.run(`wg set wg1 peer '${tablet.publicKey}' endpoint 10.9.2.2:51820
wg set wg1 peer '${tablet.publicKey}' remove
wg set wg1 peer '${tablet.publicKey}' endpoint 10.9.2.2:51820`);
  const running = await start();
  for (let round = 0; round < 4; round++) {
    await phone.sendFrom('2001:db8:9::5');
    await reveal(running, phone, [fresh()]);
    expect(await lab.borrower()).toBe('phone');
    await lab.guest.sleep(1_000);
  }
  const accused = running.all('problem').filter(({ code }) => code === 'refused-peer');
  expect(accused.map(({ data }) => 'peer' in data && data.peer)).not.toContain(tablet.publicKey);
});
