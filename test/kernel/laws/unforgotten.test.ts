// SPDX-License-Identifier: GPL-2.0-only
// Law 10, for what an administrator does: whoever is a peer afterwards and shakes hands is advertised to, although it never
// solicits. And what a peer had is withdrawn when it is none any more.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { anyHook, guestFor } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Lab } from '../../bed/lab.ts';
import { LiveEngine } from '../../bed/live-engine.ts';

const linkLocal = 'fe80::a';

describe.each([anyHook, 'lending'] as const)('by %s', (hook) => {
  /** Milliseconds from a handshake to its advertisement. */
  const limit = hook === 'lending' ? 5_000 : 2_000;
  let lab: Lab;
  let engine: LiveEngine;
  let laptop: Client;
  let uses = 0;

  const switchOn = () => engine.configure({ wg1: { ra: '1', rate: '0' } });

  /** Router Advertisements that the laptop has taken. */
  const taken = async () => {
    const { stdout } = await laptop.run('cat /proc/net/dev_snmp6/wg0');
    return Number(/^Icmp6InRouterAdvertisements\s+(\d+)$/m.exec(stdout)?.[1]);
  };

  /** The laptop begins a new session, as it would when it is started anew, and says nothing else. */
  const shakeHands = () =>
    laptop.run(`wg showconf wg0 >/run/wg0.conf && wg setconf wg0 /run/wg0.conf
wg set wg0 peer "$(wg show wg0 peers)" persistent-keepalive 3600`);

  /** Within so many milliseconds the laptop has taken another one than the first `count`. */
  const expectTaken = (count: number, most: number) =>
    lab.guest.until(async () => expect(await taken()).toBeGreaterThan(count), most, limit / 20);

  /** A peer that was removed has no session on the router. */
  const addAgain = (endpoint = '') => {
    const peer = `wg set wg1 peer '${laptop.publicKey}'`;
    return lab.router.run(`${peer} remove; ${peer} ${endpoint}`);
  };

  beforeAll(async () => {
    lab = await Lab.create(await guestFor(hook), { clients: ['laptop'] });
    laptop = lab.client('laptop');
    await laptop.run(`sysctl -qw net.ipv6.conf.wg0.accept_ra=2 net.ipv6.conf.wg0.router_solicitations=0
ip address add ${linkLocal}/64 dev wg0 nodad`);
    engine = await LiveEngine.launch(lab.router, hook);
    await switchOn();
  });

  afterAll(async () => {
    await engine?.finish();
    await lab?.destroy();
  });

  /** It is known, and uses what it was told of; it was told the last news, after 16 s at the latest, more than 10 s ago. */
  beforeEach(async () => {
    const addresses = [linkLocal, `2001:db8:1::a:${++uses}`];
    const isKnown = async () => {
      for (const address of addresses) await laptop.sendFrom(address);
      const { laptop: allowed } = await lab.allowedIps();
      expect(allowed).toEqual(expect.arrayContaining(addresses.map((address) => `${address}/128`)));
    };
    await lab.guest.until(isKnown, 30_000, 1_000);
    await lab.guest.sleep(40_000);
  });

  test.each<[string, () => Promise<unknown>]>([
    ['its link-local address was forgotten', async () => void (await engine.forget('wg1', linkLocal))],
    ['all was flushed', async () => void (await engine.flush())],
    [
      'the interface was switched off and on',
      async () => {
        await engine.configure({});
        await switchOn();
      },
    ],
    // The router does not know where it is, or both would begin a session: findings/crossing-initiations-get-no-session.sh.
    ['the peer was removed and added again', () => addAgain()],
    ['the interface was made anew', () => lab.replaceLink()],
  ])('a client is advertised to at its next handshake after %s', async (_, act) => {
    // Some of these are followed by one at once: if that has come before the handshake, the next one comes 10 s later.
    const count = await taken();
    await act();
    await shakeHands();
    await expectTaken(count, limit);
  });

  test('a client that says nothing is advertised to when it was removed and added again with its endpoint', async () => {
    const count = await taken();
    await addAgain('endpoint 10.9.1.2:51820');
    await expectTaken(count, hook === 'lending' ? 30_000 : limit);
  });

  test('what a peer had is withdrawn after it was removed, and told', async () => {
    const from = engine.mark;
    await lab.router.run(`wg set wg1 peer '${laptop.publicKey}' remove`);
    await engine.event('forgotten', { address: linkLocal, reason: 'peer' }, 100_000, from);
  });
});
