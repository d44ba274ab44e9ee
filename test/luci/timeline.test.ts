// SPDX-License-Identifier: GPL-2.0-only

import type { Locator, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import type { Stay } from '../../src/history/history.ts';
import { keyPair } from '../bed/keys.ts';
import { boot, textOf, useBrowser, visit } from './bench.ts';
import { guest, household, laptop, live, PREFIX, phone, remember, week } from './scene.ts';

useBrowser();

const HOUR = 3_600;
const row = '.wg-slaacer-row';
const bar = '.wg-slaacer-bar';

async function home() {
  const running = await boot(household);
  await live(running.router);
  const now = Math.round(Date.now() / 1_000);
  await remember(running.router, week(now), now);
  return running;
}

const rowOf = (page: Page, name: string) => page.getByRole('group', { name, exact: true });
const namesOf = (bars: Locator) =>
  bars.evaluateAll((nodes) => nodes.map((node) => node.getAttribute('aria-label')!.split(': ')[0]));
const focused = (page: Page) =>
  page.evaluate<string | null>("document.activeElement.getAttribute('aria-label')");

describe('a timeline', () => {
  it('has a row for each peer, and a bar for each address of the last day or week', async () => {
    const running = await home();
    const page = await visit(running, 'timeline');
    expect(await textOf(page, `${row} .wg-slaacer-name`)).toEqual([
      "Alice's laptop",
      'Bob’s phone',
      'Garden camera',
      'Untitled peer',
    ]);
    const bars = rowOf(page, "Alice's laptop").locator(bar);
    const others = [`${PREFIX}:5a3c:9d1f:77e2:41b0`, 'fe80::5a3c:9d1f:77e2:41b0'];
    expect((await namesOf(bars)).sort()).toEqual(
      [...others, `${PREFIX}:b8f1:4a6d:90e3:127c`, `${PREFIX}:d0f3:3bb1:8c5e:902a`].sort(),
    );
    await page.getByRole('button', { name: '7 days' }).click();
    await expect.poll(() => bars.count()).toBe(7);
    expect(await page.getByRole('button', { name: '7 days' }).getAttribute('aria-pressed')).toBe('true');
    expect(await page.getByRole('button', { name: '24 hours' }).getAttribute('aria-pressed')).toBe('false');
  });

  it('says of a bar whose address it was, since when or until when, its last use and its end', async () => {
    const running = await home();
    const page = await visit(running, 'timeline');
    const name = `${PREFIX}:2e9f:b14c:660d:3a75`;
    const given = rowOf(page, 'Bob’s phone').locator(bar, { hasText: name });
    expect(await given.getAttribute('aria-label')).toMatch(
      /^2001:.*3a75: from .+ until .+, last used .+: given to another peer$/,
    );
    await given.hover();
    expect(await textOf(page, '.wg-slaacer-detail')).toEqual([
      expect.stringMatching(/^2001:.*3a75 · Bob’s phone · from .+: given to another peer$/),
    ]);
    await rowOf(page, 'Garden camera').locator(bar).click();
    expect(await textOf(page, '.wg-slaacer-detail')).toEqual([
      expect.stringMatching(/^fe80::ca · Garden camera · since .+, last used .+$/),
    ]);
  });

  it('can be walked through by the keyboard, from one tab stop', async () => {
    const running = await home();
    const page = await visit(running, 'timeline');
    await page.getByRole('searchbox').focus();
    await page.keyboard.press('Tab');
    const first = await focused(page);
    expect(first).toContain(`${PREFIX}:5a3c:9d1f:77e2:41b0: since`);
    expect(await textOf(page, '.wg-slaacer-detail')).toEqual([expect.stringContaining('5a3c:9d1f')]);
    await page.keyboard.press('End');
    expect(await focused(page)).toContain(`${PREFIX}:d0f3:3bb1:8c5e:902a`);
    await page.keyboard.press('ArrowDown');
    expect(await focused(page)).toContain(`${PREFIX}:8d2:51ff:fe6c:1be9`);
    await page.keyboard.press('ArrowLeft');
    expect(await focused(page)).toContain(`${PREFIX}:2e9f:b14c:660d:3a75`);
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Home');
    expect(await focused(page)).toBe(first);
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowUp');
    expect(await focused(page)).toBe(first);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.localName')).toBe('summary');
  });

  it('is there as a table, too', async () => {
    const running = await home();
    const page = await visit(running, 'timeline');
    await page.getByText('The same as a table').click();
    const table = page.getByRole('table', { name: 'Addresses, the newest first' });
    expect(await table.getByRole('columnheader').allInnerTexts()).toEqual([
      'Peer',
      'Address',
      'From',
      'Last seen',
      'Until',
      'How it ended',
    ]);
    const bars = await page.locator(bar).count();
    await expect.poll(() => table.locator('tbody tr').count()).toBe(bars);
    const evicted = table.locator('tr', { hasText: 'f08a:3b2e:9cc1:77d0' });
    expect(await evicted.textContent()).toContain('made room for a newer one');
  });

  it('shows what a search finds', async () => {
    const running = await home();
    const page = await visit(running, 'timeline');
    await page.getByRole('searchbox').fill('phone');
    expect(await textOf(page, `${row} .wg-slaacer-name`)).toEqual(['Bob’s phone']);
    await page.getByRole('searchbox').fill('2e9f:b14c');
    expect(await page.locator(row).count()).toBe(2);
    await page.getByRole('searchbox').fill('nobody');
    await page.getByText('No peer has had a learned address in this time').waitFor();
  });

  it('shows text that peers are called by as it is', async () => {
    const mischief = '<img src=x onerror="document.title=1"><b>x</b>';
    const [first] = household.interfaces;
    const running = await boot({
      ...household,
      interfaces: [{ ...first!, peers: [{ ...laptop, description: mischief }] }],
    });
    await running.router.use('wg0', laptop.key, `${PREFIX}::7`);
    const page = await visit(running, 'timeline');
    await page.locator(bar).hover();
    expect(await page.locator('.wg-slaacer-name').allInnerTexts()).toEqual([mischief]);
    expect((await textOf(page, '.wg-slaacer-detail'))[0]).toContain(mischief);
    expect(await page.locator('#view img[src=x]').count()).toBe(0);
  });

  it('is shown to a login that may only look', async () => {
    const running = await home();
    const page = await visit(running, 'timeline', 'reader');
    expect(await page.locator(row).count()).toBe(4);
  });

  it('says what is in the way if the service is stopped', async () => {
    const running = await home();
    await running.router.stopService();
    const page = await visit(running, 'timeline');
    expect(await textOf(page, '.alert-message h4')).toEqual(['The service is not running.']);
  });
});

describe('what is written in it', () => {
  it.each([
    ['wide', 1_120],
    ['narrow', 390],
  ])('is all within the page, and no label lies on another: %s', async (_, width) => {
    const running = await home();
    const page = await visit(running, 'timeline', 'admin', { viewport: { width, height: 600 } });
    for (const range of ['7 days', '24 hours']) {
      await page.getByRole('button', { name: range }).click();
      await page.waitForTimeout(300);
      const texts = await page.locator('.wg-slaacer-timeline text').evaluateAll((nodes) =>
        nodes.map((node) => {
          const { left, right, top, bottom } = node.getBoundingClientRect();
          return { text: node.textContent, left, right, top, bottom };
        }),
      );
      const visible = texts.filter(({ left, right }) => right > left);
      expect(visible.length).toBeGreaterThan(10);
      for (const one of visible) {
        expect(one.left, one.text!).toBeGreaterThanOrEqual(8);
        expect(one.right, one.text!).toBeLessThanOrEqual(width - 8);
        for (const other of visible) {
          const isBeside = one.right <= other.left || other.right <= one.left;
          const isAbove = one.bottom - 3 <= other.top || other.bottom - 3 <= one.top;
          expect(one === other || isBeside || isAbove, `${one.text} and ${other.text}`).toBe(true);
        }
      }
    }
  });

  it('can be read of 40 peers with 10 addresses each', async () => {
    const peers = [...Array(40).keys()].map((index) => ({
      key: keyPair().publicKey,
      description: `Peer ${index}`,
    }));
    const running = await boot({
      ...household,
      interfaces: [{ ...household.interfaces[0]!, peers }],
    });
    const now = Math.round(Date.now() / 1_000);
    const stays = peers.flatMap(({ key: peer }, index) =>
      [...Array(10).keys()].map((place): Stay => {
        const address = `${PREFIX}:${index + 1}:${place + 1}:0:1`;
        const from = now - (20 - place) * HOUR;
        const to = from + 8 * HOUR;
        return { interface: 'wg0', peer, address, from, lastSeen: to - HOUR, to, how: 'evicted' };
      }),
    );
    await remember(running.router, stays, now);
    const page = await visit(running, 'timeline');
    expect(await page.locator(row).count()).toBe(40);
    expect(await page.locator(bar).count()).toBe(400);
    const labels = await page.locator(`${bar} text`).allTextContents();
    expect(labels).toHaveLength(400);
    expect(await page.evaluate('document.body.scrollHeight')).toBeLessThan(10_000);
    // The axis is in sight wherever one is.
    await page.getByText('Peer 30').scrollIntoViewIfNeeded();
    const { y } = (await page.locator('.wg-slaacer-axis').boundingBox())!;
    expect(y).toBeGreaterThanOrEqual(0);
    expect(y).toBeLessThan(100);
  });
});

it('goes on with what the reader has chosen when it is read again', async () => {
  const running = await home();
  const page = await visit(running, 'timeline');
  await rowOf(page, 'Bob’s phone').locator(bar).first().click();
  const before = await focused(page);
  const [detail] = await textOf(page, '.wg-slaacer-detail');
  await running.router.use('wg0', phone.key, `${PREFIX}::77`);
  await running.router.use('wg0', guest.key, `${PREFIX}::78`);
  const bars = await page.locator(bar).count();
  await page.evaluate("document.querySelector('.wg-slaacer-range').click()"); // as the time that passes does
  await expect.poll(() => page.locator(bar).count()).toBe(bars + 2);
  expect(await focused(page)).toBe(before);
  expect(await textOf(page, '.wg-slaacer-detail')).toEqual([detail]);
});
