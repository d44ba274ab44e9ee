// SPDX-License-Identifier: GPL-2.0-only
// What files/etc/init.d/wg-slaacer hands to procd.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const files = path('../../files');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const none = 'globals globals hook=auto';
const disabled = 'interface wg1 enabled=0 rate=5\ninterface wg2 rate=5';
const two = `${none}\ninterface wg1 enabled=1\ninterface wg2 enabled=0\ninterface home enabled=1 device=wg-home`;

/** Each call as [function, ...arguments]. */
function calls(action: 'start' | 'reload', sections: string, learned = false): string[][] {
  const config = join(folder, 'config');
  writeFileSync(config, `${sections}\n`);
  const script = join(files, 'etc/init.d/wg-slaacer');
  const output = execFileSync('busybox', ['ash', path('rc.common'), script, action], {
    env: { CONFIG: config, LEARNED: learned ? folder : join(folder, 'absent'), PATH: process.env.PATH },
    encoding: 'utf8',
  });
  return output
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
}

const named = (all: string[][], name: string) =>
  all.filter(([first]) => first === name).map(([, ...rest]) => rest);

describe('the init script', { timeout: 30_000 }, () => {
  it.each([
    ['without an interface', none],
    ['with disabled interfaces only', disabled],
  ])('starts nothing %s, and waits for a change of the configuration', (_, sections) => {
    expect(calls('start', sections)).toEqual([
      ['open_service'],
      ['add_reload_trigger', 'wg-slaacer', 'network', 'dhcp'],
      ['close_service'],
    ]);
  });

  it('starts one instance for all interfaces', () => {
    const all = calls('start', two);
    expect(named(all, 'open_instance')).toHaveLength(1);
    expect(named(all, 'close_instance')).toHaveLength(1);
    const parameters = Object.fromEntries(named(all, 'set_param').map(([name, ...values]) => [name, values]));
    expect(parameters).toMatchObject({
      command: ['/usr/sbin/wg-slaacer', 'run'],
      respawn: ['3600', '5', '0'],
      stdout: ['1'],
      stderr: ['1'],
      no_new_privs: ['1'],
    });
  });

  it('is restarted by an upgrade, but not by a change of the configuration', () => {
    const parameters = named(calls('start', two), 'set_param');
    const [watched] = parameters.filter(([name]) => name === 'file').map(([, ...names]) => names);
    expect(watched).toEqual([
      '/usr/lib/wg-slaacer/wg-slaacer.js',
      '/usr/lib/wg-slaacer/wg_slaacer.node',
      '/lib/bpf/wg-slaacer.o',
    ]);
    expect(parameters.map(([name]) => name)).not.toContain('reload_signal');
  });

  it('names a capabilities file that is installed, with the same in every set', () => {
    const all = calls('start', two);
    const [file] = named(all, 'set_param').filter(([name]) => name === 'capabilities');
    expect(named(all, 'add_jail')).toEqual([['wg-slaacer']]);
    const sets = Object.values(JSON.parse(readFileSync(files + file![1], 'utf8')));
    // In the ambient set, too, since it comes by way of a shell; in no other way does root keep them in ujail.
    expect(sets).toEqual(Array(5).fill(['CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_SYS_ADMIN']));
  });

  it('looks again when an enabled interface comes or goes, by the name of its device', () => {
    const triggers = named(calls('start', two), 'add_reload_interface_trigger');
    expect(triggers).toEqual([['wg1'], ['wg-home']]);
  });

  it('has what was learned withdrawn where everything was disabled while it was stopped', () => {
    expect(calls('start', disabled, true).at(-1)).toEqual(['program', 'withdraw']);
    expect(named(calls('start', two, true), 'program')).toEqual([]);
    expect(named(calls('reload', disabled, true), 'program')).toEqual([]);
  });

  it.each([
    ['goes on', two],
    ['ends', disabled],
  ])('has what runs read its configuration before procd hears whether it %s', (_, sections) => {
    const [first, ...rest] = calls('reload', sections);
    expect(first).toEqual(['ubus', '-t', '10', 'call', 'wg-slaacer', 'reload']);
    expect(rest).toEqual(calls('start', sections));
  });
});
