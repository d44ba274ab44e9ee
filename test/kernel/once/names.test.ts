// SPDX-License-Identifier: GPL-2.0-only
// What follows the addresses of peers: names, by dnsmasq as OpenWrt runs it; a set of nftables; scripts. The service has the
// rights that ujail leaves it, and learns by lending. laws/firewall has what the kernel may do to a set.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lockedGuest } from '../../bed/bed.ts';
import { type Client, ROUTER } from '../../bed/client.ts';
import { ask } from '../../bed/dns.ts';
import { Lab } from '../../bed/lab.ts';
import type { Process } from '../../bed/process.ts';
import { Service } from '../../bed/service.ts';

/** Milliseconds in which names follow addresses. */
const FOLLOWED = 6_000;

let lab: Lab;
let phone: Client;
let laptop: Client;
let service: Service;
let dnsmasq: Process;

const config = (options = '', peers = '') => `config globals 'globals'
	option log_level 'debug'

config interface 'wg1'
	option enabled '1'
	option rate '0'
	option ra '0'
	option dns '1'
	${options}
${peers}
`;

const network = (descriptions: Readonly<Record<string, string>>) =>
  `config interface 'wg1'
	option proto 'wireguard'
${lab.clients
  .map(
    ({ name, publicKey }) => `
config wireguard_wg1
	option description "${descriptions[name]}"
	option public_key '${publicKey}'
	list allowed_ips '2001:db8:1::c${lab.clients.findIndex((client) => client.name === name)}/128'
`,
  )
  .join('')}`;

const dhcp = `config dnsmasq
	option domain 'lan'
`;

/** Has a client use an address until it is learned. */
const learn = async (client: Client, address: string) => {
  const from = service.log.length;
  await client.addAddress(address);
  const learned = new RegExp(`learned ${address} `);
  // Lending loses what comes before the loan.
  await lab.guest.until(
    async () => {
      await client.sendFrom(address, address.startsWith('fe80') ? { to: 'fe80::1' } : {});
      expect(service.log.slice(from).some((line) => learned.test(line))).toBe(true);
    },
    30_000,
    500,
  );
};

const resolves = async (name: string, addresses: string[], host = lab.router, server = '::1') =>
  lab.guest.until(
    async () => expect(await ask(host, server, name, 'AAAA')).toEqual(addresses),
    FOLLOWED,
    500,
  );

/** 2001:db8:1::GROUP */
const reverse = (group: string) =>
  `${[...group.padStart(20, '0')].reverse().join('.')}.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa`;

const hostsFile = async () => (await lab.router.run('cat /tmp/hosts/wg-slaacer', { check: false })).stdout;

beforeAll(async () => {
  lab = await Lab.create(await lockedGuest(), {
    clients: ['phone', 'laptop'],
    allowedIps: { phone: ['2001:db8:1::c0/128'], laptop: ['2001:db8:1::c1/128'] },
  });
  phone = lab.client('phone');
  laptop = lab.client('laptop');
  service = await Service.create(lab.router, {
    'wg-slaacer': config(),
    network: network({ phone: 'Phone', laptop: "Anna's laptop" }),
    dhcp,
  });
  await Promise.all([
    service.startBus().then(() => Promise.all([service.startRpcd(), service.startProcd()])),
    lab.router.run('rm -rf /tmp/hosts; mkdir -p /tmp/hosts'),
  ]);
  dnsmasq = lab.router.spawn(
    'exec dnsmasq -k -C /dev/null --no-resolv --no-hosts --addn-hosts=/tmp/hosts --expand-hosts --domain=lan --local=/lan/ --user=root --log-facility=- --pid-file=',
  );
  await Promise.all([dnsmasq.waitFor(/started/), service.start({ jailed: true })]);
  await service.logged(/^ready: /);
});

afterAll(async () => {
  dnsmasq?.kill();
  await service?.destroy();
  await lab?.router.run('rm -rf /tmp/hosts');
  await lab?.destroy();
});

test('a name leads to what its peer has, the latest first, and back', async () => {
  await learn(phone, 'fe80::7');
  await learn(phone, '2001:db8:1::7');
  await resolves('phone.lan', ['2001:db8:1::7', '2001:db8:1::c0']);
  await learn(phone, '2001:db8:1::8');
  await resolves('phone.lan', ['2001:db8:1::8', '2001:db8:1::7', '2001:db8:1::c0']);
  for (const group of ['7', '8', 'c0'])
    expect(await ask(lab.router, '::1', reverse(group), 'PTR')).toEqual(['phone.lan']);
  await resolves('annas-laptop.lan', ['2001:db8:1::c1']);
});

test('a peer that has the router for its DNS server finds others', async () => {
  await learn(laptop, '2001:db8:1::9');
  await resolves('phone.lan', ['2001:db8:1::8', '2001:db8:1::7', '2001:db8:1::c0'], laptop, ROUTER);
});

