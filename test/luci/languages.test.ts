// SPDX-License-Identifier: GPL-2.0-only
// The page in other languages: what is translated shows, and longer or shorter words break nothing.

import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { catalogueOf } from '../../scripts/languages.ts';
import { placeholders } from '../../scripts/po.ts';
import { boot, useBrowser, visit } from './bench.ts';
import { household, laptop, live, PREFIX, phone } from './scene.ts';

useBrowser();

const widths = { wide: 1120, narrow: 390 };

/** Each piece of text that shows, with the places of its lines; to be run in the page. */
function shownTexts() {
  const walker = document.createTreeWalker(document.querySelector('#view')!, NodeFilter.SHOW_TEXT);
  const found: { text: string; boxes: { left: number; right: number; top: number; bottom: number }[] }[] = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.textContent!.trim();
    const element = node.parentElement!;
    if (text === '' || ['STYLE', 'OPTION'].includes(element.tagName) || !element.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const boxes = [...range.getClientRects()].filter(({ width, height }) => width > 0 && height > 0);
    found.push({ text, boxes: boxes.map(({ left, right, top, bottom }) => ({ left, right, top, bottom })) });
  }
  return found;
}

/** What is wrong with how the page looks, in words. */
async function faults(page: Page): Promise<string[]> {
  const texts = await page.evaluate(shownTexts);
  const wide = await page.evaluate(() => ({
    view: document.documentElement.clientWidth,
    content: document.documentElement.scrollWidth,
  }));
  const told: string[] = [];
  if (wide.content > wide.view) told.push(`${wide.content - wide.view} pixels are to be scrolled to`);
  for (const { text, boxes } of texts)
    if (boxes.some(({ left, right }) => left < 0 || right > wide.view + 1)) told.push(`cut off: ${text}`);
  texts.forEach((one, i) => {
    for (const other of texts.slice(i + 1)) {
      const overlap = one.boxes.some((a) =>
        other.boxes.some(
          (b) =>
            Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
            Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4,
        ),
      );
      if (overlap) told.push(`one upon the other: ${one.text} | ${other.text}`);
    }
  });
  return told;
}

it('what is cut off or overlaps would be noticed', async () => {
  const running = await boot(household);
  await live(running.router);
  const page = await visit(running, 'status', 'admin', { viewport: { width: widths.narrow, height: 900 } });
  expect(await faults(page)).toEqual([]);
  await page.addStyleTag({ content: '#view p, #view td { white-space: nowrap; }' });
  const told = (await faults(page)).join('\n');
  expect(told).toMatch(/pixels are to be scrolled to/);
  expect(told).toMatch(/cut off: /);
  await page.addStyleTag({ content: '#view p { line-height: 0.3; }' });
  expect((await faults(page)).join('\n')).toMatch(/one upon the other: /);
});

// The narrow page has the least room for words; a short and a long language are seen in the wide one, too.
describe.each([
  ['de', 'de', ['wide', 'narrow']],
  ['es', 'es', ['narrow']],
  ['fr', 'fr', ['narrow']],
  ['pt-BR', 'pt_BR', ['narrow']],
  ['ru', 'ru', ['narrow']],
  ['zh-CN', 'zh_Hans', ['wide', 'narrow']],
] as const)('in the language %s', (locale, code, sizes) => {
  const { entries } = catalogueOf(code);
  const label = entries.find(({ id }) => id === 'Learned addresses of %s')!;
  const translated = entries.filter(({ id, text }) => text !== '' && text !== id);
  /** What would be there if a translation were not found. */
  const english = new Set(translated.filter(({ id }) => placeholders(id).length === 0).map(({ id }) => id));

  it.each(sizes)('nothing is cut off or overlaps, and nothing is left in English: %s', async (size) => {
    const running = await boot({
      ...household,
      settings: `${household.settings}\toption rate 'lots'\n`,
    });
    const { router } = running;
    await live(router);
    await router.use('wg0', laptop.key, `${PREFIX}::7`);
    await router.use('wg0', phone.key, `${PREFIX}::7`);
    router.kernel.warn({ code: 'refused-peer', data: { device: 'wg0', peer: phone.key } });
    for (const view of ['status', 'timeline', 'settings'] as const) {
      const page = await visit(running, view, 'admin', {
        locale,
        viewport: { width: widths[size], height: 900 },
      });
      const shown = (await page.evaluate(shownTexts)).map(({ text }) => text);
      expect(shown.filter((text) => english.has(text))).toEqual([]);
      expect(await faults(page), view).toEqual([]);
      const labels = await page
        .locator('table')
        .evaluateAll((tables) => tables.map((each) => each.ariaLabel));
      if (view === 'status') expect(labels).toContain(label.text.replace('%s', 'wg0'));
    }
  });
});
