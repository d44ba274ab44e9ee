// SPDX-License-Identifier: GPL-2.0-only
// The .ipk on a router: installed, upgraded and removed as opkg does it, with what is built for this kernel's CPU inside.
// What surrounds it on OpenWrt has stand-ins (test/bed/openwrt).

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sharedGuest } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Lab } from '../../bed/lab.ts';
import { packedIpk } from '../../bed/packed.ts';
import { Service } from '../../bed/service.ts';

const PATIENCE = 30_000;
const [first, second] = ['2001:db8:1::5', '2001:db8:1::6'];
const standIns = join(import.meta.dirname, '../../bed/openwrt');

/** What an administrator leaves in the file that the package brings. */
const enabled = `config globals 'globals'
	option log_level 'debug'

config interface 'wg1'
	option enabled '1'
	option rate '0'
`;

let folder: string;
let lab: Lab;
let laptop: Client;
let service: Service;

const run = async (command: string, input?: Buffer) =>
  (await lab.router.run(command, input ? { input } : {})).stdout.trim();

const install = (version: string) =>
  run(
    `cat >/run/package.ipk && ${standIns}/opkg install /run/package.ipk`,
    packedIpk(folder, 'wg-slaacer', version),
  );

/** Where packages have files. */
const files = async () =>
  (
    await run(
      'find /etc /lib/bpf /lib/upgrade /usr/lib/wg-slaacer /usr/sbin/wg-slaacer /sys/fs/bpf 2>/dev/null || true',
    )
  )
    .split('\n')
    .sort();

const process = () => run("pgrep -f '^node.*/wg-slaacer.js run' || true");

let before: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
  lab = await Lab.create(await sharedGuest(), { clients: ['laptop'] });
  laptop = lab.client('laptop');
  service = await Service.create(lab.router, {
    network: `config interface 'wg1'\n\toption proto 'wireguard'\n`,
    dhcp: '',
  });
  await service.startBus();
  await service.startRpcd();
  await run(`rm -rf /etc/config && ln -s /run/config /etc/config
cp ${standIns}/functions.sh /lib/functions.sh
cp ${standIns}/rc.common /etc/rc.common
mkdir -p /etc/init.d /etc/rc.d /lib/upgrade/keep.d
: >/run/wg-slaacer.log`);
  lab.router.spawn('exec tail -n +1 -f /run/wg-slaacer.log');
  before = await files();
});

afterAll(async () => {
  await service?.destroy();
  await lab?.destroy();
  rmSync(folder, { recursive: true, force: true });
});

test('once installed, it is there at each start, and nothing runs until an interface is enabled', async () => {
  await install('1.0.0');
  expect(await run('ls /etc/rc.d')).toBe('K10wg-slaacer\nS80wg-slaacer');
  expect(await process()).toBe('');
  expect(await run('wg-slaacer --version')).toMatch(/^\d+\.\d+\.\d+$/);
});

test('it learns as soon as an interface is enabled', async () => {
  await service.write('wg-slaacer', enabled);
  await run('/etc/init.d/wg-slaacer reload');
  await lab.guest.until(async () => expect(await service.status('status', {})).toBe(0), PATIENCE);
  await laptop.addAddress(first);
  await lab.guest.until(async () => {
    await laptop.ping({ from: first, timeout: 1 });
    expect(await lab.allowedIps()).toEqual({ laptop: [`${first}/128`] });
  }, PATIENCE);
});

test('an upgrade keeps the configuration and what was learned, and runs', async () => {
  const old = await process();
  await run('rm /etc/rc.d/K10wg-slaacer'); // 0.1.0 had none
  await install('1.0.1');
  await lab.guest.until(async () => expect(await service.status('status', {})).toBe(0), PATIENCE);
  expect(await process()).not.toBe(old);
  expect(await run('cat /etc/config/wg-slaacer')).toBe(enabled.trim());
  expect(await run('ls /etc/rc.d')).toBe('K10wg-slaacer\nS80wg-slaacer');
  expect(await lab.allowedIps()).toEqual({ laptop: [`${first}/128`] });
  await laptop.addAddress(second);
  await lab.guest.until(async () => {
    await laptop.ping({ from: second, timeout: 1 });
    expect(await lab.allowedIps()).toEqual({ laptop: [`${first}/128`, `${second}/128`] });
  }, PATIENCE);
});

test('removed, it takes back what was learned and leaves nothing but the configuration', async () => {
  await run(`${standIns}/opkg remove wg-slaacer`);
  expect(await process()).toBe('');
  expect(await lab.allowedIps()).toEqual({ laptop: [] });
  expect(await files()).toEqual(before);
  expect(await run('ls /var/run | grep wg-slaacer')).toBe('wg-slaacer.log'); // which is this test's
  expect(await run('cat /etc/config/wg-slaacer')).toBe(enabled.trim());
});
