// SPDX-License-Identifier: GPL-2.0-only
// The testbed itself: what other tests take for granted.

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { foreignCpu } from '../../../scripts/cpus.ts';
import { kernel, lockedGuest, sharedGuest } from '../../bed/bed.ts';
import { floodAddress } from '../../bed/client.ts';
import type { Guest } from '../../bed/guest.ts';
import { BEHIND, Lab } from '../../bed/lab.ts';

let guest: Guest;

beforeAll(async () => {
  guest = await sharedGuest();
});

describe('a guest', () => {
  it('runs the wanted kernel', async () => {
    const foreign = foreignCpu(kernel);
    expect(guest.release).toMatch(foreign ? /deb13/ : new RegExp(`^${kernel}\\.`));
    const cpu = foreign?.machine ?? 'x86_64';
    expect((await guest.run('uname -rm')).stdout).toBe(`${guest.release} ${cpu}\n`);
  });

  it('hands over exit code, output and input', async () => {
    const result = await guest.run('echo out; echo err >&2; cat; exit 3', { input: 'ïn', check: false });
    expect(result).toEqual({ code: 3, stdout: 'out\nïn', stderr: 'err\n' });
  });

  it('rejects with what a failed command said', async () => {
    await expect(guest.run('echo why >&2; exit 4')).rejects.toThrow(/exit 4: exited with 4\nwhy/);
    await expect(guest.run('sleep 9', { timeout: 300 })).rejects.toThrow('sleep 9: took over 300 ms');
  });

  it('runs a program on and on', async () => {
    const process = guest.spawn('while read word; do echo "got $word"; done; echo end');
    process.write('one\n');
    await process.waitFor(/got one/);
    process.end();
    expect(await process.exit).toBe(0);
    expect(process.lines).toEqual(['got one', 'end']);

    const endless = guest.spawn('sleep 99');
    endless.kill();
    expect(await endless.exit).toBe(128 + 15);
  });

  it('has the host’s files and keeps its own', async () => {
    await guest.run('echo mine >/etc/mine');
    expect((await guest.readFile('/etc/mine')).toString()).toBe('mine\n');
    await expect(guest.readFile('/no/such')).rejects.toThrow('No such file');
    expect(existsSync('/etc/mine')).toBe(false);
    const file = fileURLToPath(new URL('../../bed/guest.ts', import.meta.url));
    expect(await guest.readFile(file)).toEqual(readFileSync(file));
  });
});

describe('a lab', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await Lab.create(guest, {
      clients: ['laptop', 'phone'],
      allowedIps: { laptop: ['2001:db8:1::5/128', '2001:db8:1::6/128'] },
    });
  });
  afterAll(() => lab?.destroy());

  it('shows the allowed IPs', async () => {
    expect(await lab.allowedIps()).toEqual({ laptop: ['2001:db8:1::5/128', '2001:db8:1::6/128'], phone: [] });
  });

  it('answers an allowed address', async () => {
    const laptop = lab.client('laptop');
    await laptop.addAddress('2001:db8:1::5');
    const ping = await laptop.ping({ from: '2001:db8:1::5', to: '2001:db8:ff::1', count: 3, interval: 0.1 });
    expect(ping).toMatchObject({
      sent: 3,
      received: 3,
      rtts: [expect.any(Number), expect.any(Number), expect.any(Number)],
    });
    expect(await laptop.connect({ from: '2001:db8:1::5' })).toBeLessThan(500);
  });

  it('refuses others', async () => {
    const before = await lab.refused();
    const phone = lab.client('phone');
    await phone.addAddress('2001:db8:1::7');
    expect(await phone.ping({ from: '2001:db8:1::7', timeout: 0.5 })).toEqual({
      sent: 1,
      received: 0,
      rtts: [],
    });
    await phone.sendFrom('2001:db8:1::5', { count: 2 });
    await lab.guest.until(async () => expect(await lab.refused()).toBe(before + 3));
    await expect(phone.connect({ from: '2001:db8:1::7', timeout: 500 })).rejects.toThrow('timed out');
  });

  it('bears a flood', async () => {
    const before = await lab.refused();
    await lab.client('phone').flood({ prefix: '2001:db8:1::', count: 1000, pps: 5000 });
    await lab.guest.until(async () => expect(await lab.refused()).toBe(before + 1000));
    expect(floodAddress('2001:db8:1::', 0x12345)).toBe('2001:db8:1:0:1:2345:fffe:dcba');
  });

  it('tells what is lent from other allowed IPs', async () => {
    const before = await lab.allowedIps();
    expect(await lab.borrower()).toBeUndefined();
    const lend = (name: string, prefix: string) =>
      guest.run(`wg set wg1 peer '${lab.client(name).publicKey}' allowed-ips '${prefix}'`);
    await lend('phone', '2001:db8:1::/65,fe80::8000:0:0:0/65,ff02::/127');
    expect(await lab.borrower()).toBe('phone');
    expect(await lab.loans()).toEqual({
      laptop: [],
      phone: ['2001:db8:1::/65', 'fe80::8000:0:0:0/65', 'ff02::/127'],
    });
    expect(await lab.allowedIps()).toEqual(before);
    await lend('laptop', `${before.laptop},fe80::/65`);
    await expect(lab.borrower()).rejects.toThrow('lent to several');
    await lab.syncconf();
    expect(await lab.borrower()).toBeUndefined();
  });

  it('counts requests to the kernel and packets that the router forwards', async () => {
    const count = lab.netlinkRequests(4);
    await lab.guest.sleep(2_000);
    await guest.run('for _ in 1 2 3; do ip link set wg1 mtu 1420; done');
    expect(await count).toBeGreaterThanOrEqual(3);

    const before = await lab.forwarded();
    for (const client of lab.clients) await client.sendFrom('2001:db8:1::5', { count: 5, to: BEHIND });
    await lab.guest.until(async () => expect(await lab.forwarded()).toBe(before + 5));
  });

  it('comes back with a new link', async () => {
    const index = () => lab.router.run('cat /sys/class/net/wg1/ifindex');
    const before = await index();
    await lab.recreateLink();
    expect(await index()).not.toEqual(before);
    expect(await lab.client('laptop').ping({ from: '2001:db8:1::5' })).toMatchObject({ received: 1 });
  });
});

describe('a locked guest', () => {
  it('has what no hook can do without neither in sight nor in reach', async () => {
    const locked = await lockedGuest();
    const { stdout } = await locked.run('cat /sys/kernel/security/lockdown; ls /sys/kernel/btf');
    expect(stdout).toMatch(/^.*\[confidentiality\]\n$/);
  });

  it('has room for many clients', async () => {
    const clients = Array.from({ length: 20 }, (_, n) => `c${n + 1}`);
    const lab = await Lab.create(await lockedGuest(), { clients });
    expect(Object.keys(await lab.allowedIps())).toEqual(clients);
    await lab.destroy();
  }, 300_000);
});
