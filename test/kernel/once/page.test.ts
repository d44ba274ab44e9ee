// SPDX-License-Identifier: GPL-2.0-only
// The page, with the installed service behind it, which learns from real clients: the browser is on the host, and its
// calls are passed on to the router in the guest.

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { anyHook, twoCpuGuest } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Lab } from '../../bed/lab.ts';
import { launchBrowser, openPage } from '../../luci/browser.ts';
import { GuestRouter } from '../../luci/guest-router.ts';
import { standInSite } from '../../luci/site.ts';
import { Web } from '../../luci/uhttpd.ts';

const PATIENCE = { timeout: 30_000 };
const address = '2001:db8:1::cafe';

let lab: Lab;
let laptop: Client;
let phone: Client;
let router: GuestRouter;
let web: Web;
let browser: Browser;
let page: Page;
let errors: string[];

beforeAll(async () => {
  lab = await Lab.create(await twoCpuGuest(anyHook), { clients: ['laptop', 'phone'] });
  [laptop, phone] = lab.clients as [Client, Client];
  const peers = lab.clients.map(
    ({ name, publicKey }) =>
      `config wireguard_wg1\n\toption public_key '${publicKey}'\n\toption description 'The ${name}'\n`,
  );
  router = await GuestRouter.start(lab.router, {
    configs: {
      'wg-slaacer': "config globals 'globals'\n\nconfig interface 'wg1'\n\toption enabled '1'\n",
      network: `config interface 'wg1'\n\toption proto 'wireguard'\n\n${peers.join('\n')}`,
    },
    objects: {
      'network.interface': {
        dump: { interface: [{ interface: 'wg1', proto: 'wireguard', l3_device: 'wg1' }] },
      },
      'luci-rpc': {
        getNetworkDevices: {
          wg1: {
            name: 'wg1',
            devtype: 'wireguard',
            ip6addrs: [{ address: '2001:db8:1::1', netmask: 'ffff:ffff:ffff:ffff::' }],
          },
        },
      },
    },
  });
  web = new Web(router.bus, router.acl, await standInSite());
  await web.listen();
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  await web?.close();
  await router?.stop();
  await lab?.destroy();
});

async function visit(view: 'status' | 'settings'): Promise<void> {
  await page?.close();
  ({ page, errors } = await openPage(browser, web.url(view, router.session)));
  await page.waitForSelector('#view > .cbi-map h2');
}

const row = (text: string) => page.locator('.wg-slaacer-entry', { hasText: text });
const allowed = async (client: Client) => (await lab.allowedIps())[client.name];

async function confirm(action: string): Promise<void> {
  await page.getByLabel(`${action}: ${address}`).click();
  await page.locator('.modal').getByRole('button', { name: action }).click();
  await row(address).waitFor({ state: 'detached', ...PATIENCE });
}

async function saveAndApply(): Promise<void> {
  const reloaded = page.waitForEvent('load', PATIENCE);
  await page.getByRole('button', { name: 'Save & Apply' }).click();
  await reloaded;
}

test('shows an address that a client has just used, and what was denied', async () => {
  await visit('status');
  await phone.addAddress(address);
  expect(await phone.ping({ from: address })).toMatchObject({ received: 1 });
  await row(address).waitFor(PATIENCE);
  expect(await page.locator('.wg-slaacer-group').textContent()).toContain('The phone');
  await laptop.sendFrom(address);
  const denied = page.locator('[aria-label="Denied addresses"] tbody tr', { hasText: address });
  await denied.waitFor(PATIENCE);
  expect(await denied.textContent()).toContain('Another peer has this address');
  expect(await denied.textContent()).toContain('The laptop');
  expect(errors).toEqual([]);
});

test('forgets an address, which is learned again when it is used', async () => {
  await confirm('Forget');
  expect(await allowed(phone)).toEqual([]);
  expect(await phone.ping({ from: address })).toMatchObject({ received: 1 });
  await row(address).waitFor(PATIENCE);
  expect(errors).toEqual([]);
});

test('makes an address permanent', async () => {
  await confirm('Make permanent');
  expect(await allowed(phone)).toEqual([`${address}/128`]);
  const { values } = await router.call('uci', 'get', { config: 'network', type: 'wireguard_wg1' });
  expect(JSON.stringify(values)).toContain(`"allowed_ips":["${address}/128"]`);
  expect(errors).toEqual([]);
});

test('switches an interface off and on, and its addresses go and come', async () => {
  await laptop.addAddress('2001:db8:1::a');
  await laptop.ping({ from: '2001:db8:1::a' });
  await expect.poll(() => allowed(laptop), PATIENCE).toEqual(['2001:db8:1::a/128']);
  await visit('settings');
  await page.getByRole('checkbox').uncheck();
  await saveAndApply();
  await expect.poll(() => allowed(laptop), PATIENCE).toEqual([]);
  expect(await allowed(phone)).toEqual([`${address}/128`]);
  await visit('settings');
  await page.getByRole('checkbox').check();
  await saveAndApply();
  await expect.poll(async () => (await laptop.ping({ from: '2001:db8:1::a' })).received, PATIENCE).toBe(1);
  expect(errors).toEqual([]);
});

test('takes a rate into force without a restart', async () => {
  await visit('settings');
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.locator('.modal [id="widget.cbid.wg-slaacer.wg1.rate"]').fill('1');
  await page.locator('.modal [id="widget.cbid.wg-slaacer.wg1.burst"]').fill('1');
  await page.locator('.modal').getByRole('button', { name: 'Save' }).click();
  await page.locator('.modal').waitFor({ state: 'hidden' });
  await saveAndApply();
  await visit('status');
  for (const last of ['b', 'c', 'd']) await laptop.sendFrom(`2001:db8:1::${last}`);
  await page.getByText('Too many new addresses in a short time').first().waitFor(PATIENCE);
  expect(errors).toEqual([]);
});
