// SPDX-License-Identifier: GPL-2.0-only
// Where the prefix has to be lent to many clients in turn: each of them gets there, and has what is its own.

import { afterEach, beforeAll, expect, test } from 'vitest';
import { guestFor } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Daemon } from '../../bed/daemon.ts';
import type { Guest } from '../../bed/guest.ts';
import { Lab } from '../../bed/lab.ts';

const PATIENCE = 40_000;

let guest: Guest;
let lab: Lab | undefined;
let daemon: Daemon | undefined;

beforeAll(async () => {
  guest = await guestFor('lending');
});

afterEach(async () => {
  await daemon?.stop();
  await lab?.destroy();
});

async function setUp(clients: readonly string[], ra = 0): Promise<Lab> {
  lab = await Lab.create(guest, { clients });
  daemon = await Daemon.start(lab.router, { hook: 'lending', set: { ra } });
  return lab;
}

/** A TCP connection from an address that is new: what is lost of it is sent again. */
async function connect(client: Client, address: string): Promise<void> {
  await client.addAddress(address);
  await client.connect({ from: address, timeout: PATIENCE });
}

test.each([
  ['in turn', false],
  ['at once', true],
])('three clients without an address get theirs by SLAAC %s', async (_, atOnce) => {
  const { clients } = await setUp(['laptop', 'phone', 'tablet'], 1);
  const slaac = (client: Client, index: number) => client.slaac(`fe80::${index + 10}`, PATIENCE);
  if (atOnce) await Promise.all(clients.map(slaac));
  else for (const [index, client] of clients.entries()) await slaac(client, index);
  for (const [index, client] of clients.entries()) {
    const addresses = await client.addresses();
    expect(addresses).toHaveLength(2);
    for (const from of addresses)
      expect((await client.ping({ from, count: 4, timeout: 5 })).received).toBeGreaterThanOrEqual(2);
    const own = [...addresses, `fe80::${index + 10}`].map((address) => `${address}/128`);
    expect((await lab!.allowedIps())[client.name]).toEqual(own.sort());
  }
});

test('three clients connect from new addresses, in turn and at once, and none gets another’s', async () => {
  const { clients } = await setUp(['laptop', 'phone', 'tablet']);
  for (const [index, client] of clients.entries()) await connect(client, `2001:db8:1::c:${index + 1}`);
  await Promise.all(clients.map((client, index) => connect(client, `2001:db8:1::d:${index + 1}`)));
  expect(await lab!.allowedIps()).toEqual({
    laptop: ['2001:db8:1::c:1/128', '2001:db8:1::d:1/128'],
    phone: ['2001:db8:1::c:2/128', '2001:db8:1::d:2/128'],
    tablet: ['2001:db8:1::c:3/128', '2001:db8:1::d:3/128'],
  });
});

test('of twenty clients, one after the other connects from a new address', async () => {
  const { clients } = await setUp(Array.from({ length: 20 }, (_, n) => `c${n + 1}`));
  const expected = Object.fromEntries(clients.map(({ name }) => [name, [] as string[]]));
  for (const index of [3, 19, 0, 11, 7, 15, 4]) {
    const address = `2001:db8:1::e:${index + 1}`;
    await connect(clients[index]!, address);
    expected[clients[index]!.name] = [`${address}/128`];
  }
  expect(await lab!.allowedIps()).toEqual(expected);
});
