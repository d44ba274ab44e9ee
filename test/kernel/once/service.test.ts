// SPDX-License-Identifier: GPL-2.0-only
// The service: configured by UCI, seen and steered over ubus, changed without a restart.
//
//   router: wg1 (section wg1), wg-home (section home)      client laptop: wg0 to wg1, wg9 to wg-home

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sharedGuest } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { type KeyPair, keyPair } from '../../bed/keys.ts';
import { Lab } from '../../bed/lab.ts';
import { Pinger } from '../../bed/pinger.ts';
import { Service } from '../../bed/service.ts';

const PATIENCE = 30_000;
const CONFIGURED = '2001:db8:1::10/128';
const PRESHARED = randomBytes(32).toString('base64');

interface Status {
  hook: string;
  uptime: number;
  problems: { code: string; message: string; hint: string }[];
  interfaces: {
    name: string;
    device: string;
    enabled: boolean;
    up: boolean;
    prefixes: string[];
    addresses: number;
  }[];
}
interface Addresses {
  addresses: { interface: string; address: string; peer: string; description?: string; expires: number }[];
}

const HISTORY = '/run/wg-slaacer-history/history';

let lab: Lab;
let laptop: Client;
let phone: Client;
let service: Service;
const home = { router: keyPair(), laptop: keyPair() };

const config = (wg1: Record<string, string> = {}, other = 'option enabled 1') => {
  const options = Object.entries({ enabled: '1', rate: '0', ...wg1 }).map(
    ([name, value]) => `option ${name} '${value}'`,
  );
  return `config globals 'globals'
	option log_level 'debug'
	option history_file '${HISTORY}'

config interface 'wg1'
	${options.join('\n\t')}

config interface 'home'
	option device 'wg-home'
	${other}
`;
};

const peerSection = (device: string, key: string, name: string, rest = '') => `
config wireguard_${device}
	option description "${name}"
	option public_key '${key}'
	option preshared_key '${PRESHARED}'
	${rest}
`;

/** As the router's administrator has it; the lab has set it up already. */
const network = (privateKey: KeyPair) => `
config interface 'wg1'
	option proto 'wireguard'
	option private_key '${privateKey.privateKey}'
${peerSection('wg1', laptop.publicKey, "Anna's laptop", `list allowed_ips '${CONFIGURED}'`)}
${peerSection('wg1', phone.publicKey, 'phone')}
${peerSection('wg-home', home.laptop.publicKey, 'laptop at home')}
`;

const known = async (name?: string) => {
  const { addresses } = await service.call<Addresses>(
    'get_addresses',
    name === undefined ? {} : { interface: name },
  );
  return addresses.map(({ address }) => address).sort();
};

/** Has a client use an address until it is learned. */
const learn = async (client: Client, address: string) => {
  const from = service.log.length;
  await client.addAddress(address);
  expect(await client.ping({ from: address, timeout: 5 })).toMatchObject({ received: 1 });
  await service.logged(new RegExp(`learned ${address} `), from);
};

/** Before Linux 6.2 only a link that is down can be renamed, and it loses its addresses and sessions by that. */
const rename = async (from: string, to: string) => {
  await lab.router.run(`ip -batch - <<END
link set ${from} down
link set ${from} name ${to}
address add 2001:db8:1::1/64 dev ${to} nodad
address add fe80::1/64 dev ${to} nodad
link set ${to} up
END
for peer in $(wg show ${to} peers); do wg set ${to} peer "$peer" persistent-keepalive 25; done`);
};

const setUpHome = async () => {
  await lab.router.run(`set -e
ip link add wg-home type wireguard
wg setconf wg-home /dev/stdin <<END
[Interface]
PrivateKey = ${home.router.privateKey}
ListenPort = 51821
[Peer]
PublicKey = ${home.laptop.publicKey}
PresharedKey = ${PRESHARED}
END
ip address add 2001:db8:2::1/64 dev wg-home nodad
ip link set wg-home up`);
  await laptop.run(`set -e
ip link add wg9 type wireguard
wg setconf wg9 /dev/stdin <<END
[Interface]
PrivateKey = ${home.laptop.privateKey}
[Peer]
PublicKey = ${home.router.publicKey}
PresharedKey = ${PRESHARED}
Endpoint = 10.9.1.1:51821
AllowedIPs = ::/0
END
ip address add 2001:db8:2::a/128 dev wg9 nodad
ip link set wg9 up
ip route add 2001:db8:2::1 dev wg9`);
};

