// SPDX-License-Identifier: GPL-2.0-only
// npm run screenshots: pictures of all views for README and docs, on a router with a household behind it.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launchBrowser, openPage } from '../test/luci/browser.ts';
import { Router } from '../test/luci/router.ts';
import { household, live, remember, week } from '../test/luci/scene.ts';
import { standInSite } from '../test/luci/site.ts';
import { Web } from '../test/luci/uhttpd.ts';

const folder = join(import.meta.dirname, '../docs');
const wide = { width: 1120, height: 600 };
const narrow = { width: 390, height: 600 };

const router = await Router.boot(household);
await live(router);
const now = Math.round(Date.now() / 1_000);
await remember(router, week(now), now);
await live(router); // what was denied before is not remembered
const web = new Web(router.bus, router.acl, await standInSite());
await web.listen();
const browser = await launchBrowser();
mkdirSync(folder, { recursive: true });

for (const colorScheme of ['light', 'dark'] as const) {
  for (const [size, viewport] of Object.entries({ wide, narrow })) {
    for (const view of ['status', 'timeline', 'settings'] as const) {
      if (view === 'timeline' && (colorScheme === 'light') !== (size === 'wide')) continue; // one of each is enough
      const { page } = await openPage(browser, web.url(view, router.sessions.admin), {
        colorScheme,
        viewport,
      });
      await page.waitForSelector('#view > .cbi-map h2');
      await page.screenshot({ path: `${folder}/${view}-${colorScheme}-${size}.png`, fullPage: true });
      await page.close();
    }
  }
}

const { page } = await openPage(browser, web.url('settings', router.sessions.admin), {
  colorScheme: 'light',
  viewport: wide,
});
await page.getByRole('button', { name: 'Edit' }).first().click();
await page.locator('.modal').waitFor();
await page.setViewportSize({ width: wide.width, height: 720 });
await page.screenshot({ path: `${folder}/dialog-light-wide.png` });
await page.locator('.modal').getByText('Peers', { exact: true }).click();
await page.locator('.modal [data-name="name"] input').nth(1).fill('mobile');
await page.locator('.modal [data-name="nftset"] input').nth(1).fill('inet#fw4#phone');
await page.locator('.modal .cbi-button-add:visible').nth(1).click();
await page.setViewportSize({ width: wide.width, height: 520 });
await page.screenshot({ path: `${folder}/peers-light-wide.png` });

await browser.close();
await web.close();
await router.shutDown();
