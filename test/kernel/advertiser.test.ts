// SPDX-License-Identifier: GPL-2.0-only
// Router Advertisements by unicast.
//
//   client ── wg0 ═════ wg1 ── router ── veth-s ─────── eth0 ── server (2001:db8:fe::2)
//
// The router has 2001:db8:1::1/64 on wg1, no link-local address but what wg-slaacer gives it, and a default route.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guestFor, type Way } from '../bed/bed.ts';
import { Daemon } from '../bed/daemon.ts';
import { Lab, type LabOptions } from '../bed/lab.ts';

const SERVER = '2001:db8:fe::2';

/** As above; the router has no link-local address on wg1, as after its configuration. */
async function behindRouter(way: Way, options: LabOptions): Promise<Lab> {
  const lab = await Lab.create(await guestFor(way), options);
  await lab.router.run(`set -e
ip address delete fe80::1/64 dev wg1
ip netns add server
ip link add veth-s type veth peer name eth0 netns server
ip address add 2001:db8:fe::1/64 dev veth-s nodad
ip link set veth-s up
ip -n server address add ${SERVER}/64 dev eth0 nodad
ip -n server link set eth0 up
ip -n server link set lo up
ip -n server route add default via 2001:db8:fe::1
ip route add default via ${SERVER}`);
  for (const client of lab.clients) await client.run('ip -6 route flush dev wg0 proto boot');
  return lab;
}

async function tearDown(lab: Lab | undefined): Promise<void> {
  await lab?.router.run('ip link delete veth-s; ip netns delete server', { check: false });
  await lab?.destroy();
}

describe.each(['fexit', 'lending'] as const)('by %s', (way) => {
  let lab: Lab;
  let daemon: Daemon;

  beforeAll(async () => {
    lab = await behindRouter(way, { clients: ['laptop'] });
    daemon = await Daemon.start(lab.router, { hook: way, set: { ra: 'auto' } });
  });

  afterAll(async () => {
    await daemon?.stop();
    await tearDown(lab);
  });

  test('a client that has nothing but its WireGuard configuration reaches a host behind the router', async () => {
    const laptop = lab.client('laptop');
    const milliseconds = await laptop.comeUp(SERVER);
    console.log(`${way}: on line after ${milliseconds} ms`);
    const { stdout } = await laptop.run('ip -6 address show dev wg0 scope global');
    expect(stdout.match(/inet6 2001:db8:1::?[0-9a-f:]+\/64/g)).toHaveLength(2);
    expect(stdout.match(/temporary/g)).toHaveLength(1);
    expect((await laptop.run('ip -6 route show default')).stdout).toMatch(
      /^default via fe80::.* dev wg0 proto ra/,
    );
    console.log(stdout, daemon.events, (await lab.router.run('ip -6 address show dev wg1')).stdout);
    expect(milliseconds).toBeLessThan(2_000);
  });
});
