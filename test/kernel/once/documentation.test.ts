// SPDX-License-Identifier: GPL-2.0-only
// The commands of README and docs, as they are written there, in the order of docs/install.md: from a router without a tunnel
// to a laptop that has its address. Then those of the other pages. What surrounds them on OpenWrt has stand-ins.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sharedGuest } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Lab } from '../../bed/lab.ts';
import { packedIpk } from '../../bed/packed.ts';
import { type Block, blocksFor } from '../../bed/pages.ts';
import { OPENWRT } from '../../bed/programs.ts';
import { Service } from '../../bed/service.ts';

const PATIENCE = 30_000;
const GUIDE = 'docs/install.md';
const standIns = join(import.meta.dirname, '../../bed/openwrt');
const checkout = join(import.meta.dirname, '../../..');

let folder: string;
let lab: Lab;
let laptop: Client;
let service: Service;
/** What the reader is told to put in for a word. */
const put = new Map<string, string>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
  lab = await Lab.create(await sharedGuest(), { clients: ['laptop'] });
  laptop = lab.client('laptop');
  // Nobody has a tunnel yet.
  await lab.router.run('ip link delete wg1');
  await laptop.run('ip link delete wg0');
  service = await Service.create(lab.router, {
    network: '',
    dhcp: '',
    system: 'config system\n',
    firewall: "config zone\n\toption name 'lan'\n\toption input 'ACCEPT'\n",
  });
  await service.startBus();
  await service.startRpcd();
  await lab.router.run(`rm -rf /etc/config && ln -s /run/config /etc/config
cp ${standIns}/functions.sh /lib/functions.sh
cp ${standIns}/rc.common /etc/rc.common
mkdir -p /etc/init.d /etc/rc.d /lib/upgrade/keep.d /etc/wireguard /usr/local/sbin
program() { printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod 755 "$1"; }
program /usr/local/sbin/opkg 'exec ${standIns}/opkg "$@"'
program /usr/local/sbin/uci 'exec node ${OPENWRT} uci "$@"'
program /usr/local/sbin/service 'exec /etc/init.d/"$1" "$2"'
program /etc/init.d/network 'exec node ${OPENWRT} network'
program /etc/init.d/firewall :
program /etc/init.d/log :
program /etc/init.d/rpcd :
: >/run/wg-slaacer.log`);
  for (const name of ['wg-slaacer', 'luci-app-wg-slaacer'])
    await lab.router.run(`cat >/tmp/${name}_0.ipk`, { input: packedIpk(folder, name, '1.0.0') });
});

afterAll(async () => {
  await lab?.router.run(`service wg-slaacer stop || true
opkg remove luci-app-wg-slaacer
opkg remove wg-slaacer
rm -f /tmp/*.ipk /etc/wireguard/wg0.conf /usr/local/sbin/opkg /usr/local/sbin/uci /usr/local/sbin/service
rm -f /etc/init.d/network /etc/init.d/firewall /etc/init.d/log /etc/init.d/rpcd`);
  await service?.destroy();
  await laptop?.run('wg-quick down wg0 || true');
  await lab?.destroy();
  rmSync(folder, { recursive: true, force: true });
});

/** Types the commands of a block, with what is to be put in; returns what they print. */
async function type(block: Block, host: { run: Client['run'] }): Promise<string> {
  const commands = [...put].reduce((text, [word, value]) => text.replaceAll(word, value), block.commands);
  const { stdout } = await host.run(`set -e\ncd ${checkout}\n${commands}`);
  return stdout;
}

/** The blocks of the guide that have this in them. */
const inGuide = (place: string, text: string): Block => {
  const found = blocksFor(place).find(({ page, commands }) => page === GUIDE && commands.includes(text));
  if (!found) throw new Error(`${GUIDE} has no block for ${place} with ${text}`);
  return found;
};

test('the packages are installed, and doctor says that addresses can be learned', async () => {
  await type(inGuide('openwrt', 'opkg install'), lab.router);
  expect(await type(inGuide('router', 'wg-slaacer doctor'), lab.router)).toContain(
    'Addresses can be learned here',
  );
});

