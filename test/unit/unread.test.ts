// SPDX-License-Identifier: GPL-2.0-only

import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { unreadLines } from '../../src/cli/unread.ts';

const now = 1_800_000_000;
const folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
afterAll(() => rmSync(folder, { recursive: true }));

const configuration = join(folder, 'configuration');
const changes = join(folder, 'changes');

/** What is told 10 s after the service has read the configuration. */
function told(changed: number, staged?: string): string {
  writeFileSync(configuration, '');
  utimesSync(configuration, changed, changed);
  rmSync(changes, { force: true });
  if (staged !== undefined) writeFileSync(changes, staged);
  return unreadLines(10, 1_000 * now, { configuration, changes }).join('\n');
}

it('a configuration that has changed since the service read it is told', () => {
  expect(told(now - 60)).toBe('');
  expect(told(now - 5)).toMatch(/configuration has changed since .*\n {2}hint: service wg-slaacer reload$/);
});

it('a file from the future, of before the clock was set, is not taken for changed', () => {
  expect(told(now + 3_600)).toBe('');
});

it('changes that are not committed are told, whether the service has read them or not', () => {
  expect(told(now - 60, '')).toBe('');
  for (const changed of [now - 60, now - 5])
    expect(told(changed, "wg-slaacer.wg1.rate='9'")).toMatch(
      /not committed, .*\n {2}hint: uci commit wg-slaacer; /,
    );
});

it('nothing is told where there is no such file', () => {
  expect(unreadLines(10, 1_000 * now, { configuration: `${folder}/a`, changes: `${folder}/b` })).toEqual([]);
});
