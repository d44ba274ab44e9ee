// SPDX-License-Identifier: GPL-2.0-only
// What the views are compiled to, as LuCI's class loader and the feed's build tools see it.

import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { compileView, toClassFile, VIEWS } from '../../scripts/luci.ts';
import { TEMPLATE, template, translatable } from '../../scripts/pot.ts';
import { minify } from './jsmin.ts';

const compiled = new Map<string, string>();
for (const view of VIEWS) compiled.set(view, await compileView(view));

/** As the class loader does it, with modules that take anything. */
function load(source: string): unknown {
  const anything: unknown = new Proxy(() => {}, { get: () => anything, apply: () => anything });
  const view = { extend: (members: object) => members };
  const names = [...source.matchAll(/^'require (\w+)';/gm)].map(([, name]) => name!);
  const factory = runInNewContext(`(function(window, document, L, ${names.join(', ')}) { ${source} })`, {
    _: (text: string) => text,
    Intl,
  });
  return factory({}, {}, anything, ...names.map((name) => (name === 'view' ? view : anything)));
}

describe.each(VIEWS)('%s', (name) => {
  const source = compiled.get(name)!;

  it('begins with what it requires and returns a view', () => {
    const [licence, strict, ...lines] = source.split('\n');
    expect([licence, strict]).toEqual(['// SPDX-License-Identifier: GPL-2.0-only', "'use strict';"]);
    const required = lines.slice(0, lines.indexOf(''));
    expect(required.length).toBeGreaterThan(2);
    for (const line of required) expect(line).toMatch(/^'require (form|fs|poll|rpc|uci|ui|view)';$/);
    expect(source.match(/^return view\.extend\(/gm)).toHaveLength(1);
    expect(load(source)).toMatchObject({ render: expect.any(Function) });
  });

  it('has no module syntax and no source map, and is readable', () => {
    expect(source).not.toMatch(/^(import|export)\b/m);
    expect(source).not.toContain('sourceMappingURL');
    expect(source.endsWith('\n')).toBe(true);
    expect(Math.max(...source.split('\n').map((line) => line.length))).toBeLessThan(400);
  });

  it('is the same to the browser when the feed has minified it', () => {
    const minified = minify(source.replace(/^'require.*\n/gm, ''));
    expect(minified.length).toBeLessThan(source.length * 0.9);
    const required = source.match(/^'require.*$/gm)!.join('\n');
    const view = load(`${required}\n${minified}`);
    expect(Object.keys(view as object)).toEqual(Object.keys(load(source) as object));
    expect(stringsOf(minified)).toEqual(stringsOf(source));
  });

  it('has its texts as literals', () => {
    const calls = source.match(/(?<![\w.])_\(/g)!.length;
    expect(calls).toBeGreaterThan(5);
    expect(source.match(/(?<![\w.])_\(\s*"(?:[^"\\]|\\.)*"\s*\)/g)).toHaveLength(calls);
  });
});

/** All string literals and regular expressions, without comments. */
function stringsOf(source: string): string[] {
  return minify(source).match(/"(?:[^"\\]|\\.)*"|`[^`]*`|\/\^[^\n]*?\//g) ?? [];
}

describe('the minifier', () => {
  it('joins what needs no blank between', () => {
    expect(minify('// c\nvar a = 1; /* x */\nreturn  a +\n b\n')).toBe('var a=1;return a+\nb\n');
  });

  it('takes a regular expression for a division where JSMin does', () => {
    expect(minify('f(/a +b/)')).toBe('f(/a +b/)');
    expect(minify('(x) => /a +b/')).toBe('(x)=>/a+b/');
  });
});

describe('a module that is no view', () => {
  it.each([
    ['without a default export', 'var a = 1;\n'],
    ['with another import', 'import a from "b";\n\nvar s = view.extend({});\nexport {\n  s as default\n};\n'],
  ])('is refused %s', (_, module) => {
    expect(() => toClassFile(module, 'x')).toThrow('x: a view must have');
  });
});

describe('the template for translators', () => {
  it('is current: npm run format makes it', () => {
    expect(readFileSync(TEMPLATE, 'utf8')).toBe(template());
  });

  it('has every text once, with its places', () => {
    const texts = [...template().matchAll(/^msgid (".*")$/gm)].map(([, text]) => JSON.parse(text!) as string);
    expect(new Set(texts).size).toBe(texts.length);
    for (const text of ['Learn addresses', 'Not in a prefix of this interface', 'WireGuard SLAAC'])
      expect(texts).toContain(text);
  });

  it('takes no text that is put together', () => {
    expect(() => translatable("\n_('a' + b)", 'x.ts')).toThrow('x.ts:2: _() takes one literal text');
    expect(() => translatable('_(`a`)', 'x.ts')).toThrow();
    expect(translatable('_(\'a %s\').format(_("b"))', 'x.ts')).toEqual([
      { text: 'a %s', line: 1 },
      { text: 'b', line: 1 },
    ]);
  });
});
