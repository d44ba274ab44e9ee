// SPDX-License-Identifier: GPL-2.0-only

import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const launcher = readFileSync(join(checkout, 'files/usr/sbin/wg-slaacer'), 'utf8');
const ADDON = join(checkout, 'dist/rootfs/usr/lib/wg-slaacer/wg_slaacer.node');

/** What begins the file. */
const key = `${'a'.repeat(16)} ${process.version} `;

let folder: string;
let kept: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
  kept = join(folder, 'code');
  install('a');
});

afterEach(() => rmSync(folder, { recursive: true }));

/** A program that prints a letter and what it is called with; if it is called with "run", it is started, as the service. */
function install(letter: string, keptIn = kept): void {
  installMain(`
const greet = (name) => console.log(${JSON.stringify(letter)}, name);
greet(process.argv[2]);
if (process.argv[2] === 'run') started();
`);
  copyFileSync(ADDON, join(folder, 'wg_slaacer.node'));
  buildSync({
    entryPoints: [join(checkout, 'src/start.ts')],
    outfile: join(folder, 'start.js'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    define: { HASH: JSON.stringify(letter.repeat(16)), KEPT: JSON.stringify(keptIn) },
  });
}

function installMain(text: string): void {
  writeFileSync(join(folder, 'main.js'), `(function (require, started, addon) {'use strict';${text}})`);
}

/** That the launcher gives Node. */
const flags = /^exec node (.*) \\$/m.exec(launcher)![1]!.split(' ');

function start(command: string, ...more: string[]): string {
  const environment = [...launcher.matchAll(/^export (WG_SLAACER_\w+)='(.*)'$/gm)].map(([, name, value]) => [
    name,
    value,
  ]);
  return execFileSync(process.execPath, [...flags, ...more, join(folder, 'start.js'), command], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', ...Object.fromEntries(environment) },
  });
}

/** Another one each time that it is written. */
const file = () => statSync(kept).ino;

describe('the program that is started', () => {
  it('takes the compiled code that Node has of its own modules, and so has its addon before them', () => {
    installMain(`
const { internalBinding } = require('internal/test/binding');
require('net');
const builtins = internalBinding('builtins');
const { compiledWithoutCache } = builtins.getCacheUsage?.() ?? builtins;
console.log(typeof addon?.BpfObject, [...compiledWithoutCache].includes('net'));`);
    const given = ['--expose-internals', '--no-warnings'];
    expect(start('run', ...given)).toBe('function false\n');
    rmSync(join(folder, 'wg_slaacer.node'));
    expect(start('run', ...given)).toMatch(/^undefined/);
  });

  it('keeps the code that V8 has made of the service, and uses it at the next start', () => {
    expect(start('run')).toBe('a run\n');
    const written = file();
    expect(start('run')).toBe('a run\n');
    expect(file()).toBe(written);
  });

  it('keeps it where nobody else can change or read it', () => {
    start('run');
    expect(statSync(kept).mode & 0o777).toBe(0o600);
  });

  it('keeps none of other commands, which use that of the service', () => {
    expect(start('status')).toBe('a status\n');
    expect(existsSync(kept)).toBe(false);
  });

  it('uses no code of another program, even if its text is as long', () => {
    start('run');
    const written = file();
    install('b');
    expect(start('status')).toBe('b status\n');
    expect(start('run')).toBe('b run\n');
    expect(file()).not.toBe(written);
  });

  it.each([
    ['nothing', () => Buffer.alloc(0)],
    ['no code', () => Buffer.from(key)],
    ['something else', () => Buffer.from(`${key}${'x'.repeat(5_000)}`)],
    ['that of another Node', () => readFileSync(kept).fill('x', key.length - 2, key.length - 1)],
    ['half of it', () => readFileSync(kept).subarray(0, statSync(kept).size / 2)],
  ])('starts if %s was kept, and keeps it anew', (_, content) => {
    start('run');
    const whole = readFileSync(kept).length;
    writeFileSync(kept, content());
    expect(start('run')).toBe('a run\n');
    expect(readFileSync(kept).length).toBe(whole);
  });

  it('starts if nothing can be kept', () => {
    install('a', join(folder, 'none/code'));
    expect(start('run')).toBe('a run\n');
  });
});