beforeAll(async () => {
  lab = await Lab.create(await sharedGuest(), {
    clients: ['laptop', 'phone'],
    allowedIps: { laptop: [CONFIGURED] },
  });
  laptop = lab.client('laptop');
  phone = lab.client('phone');
  await setUpHome();
  service = await Service.create(lab.router, { 'wg-slaacer': config(), network: network(home.router) });
});

afterAll(async () => {
  await service?.destroy();
  await lab?.router.run(`rm -rf ${HISTORY} $(dirname ${HISTORY})`);
  await lab?.router.run('ip link delete wg-home', { check: false });
  await lab?.destroy();
});

describe('without ubusd and rpcd at its start', () => {
  test('it waits for its configuration, and says so', async () => {
    await service.start();
    expect(service.log.join('\n')).toMatch(/ubus/);
  });

  test('it goes on waiting when ubusd is there, but rpcd is not', async () => {
    await service.startBus();
    await service.logged(/^connected to ubus/);
    const waiting = {
      interfaces: [],
      problems: [{ code: 'no-configuration', message: expect.stringContaining('not found') }],
    };
    await lab.guest.until(
      async () => expect(await service.call<Status>('status')).toMatchObject(waiting),
      PATIENCE,
    );
  });

  test('it begins to learn by itself when rpcd is there', async () => {
    await service.startRpcd();
    await service.logged(/^ready: /);
    const status = await service.call<Status>('status');
    expect(status.problems).toEqual([]);
    expect(status.interfaces).toEqual([
      expect.objectContaining({
        name: 'wg1',
        device: 'wg1',
        enabled: true,
        up: true,
        prefixes: ['2001:db8:1::/64'],
      }),
      expect.objectContaining({ name: 'home', device: 'wg-home', enabled: true, up: true }),
    ]);
  });
});

