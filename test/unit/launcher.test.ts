// SPDX-License-Identifier: GPL-2.0-only
// What is called wg-slaacer, as npm run build has left it: where Node is missing or too old, one line says so.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };

const program = fileURLToPath(new URL('../../dist/rootfs/usr/sbin/wg-slaacer', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
afterAll(() => rmSync(folder, { recursive: true }));

function run(path: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync('/bin/sh', [program, ...args], {
    env: { PATH: path },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

/** A Node that takes itself for another version. */
function nodeOf(version: string): string {
  const preload = join(folder, 'version.cjs');
  writeFileSync(
    preload,
    `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });`,
  );
  const node = `#!/bin/sh\nexec '${process.execPath}' --require '${preload}' "$@"\n`;
  writeFileSync(join(folder, 'node'), node, { mode: 0o755 });
  return folder;
}

it('says that Node is missing, and what to install', () => {
  const empty = mkdtempSync(join(folder, 'empty-'));
  const { status, stderr } = run(empty, 'status');
  expect(status).toBe(127);
  expect(stderr).toMatch(/^wg-slaacer: Node is not installed.*opkg install node.*\n$/);
});

it.each(['18.20.4', '20.15.1'])('says that Node %s is too old, and what to install', (version) => {
  expect(run(nodeOf(version), '--version')).toEqual({
    status: 1,
    stdout: '',
    stderr: `wg-slaacer: Node ${version} is too old: install 20.16 or later\n`,
  });
});

it.each(['20.16.0', '22.3.0', '100.0.0'])('takes Node %s', (version) => {
  expect(run(nodeOf(version), '--version').stdout).toBe(`${manifest.version}\n`);
});

it.each(['--help', '-h', 'help', 'client --help', 'run --interface wg1 --help'])(
  '%s prints all commands',
  (line) => {
    const { status, stdout } = run(nodeOf('20.16.0'), ...line.split(' '));
    expect(status).toBe(0);
    expect(stdout).toContain('Usage:\n  wg-slaacer status ');
  },
);
