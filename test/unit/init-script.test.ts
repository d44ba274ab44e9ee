// SPDX-License-Identifier: GPL-2.0-only
// What files/etc/init.d/wg-slaacer hands to procd.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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
function calls(
  action: 'start' | 'reload',
  sections: string,
  { learned = false, kept = false, told = false, named = false } = {},
): string[][] {
  const config = join(folder, 'config');
  writeFileSync(config, `${sections}\n`);
  const hosts = join(folder, 'hosts');
  if (named) writeFileSync(hosts, '2001:db8:1::5\tphone\n');
  const script = join(files, 'etc/init.d/wg-slaacer');
  const output = execFileSync('busybox', ['ash', path('rc.common'), script, action], {
    env: {
      SECTIONS: config,
      LEARNED: learned ? folder : join(folder, 'absent'),
      FILES: kept ? `${folder}/conf*` : join(folder, 'absent*'),
      TOLD: told ? config : join(folder, 'absent'),
      NAMES: hosts,
      PATH: process.env.PATH,
    },
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
      ['add_reload_trigger', 'wg-slaacer', 'network', 'dhcp', 'firewall'],
      ['close_service'],
    ]);
  });

  it('starts one instance for all interfaces', () => {
    const all = calls('start', two);
    expect(named(all, 'open_instance')).toHaveLength(1);
    expect(named(all, 'close_instance')).toHaveLength(1);
    const parameters = Object.fromEntries(named(all, 'set_param').map(([name, ...values]) => [name, values]));
    expect(parameters).toMatchObject({
      command: ['/usr/sbin/wg-slaacer', 'run', '--state', '/etc/wg-slaacer/state'],
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

  it.each([
    ['was learned', { learned: true }],
    ['is kept of it where nothing can be pinned', { kept: true }],
    ['clients were told', { told: true }],
  ])('has what %s taken back where everything was disabled while it was stopped', (_, left) => {
    const [[program, command, option] = []] = calls('start', disabled, left).slice(-1);
    expect([program, command, option]).toEqual(['program', 'withdraw', '--state']);
    expect(named(calls('start', two, left), 'program')).toEqual([]);
    expect(named(calls('reload', disabled, left), 'program')).toEqual([]);
  });

  it.each([
    ['before the interface', `mistake\n${two}`],
    ['behind the globals', `${none}\nmistake\ninterface wg1 enabled=1`],
  ])('goes on, and takes nothing back, while there is a mistake in the configuration %s', (_, sections) => {
    expect(named(calls('reload', sections), 'open_instance')).toHaveLength(1);
    const all = calls('start', sections, { learned: true, told: true, named: true });
    expect(named(all, 'open_instance')).toHaveLength(1);
    expect(named(all, 'program')).toEqual([]);
    expect(named(all, 'send_signal')).toEqual([]);
    expect(existsSync(join(folder, 'hosts'))).toBe(true);
  });

  it('has dnsmasq forget names when no interface is enabled any more, and only then', () => {
    for (const action of ['start', 'reload'] as const) {
      expect(named(calls(action, two, { named: true }), 'send_signal')).toEqual([]);
      expect(existsSync(join(folder, 'hosts'))).toBe(true);
      expect(named(calls(action, disabled, { named: true }), 'send_signal')).toEqual([['dnsmasq']]);
      expect(existsSync(join(folder, 'hosts'))).toBe(false);
      expect(named(calls(action, disabled), 'send_signal')).toEqual([]);
    }
  });

  it('is stopped by a reboot before the network, of whose end clients would be told', () => {
    const script = readFileSync(join(files, 'etc/init.d/wg-slaacer'), 'utf8');
    const [start, stop] = ['START', 'STOP'].map((name) =>
      Number(new RegExp(`^${name}=(\\d+)$`, 'm').exec(script)?.[1]),
    );
    expect(start).toBeGreaterThan(20);
    expect(stop).toBeLessThan(90);
  });

  it('takes nothing back from clients when it is stopped: procd alone ends what runs', () => {
    const script = readFileSync(join(files, 'etc/init.d/wg-slaacer'), 'utf8');
    expect(script).not.toMatch(/^(stop|shutdown|restart|stop_service|service_stopped)\(\)/m);
    expect(script.match(/withdraw --state/g)).toHaveLength(1);
  });

  it('has what is to be known after a reboot kept by sysupgrade', () => {
    const kept = readFileSync(join(files, 'lib/upgrade/keep.d/wg-slaacer'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    const [command] = named(calls('start', two), 'set_param').filter(([name]) => name === 'command');
    expect(kept).toEqual([`${dirname(command!.at(-1)!)}/`]);
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
