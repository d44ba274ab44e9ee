// SPDX-License-Identifier: GPL-2.0-only
// Client systems, with the configuration that docs/clients.md has for them.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClientFile } from '../../../src/clients/facts.ts';
import { complete, placeholders } from '../../../src/clients/placeholders.ts';
import { setupOf } from '../../../src/clients/setup.ts';
import { anyHook, guestFor } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Daemon } from '../../bed/daemon.ts';
import { Lab } from '../../bed/lab.ts';

const documentation = readFileSync(new URL('../../../docs/clients.md', import.meta.url), 'utf8');

let lab: Lab;
let daemon: Daemon;
let laptop: Client;

beforeAll(async () => {
  lab = await Lab.create(await guestFor(anyHook), { clients: ['laptop', 'phone'] });
  laptop = lab.client('laptop');
  await lab.router.run('ip -6 route add default dev behind');
  daemon = await Daemon.start(lab.router, { hook: anyHook, set: { ra: 1 } });
});

afterAll(async () => {
  await daemon?.stop();
  await lab?.destroy();
});

/** Brings the tunnel up by wg-quick; how long it takes to an address in the guest's time, by which a host is reached then. */
async function bringUp(configuration: string): Promise<{ milliseconds: number; address: string }> {
  await laptop.run('ip link delete wg0; mkdir -p /run/wireguard');
  await laptop.run('umask 077; cat > /run/wireguard/wg0.conf', { input: configuration });
  await lab.guest.sleep(10_000); // there is one advertisement in ten seconds that nobody asks for
  const before = lab.guest.now;
  await laptop.run('wg-quick up /run/wireguard/wg0.conf');
  await lab.guest.until(async () => expect(await laptop.addresses()).toHaveLength(1), 10_000);
  const milliseconds = lab.guest.now - before;
  console.log(`wg-quick: an address after ${milliseconds} ms`);
  const [address] = await laptop.addresses();
  expect(address).toMatch(/^2001:db8:1:/);
  expect(await laptop.ping({ from: address!, to: '2001:db8:ff::1', count: 3 })).toMatchObject({
    received: 3,
  });
  expect((await lab.allowedIps()).laptop).toContain(`${address}/128`);
  return { milliseconds, address: address! };
}

test('wg-quick: an address, a default route, and a host behind the router', async () => {
  const [, configuration] = /## wg-quick.*?```ini\n(.*?)```/s.exec(documentation)!;
  const { stdout: router } = await laptop.run('wg show wg0 peers');
  const text = configuration!
    .replace('PRIVATE-KEY-OF-THE-CLIENT', laptop.keys.privateKey)
    .replace('PUBLIC-KEY-OF-THE-ROUTER', router.trim())
    .replace('ADDRESS-OF-THE-ROUTER', '10.9.1.1');
  expect((await bringUp(text)).milliseconds).toBeLessThan(2_500);
});

test('wg-quick, as wg-slaacer client has it: the same, without an address to choose', async () => {
  const { stdout: publicKey } = await laptop.run('wg show wg0 peers');
  const setup = setupOf(
    { peer: laptop.keys.publicKey, hasPresharedKey: false, addresses: [], fixedAddresses: [] },
    {
      publicKey: publicKey.trim(),
      host: '10.9.1.1',
      port: 51_820,
      hasRandomPort: false,
      mtu: 1420,
      prefixes: [],
      routes: [],
      servers: [],
      isDefaultRouter: true,
      ipv4: ['0.0.0.0/0'],
    },
    'wg-quick',
  );
  const [{ text }] = setup.files as [ClientFile];
  const known = { [placeholders.privateKey]: laptop.keys.privateKey };
  expect((await bringUp(complete(text, known))).milliseconds).toBeLessThan(2_500);
  const { stdout: addresses } = await laptop.run('ip -6 address show dev wg0');
  expect(addresses).toMatch(/inet6 fe80:/);
});

test('a client that takes no advertisements is a problem that is told, and one that does is not', async () => {
  const phone = lab.client('phone');
  await phone.run('sysctl -qw net.ipv6.conf.wg0.accept_ra=0 && ip address add fe80::b/64 dev wg0 nodad');
  await phone.run('ip -6 address flush dev wg0 scope global');
  await phone.run('ping -c 1 -W 1 -I fe80::b%wg0 ff02::2', { check: false });
  const problem = await daemon.event('problem', { code: 'ra-unheeded' }, 120_000);
  expect(problem).toMatchObject({ message: expect.stringContaining(phone.publicKey) });
  expect(daemon.all('problem').filter(({ code }) => code === 'ra-unheeded')).toHaveLength(1);
  await phone.run('ip address add 2001:db8:1::c0de/64 dev wg0 nodad');
  await phone.ping({ from: '2001:db8:1::c0de' });
  await daemon.event('solved', { code: 'ra-unheeded' }, 60_000);
});
