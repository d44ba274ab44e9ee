// SPDX-License-Identifier: GPL-2.0-only

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const addon = join(checkout, 'dist/rootfs/usr/lib/wg-slaacer/wg_slaacer.node');

let folder: string;
let kept: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
  kept = join(folder, 'code');
  install('a');
});

afterEach(() => rmSync(folder, { recursive: true }));

/** A program that prints a letter and what it is called with. It loads the addon, and changes V8's flags as the service does. */
function install(letter: string, keptIn = kept): void {
  writeFileSync(
    join(folder, 'main.js'),
    `'use strict';
process.dlopen({ exports: {} }, ${JSON.stringify(addon)});
require('node:v8').setFlagsFromString(process.env.WG_SLAACER_LATE_V8_FLAGS);
console.log(${JSON.stringify(letter)}, process.argv[2]);`,
  );
  buildSync({
    entryPoints: [join(checkout, 'src/start.ts')],
    outfile: join(folder, 'start.js'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    define: { HASH: JSON.stringify(letter.repeat(16)), KEPT: JSON.stringify(keptIn) },
  });
}

/** As files/usr/sbin/wg-slaacer starts it. */
function start(command: string): string {
  const flags = ['--max-semi-space-size=1', '--single-threaded-gc', '--max-old-space-size=64'];
  return execFileSync(process.execPath, [...flags, '--v8-pool-size=1', join(folder, 'start.js'), command], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', WG_SLAACER_LATE_V8_FLAGS: '--no-lazy-feedback-allocation' },
  });
}

/** Another one each time that it is written. */
const file = () => statSync(kept).ino;

describe('the program that is started', () => {
  it('keeps the code that V8 has made of the service, and uses it at the next start', () => {
    expect(start('run')).toBe('a run\n');
    const written = file();
    expect(start('run')).toBe('a run\n');
    expect(file()).toBe(written);
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
    ['nothing', ''],
    ['no code', 'a'.repeat(16)],
    ['something else', `${'a'.repeat(16)}${'x'.repeat(5_000)}`],
  ])('starts if %s was kept', (_, text) => {
    writeFileSync(kept, text);
    expect(start('run')).toBe('a run\n');
  });

  it('starts if nothing can be kept', () => {
    install('a', join(folder, 'none/code'));
    expect(start('run')).toBe('a run\n');
  });
});
