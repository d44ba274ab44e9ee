// SPDX-License-Identifier: GPL-2.0-only

import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { boot, textOf, useBrowser, visit } from './bench.ts';
import type { Router } from './router.ts';
import { household, laptop, PREFIX, phone } from './scene.ts';
import { openDialog, option, rowOf, saveAndApply, saveDialog, staged } from './settings-page.ts';
import type { Web } from './uhttpd.ts';

useBrowser();

const ACL = 'files/usr/share/rpcd/acl.d/luci-app-wg-slaacer.json';

const toggle = (page: Page, device: string) => rowOf(page, device).getByRole('checkbox');

/** Whether the service learns on an interface. */
async function learns(router: Router, device: string): Promise<boolean> {
  const { interfaces } = await router.bus.call('wg-slaacer', 'status');
  return (interfaces as { device: string; enabled: boolean }[]).some(
    (entry) => entry.device === device && entry.enabled,
  );
}

const prefixCell = (page: Page, device: string) => rowOf(page, device).locator('td[data-name="_prefixes"]');

async function open(): Promise<{ router: Router; web: Web; page: Page }> {
  const running = await boot(household);
  const { router, web } = running;
  return { router, web, page: await visit(running, 'settings') };
}

describe('the table', () => {
  it('has a row for each WireGuard interface of the router, configured or not', async () => {
    const { page } = await open();
    expect(await textOf(page, '[data-name="_interface"] .ifacebadge')).toEqual(['wg0', 'wg-home', 'wg1']);
    expect(await toggle(page, 'wg0').isChecked()).toBe(true);
    expect(await toggle(page, 'wg1').isChecked()).toBe(false);
    expect(await prefixCell(page, 'wg0').textContent()).toBe(`${PREFIX}::/64`);
    expect(await prefixCell(page, 'wg-home').textContent()).toBe('2001:db8:1:2::/64');
  });

  it('has a row for an interface that is configured, but not there', async () => {
    const running = await boot({
      ...household,
      settings: `${household.settings}\nconfig interface 'gone'\n\toption device 'wg-gone'\n`,
    });
    const page = await visit(running, 'settings');
    expect(await prefixCell(page, 'wg-gone').textContent()).toContain(
      'The router has no such interface now.',
    );
  });

  it('shows the prefixes that are configured, be they a list or one option', async () => {
    const prefixes = ['2001:db8:7::/64', '2001:db8:8::/64'];
    for (const option of [
      `option prefix '${prefixes.join(' ')}'`,
      prefixes.map((each) => `list prefix '${each}'`).join('\n\t'),
    ]) {
      const page = await visit(
        await boot({ ...household, settings: `config interface 'wg1'\n\t${option}\n` }),
        'settings',
      );
      expect(await prefixCell(page, 'wg1').textContent()).toBe(prefixes.join(', '));
    }
  });

  it('switches learning on and off', async () => {
    const { router, page } = await open();
    await router.use('wg0', laptop.key, `${PREFIX}::5`);
    expect(router.kernel.owner('wg0', `${PREFIX}::5`)).toBe(laptop.key);
    await toggle(page, 'wg0').uncheck();
    await toggle(page, 'wg1').check();
    await saveAndApply(page);
    await expect.poll(() => learns(router, 'wg1')).toBe(true);
    expect(await learns(router, 'wg0')).toBe(false);
    expect(router.kernel.owner('wg0', `${PREFIX}::5`)).toBeUndefined();
    expect(await toggle(page, 'wg0').isChecked()).toBe(false);
    expect(await toggle(page, 'wg1').isChecked()).toBe(true);
  });

  it('shows as on what is switched on by another word, and leaves it on', async () => {
    const settings = "config interface 'wg0'\n\toption enabled 'yes'\n\toption takeover 'true'\n";
    const running = await boot({ ...household, settings });
    const page = await visit(running, 'settings');
    expect(await toggle(page, 'wg0').isChecked()).toBe(true);
    await toggle(page, 'wg1').check();
    await openDialog(page, 'wg0');
    expect(await option(page, 'wg0', 'takeover').isChecked()).toBe(true);
    await saveDialog(page);
    await saveAndApply(page);
    await expect.poll(() => learns(running.router, 'wg1')).toBe(true);
    expect(await learns(running.router, 'wg0')).toBe(true);
    expect(running.router.configText('wg-slaacer')).toContain("option takeover '1'");
  });

  it('gives a section to an interface whose name no section can have', async () => {
    const { router, page } = await open();
    await toggle(page, 'wg-home').check();
    await saveAndApply(page);
    await expect.poll(() => learns(router, 'wg-home')).toBe(true);
    expect(router.configText('wg-slaacer')).toContain(
      "config interface 'wg_home'\n\toption device 'wg-home'",
    );
  });

  it('changes nothing if nothing was changed', async () => {
    const { router, page } = await open();
    const before = router.configText('wg-slaacer');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.waitForTimeout(500);
    expect(await staged(router)).toEqual({});
    expect(router.configText('wg-slaacer')).toBe(before);
  });

  it('offers nothing to the tunnel of a VPN provider, whose peer is no client', async () => {
    const [, wg1] = household.interfaces;
    const running = await boot({
      ...household,
      lan: ['2001:db8:1:9::1/64'],
      interfaces: [{ ...wg1!, isUplink: true }],
    });
    const page = await visit(running, 'settings');
    expect(await prefixCell(page, 'wg1').textContent()).toBe(
      'The router reaches the Internet by this tunnel: no addresses are learned here.',
    );
    expect(await page.getByRole('button', { name: /^(Assign|Share)/ }).count()).toBe(0);
  });

  it('shows the /64 in which addresses are learned of a wider prefix, as netifd may assign one', async () => {
    const [, , home] = household.interfaces;
    const wide = { ...home!, addresses: ['fe80::12:1/64', '2001:db8:1:20::1/60'] };
    const page = await visit(await boot({ ...household, interfaces: [wide] }), 'settings');
    expect(await prefixCell(page, 'wg-home').textContent()).toBe('2001:db8:1:20::/64');
  });

  // OpenWrt's LAN has a /60 by default.
  it.each([60, 64])(
    'offers an interface without a /64 that of the LAN, which has a /%i: it is in force when it is saved',
    async (length) => {
      const running = await boot({ ...household, lan: [`2001:db8:1:90::1/${length}`] });
      const { router } = running;
      const page = await visit(running, 'settings');
      await page.getByRole('button', { name: 'Share the prefix of lan with wg1' }).click();
      expect(await prefixCell(page, 'wg1').textContent()).toBe('Shares the prefix of lan');
      await toggle(page, 'wg1').check();
      await saveAndApply(page);
      expect(await prefixCell(page, 'wg1').textContent()).toBe('Shares the prefix of lan');
      expect(router.configText('wg-slaacer')).toMatch(
        /config interface 'wg1'\n(\t.*\n)*\toption share 'lan'\n/,
      );
      await expect
        .poll(async () => {
          const { interfaces } = await router.bus.call('wg-slaacer', 'status');
          return (interfaces as { device: string; prefixes: string[] }[]).find(
            ({ device }) => device === 'wg1',
          )!.prefixes;
        })
        .toContain('2001:db8:1:90::/64');
    },
  );

  it('offers an interface without a /64 one of what the provider delegates', async () => {
    const { router, page } = await open();
    expect(await prefixCell(page, 'wg1').textContent()).toContain(
      'No /64 prefix: peers cannot choose addresses.',
    );
    await page.getByRole('button', { name: 'Assign a /64 to wg1' }).click();
    expect(router.configText('network')).not.toContain('ip6assign');
    expect(await page.locator('.modal').textContent()).toContain('cuts off all of its peers');
    await page.locator('.modal').getByRole('button', { name: 'Assign a /64' }).click();
    await page.getByText('A /64 is being assigned.').waitFor();
    expect(router.configText('network')).toMatch(/config interface 'wg1'\n(\t.*\n)*\toption ip6assign '64'/);
  });
});

