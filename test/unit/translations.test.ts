// SPDX-License-Identifier: GPL-2.0-only
// The page's catalogues, and what LuCI gets of them on the router.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { catalogueOf, filesOf, languages, poFile } from '../../scripts/languages.ts';
import { decodeLmo, encodeLmo } from '../../scripts/lmo.ts';
import { hashOf } from '../../scripts/lmo-hash.ts';
import { formatPo, parsePo, placeholders } from '../../scripts/po.ts';
import { collect, merge } from '../../scripts/pot.ts';

const texts = collect();

it('there is a catalogue for each language, and no other', () => {
  const folders = readdirSync('luci/po').filter((name) => name !== 'templates');
  expect(folders.sort()).toEqual(languages.map(({ code }) => code).sort());
});

describe.each(languages)('$code', (language) => {
  const { code } = language;
  const { comment, entries } = catalogueOf(code);

  it('has every text of the page and no other, as npm run format leaves it', () => {
    const file = readFileSync(poFile(code), 'utf8');
    expect(file).toBe(formatPo(merge(language, texts, parsePo(file))));
  });

  it('lacks no translation: npm run translate prints what it lacks', () => {
    expect(entries.filter(({ text }) => text === '').map(({ id }) => id)).toEqual([]);
  });

  it('keeps what is put into a text', () => {
    const wrong = entries.filter(({ id, text }) => `${placeholders(id)}` !== `${placeholders(text)}`);
    expect(wrong).toEqual([]);
  });

  it('begins and ends as the text does: with a blank, a full stop or a question mark', () => {
    const edges = (text: string) =>
      [/^\s/.test(text), /\s$/.test(text), /[.。]$/.test(text), /[?？]$/.test(text)].join();
    expect(entries.filter(({ id, text }) => edges(id) !== edges(text))).toEqual([]);
  });

  it('says that a machine has made it', () => {
    expect(comment).toContain('Translated by a machine: a native reader has yet to read it.');
  });

  it('is a catalogue to msgfmt', () => {
    execFileSync('msgfmt', ['--check', '--output-file=/dev/null', poFile(code)], { stdio: 'pipe' });
  });
});

describe('a catalogue for LuCI', () => {
  // The hashes are those of LuCI's own po2lmo.
  const known: readonly (readonly [id: string, text: string, hash: number])[] = [
    ['Peer', 'Gegenstelle', 3398622334],
    ['Forget', 'Vergessen', 3699959863],
    ['Start it', 'Starten', 2564969691],
    ['The service is starting …', 'Der Dienst startet …', 1094386407],
    ['a "b"', 'ein „b“', 2399416293],
    ['ää', 'x', 1756936727],
  ];
  it.each(known)('finds %j by its hash', (id, text, hash) => {
    expect(hashOf(id)).toBe(hash);
    const file = encodeLmo({ comment: '', header: '', entries: [{ id, text, places: [] }] });
    expect(decodeLmo(file)).toEqual(new Map([[hash, text]]));
  });

  it('has all translations', () => {
    const { entries } = catalogueOf('de');
    const found = decodeLmo(encodeLmo(catalogueOf('de')));
    expect(found.get(0)).toBe('nplurals=2; plural=n != 1;');
    for (const { id, text } of entries) expect(found.get(hashOf(id)) ?? id).toBe(text);
  });

  it('is where LuCI looks, and known to LuCI by its name', () => {
    const names = languages.flatMap((language) => [...filesOf(language).keys()]);
    expect(names).toContain('usr/lib/lua/luci/i18n/wg-slaacer.zh-cn.lmo');
    const defaults = filesOf(languages.find(({ code }) => code === 'pt_BR')!);
    expect(defaults.get('etc/uci-defaults/luci-i18n-wg-slaacer-pt-br')).toBe(
      "uci set luci.languages.pt_br='Português do Brasil (Brazilian Portuguese)'; uci commit luci\n",
    );
  });
});

describe('a changed text', () => {
  it('is to be translated again, and the others stay', () => {
    const former = {
      comment: '# by hand\n',
      header: '',
      entries: [
        { id: 'one', text: 'eins', places: ['a.ts'] },
        { id: 'two', text: 'zwei', places: ['a.ts'] },
      ],
    };
    const now = ['one', 'two!'].map((id) => ({ id, text: '', places: ['b.ts'] }));
    const { comment, entries } = merge(languages[0]!, now, former);
    expect(comment).toBe('# by hand\n');
    expect(entries.map(({ id, text }) => [id, text])).toEqual([
      ['one', 'eins'],
      ['two!', ''],
    ]);
  });
});

it('a catalogue is read as it is written, and as other programs break its lines', () => {
  const source = formatPo({
    comment: '# x\n',
    header: 'Language: de\n',
    entries: [{ id: 'a "b"', text: 'ä', places: ['luci/a.ts', 'luci/b.ts'] }],
  });
  expect(formatPo(parsePo(source))).toBe(source);
  expect(parsePo(source.replace('msgstr "ä"', 'msgstr ""\n"ä"'))).toEqual(parsePo(source));
});
