// SPDX-License-Identifier: GPL-2.0-only
// What others change of WireGuard's configuration is told by a hook, and put right at once. A peer that only receives shows
// that: nothing but the change itself tells that its address was wiped.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guestFor, ways } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Daemon } from '../../bed/daemon.ts';
import { keyPair } from '../../bed/keys.ts';
import { Lab } from '../../bed/lab.ts';
import { LiveEngine } from '../../bed/live-engine.ts';
import { Pinger } from '../../bed/pinger.ts';
import { reveal } from '../../bed/ways.ts';

const CONF = '/run/configured.conf';
const TYPES = '/var/run/wg-slaacer.types';
const receiver = '2001:db8:1::8';
const other = '2001:db8:1::9';
const configured = { laptop: ['2001:db8:1::10/128'], phone: ['2001:db8:1::99/128'] };
const all = { ...configured, phone: [`${receiver}/128`, ...configured.phone] };

/** Milliseconds: far less than until everything is looked at again. */
const AT_ONCE = 2_000;
const WIPES = 20;

describe.each(ways.filter((way) => way !== 'lending'))('by %s', (hook) => {
  let lab: Lab;
  let daemon: Daemon;
  let phone: Client;

  const start = async () => {
    daemon = await Daemon.start(lab.router, { hook });
  };

  beforeAll(async () => {
    lab = await Lab.create(await guestFor(hook), { clients: ['laptop', 'phone'], allowedIps: configured });
    await lab.router.run(`cat >${CONF}`, { input: lab.wgConf() });
    phone = lab.client('phone');
    await phone.addAddress(receiver);
    await start();
    await reveal(daemon, phone, [receiver]);
  });

  afterAll(async () => {
    await daemon?.stop();
    await lab?.destroy();
  });

  const back = (from: number) => daemon.event('restored', { address: receiver }, AT_ONCE, from);
  const expectAllBack = () =>
    lab.guest.until(async () => expect(await lab.allowedIps()).toEqual(all), AT_ONCE);
  /** By which file they are kept, and for what. */
  const kept = async () => (await lab.guest.run(`stat -c %i ${TYPES}; head -n 1 ${TYPES}`)).stdout;
  const peer = () => `wg set wg1 peer '${phone.publicKey}'`;

  test.each([
    ['wg set', () => `${peer()} allowed-ips ${configured.phone}`],
    ['wg setconf', () => `wg setconf wg1 ${CONF}`],
    ['wg syncconf', () => `wg syncconf wg1 ${CONF}`],
    [
      'wg addconf',
      () => `grep -v -e Interface -e PrivateKey -e ListenPort ${CONF} >/run/add; wg addconf wg1 /run/add`,
    ],
    [
      'the removal of its peer, which comes back,',
      () => `${peer()} remove; sleep 0.2; wg syncconf wg1 ${CONF}`,
    ],
  ])('after %s, the address of a peer that only receives is back at once', async (_, command) => {
    const from = daemon.mark;
    await lab.router.run(command());
    await back(from);
    await expectAllBack();
  });

  test('at rest, the kernel is asked for little', async () => {
    expect(await lab.netlinkRequests(600)).toBeLessThan(30); // looks every 25 s would take 120
  });

  test(`a ping every 20 ms to a peer that only receives, through ${WIPES} wipes`, async () => {
    const pinger = await Pinger.start(lab.router, '2001:db8:1::1', receiver, 0.02);
    for (let n = 0; n < WIPES; n++) {
      const from = daemon.mark;
      await lab.router.run(`wg syncconf wg1 ${CONF}`);
      await back(from);
      await pinger.more(5);
    }
    const { answered, lost } = await pinger.stop();
    console.log(`${hook}: ${lost.length} of ${answered + lost.length} lost`);
    expect(lost.length).toBeLessThan(5 * WIPES);
  });

  test('what was changed just before it was killed is put right when it starts again', async () => {
    daemon.process.kill('SIGSTOP');
    await lab.router.run(`wg syncconf wg1 ${CONF}`);
    await daemon.stop('SIGKILL');
    await start();
    await back(0);
    expect(await lab.allowedIps()).toEqual(all);
  });

  test('an address that is configured for another peer is released at once, and stays with that one', async () => {
    await phone.addAddress(other);
    await reveal(daemon, phone, [other]);
    const from = daemon.mark;
    const laptop = lab.client('laptop').publicKey;
    await lab.router.run(`wg set wg1 peer '${laptop}' allowed-ips ${configured.laptop},${other}/128`);
    await daemon.event('forgotten', { address: other, reason: 'owned' }, AT_ONCE, from);
    expect(await lab.allowedIps()).toEqual({ ...all, laptop: [...configured.laptop, `${other}/128`].sort() });
    await lab.router.run(`wg syncconf wg1 ${CONF}`);
    await expectAllBack();
  });

  test("what was found of the kernel's types serves the next start", async () => {
    const before = await kept();
    await daemon.stop();
    await start();
    expect(await kept()).toBe(before);
    const from = daemon.mark;
    await lab.router.run(`wg syncconf wg1 ${CONF}`);
    await back(from);
  });

  test('after the module was loaded anew, changes are told as before, and types are found anew', async () => {
    const [before, keptBefore] = [daemon.mark, await kept()];
    await lab.reloadModule();
    await daemon.event('restored', { address: receiver }, 60_000, before);
    await phone.addAddress(receiver);
    const from = daemon.mark;
    await lab.router.run(`wg syncconf wg1 ${CONF}`);
    await back(from);
    await daemon.stop();
    await start();
    expect(await kept()).not.toBe(keptBefore);
  });

  test('a peer with another key gets nothing of what the one before it had', async () => {
    const from = daemon.mark;
    const { publicKey } = keyPair();
    await lab.router.run(`${peer()} remove; wg set wg1 peer '${publicKey}' allowed-ips ${configured.phone}`);
    await daemon.event('forgotten', { address: receiver, reason: 'peer' }, 120_000, from);
    expect((await lab.router.run('wg show wg1 allowed-ips')).stdout).not.toContain(receiver);
    await lab.router.run(`wg set wg1 peer '${publicKey}' remove; wg syncconf wg1 ${CONF}`);
    await lab.handshake();
  });

  test('nothing that was changed has been missed', () => {
    expect(daemon.all('problem').map(({ code }) => code)).not.toContain('change-missed');
  });

  test("a change by the daemon's own child is one by others", async () => {
    await daemon.stop();
    await lab.forgetAll();
    const engine = await LiveEngine.launch(lab.router, hook);
    await engine.configure({ wg1: {} });
    daemon = engine;
    await reveal(engine, phone, [receiver]);
    const from = engine.mark;
    await engine.shell(`wg syncconf wg1 ${CONF}`);
    await back(from);
    await engine.finish();
  });
});
