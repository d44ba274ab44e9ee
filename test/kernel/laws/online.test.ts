// SPDX-License-Identifier: GPL-2.0-only
// Law 10: whoever is a peer and shakes hands is advertised to, without asking and whatever happened before.
//
// The clients never solicit, as most systems do not once they have had an answer, or at all.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guestFor, ways } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Daemon, PROGRAM } from '../../bed/daemon.ts';
import { Lab } from '../../bed/lab.ts';
import { Pinger } from '../../bed/pinger.ts';
import { reveal } from '../../bed/ways.ts';

/** On the router; it is there after a reboot. */
const STATE = '/run/wg-slaacer/state';

describe.each(ways)('by %s', (hook) => {
  /** Milliseconds from the first handshake. */
  const limit = hook === 'lending' ? 5_000 : 2_000;
  let lab: Lab;
  let daemon: Daemon | undefined;
  let laptop: Client;

  const start = async () => {
    const set = { ra: 1, rate: 0, lifetime: '20s' };
    daemon = await Daemon.start(lab.router, { hook, set, state: STATE });
  };

  /** Router Advertisements that a client has taken. */
  const taken = async (client: Client) => {
    const { stdout } = await client.run('cat /proc/net/dev_snmp6/wg0');
    return Number(/^Icmp6InRouterAdvertisements\s+(\d+)$/m.exec(stdout)?.[1]);
  };

  /** As after a power cut or a clean end: of the kernel's memory nothing is left, and there is no session. */
  const reboot = async (signal: 'SIGTERM' | 'SIGKILL', commands = '') => {
    await daemon!.stop(signal);
    await lab.router.run('rm -rf /sys/fs/bpf/wg-slaacer');
    await lab.replaceLink();
    await lab.router.run(commands);
    await silence();
    await start();
  };

  const defaultRoutes = async () =>
    (await laptop.run('ip -6 route show default')).stdout.replace(/expires.*/, '');

  /** Until a peer that says nothing has no session any more. */
  const silence = () => lab.guest.sleep(240_000);

  /** Has a client without a session shake hands, and nothing else; resolves to the milliseconds until `done` passes. */
  const shakeHands = async (client: Client, done: () => Promise<void>) => {
    const before = lab.guest.now;
    const set = 'wg set wg0 peer "$(wg show wg0 peers)" persistent-keepalive';
    await client.run(`${set} 3600; ${set} 0`);
    await lab.guest.until(done, 30_000);
    return lab.guest.now - before;
  };

  beforeAll(async () => {
    lab = await Lab.create(await guestFor(hook), { clients: ['laptop', 'phone'] });
    laptop = lab.client('laptop');
    await lab.router.run('ip -6 route add default dev behind');
    for (const client of lab.clients) {
      await client.run(`sysctl -qw net.ipv6.conf.wg0.accept_ra=2 net.ipv6.conf.wg0.autoconf=1 \
net.ipv6.conf.wg0.router_solicitations=0
ip -6 address flush dev wg0; ip -6 route flush dev wg0 proto boot
ip address add fe80::${client.name === 'laptop' ? 'a' : 'b'}/64 dev wg0 nodad`);
    }
    await silence();
    await start();
  });

  afterAll(async () => {
    await daemon?.stop();
    await lab?.destroy();
  });

  test('a client of which nothing is known has an address and a default route', async () => {
    const milliseconds = await shakeHands(laptop, async () => {
      expect(await laptop.addresses()).toHaveLength(1);
      expect((await laptop.run('ip -6 route show default')).stdout).toMatch(/^default via fe80:/);
    });
    console.log(`${hook}: on line ${milliseconds} ms after the handshake`);
    expect(milliseconds).toBeLessThan(limit);
  });

  test('nobody else has got it, and ff02::1 is nobody’s', async () => {
    expect(await taken(lab.client('phone'))).toBe(0);
    await lab.guest.until(async () => {
      expect(Object.values(await lab.allowedIps()).flat()).not.toContain('ff02::1/128');
    }, 1_000);
  });

  test('it loses no ping to what is beyond the router when the service is restarted', async () => {
    const [address] = await laptop.addresses();
    await reveal(daemon!, laptop, [address!]);
    const pinger = await Pinger.start(laptop, address!, '2001:db8:ff::1');
    await daemon!.stop();
    await pinger.more(20);
    await start();
    await pinger.more(40);
    expect(await pinger.stop()).toMatchObject({ lost: [] });
  });

  test('it keeps both, and a connection, when the service is stopped and started, and when the router is', async () => {
    const server = lab.router.spawn('exec nc -6 -l 7000');
    await lab.router.run('until ss -ltn | grep -q :7000; do sleep 0.1; done');
    const [address] = await laptop.addresses();
    const connection = laptop.spawn(`exec nc -6 -s ${address} 2001:db8:ff::1 7000`);
    const carries = async (text: string) => {
      const before = lab.guest.now;
      connection.write(`${text}\n`);
      await server.waitFor(new RegExp(`^${text}$`));
      return lab.guest.now - before;
    };
    await carries('before');
    const before = await defaultRoutes();
    expect(before).not.toBe('');
    await lab.guest.until(async () => {
      await laptop.sendFrom('fe80::a');
      expect((await lab.allowedIps()).laptop).toContain('fe80::a/128');
    }, 30_000);
    const monitor = laptop.spawn('exec ip -6 monitor route');
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await reboot(signal);
      expect((await lab.allowedIps()).laptop).toEqual(['fe80::a/128']);
      const count = await taken(laptop);
      const milliseconds = await shakeHands(laptop, async () => {
        expect(await taken(laptop)).toBeGreaterThan(count);
      });
      console.log(`${hook}: advertised to ${milliseconds} ms after a reboot (${signal})`);
      expect(await defaultRoutes()).toBe(before);
      const carried = await carries(`after ${signal}`);
      console.log(`${hook}: a connection goes on ${carried} ms after its next packet`);
      expect(carried).toBeLessThan(2_000);
    }
    expect(monitor.lines.filter((line) => /^Deleted default/.test(line))).toEqual([]);
    for (const process of [monitor, connection, server]) process.kill();
  });

  test('a prefix that changes while the router is down is deprecated', async () => {
    await lab.guest.sleep(70_000); // until what is to be known is written
    const [prefix, next] = ['2001:db8:1::', '2001:db8:2::'];
    await reboot(
      'SIGKILL',
      `ip address delete ${prefix}1/64 dev wg1; ip address add ${next}1/64 dev wg1 nodad`,
    );
    const milliseconds = await shakeHands(laptop, async () => {
      const { stdout } = await laptop.run('ip -6 -oneline address show dev wg0 scope global');
      expect(stdout).toMatch(new RegExp(`${prefix}.*deprecated`));
      expect(stdout).toMatch(new RegExp(`${next}(?!.*deprecated)`));
    });
    console.log(`${hook}: another prefix ${milliseconds} ms after the handshake`);
    expect(milliseconds).toBeLessThan(limit);
  });

  test('who was away for three lifetimes is advertised to at its next handshake', async () => {
    await silence();
    expect(Object.values(await lab.allowedIps()).flat()).toEqual([]);
    const count = await taken(laptop);
    const milliseconds = await shakeHands(laptop, async () => {
      expect(await taken(laptop)).toBeGreaterThan(count);
    });
    console.log(`${hook}: advertised to ${milliseconds} ms after three lifetimes`);
    expect(milliseconds).toBeLessThan(limit);
  });

  // By lending nobody sees what is refused of whom.
  if (hook !== 'lending') {
    test('who has no address is a problem that is told, once', async () => {
      const phone = lab.client('phone');
      await phone.run('ip -6 address flush dev wg0; ip route add ::/0 dev wg0');
      await phone.run('ping -c 20 -i 1 -W 1 2001:db8:1::1', { check: false });
      expect(await daemon!.event('problem', { code: 'no-address' })).toMatchObject({
        message: expect.stringContaining(phone.publicKey),
      });
      expect(daemon!.all('denied')).toHaveLength(1);
    });
  }

  test('who shakes hands again and again gets one advertisement in 10 s', async () => {
    await lab.guest.sleep(10_000);
    const [count, before] = [await taken(laptop), lab.guest.now];
    for (let n = 0; n < 20; n++) {
      await laptop.run('wg showconf wg0 > /run/wg0.conf && wg setconf wg0 /run/wg0.conf');
      await laptop.run('wg set wg0 peer "$(wg show wg0 peers)" persistent-keepalive 3600');
      await lab.guest.sleep(400);
    }
    await lab.guest.sleep(2_000);
    const seconds = (lab.guest.now - before) / 1_000;
    expect((await taken(laptop)) - count).toBeLessThanOrEqual(1 + seconds / 10);
  });

  test('the default route is taken back when nothing is to be advertised again, and not before, be it of who is silent and unknown', async () => {
    await silence();
    expect(Object.values(await lab.allowedIps()).flat()).toEqual([]);
    await daemon!.stop();
    expect(await defaultRoutes()).not.toBe('');
    await lab.router.run(`${PROGRAM} withdraw --state ${STATE}; test ! -e ${STATE}`);
    await lab.guest.until(async () => expect(await defaultRoutes()).toBe(''), 5_000);
  });
});
