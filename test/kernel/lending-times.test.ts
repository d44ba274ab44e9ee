// SPDX-License-Identifier: GPL-2.0-only
// How long clients wait for their first connection where the prefix has to be lent to them first. Told, not judged, as
// emulation has no stable times; every client has to get there.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { guestFor } from '../bed/bed.ts';
import type { Client } from '../bed/client.ts';
import { Daemon } from '../bed/daemon.ts';
import type { Guest } from '../bed/guest.ts';
import { Lab, type LabOptions } from '../bed/lab.ts';

const ROUNDS = 3;
const TIMEOUT = 40_000;

let guest: Guest;
let lab: Lab | undefined;
let daemon: Daemon | undefined;
let next = 0;

beforeAll(async () => {
  guest = await guestFor('lending');
});

async function setUp(options: LabOptions, ra = 0): Promise<readonly Client[]> {
  lab = await Lab.create(guest, options);
  daemon = await Daemon.start(lab.router, { hook: 'lending', set: { ra } });
  return lab.clients;
}

async function tearDown(): Promise<void> {
  await daemon?.stop();
  await lab?.destroy();
}

function tell(what: string, milliseconds: readonly number[]): void {
  const sorted = milliseconds.map(Math.round).sort((a, b) => a - b);
  console.log(`${what}: median ${sorted[sorted.length >> 1]} ms of ${sorted.join(', ')}`);
}

/** Milliseconds that a TCP connection from a new address takes. */
async function connect(client: Client): Promise<number> {
  const address = `2001:db8:1::c:${(++next).toString(16)}`;
  await client.addAddress(address);
  return client.connect({ from: address, timeout: TIMEOUT });
}

async function inTurn<T>(clients: readonly Client[], measure: (client: Client) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (const client of clients) results.push(await measure(client));
  return results;
}

describe('three clients without an address', () => {
  const clients = ['laptop', 'phone', 'tablet'];
  const slaac = (client: Client) => client.slaac(`fe80::${clients.indexOf(client.name) + 10}`, TIMEOUT);

  afterEach(tearDown);

  test('get one by SLAAC in turn', async () => {
    const all = await setUp({ clients }, 1);
    tell('SLAAC in turn', await inTurn(all, slaac));
  }, 180_000);

  test('get one by SLAAC at once', async () => {
    const all = await setUp({ clients }, 1);
    tell('SLAAC at once', await Promise.all(all.map(slaac)));
  }, 180_000);
});

describe('three clients', () => {
  let clients: readonly Client[];

  beforeAll(async () => {
    clients = await setUp({ clients: ['laptop', 'phone', 'tablet'] });
  });
  afterAll(tearDown);

  test('connect from new addresses in turn', async () => {
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) times.push(...(await inTurn(clients, connect)));
    tell('TCP in turn', times);
  }, 300_000);

  test('connect from new addresses at once', async () => {
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) times.push(...(await Promise.all(clients.map(connect))));
    tell('TCP at once', times);
  }, 300_000);
});

describe('of twenty clients', () => {
  let clients: readonly Client[];

  beforeAll(async () => {
    clients = await setUp({ clients: Array.from({ length: 20 }, (_, n) => `c${n + 1}`) });
  }, 300_000);
  afterAll(tearDown);

  test('one after the other connects from a new address', async () => {
    const some = [3, 19, 0, 11, 7, 15, 4].map((index) => clients[index]!);
    const times = await inTurn(some, connect);
    tell('TCP of one of twenty', times);
    expect(times).toHaveLength(some.length);
  }, 400_000);
});
