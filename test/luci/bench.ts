// SPDX-License-Identifier: GPL-2.0-only
// A router with its web server and a browser before it, for one test file.

import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { launchBrowser, openPage } from './browser.ts';
import { Router, type RouterConfig } from './router.ts';
import { standInSite } from './site.ts';
import { type Site, Web } from './uhttpd.ts';

export interface Running {
  readonly router: Router;
  readonly web: Web;
}

let browser: Browser;
let site: Site;
const open: { page: Page; errors: string[] }[] = [];
const running: Running[] = [];

/** To be called once in a test file. Every test fails if its pages have said something on the console. */
export function useBrowser(): void {
  beforeAll(async () => {
    [browser, site] = await Promise.all([launchBrowser(), standInSite()]);
  });

  afterAll(() => browser?.close());

  afterEach(async () => {
    const errors = open.flatMap(({ errors }) => errors);
    for (const { page } of open.splice(0)) await page.close();
    for (const { router, web } of running.splice(0)) {
      await web.close();
      await router.shutDown();
    }
    expect(errors).toEqual([]);
  });
}

export async function boot(config: RouterConfig): Promise<Running> {
  const router = await Router.boot(config);
  const web = new Web(router.bus, router.acl, site);
  await web.listen();
  running.push({ router, web });
  return { router, web };
}

/** The page once it shows something. */
export async function visit(
  { router, web }: Running,
  view: 'status' | 'timeline' | 'settings',
  login: keyof Router['sessions'] = 'admin',
  options: Parameters<Browser['newPage']>[0] = {},
): Promise<Page> {
  const opened = await openPage(browser, web.url(view, router.sessions[login]), options);
  open.push(opened);
  await opened.page.waitForSelector('#view > .cbi-map h2');
  return opened.page;
}

/** The words of an element, as they are read. */
export async function textOf(page: Page, selector: string): Promise<string[]> {
  const texts = await page.locator(selector).allInnerTexts();
  return texts.map((text) => text.replace(/\s+/g, ' ').trim());
}
