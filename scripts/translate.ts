// SPDX-License-Identifier: GPL-2.0-only
// npm run translate -- LANGUAGE: prints the texts that a language lacks, as they stand in its catalogue. With a file of
// such entries, npm run translate -- LANGUAGE FILE puts their translations into the catalogue.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { catalogueOf, languages, poFile } from './languages.ts';
import { formatPo, parsePo } from './po.ts';

const [code = '', file] = process.argv.slice(2);
if (!languages.some((language) => language.code === code)) {
  console.error(`translate: name one of ${languages.map(({ code }) => code).join(', ')}`);
  process.exit(2);
}
const translations = file === undefined ? '' : readFileSync(file, 'utf8');
process.chdir(join(import.meta.dirname, '..'));

const catalogue = catalogueOf(code);
if (file === undefined) {
  const entries = catalogue.entries.filter(({ text }) => text === '');
  if (entries.length > 0) process.stdout.write(formatPo({ ...catalogue, entries }));
  console.error(`${entries.length} of ${catalogue.entries.length} texts are not translated into ${code}`);
} else {
  const known = new Map(parsePo(translations).entries.map(({ id, text }) => [id, text]));
  const entries = catalogue.entries.map((entry) => ({ ...entry, text: known.get(entry.id) || entry.text }));
  writeFileSync(poFile(code), formatPo({ ...catalogue, entries }));
}
