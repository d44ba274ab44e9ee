// SPDX-License-Identifier: GPL-2.0-only
// Law 11: what a kernel or a system lacks gives one clear line that names the cure, and everything else goes on.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { anyHook, bootOwn, guestFor } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { complaint } from '../../bed/complaint.ts';
import { Daemon, PROGRAM } from '../../bed/daemon.ts';
import type { Guest } from '../../bed/guest.ts';
import { Lab } from '../../bed/lab.ts';
import { expectAnswered, freshAddresses } from '../../bed/ways.ts';

const fresh = freshAddresses();
const PINS = '/sys/fs/bpf/wg-slaacer';

describe.each([anyHook, 'lending'] as const)('on a router, by %s', (hook) => {
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

  test('a BPF file system that is missing is mounted, for root alone, and what is learned outlives a kill', async () => {
    await guest.run('umount /sys/fs/bpf');
    daemon = await Daemon.start(lab.router, { hook });
    await expectLearning(daemon, '2001:db8:1::6');
    expect((await guest.run('stat -c %a /sys/fs/bpf')).stdout).toMatch(/^1?700$/m);
    await daemon.stop('SIGKILL');
    daemon = await Daemon.start(lab.router, { hook });
    await daemon.event('adopted', { address: '2001:db8:1::6' });
    expect(daemon.all('problem').map(({ code }) => code)).not.toContain('not-pinned');
    await daemon.stop();
    await lab.forgetAll();
  });

  test.each([
    ['another file system there', 'mount -t tmpfs none /sys/fs/bpf', 'umount /sys/fs/bpf', 'mode=0700'],
    [
      'one that is read-only',
      'mount -o remount,ro /sys/fs/bpf',
      'mount -o remount,rw /sys/fs/bpf',
      'remount',
    ],
    [
      'a folder in the place of a map',
      `mkdir -p ${PINS}/learned-v1`,
      `rm -r ${PINS}`,
      `rm -r ${PINS}/learned-v1`,
    ],
    ["somebody else's folder", `mkdir ${PINS}; chown 1000 ${PINS}`, `rm -r ${PINS}`, `rm -r ${PINS},`],
    [
      'a map of another layout',
      `${PROGRAM} withdraw; mv ${PINS}/lent-v1 ${PINS}/learned-v1`,
      `rm -r ${PINS}`,
      `rm -r ${PINS}/learned-v1`,
    ],
  ])(
    'with %s it learns, names the cure, and leaves nothing behind when asked to',
    async (_, spoil, mend, cure) => {
      const address = fresh();
      await guest.run(spoil);
      try {
        daemon = await Daemon.start(lab.router, { hook });
        const { hint } = await daemon.event('problem', { code: 'not-pinned' });
        expect(hint).toContain(cure);
        const { stdout } = await guest.run(`${PROGRAM} doctor`, { check: false });
        expect(stdout).toContain(hint);
        await expectLearning(daemon, address);
        expect(await daemon.stop()).toBe(0);
        expect((await lab.allowedIps()).laptop).toContain(`${address}/128`);
        await guest.run(`${PROGRAM} withdraw`);
        expect((await lab.allowedIps()).laptop).toEqual([]);
        expect((await guest.run('ls /var/run')).stdout).not.toContain('.learned');
      } finally {
        await guest.run(mend);
      }
      expect((await guest.run(`${PROGRAM} doctor`, { check: false })).stdout).not.toContain(cure);
      expect((await guest.run(`ls -A /sys/fs/bpf`)).stdout).toBe('');
    },
  );

  test('where nothing can be pinned, what is learned is known after a kill, expires, and is pinned when it can be', async () => {
    const [address, other] = [fresh(), fresh()];
    await guest.run('mount -t tmpfs none /sys/fs/bpf');
    try {
      daemon = await Daemon.start(lab.router, { hook });
      await expectLearning(daemon, address);
      await daemon.stop('SIGKILL');
      expect((await lab.allowedIps()).laptop).toContain(`${address}/128`);
      daemon = await Daemon.start(lab.router, { hook, set: { lifetime: '8s' } });
      await daemon.event('adopted', { address });
      await daemon.event('expired', { address }, 20_000); // by lending it was asked for at the start
      expect((await lab.allowedIps()).laptop).not.toContain(`${address}/128`);
      await expectLearning(daemon, other);
      await daemon.stop('SIGKILL');
    } finally {
      await guest.run('umount /sys/fs/bpf');
    }
    daemon = await Daemon.start(lab.router, { hook });
    await daemon.event('adopted', { address: other });
    expect((await guest.run('ls /var/run')).stdout).not.toContain('.learned');
    await daemon.stop();
    await lab.forgetAll();
  });

  test('doctor mounts nothing, and leaves what is pinned as it is', async () => {
    await guest.run('umount /sys/fs/bpf');
    const { stdout } = await guest.run(`${PROGRAM} doctor && stat -fc %T /sys/fs/bpf`, { check: false });
    expect(stdout).toMatch(/sysfs$/m);
    expect(stdout).not.toContain('BPF file system');
    daemon = await Daemon.start(lab.router, { hook });
    const pins = async () => (await guest.run(`ls -li ${PINS}`)).stdout;
    const before = await pins();
    await guest.run(`${PROGRAM} doctor`, { check: false });
    expect(await pins()).toBe(before);
    await daemon.stop();
    await guest.run(`rm ${PINS}/lent-v1; ${PROGRAM} doctor`, { check: false });
    expect(await pins()).not.toContain('lent-v1');
    await lab.forgetAll();
  });

  test('an interface without a prefix and one that is not there are problems, told with their cure and when solved', async () => {
    await guest.run('ip address del 2001:db8:1::1/64 dev wg1');
    daemon = await Daemon.start(lab.router, { hook });
    await daemon.event('problem', { code: 'no-prefix' });
    await guest.run('ip address add 2001:db8:1::1/64 dev wg1 nodad');
    await daemon.event('solved', { code: 'no-prefix' });
    await guest.run('ip link set wg1 down && ip link set wg1 name wg9');
    await daemon.event('problem', { code: 'no-interface' }, 20_000); // not in the first ten seconds
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
    expect(stdout).toContain('wireguard module is not loaded\n         hint: modprobe wireguard');
    expect(stdout).toContain('locked down');
    expect(stdout).toContain('Addresses cannot be learned here.');
  });
});
