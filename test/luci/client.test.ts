// SPDX-License-Identifier: GPL-2.0-only
// The dialog that says what a peer has to be configured with.

import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { keyPair } from '../bed/keys.ts';
import { boot, textOf, useBrowser, visit } from './bench.ts';
import { PRESHARED_KEY, PRIVATE_KEY, type Router } from './router.ts';
import { camera, guest, household, laptop, live, PREFIX } from './scene.ts';

useBrowser();

const key = () => keyPair().publicKey;
const field = (page: Page, title: string) => page.locator('.modal').getByLabel(title, { exact: true });
const system = (page: Page, value: string) => field(page, 'System of the client').selectOption(value);
const configuration = async (page: Page) => (await page.locator('.modal pre').textContent()) ?? '';
const code = (page: Page) => page.locator('.modal img');

/** Waits for it to say something. */
async function says(page: Page, expected: RegExp): Promise<string> {
  await expect.poll(() => configuration(page), { timeout: 15_000 }).toMatch(expected);
  return configuration(page);
}

/** The text whose bits the stand-in for a QR code shows (standin/uqr.ts), in modules of 4 with 4 of them around. */
async function codeText(page: Page): Promise<string> {
  const svg = decodeURIComponent((await code(page).getAttribute('src'))!.replace(/^.*?,/, ''));
  const side = Number(/width="(\d+)"/.exec(svg)![1]) / 4 - 8;
  const bits = new Array<number>(side * side).fill(0);
  for (const [, x, y] of svg.matchAll(/M(\d+),(\d+)h/g))
    bits[(Number(y) / 4 - 4) * side + Number(x) / 4 - 4] = 1;
  const bytes = Array.from({ length: bits.length >> 3 }, (_, i) =>
    Number.parseInt(bits.slice(8 * i, 8 * i + 8).join(''), 2),
  );
  return Buffer.from(bytes).toString('utf8').replace(/\0+$/, '');
}

async function open(login: keyof Router['sessions'] = 'admin') {
  const running = await boot(household);
  running.router.kernel.publicKey = key();
  await live(running.router);
  const page = await visit(running, 'status', login);
  return { ...running, page };
}

