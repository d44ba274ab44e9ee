// SPDX-License-Identifier: GPL-2.0-only
// What the dialog of an interface says of single peers.

import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { keyPair } from '../bed/keys.ts';
import { boot, type Running, textOf, useBrowser, visit } from './bench.ts';
import type { PeerConfig, Router } from './router.ts';
import { camera, guest, household, laptop, phone } from './scene.ts';
import { openDialog, option, saveAndApply, saveDialog, staged } from './settings-page.ts';

useBrowser();

const stranger = keyPair().publicKey;
const section = (key: string, ...options: string[]) =>
  ['', 'config peer', ...['option interface wg0', `option public_key ${key}`, ...options], ''].join('\n\t');
const configured = {
  ...household,
  settings: [
    household.settings,
    section(phone.key, 'option name mobile', 'list nftset inet#fw4#phone'),
    section(stranger, 'option name tv'),
    section(phone.key, 'option dns 1'),
    section(stranger.replace(/./, 'A')).replace('wg0', 'wg1'),
  ].join(''),
};

const rows = '.modal tr[data-sid]';
const cell = ({ key }: PeerConfig, name: string) => [key, name] as const;
const peerRow = (page: Page, text: string) => page.locator(rows, { hasText: text });
const field = (page: Page, [sid, name]: ReturnType<typeof cell>) => option(page, sid, name);

async function openPeers(running: Running, login: 'admin' | 'reader' = 'admin'): Promise<Page> {
  const page = await visit(running, 'settings', login);
  await openDialog(page, 'wg0');
  await page.locator('.modal').getByText('Peers', { exact: true }).click();
  return page;
}

/** Sections of peers in the configuration. */
function sectionsIn(router: Router): string[] {
  return router
    .configText('wg-slaacer')
    .split(/\n(?=config )/)
    .filter((text) => text.startsWith('config peer'));
}

async function addSet(page: Page, peer: PeerConfig, set: string): Promise<void> {
  await field(page, cell(peer, 'nftset')).fill(set);
  await peerRow(page, peer.description!).locator('.cbi-button-add').click();
}

describe('the peers of an interface', () => {
  it('are listed with the names that their descriptions give them, and get no section by that', async () => {
    const running = await boot(household);
    const page = await openPeers(running);
    const short = (key: string) => `${key.slice(0, 5)}…${key.slice(-6)}`;
    expect(await textOf(page, `${rows} [data-name="_peer"]`)).toEqual([
      `Alice's laptop ${short(laptop.key)}`,
      `Bob’s phone ${short(phone.key)}`,
      `Garden camera ${short(camera.key)}`,
      `Untitled peer ${short(guest.key)}`,
    ]);
    const names = [laptop, phone, guest].map((peer) =>
      field(page, cell(peer, 'name')).getAttribute('placeholder'),
    );
    expect(await Promise.all(names)).toEqual(['alices-laptop', 'bobs-phone', '']);
    await saveDialog(page);
    expect(await staged(running.router)).toEqual({});
  });

  it('get a section for what is said of them, which the service follows', async () => {
    const running = await boot(household);
    const { router } = running;
    const page = await openPeers(running);
    await field(page, cell(laptop, 'name')).fill('notebook');
    await field(page, cell(laptop, 'dns')).selectOption('Stable addresses');
    await addSet(page, laptop, 'inet#fw4#office');
    await addSet(page, laptop, 'inet#fw4#trusted');
    await addSet(page, camera, 'ip6#cameras#all');
    await saveDialog(page);
    await saveAndApply(page);
    expect(sectionsIn(router).map((text) => text.trim())).toEqual([
      `config peer
	option interface 'wg0'
	option public_key '${laptop.key}'
	option name 'notebook'
	option dns 'stable'
	list nftset 'inet#fw4#office'
	list nftset 'inet#fw4#trusted'`,
      `config peer
	option interface 'wg0'
	option public_key '${camera.key}'
	list nftset 'ip6#cameras#all'`,
    ]);
    const nameOf = async () => {
      const { peers } = await router.bus.call('wg-slaacer', 'get_peers', { interface: 'wg0' });
      return (peers as { peer: string; name?: string }[]).find(({ peer }) => peer === laptop.key)?.name;
    };
    await expect.poll(nameOf).toBe('notebook');
  });

  it('keep what is not changed, and lose the section of which nothing is left', async () => {
    const running = await boot(configured);
    const { router } = running;
    const page = await openPeers(running);
    const row = peerRow(page, 'Bob’s phone');
    const name = row.locator('[data-name="name"] input');
    expect(await name.inputValue()).toBe('mobile');
    await name.fill('');
    await saveDialog(page);
    await saveAndApply(page);
    expect(sectionsIn(router).join()).not.toContain('mobile');
    expect(sectionsIn(router).join()).toContain("list nftset 'inet#fw4#phone'");
    await openDialog(page, 'wg0');
    await page.locator('.modal').getByText('Peers', { exact: true }).click();
    await row.locator('.cbi-dynlist .item').click();
    await saveDialog(page);
    await saveAndApply(page);
    const left = sectionsIn(router).join();
    expect(left).not.toContain('nftset');
    expect(left).toContain("option name 'tv'");
  });

  it.each([
    ['name', 'my phone'],
    ['name', '192'],
    ['name', '-a'],
    ['name', 'a'.repeat(64)],
    ['name', 'Mobile'],
    ['nftset', 'fw4#phone'],
    ['nftset', '4#ip#fw4#phone'],
    ['nftset', 'inet#fw4#two words'],
  ])('do not take the %s %s', async (name, value) => {
    const running = await boot(configured);
    const page = await openPeers(running);
    const input = field(page, cell(laptop, name));
    await input.fill(value);
    expect(await input.getAttribute('class')).toContain('cbi-input-invalid');
    if (name === 'nftset') return;
    await page.locator('.modal').getByRole('button', { name: 'Save' }).click();
    await page.waitForTimeout(300);
    expect(await page.locator('.modal').isVisible()).toBe(true);
    expect(await staged(running.router)).toEqual({});
  });

  it('get one section, although saving was refused for something else at first', async () => {
    const running = await boot(household);
    const page = await openPeers(running);
    await field(page, cell(laptop, 'name')).fill('notebook');
    await field(page, cell(camera, 'name')).fill('cam');
    await page.locator('.modal').getByText('Interface', { exact: true }).click();
    await option(page, 'wg0', 'rate').fill('many');
    await page.locator('.modal').getByRole('button', { name: 'Save' }).click();
    await page.waitForTimeout(300);
    await option(page, 'wg0', 'rate').fill('9');
    await page.locator('.modal').getByText('Peers', { exact: true }).click();
    await field(page, cell(camera, 'name')).fill('');
    await saveDialog(page);
    await saveAndApply(page);
    expect(sectionsIn(running.router)).toHaveLength(1);
    expect(running.router.configText('wg-slaacer')).toContain("option name 'notebook'");
  });

  it('get no section if the dialog is dismissed', async () => {
    const running = await boot(configured);
    const page = await openPeers(running);
    await field(page, cell(laptop, 'name')).fill('notebook');
    await page.locator(`${rows}`, { hasText: 'disabled' }).getByRole('button', { name: 'Remove' }).click();
    await page.locator('.modal').getByText('Dismiss').click();
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.waitForTimeout(300);
    expect(await staged(running.router)).toEqual({});
  });
});

