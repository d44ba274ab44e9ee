// SPDX-License-Identifier: GPL-2.0-only
// Sets of nftables: a firewall that lets one peer in by them, whatever becomes of it or of the service.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { anyHook, guestFor } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Lab } from '../../bed/lab.ts';
import { Service } from '../../bed/service.ts';

const CONFIGURED = '2001:db8:1::c0';
const PREFIX = '2001:db8:1::';
/** Milliseconds in which a set is filled again. */
const REFILLED = 1_000;

/** As fw4 has it: what is there is flushed, but for sets. */
const RULES = `table inet fw4
flush table inet fw4
table inet fw4 {
  set phone { type ipv6_addr; }
  set wg1_laptop { type ipv6_addr; flags interval, timeout; timeout 1h; auto-merge; elements = { 2001:db8:1:0:cafe::/80 timeout 0s }; }
  set v4 { type ipv4_addr; }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname wg1 ip6 saddr @phone accept
    iifname wg1 counter drop
  }
}
`;
const fw4 = {
  reload: 'nft -f /run/fw4.nft',
  restart: 'nft delete table inet fw4 && nft -f /run/fw4.nft',
};

const config = (sets: readonly string[]) => `config globals 'globals'
	option log_level 'debug'

config interface 'wg1'
	option enabled '1'
	option rate '0'
	option max_addresses '1000'
	option ra '0'
	option nftset_prefix 'inet#fw4#wg1_'

config peer
	option interface 'wg1'
	option public_key 'PHONE'
${sets.map((set) => `	list nftset '${set}'`).join('\n')}
`;

type Element = string | { elem: { val: Element } } | { prefix: { addr: string; len: number } };

let lab: Lab;
let phone: Client;
let laptop: Client;
let service: Service;

const elements = async (set = 'phone') => {
  const { stdout } = await lab.router.run(`nft -j list set inet fw4 ${set}`);
  const [, { set: found }] = JSON.parse(stdout).nftables as [unknown, { set: { elem?: Element[] } }];
  const textOf = (element: Element): string => {
    if (typeof element === 'string') return element;
    return 'elem' in element ? textOf(element.elem.val) : `${element.prefix.addr}/${element.prefix.len}`;
  };
  return (found.elem ?? []).map(textOf).sort();
};
const has = async (addresses: readonly string[], set = 'phone', timeout = REFILLED) =>
  lab.guest.until(async () => expect(await elements(set)).toEqual([...addresses].sort()), timeout);
const dropped = async () => {
  const { stdout } = await lab.router.run('nft list chain inet fw4 input');
  return Number(/packets (\d+)/.exec(stdout)![1]);
};
const known = async (client: Client) => {
  const { addresses } = await service.call<{ addresses: { address: string; peer: string }[] }>(
    'get_addresses',
  );
  return addresses.filter(({ peer }) => peer === client.publicKey).map(({ address }) => address);
};
const write = async (sets: readonly string[]) =>
  service.write('wg-slaacer', config(sets).replace('PHONE', phone.publicKey));

beforeAll(async () => {
  lab = await Lab.create(await guestFor(anyHook), {
    clients: ['phone', 'laptop'],
    allowedIps: { phone: [`${CONFIGURED}/128`] },
  });
  phone = lab.client('phone');
  laptop = lab.client('laptop');
  const network = lab.clients.map(
    ({ name, publicKey }) =>
      `config wireguard_wg1\n\toption description ${name}\n\toption public_key '${publicKey}'\n${
        name === 'phone' ? `\tlist allowed_ips ${CONFIGURED}/128\n` : ''
      }`,
  );
  service = await Service.create(lab.router, { network: network.join('\n') });
  await write(['inet#fw4#phone']);
  await lab.router.run(`cat >/run/fw4.nft && ${fw4.reload}`, { input: RULES });
  await service.startBus();
  await service.startRpcd();
  await service.start();
  await service.logged(/^ready: /);
});

