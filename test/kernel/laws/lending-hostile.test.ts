// SPDX-License-Identifier: GPL-2.0-only
// Lending among peers that are not to be trusted: nobody gets what is another's, and nobody keeps others from learning.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { guestFor } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Daemon } from '../../bed/daemon.ts';
import { BEHIND, Lab } from '../../bed/lab.ts';
import { freshAddresses, reveal } from '../../bed/ways.ts';

const PATIENCE = 30_000;
const configured = { laptop: ['2001:db8:1::10/128', '2001:db8:1:0:aaaa::/80'], phone: [], tablet: [] };
const learned = '2001:db8:1::5';

let lab: Lab;
let daemon: Daemon | undefined;
let laptop: Client;
let phone: Client;
let tablet: Client;
const fresh = freshAddresses();

beforeAll(async () => {
  lab = await Lab.create(await guestFor('lending'), {
    clients: ['laptop', 'phone', 'tablet'],
    allowedIps: configured,
  });
  [laptop, phone, tablet] = lab.clients as [Client, Client, Client];
  await laptop.addAddress(learned);
});

afterEach(async () => {
  await daemon?.stop();
  await lab.forgetAll();
});

afterAll(async () => {
  await lab?.destroy();
});

async function start(): Promise<Daemon> {
  daemon = await Daemon.start(lab.router, { hook: 'lending', set: { rate: 0, max_addresses: 1000 } });
  return daemon;
}

test('an address is reachable without a gap while others borrow the prefix around it in turn', async () => {
  const running = await start();
  await reveal(running, laptop, [learned]);
  const ping = lab.router.spawn(`exec ping -n -q -i 0.02 -c 3000 ${learned}`);
  let going = true;
  void ping.exit.finally(() => {
    going = false;
  });
  let moves = 0;
  let before = await lab.borrower();
  while (going) {
    for (const client of [phone, tablet]) {
      await reveal(running, client, [fresh()]);
      const now = await lab.borrower();
      if (now !== before) moves++;
      before = now;
    }
  }
  console.log(`the loan moved ${moves} times: ${ping.lines.at(-2)}`);
  expect(moves).toBeGreaterThan(3);
  expect(ping.stdout.toString()).toContain('3000 packets transmitted, 3000 received');
}, 240_000);

test('a borrower that uses what is another peer’s gets nothing through, and nothing is taken', async () => {
  const running = await start();
  await reveal(running, laptop, [learned]);
  const own = fresh();
  await reveal(running, phone, [own]);
  const allowedIps = await lab.allowedIps();
  for (const address of [learned, '2001:db8:1::10', '2001:db8:1:0:aaaa::7']) {
    await reveal(running, phone, [fresh()]);
    expect(await lab.borrower()).toBe('phone');
    const [refused, delivered] = [await lab.refused(), await lab.forwarded()];
    await phone.sendFrom(address, { count: 20, to: BEHIND });
    await lab.guest.until(async () => expect(await lab.refused()).toBeGreaterThanOrEqual(refused + 20));
    expect(await lab.forwarded()).toBe(delivered);
  }
  expect((await lab.allowedIps()).laptop).toEqual(allowedIps.laptop);
  const delivered = await lab.forwarded();
  await phone.sendFrom(own, { to: BEHIND });
  await lab.guest.until(async () => expect(await lab.forwarded()).toBe(delivered + 1));
});

test('a peer whose packets are refused without end is named, and another learns on; few requests are made of the kernel', async () => {
  const [seconds, perSecond, rounds] = [60, 20, 5];
  const running = await start();
  const requests = lab.netlinkRequests(seconds);
  const flood = phone.flood({ prefix: '2001:db8:bad::', count: seconds * perSecond, pps: perSecond });
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await lab.guest.sleep(9_000);
    const since = lab.guest.now;
    await reveal(running, laptop, [fresh()]);
    times.push(lab.guest.now - since);
  }
  const problem = await running.event('problem', { code: 'refused-peer' }, PATIENCE);
  await flood;
  const count = await requests;
  console.log(
    `beside a refused peer, addresses were learned after ${times} ms; ${count} requests in ${seconds} s`,
  );
  expect(problem.message).toContain(phone.publicKey);
  // Two a second for who is refused, and what it takes to learn an address.
  expect(count).toBeLessThan(2 * seconds + 4 * rounds);
}, 240_000);

test.each([
  ['the prefix', '2001:db8:1::/64'],
  ['a wider prefix', '2001:db8::/32'],
])(
  'where a peer has %s by configuration it is not lent, which is told; link-local addresses are',
  async (_, prefix) => {
    const owned = [...configured.laptop, prefix].join(',');
    await lab.router.run(`wg set wg1 peer '${laptop.publicKey}' allowed-ips '${owned}'`);
    const running = await start();
    const problem = await running.event('problem', { code: 'prefix-owned' });
    expect(problem.message).toContain(laptop.publicKey);
    await reveal(running, phone, ['fe80::5'], { to: 'fe80::1' });
    expect((await lab.loans()).phone).toEqual(['fe80::/65', 'fe80::8000:0:0:0/65', 'ff02::/127']);
    expect((await lab.allowedIps()).laptop).toEqual([...configured.laptop, prefix].sort());
  },
);
