// SPDX-License-Identifier: GPL-2.0-only
// What Router Advertisements say besides prefixes, and what a Linux client makes of it.
//
//   laptop ── wg0 ═════ wg1 ── router ── veth-s ─────── eth0 ── server (2001:db8:fe::2)
//
// The router has fd00:1::1/64 on wg1 and nothing else, a default route, and fd00:9::1/64 on another interface.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { anyHook, guestFor } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Lab } from '../../bed/lab.ts';
import { LiveEngine } from '../../bed/live-engine.ts';

const SERVER = '2001:db8:fe::2';

let lab: Lab;
let engine: LiveEngine;
let laptop: Client;

beforeAll(async () => {
  lab = await Lab.create(await guestFor(anyHook), { clients: ['laptop'] });
  laptop = lab.client('laptop');
  await lab.router.run(`set -e
ip netns add server
ip link add veth-s type veth peer name eth0 netns server
ip -batch - <<END
address delete 2001:db8:1::1/64 dev wg1
address add fd00:1::1/64 dev wg1 nodad
address add fd00:9::1/64 dev behind nodad
address add 2001:db8:fe::1/64 dev veth-s nodad
link set veth-s up
END
ip -netns server -batch - <<END
address add ${SERVER}/64 dev eth0 nodad
link set eth0 up
route add default via 2001:db8:fe::1
END
ip -6 route add default via ${SERVER}`);
  await laptop.run(
    'ip -6 route flush dev wg0 proto boot; sysctl -qw net.ipv6.conf.wg0.accept_ra_rt_info_max_plen=64',
  );
  engine = await LiveEngine.launch(lab.router, anyHook);
});

afterAll(async () => {
  await engine?.finish();
  await lab?.router.run('ip link delete veth-s; ip netns delete server; ip -6 route flush default', {
    check: false,
  });
  await lab?.destroy();
});

const routes = async () => (await laptop.run('ip -6 route show proto ra')).stdout;
const shown = async () => (await laptop.run('rdisc6 -1 wg0', { timeout: 20_000 })).stdout;

test('with unique local addresses only, a client gets no default route', async () => {
  await engine.configure({ wg1: { ra: '1' } });
  await laptop.startSlaac('fe80::a');
  await lab.guest.until(
    async () => expect((await laptop.addresses()).some((each) => each.startsWith('fd00:1:'))).toBe(true),
    10_000,
  );
  expect(await shown()).toMatch(/^Router lifetime\s*: +0 /m);
  expect(await routes()).not.toContain('default');
});

test('what is configured is advertised; a client has the default route and the others, and uses them', async () => {
  await engine.configure({
    wg1: {
      ra: '1',
      ra_default: '1',
      ra_preference: 'high',
      ra_route: ['fd00:9::/64', '2001:db8:77::/48'],
      ra_dns: ['fd00:1::53', 'fe80::53'],
      ra_search: ['home.example', 'lan'],
      ra_mtu: '1300',
    },
  });
  const said = await shown();
  expect(said).toMatch(/^Router lifetime\s*: +2700 /m);
  expect(said).toMatch(/^Router preference\s*: +high$/m);
  expect(said).toMatch(/^ MTU\s*: +1300 /m);
  expect(said).toMatch(
    /^ Route\s*: fd00:9::\/64$\n^ {2}Route preference\s*: +high$\n^ {2}Route lifetime\s*: +2700 /m,
  );
  expect(said).toMatch(/^ Route\s*: 2001:db8:77::\/48$/m);
  expect(said).toMatch(/^ Recursive DNS server\s*: fd00:1::53$\n^ Recursive DNS server\s*: fe80::53$/m);
  expect(said).toMatch(/^ DNS search list\s*: home\.example/m);
  const got = await routes();
  expect(got).toMatch(/^default via fe80::1 dev wg0 .*pref high/m);
  expect(got).toMatch(/^fd00:9::\/64 via fe80::1 dev wg0 .*pref high/m);
  expect(got).toMatch(/^2001:db8:77::\/48 via fe80::1 dev wg0 /m);
  expect((await laptop.run('cat /proc/sys/net/ipv6/conf/wg0/mtu')).stdout.trim()).toBe('1300');
  const from = (await laptop.addresses()).find((address) => address.startsWith('fd00:1:'))!;
  // NAT66 would change the source of what goes on to the Internet; this server knows the way back as it is.
  for (const to of [SERVER, 'fd00:9::1'])
    expect(await laptop.ping({ from, to, count: 2, interval: 0.2 })).toMatchObject({ received: 2 });
});

test('a route that is no more configured is taken from clients at once, and all are when learning ends', async () => {
  await engine.configure({ wg1: { ra: '1', ra_route: '2001:db8:77::/48' } });
  await lab.guest.until(async () => expect(await routes()).not.toMatch(/fd00:9::|default/), 5_000);
  expect(await routes()).toContain('2001:db8:77::/48');
  await engine.configure({});
  await lab.guest.until(async () => expect(await routes()).not.toContain('2001:db8:77::/48'), 5_000);
});
