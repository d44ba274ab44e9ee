// SPDX-License-Identifier: GPL-2.0-only
// The service over a socket: with a broker instead of ubusd, rpcd's objects over files, and a kernel that is a model.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { Daemon } from '../../src/daemon.ts';
import { UbusClient } from '../../src/ubus/client.ts';
import type { UbusTable } from '../../src/ubus/types.ts';
import { Broker } from '../bed/ubus-broker/broker.ts';
import { fileObject, uciObject } from '../bed/ubus-broker/uci-object.ts';
import { alice, bob } from './bench.ts';
import { FakeKernel } from './fake-kernel.ts';
import { FakeStateFile } from './fake-state-file.ts';

const five = '2001:db8:1::5';
const six = '2001:db8:1::6';
const secret = 'c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I=';

let folder: string;
let socket: string;
let broker: Broker;
let rpcd: UbusClient | undefined;
let user: UbusClient;
let kernel: FakeKernel;
let daemon: Daemon;
let log: string[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
  socket = join(folder, 'ubus.sock');
  configure("config interface 'wg1'\n\toption enabled '1'\n");
  writeFileSync(
    join(folder, 'network'),
    `config interface 'wg1'
\toption proto 'wireguard'

config wireguard_wg1
\toption public_key '${alice}'
\toption preshared_key '${secret}'
\toption description 'Alice'
\tlist allowed_ips '2001:db8:a::/64'

config wireguard_wg1
\toption public_key '${bob}'
`,
  );
  broker = await Broker.start(socket);
  user = new UbusClient(socket);
  kernel = new FakeKernel(systemClock);
  kernel.addLink('wg1', { addresses: ['2001:db8:1::1/64'] });
  kernel.setPeers('wg1', { [alice]: ['2001:db8:a::/64'], [bob]: [] });
  log = [];
  daemon = new Daemon({
    version: '1.2.3',
    kernel,
    clock: systemClock,
    ubus: new UbusClient(socket),
    openFile: (path) => new FakeStateFile(path),
    write: (_, line) => log.push(line),
  });
  daemon.start();
});

afterEach(async () => {
  daemon.stop();
  user.close();
  rpcd?.close();
  await broker.stop();
  rmSync(folder, { recursive: true });
});

function configure(text: string): void {
  writeFileSync(join(folder, 'wg-slaacer'), text);
}

/** rpcd comes up. */
function startRpcd(): void {
  const client = new UbusClient(socket);
  uciObject(client, folder);
  fileObject(client, folder);
  rpcd = client;
}

const call = (method: string, args?: UbusTable) => user.call('wg-slaacer', method, args);

/** As soon as somebody learns on wg1. */
const untilLearning = () => vi.waitFor(() => expect(kernel.watched).toHaveLength(1), 5_000);

function learn(address: string): void {
  kernel.receive('wg1', alice, address);
  kernel.flush();
  expect(kernel.owner('wg1', address)).toBe(alice);
}

async function addresses(): Promise<unknown[]> {
  const { addresses } = (await call('get_addresses')) as { addresses: UbusTable[] };
  return addresses.map(({ address }) => address);
}

it('is configured, steered and heard over ubus', async () => {
  configure("config interface 'wg1'\n\toption enabled '1'\n\toption rate '0'\n");
  startRpcd();
  await untilLearning();
  const notified: string[] = [];
  user.subscribe('wg-slaacer', (type, { address }) => notified.push(`${type} ${address}`));
  // What is told before somebody has subscribed is lost.
  let attempts = 0;
  await vi.waitFor(() => {
    learn(`2001:db8:1::1:${++attempts}`);
    expect(notified.length).toBeGreaterThan(0);
  }, 5_000);
  await call('flush');
  learn(five);
  learn(six);
  kernel.receive('wg1', bob, five);
  kernel.flush();
  expect(await call('get_addresses', { interface: 'wg1' })).toMatchObject({
    addresses: [
      { address: five, description: 'Alice' },
      { address: six, peer: alice },
    ],
  });
  await call('pin', { interface: 'wg1', address: five });
  await call('forget', { interface: 'wg1', address: six });
  expect(await addresses()).toEqual([]);
  expect(kernel.owner('wg1', five)).toBe(alice);
  expect(readFileSync(join(folder, 'network'), 'utf8')).toContain(`\tlist allowed_ips '${five}/128'\n`);
  await vi.waitFor(() => {
    expect(notified.slice(-5)).toEqual([
      `address.learned ${five}`,
      `address.learned ${six}`,
      `address.denied ${five}`,
      `address.released ${five}`,
      `address.forgotten ${six}`,
    ]);
  }, 5_000);
  for (const [status, method, args] of [
    [2, 'forget', { interface: 'wg1' }],
    [2, 'forget', { interface: 'wg1', address: 7 }],
    [4, 'forget', { interface: 'wg1', address: six }],
    [3, 'unheard_of', {}],
  ] as const) {
    await expect(call(method, args)).rejects.toMatchObject({ status });
  }
  const told = [...log, JSON.stringify([await call('status'), await call('get_denied')])].join('\n');
  expect(told).toContain(five);
  expect(told).not.toContain(secret);
}, 30_000);

it('waits for rpcd, goes on while ubusd is away, and then reads what has changed', async () => {
  await vi.waitFor(async () => {
    expect(await call('status')).toMatchObject({ problems: [{ code: 'no-configuration' }] });
  }, 5_000);
  startRpcd();
  await untilLearning();
  learn(five);
  await broker.stop();
  await vi.waitFor(() => expect(log).toContain('ubus is gone'), 5_000);
  learn(six);
  configure("config interface 'wg1'\n\toption enabled '1'\n\toption rate 'fast'\n");
  broker = await Broker.start(socket);
  await vi.waitFor(async () => {
    expect(await call('status')).toMatchObject({ problems: [{ code: 'invalid-option' }] });
  }, 10_000);
  expect(await addresses()).toEqual([five, six]);
  expect(kernel.removed).toEqual([]);
}, 30_000);
