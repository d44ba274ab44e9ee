// SPDX-License-Identifier: GPL-2.0-only
// Law 10, for what an administrator does: whoever is a peer afterwards and shakes hands is advertised to, although it never
// solicits. And what a peer had is withdrawn when it is none any more.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { anyHook, guestFor } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Lab } from '../../bed/lab.ts';
import { LiveEngine } from '../../bed/live-engine.ts';

const linkLocal = 'fe80::a';
/** Milliseconds after which WireGuard tries again (REKEY_TIMEOUT, and a third of a second), and then some for what follows. */
const RETRY = 6_000;

describe.each([anyHook, 'lending'] as const)('by %s', (hook) => {
  /** Milliseconds from a handshake to its advertisement. */
  const limit = hook === 'lending' ? 5_000 : 2_000;
  let lab: Lab;
  let engine: LiveEngine;
  let laptop: Client;

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

  async function expectAdvertised(most = limit): Promise<void> {
    const [count, before] = [await taken(), lab.guest.now];
    await shakeHands();
    await lab.guest.until(async () => expect(await taken()).toBeGreaterThan(count), 40_000);
    expect(lab.guest.now - before).toBeLessThan(most);
  }

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

  /** It has been known for a while, and told all that there is: three times within 40 s, and nobody more often than every 10 s. */
  beforeEach(async () => {
    const isKnown = async () => {
      await laptop.sendFrom(linkLocal);
      expect((await lab.allowedIps()).laptop).toContain(`${linkLocal}/128`);
    };
    await lab.guest.until(isKnown, 30_000, 1_000);
    await lab.guest.sleep(55_000);
  });

  test.each<[string, () => Promise<unknown>, number?]>([
    ['its link-local address was forgotten', async () => void (await engine.forget('wg1', linkLocal))],
    ['all was flushed', async () => void (await engine.flush())],
    [
      'the interface was switched off and on',
      async () => {
        await engine.configure({});
        await switchOn();
      },
    ],
    [
      'the peer was removed and added again',
      async () => {
        const peer = `wg set wg1 peer '${laptop.publicKey}'`;
        await lab.router.run(`${peer} remove; ${peer} endpoint 10.9.1.2:51820`);
      },
      RETRY, // it is restored, and advertised to, at once: if both begin a session at the same time, neither may come about
    ],
    ['the interface was made anew', () => lab.replaceLink()],
  ])('a client is advertised to at its next handshake after %s', async (_, act, most) => {
    await act();
    await expectAdvertised(most);
  });

  test('what a peer had is withdrawn after it was removed, and told', async () => {
    const from = engine.mark;
    await lab.router.run(`wg set wg1 peer '${laptop.publicKey}' remove`);
    await engine.event('forgotten', { address: linkLocal, reason: 'peer' }, 100_000, from);
  });
});
