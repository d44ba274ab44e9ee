// SPDX-License-Identifier: GPL-2.0-only
// README and docs/: what they refer to is there, and what can be configured is in them.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  type Options,
  peerDefaults,
  peerOptions,
  sectionDefaults,
  sectionOptions,
  serviceDefaults,
  serviceOptions,
} from '../../src/settings.ts';
import { blocksFor, blocksOf, pages, readPage } from '../bed/pages.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const withoutCode = (text: string) => text.replace(/^```.*?^```/gms, '').replace(/`[^`\n]*`/g, '');

/** As GitHub names the anchors of headings; a second one of the same name gets a number. */
function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>();
  const headings = [...text.replace(/^```.*?^```/gms, '').matchAll(/^#+ (.*)$/gm)];
  return headings.map(([, heading]) => {
    const plain = heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[*`]/g, '');
    const anchor = plain
      .toLowerCase()
      .replace(/[^\p{Letter}\p{Number}_ -]/gu, '')
      .replaceAll(' ', '-');
    const before = seen.get(anchor) ?? 0;
    seen.set(anchor, before + 1);
    return before > 0 ? `${anchor}-${before}` : anchor;
  });
}

function linksOf(text: string): string[] {
  const prose = withoutCode(text);
  const inline = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  const named = [...prose.matchAll(/^\[[^\]]+\]: (\S+)$/gm)].map(([, target]) => target!);
  return [...inline, ...named].filter((target) => !/^https?:/.test(target));
}

describe.each(pages)('%s', (page) => {
  it('links to files and headings that are there', () => {
    const broken = linksOf(readPage(page)).filter((target) => {
      const [name = '', anchor] = target.split('#');
      const file = name === '' ? page : normalize(join(dirname(page), name));
      if (!existsSync(join(root, file))) return true;
      return anchor !== undefined && !anchorsOf(readPage(file)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });
});

it('README is one page, and leads to every other one', () => {
  const text = readPage('README.md');
  expect(text.split('\n').length).toBeLessThanOrEqual(151);
  const linked = linksOf(text).map((target) => target.split('#')[0]);
  expect(pages.filter((page) => page.startsWith('docs/') && !linked.includes(page))).toEqual([]);
});

describe('docs/configure.md', () => {
  const text = readPage('docs/configure.md');
  const rowsOf = (section: string) =>
    [
      ...text
        .split(`## Section \`${section}\``)[1]!
        .split(/^## /m)[0]!
        .matchAll(/^\| `(\w+)` +\|(.*)\|$/gm),
    ].map(([, name, cells]) => [name!, cells!.split('|').map((cell) => cell.trim())] as const);

  it.each([
    ['interface', sectionOptions, sectionDefaults],
    ['peer', peerOptions, peerDefaults],
    ['globals', serviceOptions, serviceDefaults],
  ] as readonly [string, Options<object>, object][])(
    'has a row for each option of %s, with its default and an example',
    (section, options, defaults) => {
      const rows = rowsOf(section);
      expect(rows.map(([name]) => name).sort()).toEqual(Object.keys(options).sort());
      for (const [name, [preset, , example]] of rows) {
        const { key, parse } = options[name]! as { key: string; parse: (texts: string[]) => unknown };
        const value = (defaults as Record<string, unknown>)[key];
        if (preset!.startsWith('`')) expect(parse([preset!.replaceAll('`', '')]), name).toEqual(value);
        else
          expect(value === undefined || (value as unknown[]).length === 0, `${name}: ${preset}`).toBe(true);
        const [, given] = new RegExp(`^\`(?:option|list) ${name} '(.*)'\`$`).exec(example!) ?? [];
        expect(parse([given ?? '']), `${name}: ${example}`).toBeDefined();
      }
    },
  );
});

describe('the commands of the documentation', () => {
  const blocks = pages.flatMap(blocksOf);
  const justified = blocks.filter(({ mark }) => mark.startsWith('not run: '));

  it('are marked with where a test runs them, or why none does', () => {
    // test/kernel/once/documentation.test.ts runs those of a router, a laptop and any Linux.
    const places = ['host', 'router', 'openwrt', 'laptop', 'linux'].map((place) => `runs: ${place}`);
    const unmarked = blocks.filter((block) => !places.includes(block.mark) && !justified.includes(block));
    expect(unmarked).toEqual([]);
  });

  it('are run, but for few', () => {
    expect(justified.length).toBeLessThan(blocks.length / 2);
  });

  it.each(blocksFor('host'))('run on this machine: $page, $section', { timeout: 120_000 }, ({ commands }) => {
    execFileSync('sh', ['-ec', commands], { cwd: root, stdio: 'pipe' });
  });
});