afterAll(async () => {
  await service?.destroy();
  await lab?.router.run('nft delete table inet fw4', { check: false });
  await lab?.destroy();
});

test('only the peer of a set gets in, from its first packet', async () => {
  await phone.addAddress('2001:db8:1::5');
  await laptop.addAddress('2001:db8:1::6');
  expect(await phone.ping({ from: '2001:db8:1::5', timeout: 5 })).toMatchObject({ received: 1 });
  expect(await dropped()).toBe(0);
  expect(await laptop.ping({ from: '2001:db8:1::6', timeout: 2 })).toMatchObject({ received: 0 });
  expect(await known(laptop)).toEqual(['2001:db8:1::6']);
  await has([CONFIGURED, '2001:db8:1::5']);
});

test('what is withdrawn leaves the set', async () => {
  await service.call('forget', { interface: 'wg1', address: '2001:db8:1::5' });
  await has([CONFIGURED]);
});

test.each([
  ['fw4 reload', fw4.reload],
  ['fw4 restart', fw4.restart],
  ['nft flush set', 'nft flush set inet fw4 phone'],
  ['nft flush ruleset and a new start', `nft flush ruleset; sleep 0.3; ${fw4.reload}`],
])('%s ends with the right elements', async (_, command) => {
  await phone.sendFrom('2001:db8:1::5');
  await has([CONFIGURED, '2001:db8:1::5'], 'phone', 10_000);
  await lab.router.run(command);
  await has([CONFIGURED, '2001:db8:1::5']);
});

test('elements of others stay, in a set of prefixes with a timeout, too', async () => {
  const own = ['2001:db8:1::20', '2001:db8:1::21', '2001:db8:1:0:cafe::5'];
  for (const address of own) {
    await laptop.sendFrom(address);
    await lab.guest.until(async () => expect(await known(laptop)).toContain(address), 10_000);
  }
  const others = '2001:db8:1:0:cafe::/80';
  await has(['2001:db8:1::6', '2001:db8:1::20', '2001:db8:1::21', others], 'wg1_laptop');
  for (const address of own.slice(1)) await service.call('forget', { interface: 'wg1', address });
  await has(['2001:db8:1::6', '2001:db8:1::20', others], 'wg1_laptop');
});

test('a killed service leaves them, and puts right what happened meanwhile', async () => {
  await service.stop('SIGKILL');
  expect(await elements()).toContain('2001:db8:1::5');
  await lab.router.run('nft flush set inet fw4 phone');
  await write(['inet#fw4#phone', 'inet#fw4#nothing', 'inet#fw4#v4']);
  await service.start();
  await service.logged(/^ready: /);
  await has([CONFIGURED, '2001:db8:1::5']);
});

test('a thousand addresses in a second are all let in', async () => {
  const before = await dropped();
  const start = lab.guest.now;
  const seconds = await phone.flood({ prefix: PREFIX, count: 990, first: 1, pps: 1_000 });
  await lab.guest.until(
    async () => expect((await lab.allowedIps()).phone!.length).toBeGreaterThan(990),
    30_000,
    250,
  );
  console.log(`990 addresses, used in ${seconds} s, were learned after ${lab.guest.now - start} ms`);
  await has([CONFIGURED, ...(await known(phone))]);
  expect(await dropped()).toBe(before);
});

test('sets that are not there, or not for IPv6, are problems with a cure, until they are', async () => {
  await lab.guest.until(async () => {
    const { problems } = await service.call<{ problems: { code: string; hint: string }[] }>('status');
    expect(problems).toMatchObject([
      { code: 'no-nftset', hint: expect.stringContaining("option name 'nothing'") },
      { code: 'no-nftset', hint: expect.stringContaining("option family 'ipv6'") },
    ]);
  });
  await lab.router.run("nft add set inet fw4 nothing '{ type ipv6_addr; }'");
  await has(await elements(), 'nothing');
  await write(['inet#fw4#phone']);
  await service.reload();
  await has([], 'nothing');
});
