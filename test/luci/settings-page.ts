// SPDX-License-Identifier: GPL-2.0-only
// What is done with the settings page.

import type { Page } from 'playwright-core';
import type { Router } from './router.ts';

export const rowOf = (page: Page, device: string) =>
  page.locator('tr.cbi-section-table-row').filter({ has: page.getByText(device, { exact: true }) });
export const option = (page: Page, section: string, name: string) =>
  page.locator(`.modal [id="widget.cbid.wg-slaacer.${section}.${name}"]`);

export async function saveAndApply(page: Page): Promise<void> {
  const reloaded = page.waitForEvent('load');
  await page.getByRole('button', { name: 'Save & Apply' }).click();
  await reloaded;
  await page.waitForSelector('#view > .cbi-map h2');
}

export async function openDialog(page: Page, device: string): Promise<void> {
  await rowOf(page, device).getByRole('button', { name: 'Edit' }).click();
  await page.locator('.modal').waitFor();
}

export async function saveDialog(page: Page): Promise<void> {
  await page.locator('.modal').getByRole('button', { name: 'Save' }).click();
  await page.locator('.modal').waitFor({ state: 'hidden' });
}

/** What the login has changed and not applied. */
export async function staged(router: Router): Promise<unknown> {
  const { changes } = await router.bus.call('uci', 'changes', { ubus_rpc_session: router.sessions.admin });
  return changes;
}
