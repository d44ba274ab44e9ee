// SPDX-License-Identifier: GPL-2.0-only
// Law 10 and bad input: one clear line that names the cure, the right exit status, and no stack.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { bootOwn, guestFor, sharedGuest } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Daemon, INSTALLED, PROGRAM } from '../../bed/daemon.ts';
import type { Guest } from '../../bed/guest.ts';
import { Lab } from '../../bed/lab.ts';
import { expectAnswered } from '../../bed/ways.ts';

/** What one line on standard error says; anything more fails. */
async function complaint(guest: Guest, command: string): Promise<{ code: number; line: string }> {
  const { code, stdout, stderr } = await guest.run(command, { check: false, timeout: 30_000 });
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^wg-slaacer: [^\n]+\n$/);
  return { code, line: stderr.trim() };
}

describe('on a router', () => {
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
});

describe.each(['fexit', 'lending'] as const)('on a router, by %s', (hook) => {
  let guest: Guest;
  let lab: Lab;
  let laptop: Client;
  let daemon: Daemon | undefined;

  beforeAll(async () => {
    guest = await guestFor(hook);
    lab = await Lab.create(guest, { clients: ['laptop'] });
    laptop = lab.client('laptop');
  });

  afterEach(async () => {
    await daemon?.stop();
  });

  afterAll(async () => {
    await lab?.destroy();
  });

  /** Has the laptop use a new address. */
  async function expectLearning(running: Daemon, address: string): Promise<void> {
    await laptop.addAddress(address);
    await expectAnswered(running, laptop, address);
  }

  test('a second daemon is refused while the first goes on', async () => {
    daemon = await Daemon.start(lab.router, { hook });
    const result = await complaint(guest, `${PROGRAM} run --interface wg1`);
    expect(result).toEqual({ code: 1, line: expect.stringContaining('already running') });
    await expectLearning(daemon, '2001:db8:1::5');
    expect(await daemon.stop('SIGINT')).toBe(0);
  });

  test('without a BPF file system it learns, and says what will not survive', async () => {
    await guest.run('umount /sys/fs/bpf');
    try {
      daemon = await Daemon.start(lab.router, { hook });
      expect(await daemon.event('problem', { code: 'not-pinned' })).toMatchObject({
        hint: expect.stringContaining('mount -t bpf'),
      });
      await expectLearning(daemon, '2001:db8:1::6');
      await daemon.stop();
    } finally {
      await guest.run('mount -t bpf bpf /sys/fs/bpf');
    }
  });

  test('an interface without a prefix and one that is not there are problems, told with their cure and when solved', async () => {
    await guest.run('ip address del 2001:db8:1::1/64 dev wg1');
    daemon = await Daemon.start(lab.router, { hook });
    await daemon.event('problem', { code: 'no-prefix' });
    await guest.run('ip address add 2001:db8:1::1/64 dev wg1 nodad');
    await daemon.event('solved', { code: 'no-prefix' });
    await guest.run('ip link set wg1 down && ip link set wg1 name wg9');
    await daemon.event('problem', { code: 'no-interface' });
    await guest.run(
      'ip link set wg9 name wg1 && ip address add 2001:db8:1::1/64 dev wg1 nodad && ip link set wg1 up',
    );
    await daemon.event('solved', { code: 'no-interface' });
    await lab.handshake(); // a link that goes down loses its sessions
    await expectLearning(daemon, '2001:db8:1::7');
  });

  test('a peer that owns the whole prefix by configuration is a problem', async () => {
    const { publicKey } = laptop;
    await guest.run(`wg set wg1 peer '${publicKey}' allowed-ips 2001:db8::/32`);
    daemon = await Daemon.start(lab.router, { hook });
    expect(await daemon.event('problem', { code: 'prefix-owned' })).toMatchObject({
      message: expect.stringContaining(publicKey),
    });
    await daemon.stop();
    await lab.forgetAll();
  });
});

describe('on a kernel that is locked down, and without the module', () => {
  let guest: Guest;

  beforeAll(async () => {
    guest = await bootOwn({ locked: true, append: 'module_blacklist=wireguard' });
  });

  afterAll(async () => {
    await guest?.stop();
  });

  test('run says that the module is missing', async () => {
    const result = await complaint(guest, `${PROGRAM} run --interface wg1`);
    expect(result).toEqual({ code: 1, line: expect.stringContaining('modprobe wireguard') });
  });

  test('doctor names all that is missing, with the cures, and exits with 1', async () => {
    const { code, stdout, stderr } = await guest.run(`${PROGRAM} doctor`, { check: false });
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toContain('wireguard module is not loaded\n         cure: modprobe wireguard');
    expect(stdout).toContain('locked down');
    expect(stdout).toContain('Addresses cannot be learned here.');
  });
});
