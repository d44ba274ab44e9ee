// SPDX-License-Identifier: GPL-2.0-only
// What the command line makes of bad input: one clear line that names the cure, the right exit status, and no stack.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { sharedGuest } from '../../bed/bed.ts';
import { complaint } from '../../bed/complaint.ts';
import { Daemon, INSTALLED, PROGRAM } from '../../bed/daemon.ts';
import type { Guest } from '../../bed/guest.ts';
import { Lab } from '../../bed/lab.ts';

let guest: Guest;
let lab: Lab;

beforeAll(async () => {
  guest = await sharedGuest();
  lab = await Lab.create(guest, { clients: ['laptop'] });
});

afterAll(async () => {
  await lab?.destroy();
});

test.each([
  ['no command', '', 2, 'no command given'],
  ['an unknown command', 'learn', 2, 'no command "learn"'],
  ['an unknown option', 'run --interface wg1 --fast', 2, "'--fast'"],
  ['a setting that is none', 'run --interface wg1 --set rate', 2, 'OPTION=VALUE'],
  ['an unknown setting', 'run --interface wg1 --set speed=5', 2, 'no option "speed"'],
  ['a value out of range', 'run --interface wg1 --set rate=-1', 2, '0 (no limit) to 6000'],
  ['a lifetime without a unit', 'run --interface wg1 --set lifetime=60', 2, 's, m, h or d'],
  ['a prefix of IPv4', 'run --interface wg1 --set prefix=192.0.2.0/24', 2, 'IPv6 unicast prefix'],
  ['a multicast prefix', 'run --interface wg1 --set prefix=ff02::/64', 2, 'IPv6 unicast prefix'],
  ['an unknown interface', 'run --interface wg9', 1, 'wg9: there is no such interface'],
  ['an interface that is not WireGuard', 'run --interface lo', 1, 'lo: this is not a WireGuard interface'],
  ['one good and one unknown interface', 'run --interface wg1 --interface wg9', 1, 'wg9'],
])('%s is refused in one line', async (_, args, code, message) => {
  const result = await complaint(guest, `${PROGRAM} ${args}`);
  expect(result).toEqual({ code, line: expect.stringContaining(message) });
});

test.each([
  ['--help', `${PROGRAM} --help`],
  ['doctor', `${PROGRAM} doctor --json`],
  ['run', `${PROGRAM} run --interface wg1`],
])('what %s prints and nobody can write is told', async (_, command) => {
  const result = await complaint(guest, `${command} >/dev/full`);
  expect(result).toEqual({ code: 1, line: expect.stringContaining('output cannot be written: ENOSPC') });
});

test('who has read enough of what is printed misses nothing', async () => {
  const { stderr } = await guest.run(`{ sleep 1; ${PROGRAM} --help; echo $? >&2; } | true`);
  expect(stderr).toBe('0\n');
});

test('few files that may be open are told in one line', async () => {
  for (const limit of [20, 59])
    expect(await complaint(guest, `ulimit -n ${limit}; ${PROGRAM} run --interface wg1`)).toEqual({
      code: 1,
      line: expect.stringContaining(`only ${limit} files may be open`),
    });
  expect(await guest.run(`ulimit -n 60; ${PROGRAM} doctor`)).toMatchObject({ code: 0 });
});

test('a user who is not root cannot keep it from starting, and SIGUSR1 opens no debugger', async () => {
  // The name by which wg-slaacer once told that another one runs.
  const squat =
    "import socket, time; s = socket.socket(1, 2); s.bind('\\\\0wg-slaacer'); print(flush=True); time.sleep(99)";
  const { stdout } =
    await guest.run(`setpriv --reuid 65534 --clear-groups python3 -c "${squat}" >/run/squatted & squatter=$!
until [ -s /run/squatted ]; do sleep 0.1; done
${PROGRAM} run --interface wg1 --json >/run/out & pid=$!
until grep -q ready /run/out; do sleep 0.1; done
kill -USR1 $pid; sleep 1; ss -Hltn 'sport = :9229'; kill $pid; wait $pid; echo $?; kill $squatter`);
  expect(stdout).toBe('0\n');
});

test('a place where nothing can be kept for a reboot is told with its cure, and learning goes on', async () => {
  for (const [prepare, error, cure] of [
    ['mount -t tmpfs -o ro none /run/flash', 'EROFS', /writable/],
    [
      'mount -t tmpfs -o size=4k none /run/flash && ! cat /dev/zero >/run/flash/filler',
      'ENOSPC',
      /make room/,
    ],
    ['mkdir /run/flash/state', 'EEXIST', /move away/],
  ] as const) {
    await guest.run(`mkdir /run/flash && ${prepare}`);
    const daemon = await Daemon.start(lab.router, { state: '/run/flash/state' });
    await lab.guest.until(async () => {
      await lab.client('laptop').sendFrom('fe80::a');
      expect((await lab.allowedIps()).laptop).toEqual(['fe80::a/128']);
    });
    expect(await daemon.stop()).toBe(0);
    const told = daemon.all('problem').filter(({ code }) => code === 'state-failed');
    expect(told).toMatchObject([{ data: { error }, hint: expect.stringMatching(cure) }]);
    await guest.run('umount /run/flash 2>/dev/null; rm -r /run/flash');
  }
  await lab.forgetAll();
});

test('a user who is not root is told to be', async () => {
  // From a place that such a user can read, as a checkout need not be.
  const run = `cp -r ${INSTALLED} /run/installed; setpriv --reuid 65534 --clear-groups /run/installed/usr/sbin/wg-slaacer run`;
  const result = await complaint(guest, `${run} --interface wg1`);
  expect(result).toEqual({ code: 1, line: expect.stringContaining('run it as root') });
});

test('doctor names the ways that work', async () => {
  const { code, stdout } = await guest.run(`${PROGRAM} doctor --json`);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    canLearn: true,
    kernel: guest.release,
    hooks: [
      { hook: 'fexit', works: true, seesChanges: true, problems: [] },
      { hook: 'kprobe', works: true, seesChanges: true, problems: [] },
      { hook: 'lending', works: true, seesChanges: false, problems: [] },
    ],
  });
});