it('says what has to be done first where the service does not run', async () => {
  const { router, page } = await open();
  await router.stopService();
  await page.getByRole('button', { name: 'Assign a /64 to wg1' }).click();
  await page.locator('.modal').getByRole('button', { name: 'Assign a /64' }).click();
  await page.getByText('Switch learning on for an interface first').waitFor();
  expect(router.configText('network')).not.toContain('ip6assign');
});

describe('the dialog', () => {
  it('shows defaults where nothing is set', async () => {
    const { page } = await open();
    await openDialog(page, 'wg0');
    const placeholders = await Promise.all(
      ['rate', 'burst', 'max_addresses', 'lifetime', 'prefix', 'ra_dns', 'ra_mtu'].map((name) =>
        option(page, 'wg0', name).getAttribute('placeholder'),
      ),
    );
    expect(placeholders).toEqual(['5', '16', '32', '1d', '2001:db8:1::/64', 'auto', 'auto']);
    expect(await option(page, 'wg0', 'ra').inputValue()).toBe('auto');
    expect(await option(page, 'wg0', 'dns').inputValue()).toBe('0');
  });

  it('changes what the service does, without a restart', async () => {
    const { router, page } = await open();
    await openDialog(page, 'wg0');
    await option(page, 'wg0', 'rate').fill('60');
    await option(page, 'wg0', 'burst').fill('1');
    await option(page, 'wg0', 'lifetime').fill('1h');
    await option(page, 'wg0', 'prefix').fill('2001:db8:7::/64');
    await page.locator('.modal .cbi-button-add').first().click();
    await option(page, 'wg0', 'ra').selectOption('Never');
    await option(page, 'wg0', 'ra_default').selectOption('Always');
    await option(page, 'wg0', 'ra_mtu').fill('1280');
    await option(page, 'wg0', 'takeover').check();
    await option(page, 'wg0', 'dns').selectOption('Stable addresses');
    await option(page, 'wg0', 'nftset_prefix').fill('inet#fw4#wg0_');
    await saveDialog(page);
    expect(await prefixCell(page, 'wg0').textContent()).toBe('2001:db8:7::/64');
    await saveAndApply(page);
    expect(router.configText('wg-slaacer')).toContain(`config interface 'wg0'
	option enabled '1'
	option rate '60'
	option burst '1'
	option lifetime '1h'
	list prefix '2001:db8:7::/64'
	option ra '0'
	option ra_default '1'
	option ra_mtu '1280'
	option takeover '1'
	option dns 'stable'
	option nftset_prefix 'inet#fw4#wg0_'
`);
    await expect
      .poll(async () => {
        await router.use('wg0', laptop.key, '2001:db8:7::5', '2001:db8:7::6');
        const { addresses } = await router.bus.call('wg-slaacer', 'get_addresses');
        return (addresses as { address: string; expires: number }[]).map(({ address, expires }) => [
          address,
          expires > 3_500,
        ]);
      })
      .toEqual([['2001:db8:7::5', true]]);
  });

  it.each([
    ['rate', '6001'],
    ['rate', '-1'],
    ['burst', '0'],
    ['max_addresses', '1001'],
    ['lifetime', '24'],
    ['lifetime', '400d'],
    ['prefix', '2001:db8::'],
    ['prefix', 'ff02::/16'],
    ['ra_route', 'fd00::'],
    ['ra_dns', '1.1.1.1'],
    ['ra_search', 'a..b'],
    ['ra_mtu', '1279'],
    ['nftset_prefix', 'fw4#wg0_'],
  ])('does not take the %s %s', async (name, value) => {
    const { router, page } = await open();
    await openDialog(page, 'wg0');
    await option(page, 'wg0', name).fill(value);
    expect(await option(page, 'wg0', name).getAttribute('class')).toContain('cbi-input-invalid');
    if (name === 'prefix') await page.locator('.modal .cbi-button-add').first().click();
    await page.locator('.modal').getByRole('button', { name: 'Save' }).click();
    await page.waitForTimeout(300);
    expect(router.configText('wg-slaacer')).not.toContain(name);
    expect(await staged(router)).toEqual({});
  });

  it('does not undo what was switched in the table', async () => {
    const { router, page } = await open();
    await toggle(page, 'wg-home').check();
    await openDialog(page, 'wg0');
    await option(page, 'wg0', 'rate').fill('7');
    await saveDialog(page);
    expect(await toggle(page, 'wg-home').isChecked()).toBe(true);
    await saveAndApply(page);
    await expect.poll(() => learns(router, 'wg-home')).toBe(true);
    expect(router.configText('wg-slaacer')).toContain("option rate '7'");
  });

  it('leaves nothing behind for an interface without a section if it is dismissed', async () => {
    const { router, page } = await open();
    await openDialog(page, 'wg1');
    await option(page, 'wg1', 'rate').fill('7');
    await page.locator('.modal').getByText('Dismiss').click();
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.waitForTimeout(300);
    expect(await staged(router)).toEqual({});
  });
});

