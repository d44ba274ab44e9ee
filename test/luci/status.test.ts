// SPDX-License-Identifier: GPL-2.0-only

import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { priceOfLending } from '../../src/words/price.ts';
import { boot, textOf, useBrowser, visit } from './bench.ts';
import { PRESHARED_KEY, PRIVATE_KEY, type RouterConfig } from './router.ts';
import { camera, guest, household, laptop, live, PREFIX, phone } from './scene.ts';

useBrowser();

/** For LuCI's poll, with time to spare. */
const REFRESHED = { timeout: 15_000 };

const addresses = '[aria-label="Learned addresses of wg0"]';
const entries = `${addresses} .wg-slaacer-entry`;
const denied = '[aria-label="Denied addresses"] tbody tr';
const temporary = `${PREFIX}:d0f3:3bb1:8c5e:902a`;

async function home(config: RouterConfig = household) {
  const running = await boot(config);
  await live(running.router);
  return running;
}

const row = (page: Page, address: string) => page.locator(entries, { hasText: address });
const button = (page: Page, label: string, address: string) => page.getByLabel(`${label}: ${address}`);

describe('what it shows', () => {
  it('says that the service runs, and how it learns', async () => {
    const running = await home();
    const page = await visit(running, 'status');
    const [line] = await textOf(page, '.cbi-map > p');
    expect(line).toMatch(
      /^Running for \d+ s · learning by a kernel hook \(fexit\), no packet is lost · version 1\.0\.0$/,
    );
    expect(await page.locator('.alert-message').count()).toBe(0);
  });

  it('tells of a configuration that cannot be read, and not that nothing is switched on', async () => {
    const page = await visit(await boot({ ...household, settings: "konfig interface 'wg0'\n" }), 'status');
    await page.getByText('uci show wg-slaacer names the line').waitFor();
    expect(await page.getByText('Learning is not switched on').isVisible()).toBe(false);
  });

  it('shows who uses which addresses, grouped by peer', async () => {
    const running = await home();
    await new Promise((resolve) => setTimeout(resolve, 1_000)); // it has a day no longer, but 24 h
    const page = await visit(running, 'status');
    expect(await textOf(page, `${addresses} .wg-slaacer-group .wg-slaacer-peer`)).toEqual([
      expect.stringMatching(/^Alice's laptop .{5}….{6}$/),
      expect.stringMatching(/^Bob’s phone /),
      expect.stringMatching(/^Garden camera /),
      expect.stringMatching(/^Untitled peer /),
    ]);
    expect(await textOf(page, `${entries} code`)).toEqual([
      `${PREFIX}:5a3c:9d1f:77e2:41b0`,
      temporary,
      'fe80::5a3c:9d1f:77e2:41b0',
      `${PREFIX}:8d2:51ff:fe6c:1be9`,
      'fe80::8d2:51ff:fe6c:1be9',
      'fe80::ca',
      `${PREFIX}:2e9f:b14c:660d:3a75`,
    ]);
    expect(await row(page, temporary).textContent()).toMatch(/just now|s ago/);
    expect(await row(page, temporary).textContent()).toContain('24 h');
  });

  it('shows the name by which a peer is found, and finds it by that', async () => {
    const running = await home({ ...household, settings: `${household.settings}\toption dns '1'\n` });
    const page = await visit(running, 'status');
    expect(await textOf(page, '.wg-slaacer-dns-name')).toEqual([
      'alices-laptop',
      'bobs-phone',
      'garden-camera',
      '',
    ]);
    await page.getByLabel('Search for a peer, key or address').fill('bobs-');
    expect(await textOf(page, '.wg-slaacer-dns-name')).toEqual(['bobs-phone']);
  });

  it('has the whole key in a tooltip, and for screen readers', async () => {
    const running = await home();
    const page = await visit(running, 'status');
    const badge = page.locator(`${addresses} .ifacebadge`).first();
    expect(await badge.getAttribute('data-tooltip')).toBe(`Public key: ${laptop.key}`);
    expect(await badge.getAttribute('aria-label')).toBe(`Public key: ${laptop.key}`);
  });

  it('says in plain words why an address was denied, and what can be done', async () => {
    const running = await home();
    const { router } = running;
    for (let count = 1; count <= 40; count++) await router.use('wg0', phone.key, `${PREFIX}::f${count}`);
    router.kernel.handshakes.set(camera.key, Date.now() / 1_000 - 60);
    const page = await visit(running, 'status');
    const told = (await textOf(page, denied)).join('\n');
    expect(told).toMatch(
      /Untitled peer .* 2001:db8:1:1::ca Another peer has this address: Garden camera The address is configured for that peer. If/,
    );
    expect(told).toMatch(
      /2001:db8:bad::1 Not in a prefix of this interface If peers may use this address, add its prefix/,
    );
    expect(told).toMatch(
      /2001:db8:1:1::1 A reserved address, or one of the router itself Choose another address/,
    );
    expect(told).toMatch(
      /Bob’s phone .* Too many new addresses in a short time The router learns the address at a later packet/,
    );
  });

  it('shows text that peers are called by as it is', async () => {
    const mischief = '<img src=x onerror="document.title=1"><b>x</b>';
    const running = await boot({
      ...household,
      interfaces: [
        {
          ...household.interfaces[0]!,
          peers: [
            { ...laptop, description: mischief },
            { ...guest, description: mischief },
          ],
        },
      ],
    });
    const { router } = running;
    await router.use('wg0', laptop.key, temporary);
    await router.use('wg0', guest.key, temporary);
    const page = await visit(running, 'status');
    expect(await page.locator('.wg-slaacer-name').allInnerTexts()).toEqual([mischief, mischief]);
    await button(page, 'Forget', temporary).click();
    expect(await page.locator('.modal strong').textContent()).toBe(mischief);
    expect(await page.locator('#view img[src=x], .modal img').count()).toBe(0);
  });

  it('says so if nothing was learned or denied yet, or learning is on nowhere', async () => {
    const running = await boot(household);
    const { router } = running;
    const page = await visit(running, 'status');
    expect(await textOf(page, `${addresses} tbody`)).toEqual(['No address has been learned yet']);
    expect(await textOf(page, denied)).toEqual(['No address has been denied']);
    await router.set('wg-slaacer', 'wg0', { enabled: '0' });
    await page.getByText('Learning is not switched on for any interface.').waitFor(REFRESHED);
    expect(await page.locator(addresses).count()).toBe(0);
  });

  it('never gets a private or preshared key', async () => {
    const running = await home();
    const answers: Promise<string>[] = [];
    for (const view of ['status', 'timeline', 'settings'] as const) {
      const page = await visit(running, view);
      page.on('response', (response) => void answers.push(response.text().catch(() => ''))); // it may be gone by then
      await page.reload();
      await page.waitForSelector('#view > .cbi-map h2');
    }
    const all = (await Promise.all(answers)).join('\n');
    expect(all).toContain('get_addresses');
    expect(all).toContain(laptop.key);
    for (const key of [PRIVATE_KEY, PRESHARED_KEY]) expect(all).not.toContain(key);
  });
});

describe('searching and sorting', () => {
  it('finds peers by name and key, and addresses', async () => {
    const running = await home();
    const page = await visit(running, 'status');
    const search = page.getByLabel('Search for a peer, key or address');
    await search.fill('ALICE');
    expect(await page.locator(entries).count()).toBe(3);
    await search.fill(guest.key.slice(3, 12));
    expect(await textOf(page, `${entries} code`)).toEqual([`${PREFIX}:2e9f:b14c:660d:3a75`]);
    expect(await page.locator(denied).count()).toBe(3);
    await search.fill('fe80::8d2');
    expect(await textOf(page, `${entries} code`)).toEqual(['fe80::8d2:51ff:fe6c:1be9']);
    expect(await textOf(page, denied)).toEqual(['Nothing matches the search']);
    await search.fill('nobody');
    expect(await textOf(page, `${addresses} tbody`)).toEqual(['Nothing matches the search']);
    await search.fill('');
    expect(await page.locator(entries).count()).toBe(7);
  });

  it('sorts by any column, with the mouse and the keyboard', async () => {
    const running = await home();
    const page = await visit(running, 'status');
    const heading = page.locator(`${addresses} th`, { hasText: 'Address' });
    await heading.click();
    expect(await heading.getAttribute('aria-sort')).toBe('ascending');
    const byBob = [`${PREFIX}:8d2:51ff:fe6c:1be9`, 'fe80::8d2:51ff:fe6c:1be9'];
    const byAlice = [`${PREFIX}:5a3c:9d1f:77e2:41b0`, temporary, 'fe80::5a3c:9d1f:77e2:41b0'];
    const guests = `${PREFIX}:2e9f:b14c:660d:3a75`;
    expect(await textOf(page, `${entries} code`)).toEqual([...byBob, guests, ...byAlice, 'fe80::ca']);
    await heading.focus();
    await page.keyboard.press('Enter');
    expect(await heading.getAttribute('aria-sort')).toBe('descending');
    expect(await textOf(page, `${entries} code`)).toEqual([
      ...byAlice.reverse(),
      ...byBob.reverse(),
      'fe80::ca',
      guests,
    ]);
  });

  it('opens and closes peers, one by one and all', async () => {
    const running = await home();
    const page = await visit(running, 'status');
    const toggle = page.getByRole('button', { name: "Alice's laptop", exact: true });
    expect(await toggle.getAttribute('aria-expanded')).toBe('true');
    await toggle.focus();
    await page.keyboard.press('Enter');
    expect(await toggle.getAttribute('aria-expanded')).toBe('false');
    expect(await page.locator(entries).count()).toBe(4);
    await page.getByText('Close all').click();
    expect(await page.locator(entries).count()).toBe(0);
    await page.getByText('Open all').click();
    expect(await page.locator(entries).count()).toBe(7);
  });
});

describe('refreshing', () => {
  it('shows a new address without touching the rows that are there, the focus or the search', async () => {
    const running = await home();
    const { router } = running;
    const page = await visit(running, 'status');
    await page.getByLabel('Search for a peer, key or address').fill(PREFIX);
    await button(page, 'Forget', temporary).focus();
    await page.evaluate(`document.querySelectorAll('${entries}').forEach((row) => { row.marked = true; })`);
    const marked = `[...document.querySelectorAll('${entries}')].filter((row) => row.marked).length`;
    expect(await page.evaluate(marked)).toBe(4);
    await router.use('wg0', phone.key, `${PREFIX}::abcd`);
    await row(page, `${PREFIX}::abcd`).waitFor(REFRESHED);
    expect(await page.evaluate(marked)).toBe(4);
    expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toBe(
      `Forget: ${temporary}`,
    );
    expect(await page.locator(entries).count()).toBe(5);
  });

  it('keeps the focus on a row that moves', async () => {
    const running = await home();
    const { router } = running;
    const page = await visit(running, 'status');
    await page.locator(`${addresses} th`, { hasText: 'Last seen' }).click();
    const stable = `${PREFIX}:5a3c:9d1f:77e2:41b0`;
    const follower = `document.querySelector('[aria-label="Forget: ${stable}"]').closest('tr').nextElementSibling`;
    expect(await page.evaluate(`${follower}.textContent`)).toContain(temporary);
    await button(page, 'Forget', stable).focus();
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    await router.use('wg0', laptop.key, stable);
    await page.waitForFunction(`!${follower}?.classList.contains('wg-slaacer-entry')`, undefined, REFRESHED);
    expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toBe(
      `Forget: ${stable}`,
    );
  });
});

describe('actions', () => {
  it('forgets an address after asking', async () => {
    const running = await home();
    const { router } = running;
    const page = await visit(running, 'status');
    await button(page, 'Forget', temporary).click();
    expect(await page.locator('.modal').textContent()).toContain('Forget this address?');
    expect(await page.locator('.modal').textContent()).toContain(temporary);
    await page.locator('.modal').getByText('Cancel').click();
    expect(router.kernel.owner('wg0', temporary)).toBe(laptop.key);
    expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toBe(
      `Forget: ${temporary}`,
    );

    await button(page, 'Forget', temporary).click();
    await page.locator('.modal').getByRole('button', { name: 'Forget' }).click();
    await row(page, temporary).waitFor({ state: 'detached' });
    expect(router.kernel.owner('wg0', temporary)).toBeUndefined();
    expect(await page.locator('.modal').isVisible()).toBe(false);
  });

  it('makes an address permanent after asking', async () => {
    const running = await home();
    const { router } = running;
    const page = await visit(running, 'status');
    await button(page, 'Make permanent', temporary).click();
    await page.locator('.modal').getByRole('button', { name: 'Make permanent' }).click();
    await row(page, temporary).waitFor({ state: 'detached', ...REFRESHED });
    expect(router.kernel.owner('wg0', temporary)).toBe(laptop.key);
    expect(router.configText('network')).toContain(`list allowed_ips '${temporary}/128'`);
  });

  it('gives an address of a silent peer to the one that was denied it, after asking', async () => {
    const running = await home();
    const { router } = running;
    await router.use('wg0', guest.key, temporary);
    const page = await visit(running, 'status');
    const attempt = page.locator(denied, { hasText: temporary });
    expect(await attempt.textContent()).toContain("Another peer has this address: Alice's laptop");
    expect(await button(page, 'Give it to this peer', `${PREFIX}::ca`).isVisible()).toBe(false);
    await button(page, 'Give it to this peer', temporary).click();
    expect(await page.locator('.modal').textContent()).toContain("The address moves from Alice's laptop");
    await page.locator('.modal').getByRole('button', { name: 'Give it to this peer' }).click();
    await attempt.waitFor({ state: 'detached', ...REFRESHED });
    expect(router.kernel.owner('wg0', temporary)).toBe(guest.key);
  });

  it('tells if it could not be done', async () => {
    const running = await home();
    const { router } = running;
    const page = await visit(running, 'status');
    await button(page, 'Forget', temporary).click();
    await router.stopService();
    await page.locator('.modal').getByRole('button', { name: 'Forget' }).click();
    const told = page.locator('.alert-message.danger');
    await told.waitFor();
    expect(await told.textContent()).toContain(`${temporary} could not be forgotten`);
    await page.locator('.alert-message', { hasText: 'The service is not running' }).waitFor();
  });

  it('lets a login that may only read see everything, and change nothing', async () => {
    const running = await home();
    const { router } = running;
    const page = await visit(running, 'status', 'reader');
    expect(await page.locator(entries).count()).toBe(7);
    for (const label of ['Forget', 'Make permanent']) {
      expect(await button(page, label, temporary).isDisabled()).toBe(true);
    }
    // Nor if it goes around the page.
    const params = (method: string) => [
      'b'.repeat(32),
      'wg-slaacer',
      method,
      { interface: 'wg0', address: temporary },
    ];
    for (const method of ['forget', 'give', 'pin', 'flush', 'reload']) {
      const reply = await page.request.post(new URL('/ubus/', page.url()).href, {
        data: { jsonrpc: '2.0', id: 1, method: 'call', params: params(method) },
      });
      expect(await reply.json()).toMatchObject({ error: { code: -32002 } });
    }
    expect(router.kernel.owner('wg0', temporary)).toBe(laptop.key);
  });
});

describe('when something is wrong', () => {
  it('shows each problem with its hint', async () => {
    const running = await boot({
      ...household,
      settings: `${household.settings}\toption rate 'lots'\n`,
    });
    const { router } = running;
    router.kernel.setLinkAddresses('wg0', ['fe80::10:1/64']);
    router.kernel.announce();
    const page = await visit(running, 'status');
    await page.locator('.alert-message', { hasText: 'it has no IPv6 prefix' }).waitFor(REFRESHED);
    const banners = await textOf(page, '.alert-message.warning');
    expect(banners).toEqual([
      expect.stringMatching(
        /wg-slaacer\.wg0\.rate: "lots" is not allowed.* allowed is 0 \(no limit\) to 6000/,
      ),
      expect.stringMatching(/wg0: it has no IPv6 prefix.* give it an address in a \/64/),
    ]);
  });

  it('shows problems in the language of the page, with what they are about', async () => {
    const running = await boot({
      ...household,
      settings: `${household.settings}\toption rate 'lots'\n`,
    });
    const { router } = running;
    const peer = router.kernel.peers('wg0')[0]!;
    router.kernel.allow('wg0', peer, '::/0');
    router.kernel.warn({ code: 'refused-peer', data: { device: 'wg0', peer } });
    const page = await visit(running, 'status', 'admin', { locale: 'en-XA' });
    const banners = await textOf(page, '.alert-message.warning');
    expect(banners).toContainEqual(
      expect.stringMatching(
        /^WG-SLAACER\.wg0\.rate: "lots" IS NOT ALLOWED.* ALLOWED IS 0 \(NO LIMIT\) TO 6000 NEW/,
      ),
    );
    expect(banners).toContainEqual(
      expect.stringMatching(/^wg0: ALL OF IPV6 IS PEER Alice's laptop'S BY ITS ALLOWED IP ::\/0, SO NO/),
    );
    expect(banners).toContainEqual(expect.stringMatching(/^wg0: PEER Alice's laptop GOES ON SENDING/));
  });

  it('offers to start the service when it is stopped', async () => {
    const running = await home();
    const { router } = running;
    const page = await visit(running, 'status');
    await router.stopService();
    const start = page.getByRole('button', { name: 'Start it' });
    await start.waitFor(REFRESHED);
    expect((await textOf(page, '.cbi-map > p'))[0]).toBe('Stopped');
    expect(await page.locator(addresses).isVisible()).toBe(false);
    await start.click();
    await page.locator(addresses).waitFor(REFRESHED);
    expect(router.executed).toEqual(['/etc/init.d/wg-slaacer start']);
    expect((await textOf(page, '.cbi-map > p'))[0]).toMatch(/^Running/);
    // It may have been asked before it has read its configuration.
    await expect.poll(() => page.locator(entries).count(), REFRESHED).toBe(7);
  });

  it('points to the settings if there is nothing to run the service for', async () => {
    const running = await boot(household);
    const { router } = running;
    await router.set('wg-slaacer', 'wg0', { enabled: '0' });
    await router.stopService();
    const page = await visit(running, 'status');
    expect(await textOf(page, '.cbi-map > p')).toEqual([
      'Switched off',
      'Learning is not switched on for any interface. Settings',
    ]);
    expect(await page.getByRole('link', { name: 'Settings' }).last().getAttribute('href')).toMatch(
      /wg-slaacer\/settings$/,
    );
    expect(await page.getByRole('button', { name: 'Start it' }).count()).toBe(0);
  });

  it('does not let a login that may only read start it', async () => {
    const running = await boot(household);
    const { router } = running;
    await router.stopService();
    const page = await visit(running, 'status', 'reader');
    expect(await page.getByRole('button', { name: 'Start it' }).isDisabled()).toBe(true);
  });

  it('explains what learning by lending means', async () => {
    const running = await boot({ ...household, settings: household.settings.replace("'auto'", "'lending'") });
    const page = await visit(running, 'status');
    const [banner] = await textOf(page, '.alert-message.info');
    expect(banner).toMatch(/^Learning by lending/);
    for (const sentence of priceOfLending()) expect(banner).toContain(sentence);
    expect(banner).toContain('wg-slaacer doctor');
  });

  it('goes on showing what it knew while the router does not answer', async () => {
    const running = await home();
    const page = await visit(running, 'status');
    const silence = { jsonrpc: '2.0', error: { code: -32003, message: 'ubus request timed out' } };
    await page.route('**/ubus/**', async (route) => {
      await route.fulfill({ json: JSON.parse(route.request().postData()!).map(() => silence) });
    });
    const banner = page.locator('.alert-message.error');
    await banner.waitFor(REFRESHED);
    expect(await textOf(page, '.alert-message.error')).toEqual([expect.stringContaining('timed out')]);
    expect(await page.locator(entries).count()).toBe(7);
    await page.unroute('**/ubus/**');
    await banner.waitFor({ state: 'detached', ...REFRESHED });
  });
});