test('a tunnel is made', async () => {
  const key = await type(inGuide('router', 'wg genkey\n'), lab.router);
  const keys = await type(inGuide('router', 'key=$(wg genkey)'), laptop);
  const [, privateKey, publicKey] = /^private: (.*)\npublic: (.*)\n$/.exec(keys)!;
  put.set('=KEY', `=${key.trim()}`).set('=LAPTOP', `=${publicKey}`);
  put.set('PRIVATE-KEY-OF-THE-CLIENT', privateKey!).set('ADDRESS-OF-THE-ROUTER', '10.9.1.1');
  await type(inGuide('router', 'uci batch'), lab.router);
  expect((await lab.router.run('wg show wg1 peers')).stdout.trim()).toBe(publicKey);
  await lab.guest.until(
    async () => expect(await type(inGuide('router', 'ip -6 address'), lab.router)).toContain('fe80::1/64'),
    PATIENCE,
  );
});

test('learning is switched on', async () => {
  await type(inGuide('router', 'uci set wg-slaacer'), lab.router);
  await lab.guest.until(
    async () =>
      expect(await type(inGuide('router', 'wg-slaacer status'), lab.router)).toMatch(/wg1: learning/),
    PATIENCE,
  );
});

test('the laptop has an address of the router’s prefix, and the router knows it', async () => {
  const printed = await type(inGuide('router', 'wg-slaacer client laptop'), lab.router);
  const configuration = [...put].reduce((text, [word, value]) => text.replaceAll(word, value), printed);
  await laptop.run('cat >/etc/wireguard/wg0.conf', { input: configuration });
  await type(inGuide('laptop', 'wg-quick up'), laptop);
  const [address] = await lab.guest.until(async () => {
    const addresses = await laptop.addresses();
    expect(addresses).not.toEqual([]);
    return addresses;
  }, PATIENCE);
  await lab.guest.until(async () => {
    await laptop.ping({ from: address!, timeout: 1 });
    expect(await type(inGuide('router', 'wg-slaacer addresses'), lab.router)).toMatch(
      new RegExp(`^${address} +laptop`, 'm'),
    );
  }, PATIENCE);
});

test('the commands of other pages work, and show what the pages show', async () => {
  await laptop.addAddress('2001:db8:1::cafe');
  await lab.guest.until(async () => {
    await laptop.ping({ from: '2001:db8:1::cafe', timeout: 1 });
    expect((await lab.router.run('wg show wg1 allowed-ips')).stdout).toContain('2001:db8:1::cafe/128');
  }, PATIENCE);
  await laptop.sendFrom('2001:db8:bad::1');
  const typed = new Set<string>();
  for (const block of blocksFor('router').filter(({ page }) => page !== GUIDE)) {
    if (typed.has(block.commands)) continue;
    typed.add(block.commands);
    const printed = await type(block, lab.router);
    // A table has the columns that the page shows.
    const titles = block.output.split('\n').find((line) => line.startsWith('ADDRESS'));
    if (titles) expect(printed.replace(/ +/g, ' ')).toContain(titles.replace(/ +/g, ' '));
  }
});

test('on any Linux, it learns in the foreground', async () => {
  await lab.router.run(
    'mkdir -p /opt /usr/local/sbin; service wg-slaacer stop; ip link add wg2 type wireguard && ip link set wg2 up',
  );
  try {
    for (const block of blocksFor('linux')) {
      const isRunning = block.commands.includes(' run ');
      const program = lab.router.spawn(
        `set -e; cd ${checkout}; ${isRunning ? 'exec ' : ''}${block.commands}`,
      );
      await program.waitFor(/ready|learned here/, PATIENCE);
      if (isRunning) program.kill('SIGTERM');
      expect(await program.exit).toBe(0);
    }
  } finally {
    await lab.router.run('rm -rf /opt/wg-slaacer /usr/local/sbin/wg-slaacer; ip link delete wg2');
  }
});