describe('the file for the history', () => {
  it('is kept where it is said, and is refused where it cannot be', async () => {
    const { router, page } = await open();
    const field = page.locator('[id="widget.cbid.wg-slaacer.globals.history_file"]');
    expect(await field.inputValue()).toBe('/etc/wg-slaacer/history');
    await field.fill('history');
    expect(await field.getAttribute('class')).toContain('cbi-input-invalid');
    await field.fill('/mnt/history');
    await saveAndApply(page);
    expect(router.configText('wg-slaacer')).toContain("option history_file '/mnt/history'");
  });
});

describe('a login that may only read', () => {
  it('sees the settings, and cannot change them', async () => {
    const running = await boot(household);
    const { router } = running;
    const page = await visit(running, 'settings', 'reader');
    expect(await toggle(page, 'wg0').isDisabled()).toBe(true);
    expect(await page.getByRole('button', { name: 'Save & Apply' }).isDisabled()).toBe(true);
    expect(await page.getByRole('button', { name: 'Assign a /64 to wg1' }).isDisabled()).toBe(true);
    const params = [
      'b'.repeat(32),
      'uci',
      'set',
      { config: 'wg-slaacer', section: 'wg0', values: { rate: '1' } },
    ];
    const reply = await page.request.post(new URL('/ubus/', page.url()).href, {
      data: { jsonrpc: '2.0', id: 1, method: 'call', params },
    });
    expect(await reply.json()).toMatchObject({ error: { code: -32002 } });
    expect(router.configText('wg-slaacer')).not.toContain('rate');
  });
});