describe('over ubus', () => {
  test('what it learns is told to subscribers, and who has it', async () => {
    const notifications = await service.subscribe();
    await learn(laptop, '2001:db8:1::a1');
    const told = JSON.parse(await notifications.waitFor(/address\.learned/));
    expect(told).toEqual({
      type: 'address.learned',
      data: {
        interface: 'wg1',
        address: '2001:db8:1::a1',
        peer: laptop.publicKey,
        description: "Anna's laptop",
      },
    });
    notifications.kill();
    const { addresses } = await service.call<Addresses>('get_addresses', { interface: 'wg1' });
    expect(addresses).toEqual([
      expect.objectContaining({
        interface: 'wg1',
        address: '2001:db8:1::a1',
        peer: laptop.publicKey,
        description: "Anna's laptop",
      }),
    ]);
    expect(addresses[0]!.expires).toBeGreaterThan(24 * 3600 - 60);
  });

  test('it learns on an interface whose section has another name', async () => {
    await laptop.run('ping -c 2 -W 5 2001:db8:2::1');
    expect(await known('home')).toContain('2001:db8:2::a');
    expect((await lab.router.run('wg show wg-home allowed-ips')).stdout).toContain('2001:db8:2::a/128');
  });

  test('denied attempts are told with their reason', async () => {
    const from = service.log.length;
    await phone.sendFrom('2001:db8:1::a1');
    await service.logged(/denied 2001:db8:1::a1 /, from);
    const { denied } = await service.call<{ denied: UbusDenied[] }>('get_denied');
    expect(denied[0]).toMatchObject({
      interface: 'wg1',
      address: '2001:db8:1::a1',
      peer: phone.publicKey,
      description: 'phone',
      reason: 'owned',
    });
  });

  test('a forgotten address is no longer allowed', async () => {
    await learn(phone, '2001:db8:1::b1');
    await service.call('forget', { interface: 'wg1', address: '2001:0db8:1:0::B1' });
    expect((await lab.allowedIps()).phone).toEqual([]);
    expect(await service.status('forget', { interface: 'wg1', address: '2001:db8:1::b1' })).toBe(4);
    await phone.removeAddress('2001:db8:1::b1');
  });

  test('a pinned address is configured, stays allowed, and is no longer a learned one', async () => {
    await learn(phone, '2001:db8:1::b2');
    const pinger = await Pinger.start(phone, '2001:db8:1::b2');
    await service.call('pin', { interface: 'wg1', address: '2001:db8:1::b2' });
    await pinger.more(10);
    expect(await pinger.stop()).toMatchObject({ lost: [] });
    expect(await service.read('network')).toMatch(/list allowed_ips '2001:db8:1::b2\/128'/);
    expect((await lab.allowedIps()).phone).toEqual(['2001:db8:1::b2/128']);
    expect(await known()).not.toContain('2001:db8:1::b2');
    await service.call('flush');
    expect((await lab.allowedIps()).phone).toEqual(['2001:db8:1::b2/128']);
  });

  test('what makes no sense is refused with status 2, what is not there with 4', async () => {
    expect(await service.status('forget', { interface: 'wg1', address: 'nonsense' })).toBe(2);
    expect(await service.status('forget', { interface: 'wg1', address: 7 })).toBe(2);
    expect(await service.status('get_addresses', { interface: 'nowhere' })).toBe(4);
  });

  test('the commands show it to people', async () => {
    await learn(laptop, '2001:db8:1::a2');
    const status = await service.command('status');
    expect(status).toMatchObject({ code: 0, stdout: expect.stringMatching(/fexit.*wg1.*wg-home/s) });
    const addresses = await service.command('addresses wg1');
    expect(addresses.stdout).toMatch(/2001:db8:1::a2 .*Anna's laptop/);
    for (const line of addresses.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(await service.command('forget wg1 2001:db8:1::a2')).toMatchObject({ code: 0 });
    expect(await known('wg1')).not.toContain('2001:db8:1::a2');
    const past = await service.command('history 2001:db8:1::a2');
    expect(past.stdout).toMatch(/2001:db8:1::a2 +Anna's laptop .* forgotten \(user\)/);
    const metrics = await service.command('metrics');
    expect(metrics.stdout).toMatch(/^wg_slaacer_address_events_total\{event="forgotten"\} [1-9]/m);
    expect(metrics.stdout).toMatch(/# EOF\n$/);
    await laptop.removeAddress('2001:db8:1::a2');
  });

  test('a client’s configuration has what the kernel has, and no key that is secret', async () => {
    const { stdout } = await service.command(`client "Anna's laptop" --for app --endpoint 10.9.1.1`);
    const { stdout: publicKey } = await lab.router.run('wg show wg1 public-key');
    const { stdout: port } = await lab.router.run('wg show wg1 listen-port');
    expect(stdout).toContain(`PublicKey = ${publicKey.trim()}\n`);
    expect(stdout).toContain(`Endpoint = 10.9.1.1:${port.trim()}\n`);
    expect(stdout).toContain(`Address = ${CONFIGURED}`);
    for (const secret of [home.router.privateKey, PRESHARED]) expect(stdout).not.toContain(secret);
    expect(stdout).not.toContain('PresharedKey');
    await lab.router.run(`wg set wg1 peer ${phone.publicKey} preshared-key /dev/stdin`, { input: PRESHARED });
    const withKey = await service.command('client phone');
    await lab.router.run(`wg set wg1 peer ${phone.publicKey} preshared-key /dev/null`);
    expect(withKey.stdout).toContain('PresharedKey = PRESHARED-KEY-OF-THE-PEER\n');
    expect(withKey.stdout).not.toContain(PRESHARED);
    const unknown = await service.command('client tablet');
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('"phone" on wg1') });
  });
});

describe('changes of the configuration', () => {
  test('twenty reloads lose no packet and no address', async () => {
    await learn(laptop, '2001:db8:1::a3');
    const before = await service.call<Status>('status');
    const pinger = await Pinger.start(laptop, '2001:db8:1::a3');
    for (let n = 0; n < 20; n++) {
      await service.write(
        'wg-slaacer',
        config({ rate: `${n % 2}`, burst: `${16 + n}`, lifetime: `${20 + n}h` }),
      );
      await service.reload();
    }
    await pinger.more(5);
    expect(await pinger.stop()).toMatchObject({ lost: [] });
    const { addresses } = await service.call<Addresses>('get_addresses', { interface: 'wg1' });
    const kept = addresses.find(({ address }) => address === '2001:db8:1::a3');
    expect(kept?.expires).toBeGreaterThan(38 * 3600);
    expect((await service.call<Status>('status')).uptime).toBeGreaterThanOrEqual(before.uptime);
  }, 150_000);

  test('a limit is in force at once', async () => {
    await service.write('wg-slaacer', config({ max_addresses: '1' }));
    await service.reload();
    expect(await known('wg1')).toEqual(['2001:db8:1::a3']);
    await learn(laptop, '2001:db8:1::a4');
    expect(await known('wg1')).toEqual(['2001:db8:1::a4']);
  });

  test('an invalid value is named, and everything else goes on', async () => {
    await service.write('wg-slaacer', config({ rate: 'many' }));
    await service.call('reload');
    const { problems } = await service.call<Status>('status');
    expect(problems).toEqual([
      expect.objectContaining({ message: expect.stringMatching(/wg-slaacer\.wg1\.rate.*"many"/) }),
    ]);
    expect(await known('wg1')).toEqual(['2001:db8:1::a4']);
  });

  test('prefixes that are named instead of the own ones withdraw what is outside of them', async () => {
    await service.write('wg-slaacer', config({ prefix: '2001:db8:77::/64' }));
    await service.call('reload');
    expect(await known('wg1')).toEqual([]);
    expect((await lab.allowedIps()).laptop).toEqual([CONFIGURED]);
    await service.write('wg-slaacer', config());
    await service.call('reload');
  });

  test('a renamed device keeps what was learned on it', async () => {
    await learn(laptop, '2001:db8:1::a5');
    await service.write('wg-slaacer', config({ device: 'wg-new' }));
    await rename('wg1', 'wg-new');
    await service.reload();
    expect(await known('wg1')).toEqual(['2001:db8:1::a5']);
    const { received } = await laptop.ping({ from: '2001:db8:1::a5', count: 5, interval: 0.5, timeout: 5 });
    expect(received).toBeGreaterThan(0);
    await rename('wg-new', 'wg1');
    await service.write('wg-slaacer', config());
    await service.reload();
    expect(await known('wg1')).toEqual(['2001:db8:1::a5']);
  });

  test('an interface that is disabled is withdrawn from at once, and the others are not', async () => {
    await laptop.run('ping -c 2 -W 5 2001:db8:2::1');
    await service.write('wg-slaacer', config({}, "option enabled '0'"));
    await service.call('reload');
    expect((await lab.router.run('wg show wg-home allowed-ips')).stdout).toContain('(none)');
    expect(await known()).toEqual(['2001:db8:1::a5']);
  });
});

describe('when ubusd ends', () => {
  test('learning goes on', async () => {
    await service.stopBus();
    await learn(laptop, '2001:db8:1::a6');
    expect((await lab.allowedIps()).laptop).toContain('2001:db8:1::a6/128');
  });

  test('the object is there again when ubusd is', async () => {
    await service.startBus();
    await lab.guest.until(async () => {
      const { addresses } = await service.call<Addresses>('get_addresses');
      expect(addresses).toHaveLength(2);
    }, PATIENCE);
  });

  test('a command says that ubusd cannot be reached', async () => {
    await service.stopBus();
    const { code, stderr } = await service.command('status');
    expect(code).toBeGreaterThan(0);
    expect(stderr).toMatch(/^wg-slaacer: ubusd cannot be reached/);
    await service.startBus();
  });
});

test('no private or preshared key is in its memory, be it read from UCI or from WireGuard', async () => {
  await service.reload();
  // The first shows that what is there is found.
  const searched = [Buffer.from("Anna's laptop"), PRESHARED, home.router.privateKey].flatMap((key) =>
    typeof key === 'string' ? [Buffer.from(key), Buffer.from(key, 'base64')] : [key],
  );
  expect(await service.inMemory(searched)).toEqual([true, ...searched.slice(1).map(() => false)]);
});

describe('at its end', () => {
  test('what was learned stays in place', async () => {
    expect(await service.stop()).toBe(0);
    expect((await lab.allowedIps()).laptop).toEqual(
      [CONFIGURED, '2001:db8:1::a5/128', '2001:db8:1::a6/128'].sort(),
    );
  });

  test('nothing it ever logged holds a key that is secret', () => {
    const text = service.log.join('\n');
    expect(text).toContain('learned 2001:db8:1::a1');
    for (const secret of [PRESHARED, home.router.privateKey]) expect(text).not.toContain(secret);
  });

  test('the history is in its file, and the next start goes on with it', async () => {
    await service.start({ jailed: true });
    await service.logged(/^ready: /);
    const { stdout } = await service.command('history --json');
    const { history } = JSON.parse(stdout) as { history: { address: string; how: string }[] };
    const of = (address: string) => history.filter((stay) => stay.address === address).map(({ how }) => how);
    expect(of('2001:db8:1::a2')).toEqual(['forgotten']);
    expect(of('2001:db8:1::a6')).toEqual(['present']);
    expect(of('2001:db8:1::a5')).toEqual(['present']);
    const { problems } = await service.call<Status>('status');
    expect(problems.filter(({ code }) => code.startsWith('history'))).toEqual([]);
    expect(await service.stop()).toBe(0);
  });

  test('the package can withdraw it when it is removed', async () => {
    expect(await service.command('withdraw')).toMatchObject({ code: 0 });
    expect((await lab.allowedIps()).laptop).toEqual([CONFIGURED]);
  });
});

interface UbusDenied {
  interface: string;
  address: string;
  peer: string;
  reason: string;
}
