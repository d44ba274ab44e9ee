// SPDX-License-Identifier: GPL-2.0-only
// Law 11: what a kernel or a system lacks gives one clear line that names the cure, and everything else goes on.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { bootOwn, guestFor } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { complaint } from '../../bed/complaint.ts';
import { Daemon, PROGRAM } from '../../bed/daemon.ts';
import type { Guest } from '../../bed/guest.ts';
import { Lab } from '../../bed/lab.ts';
import { expectAnswered } from '../../bed/ways.ts';

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
    expect(stdout).toContain('wireguard module is not loaded\n         hint: modprobe wireguard');
    expect(stdout).toContain('locked down');
    expect(stdout).toContain('Addresses cannot be learned here.');
  });
});