describe('what is asked for', () => {
  it('is what the access list grants, no more and no less', async () => {
    const running = await boot(household);
    const { router, web } = running;
    await router.use('wg0', laptop.key, `${PREFIX}::5`, `${PREFIX}::6`, `${PREFIX}::7`);
    await router.use('wg0', phone.key, `${PREFIX}::7`);
    let page = await visit(running, 'status');
    for (const [action, address] of [
      ['Forget', `${PREFIX}::5`],
      ['Make permanent', `${PREFIX}::6`],
      ['Give it to this peer', `${PREFIX}::7`],
    ]) {
      await page.getByLabel(`${action}: ${address}`).click();
      await page.locator('.modal').getByRole('button', { name: action! }).click();
      await page.getByLabel(`${action}: ${address}`).waitFor({ state: 'detached' });
    }
    await page.getByRole('button', { name: 'Set up a client: wg0' }).click();
    await page.locator('.modal pre', { hasText: '[Interface]' }).waitFor();
    await page.locator('.modal').getByRole('button', { name: 'Close' }).click();
    await router.stopService();
    await page.getByRole('button', { name: 'Start it' }).click();
    await page.locator('[aria-label="Learned addresses of wg0"]').waitFor();
    await visit(running, 'timeline');
    page = await visit(running, 'settings');
    await page.getByRole('button', { name: 'Assign a /64 to wg1' }).click();
    await page.locator('.modal').getByRole('button', { name: 'Assign a /64' }).click();
    await page.getByText('A /64 is being assigned.').waitFor();

    const { read, write } = JSON.parse(readFileSync(ACL, 'utf8'))['luci-app-wg-slaacer'];
    const granted = [read, write].flatMap(({ ubus }: { ubus: Record<string, string[]> }) =>
      Object.entries(ubus).flatMap(([object, methods]) => methods.map((method) => `${object} ${method}`)),
    );
    const asked = new Set(web.calls.filter((call) => !call.startsWith('uci ')));
    expect([...asked].sort()).toEqual(granted.sort());
    expect(read.uci).toEqual(['wg-slaacer']);
    expect(write.uci).toEqual(['wg-slaacer']);
    expect(Object.keys(write.file)).toEqual(router.executed);
  });

  it('is never the network configuration, which has private keys in it', async () => {
    const running = await boot(household);
    const { router } = running;
    const asked: string[] = [];
    const call = router.bus.call;
    router.bus.call = (object, method, args) => {
      if (object === 'uci' && method === 'get') asked.push(String(args?.config));
      return call(object, method, args);
    };
    const page = await visit(running, 'settings');
    await toggle(page, 'wg1').check();
    await saveAndApply(page);
    expect(new Set(asked)).toEqual(new Set(['wg-slaacer']));
  });
});