describe('a configuration', () => {
  it('is to be had for each peer that has addresses, and for one that has none yet', async () => {
    const { router, page } = await open();
    await page.getByRole('button', { name: 'Set up: Garden camera' }).click();
    const text = await says(page, /addr_gen_mode/);
    expect(text).toContain(`# For peer "Garden camera" (${camera.key})`);
    expect(text).toContain(`Address = 192.168.10.4/32, ${PREFIX}::ca/128`);
    expect(text).toContain(`PublicKey = ${router.kernel.publicKey}`);
    await page.locator('.modal').getByRole('button', { name: 'Close' }).click();
    expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toBe(
      'Set up: Garden camera',
    );

    await page.getByRole('button', { name: 'Set up a client: wg0' }).click();
    await says(page, /Alice's laptop/);
    expect(await textOf(page, '.modal select >> nth=0 >> option')).toEqual([
      expect.stringMatching(/^Alice's laptop \(/),
      expect.stringMatching(/^Bob’s phone \(/),
      expect.stringMatching(/^Garden camera \(/),
      expect.stringMatching(/^.{5}….{6}$/),
    ]);
    await field(page, 'Peer').selectOption(guest.key);
    await says(page, new RegExp(`For peer ${guest.key.replace(/[+/]/g, '\\$&')}`));
  });

  it.each([
    ['networkd', /IPv6AcceptRA=yes/],
    ['networkmanager', /method=ignore/],
    ['openwrt', /option proto 'dhcpv6'/],
    ['wireguard-go', /# {3}wireguard-go wg0/],
    ['app', /^Address = .*\/128$/m],
  ])('is another for another system: %s', async (name, expected) => {
    const { page } = await open('reader');
    await page.getByRole('button', { name: "Set up: Alice's laptop" }).click();
    await system(page, name);
    const text = await says(page, expected);
    expect(text).not.toContain(PRIVATE_KEY);
    expect(text).not.toContain(PRESHARED_KEY);
    const note = page.locator('.modal p', { hasText: 'apps do no SLAAC' });
    expect(await note.isVisible()).toBe(name === 'app');
  });

  it('is completed in the browser by what is typed in, and never sent', async () => {
    const { router, page } = await open();
    const sent: string[] = [];
    page.on('request', (request) => sent.push(request.postData() ?? ''));
    await page.getByRole('button', { name: "Set up: Alice's laptop" }).click();
    await system(page, 'app');
    await says(page, /Put in: PRIVATE-KEY-OF-THE-CLIENT, PRESHARED-KEY-OF-THE-PEER, ADDRESS-OF-THE-ROUTER$/m);
    await page.locator('.modal').getByText('A QR code needs').waitFor();
    const [privateKey, presharedKey] = [key(), key()];
    await field(page, 'Address of the router').fill('home.example.org');
    await field(page, 'Private key of the client').fill('too short');
    await says(page, /Endpoint = home\.example\.org:51820/);
    expect(await configuration(page)).toContain('PrivateKey = PRIVATE-KEY-OF-THE-CLIENT');
    await field(page, 'Private key of the client').fill(` ${privateKey} `);
    await field(page, 'Preshared key of the peer').fill(presharedKey);
    await code(page).waitFor();
    const text = await configuration(page);
    expect(text).not.toContain('Put in');
    const [address] = /2001:db8:1:1:[\da-f:]+\/128/.exec(text)!;
    expect(await codeText(page)).toBe(
      `[Interface]
PrivateKey = ${privateKey}
Address = 192.168.10.2/32, ${address}
[Peer]
PublicKey = ${router.kernel.publicKey}
PresharedKey = ${presharedKey}
Endpoint = home.example.org:51820
AllowedIPs = 0.0.0.0/0, ::/0
PersistentKeepalive = 25
`,
    );
    await system(page, 'wg-quick');
    expect(await says(page, /PostUp/)).toContain(`PrivateKey = ${privateKey}`);
    expect(await code(page).count()).toBe(0);
    for (const secret of [privateKey, presharedKey]) expect(sent.join()).not.toContain(secret);
  });

  it('says so for an app that has no address, as in a tunnel without IPv6', async () => {
    const [wg0] = household.interfaces;
    const peer = { ...laptop, allowedIps: [] };
    const running = await boot({
      ...household,
      interfaces: [{ ...wg0!, addresses: ['fe80::10:1/64'], peers: [peer] }],
    });
    const page = await visit(running, 'status');
    await page.getByRole('button', { name: 'Set up a client: wg0' }).click();
    await system(page, 'app');
    await page.locator('.modal').getByText('The app needs an address').waitFor();
    await field(page, 'Address of the router').fill('home.example.org');
    await field(page, 'Private key of the client').fill(key());
    await field(page, 'Preshared key of the peer').fill(key());
    await page.locator('.modal').getByText('A QR code needs').waitFor();
    expect(await configuration(page)).toContain('Address = ADDRESS-OF-THE-CLIENT');
  });

  it('is copied as it stands', async () => {
    const { page } = await open();
    await page.getByRole('button', { name: "Set up: Alice's laptop" }).click();
    const text = await says(page, /PostUp/);
    await page.locator('.modal').getByRole('button', { name: 'Copy' }).click();
    await page.locator('.modal').getByText('Copied').waitFor();
    await field(page, 'Private key of the client').focus();
    await page.keyboard.press('Control+V');
    const pasted = await field(page, 'Private key of the client').inputValue();
    expect(pasted.replace(/\s/g, '')).toBe(text.replace(/\s/g, ''));
  });

  it('says so if there is none, and goes on', async () => {
    const { page } = await open();
    await page.getByRole('button', { name: "Set up: Alice's laptop" }).click();
    await says(page, /PostUp/);
    await field(page, 'Address of the router').fill("x'y");
    await field(page, 'Private key of the client').focus();
    const problem = page.locator('.modal [role=alert]');
    await problem.waitFor();
    expect(await problem.textContent()).toContain('The configuration could not be made');
    await field(page, 'Address of the router').fill('');
    await field(page, 'Private key of the client').focus();
    await says(page, /PostUp/);
    expect(await problem.isVisible()).toBe(false);
  });

  it('can do without LuCI’s module for QR codes', async () => {
    const { page } = await open();
    await page.evaluate('L.require = () => Promise.reject(new Error("HTTP error 404"))');
    await page.getByRole('button', { name: 'Set up: Garden camera' }).click();
    await system(page, 'app');
    await field(page, 'Address of the router').fill('home.example.org');
    await field(page, 'Private key of the client').fill(key());
    await field(page, 'Preshared key of the peer').fill(key());
    await page.locator('.modal').getByText('The QR code could not be made: HTTP error 404').waitFor();
  });
});

it('says that there is no peer to set up, and that the service does not answer', async () => {
  const [wg0] = household.interfaces;
  const running = await boot({ ...household, interfaces: [{ ...wg0!, peers: [] }] });
  const page = await visit(running, 'status');
  const button = page.getByRole('button', { name: 'Set up a client: wg0' });
  await button.click();
  await page.locator('.modal').getByText('No peer is configured for wg0').waitFor();
  await page.locator('.modal').getByRole('button', { name: 'Close' }).click();
  await running.router.stopService();
  await button.click();
  await page.locator('.alert-message.danger', { hasText: 'The peers of wg0 could not be read' }).waitFor();
});

it('shows a peer’s name as it is', async () => {
  const [wg0] = household.interfaces;
  const description = '<img src=x onerror="document.title=1">';
  const running = await boot({
    ...household,
    interfaces: [{ ...wg0!, peers: [{ ...laptop, description }] }],
  });
  const page = await visit(running, 'status');
  await page.getByRole('button', { name: 'Set up a client: wg0' }).click();
  expect(await says(page, /PostUp/)).toContain(`# For peer "${description}"`);
  expect(await page.locator('.modal img').count()).toBe(0);
});
