// SPDX-License-Identifier: GPL-2.0-only
// What the command line makes of bad input: one clear line that names the cure, the right exit status, and no stack.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { sharedGuest } from '../../bed/bed.ts';
import { complaint } from '../../bed/complaint.ts';
import { INSTALLED, PROGRAM } from '../../bed/daemon.ts';
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
      { hook: 'fexit', works: true, problems: [] },
      { hook: 'kprobe', works: true, problems: [] },
      { hook: 'lending', works: true, problems: [] },
    ],
  });
});
