// SPDX-License-Identifier: GPL-2.0-only
// Client systems, with the configuration that docs/clients.md has for them.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClientSystem } from '../../../src/answers.ts';
import type { ClientFile, ClientSetup } from '../../../src/clients/facts.ts';
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

/** As wg-slaacer client has it. */
async function setupFor(system: ClientSystem, addresses: readonly string[] = []): Promise<ClientSetup> {
  const { stdout: publicKey } = await laptop.run('wg show wg0 peers');
  return setupOf(
    { peer: laptop.keys.publicKey, hasPresharedKey: false, addresses, fixedAddresses: [] },
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
    system,
  );
}

test('wg-quick, as wg-slaacer client has it: the same, without an address to choose', async () => {
  const setup = await setupFor('wg-quick');
  const [{ text }] = setup.files as [ClientFile];
  const known = { [placeholders.privateKey]: laptop.keys.privateKey };
  expect((await bringUp(complete(text, known))).milliseconds).toBeLessThan(2_500);
  const { stdout: addresses } = await laptop.run('ip -6 address show dev wg0');
  expect(addresses).toMatch(/inet6 fe80:/);
});

test('all IPv4 goes through the tunnel of a client that filters sources strictly, but for the tunnel’s own packets', async () => {
  const { files, commands } = await setupFor('wireguard-go', ['192.168.10.2']);
  await laptop.run(`wg-quick down /run/wireguard/wg0.conf
ip address flush dev eth0 scope global
ip address add 10.9.1.2/32 dev eth0
ip route add default via 10.9.1.1 dev eth0 onlink
sysctl -qw net.ipv4.conf.all.rp_filter=1`);
  const known = { [placeholders.privateKey]: laptop.keys.privateKey };
  await laptop.run(`mkdir -p /etc/wireguard && cat >${files[0]!.path}`, {
    input: complete(files[0]!.text, known),
  });
  // The kernel's own WireGuard, which is the same to routing.
  await laptop.run(['set -e', 'ip link add wg0 type wireguard', ...commands.slice(1)].join('\n'));
  expect((await laptop.run('ip route get 198.51.100.1')).stdout).toContain(' dev wg0 ');
  // Shaking hands may be over before there are rules.
  await laptop.run('ip address add fe80::77/64 dev wg0 nodad');
  await lab.guest.until(() => laptop.run('ping -c 1 -W 1 -I fe80::77%wg0 fe80::1'), 15_000);
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