test('a firewall that lets in who is in a set lets the peer in as soon as its address is known, and nobody else', async () => {
  await lab.router.run('nft -f -', {
    input: `table inet fw4 {
  set phone { type ipv6_addr; }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname wg1 ip6 saddr != @phone icmpv6 type echo-request drop
  }
}
`,
  });
  const peer = `config peer
	option interface 'wg1'
	option public_key '${phone.publicKey}'
	list nftset 'inet#fw4#phone'`;
  await service.write('wg-slaacer', config('', peer));
  await service.reload();
  await phone.addAddress('2001:db8:1::e');
  const { received } = await phone.ping({ from: '2001:db8:1::e', count: 4, timeout: 5 });
  expect(received).toBeGreaterThanOrEqual(2);
  expect(await laptop.ping({ from: '2001:db8:1::9' })).toMatchObject({ received: 0 });
  await phone.removeAddress('2001:db8:1::e'); // else something is sent from there, and it is learned again
  await service.call('forget', { interface: 'wg1', address: '2001:db8:1::e' });
  await lab.router.run('nft delete table inet fw4');
  await service.write('wg-slaacer', config());
  await service.reload();
});

test('what is withdrawn is no longer found', async () => {
  await phone.removeAddress('2001:db8:1::8');
  await service.call('forget', { interface: 'wg1', address: '2001:db8:1::8' });
  await resolves('phone.lan', ['2001:db8:1::7', '2001:db8:1::c0']);
  expect(await ask(lab.router, '::1', reverse('8'), 'PTR')).toEqual([]);
});

test('a killed service knows names again, and withdraws what has gone', async () => {
  await service.stop('SIGKILL');
  expect(await ask(lab.router, '::1', 'phone.lan', 'AAAA')).toContain('2001:db8:1::7');
  await service.start({ jailed: true });
  await service.logged(/^ready: /);
  await learn(phone, '2001:db8:1::a');
  await resolves('phone.lan', ['2001:db8:1::a', '2001:db8:1::7', '2001:db8:1::c0']);
});

test('names are given, and may stand for stable addresses only', async () => {
  const peer = `config peer
	option interface 'wg1'
	option public_key '${phone.publicKey}'
	option name 'Handy'
	option dns 'stable'`;
  await service.write('wg-slaacer', config('', peer));
  await service.reload();
  await resolves('handy.lan', ['2001:db8:1::7', '2001:db8:1::c0']);
  expect(await ask(lab.router, '::1', 'phone.lan', 'AAAA')).toEqual([]);
});

test('scripts are called for what becomes of an address, with the name of its peer', async () => {
  // As OpenWrt's /sbin/hotplug-call does it.
  await lab.router.run(`mkdir -p /etc/hotplug.d/wg-slaacer
cat >/sbin/hotplug-call <<'END'
#!/bin/sh
for script in /etc/hotplug.d/$1/*; do ( . $script ); done
END
chmod 755 /sbin/hotplug-call
echo 'echo "$ACTION $INTERFACE $NAME $PEER $ADDRESS" >>/run/hotplug.log' >/etc/hotplug.d/wg-slaacer/50-log`);
  await learn(phone, '2001:db8:1::b');
  await service.call('forget', { interface: 'wg1', address: '2001:db8:1::b' });
  await lab.guest.until(async () => {
    const { stdout } = await lab.router.run('cat /run/hotplug.log', { check: false });
    expect(stdout).toBe(
      ['learned', 'forgotten']
        .map((action) => `${action} wg1 handy ${phone.publicKey} 2001:db8:1::b\n`)
        .join(''),
    );
  }, FOLLOWED);
  await lab.router.run('rm -r /etc/hotplug.d/wg-slaacer /sbin/hotplug-call');
});

describe('descriptions that are made to do harm', () => {
  test.each([
    ['the same twice', 'x', 'X!', []],
    [
      '300 characters',
      `phone ${'y'.repeat(300)}`,
      '2001:db8::66 router',
      [`phone-${'y'.repeat(57)}`, '2001-db8-66-router'],
    ],
    [
      'quotes, dots and lines',
      "a'.b\n2001:db8::66 bank.example\n# ",
      '; reboot',
      ['a-b-2001-db8-66-bank-example', 'reboot'],
    ],
  ])('%s make no broken file, and no name of somebody else’s', async (_, ofPhone, ofLaptop, names) => {
    await service.write('wg-slaacer', config());
    await service.write('network', network({ phone: ofPhone, laptop: ofLaptop }));
    await service.reload();
    await lab.guest.until(async () => {
      const lines = (await hostsFile()).split('\n').filter(Boolean);
      const found = lines.map(
        (line) => /^2001:db8:1::[0-9a-f]+\t([a-z0-9-]{1,63})\.lan\t\1$/.exec(line)?.[1],
      );
      expect([...new Set(found)]).toEqual(names);
    }, FOLLOWED);
    const { problems } = await service.call<{ problems: { code: string }[] }>('status');
    const codes = problems.map(({ code }) => code).filter((code) => code !== 'lending');
    expect(codes).toEqual(names.length > 0 ? [] : ['name-taken', 'name-taken']);
  });
});

test('without names there is no file', async () => {
  await service.write('wg-slaacer', config("option enabled '0'"));
  await service.call('reload');
  await lab.guest.until(
    async () => expect((await lab.router.run('ls -A /tmp/hosts')).stdout).toBe(''),
    FOLLOWED,
  );
});