describe('a section that is of no use', () => {
  it('is shown with the reason, and can be removed', async () => {
    const running = await boot(configured);
    const { router } = running;
    const page = await openPeers(running);
    expect(await textOf(page, `${rows} .wg-slaacer-hint`)).toEqual([
      'This peer is disabled, or no longer configured. Remove',
      'Another section is for this peer already. Remove',
    ]);
    await page.getByRole('button', { name: 'Remove' }).first().click();
    await page.getByRole('button', { name: 'Remove' }).click();
    expect(await page.locator(rows).count()).toBe(4);
    await saveDialog(page);
    await saveAndApply(page);
    const [kept, elsewhere, ...rest] = sectionsIn(router);
    expect(kept).toContain("option name 'mobile'");
    expect(elsewhere).toContain("option interface 'wg1'");
    expect(rest).toEqual([]);
  });

  it('as there is no such interface is shown in each dialog', async () => {
    const lost = section(phone.key, 'option name lost').replace('wg0', 'wg9');
    const running = await boot({ ...household, settings: household.settings + lost });
    const page = await openPeers(running);
    expect(await textOf(page, `${rows} .wg-slaacer-hint`)).toEqual(['No interface is called “wg9”. Remove']);
    await page.getByRole('button', { name: 'Remove' }).click();
    await saveDialog(page);
    await saveAndApply(page);
    expect(sectionsIn(running.router)).toEqual([]);
  });

  it('cannot be removed by a login that may only read', async () => {
    const page = await openPeers(await boot(configured), 'reader');
    expect(await page.getByRole('button', { name: 'Remove' }).first().isDisabled()).toBe(true);
  });
});

it('what is configured for peers can be changed while the service does not run', async () => {
  const running = await boot(configured);
  await running.router.stopService();
  const page = await openPeers(running);
  await page.getByText('The peers are listed here while the service runs').waitFor();
  expect(await page.locator(rows).count()).toBe(3);
  await page.locator(`${rows} [data-name="name"] input`).nth(1).fill('telly');
  await saveDialog(page);
  await saveAndApply(page);
  expect(running.router.configText('wg-slaacer')).toContain("option name 'telly'");
});
