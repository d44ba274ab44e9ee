// SPDX-License-Identifier: GPL-2.0-only

import { beforeEach, describe, expect, it } from 'vitest';
import { Daemon } from '../../src/daemon.ts';
import type { Environment } from '../../src/service/hotplug.ts';
import { encodeTable } from '../../src/ubus/blobmsg.ts';
import { type UbusError, type UbusTable, ubusStatus } from '../../src/ubus/types.ts';
import { alice, bob, carol, nameOf } from './bench.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeKernel } from './fake-kernel.ts';
import { FakeStateFile } from './fake-state-file.ts';
import { FakeRpcd, FakeUbus, type Package } from './fake-ubus.ts';

const router = ['2001:db8:1::1/64', '2001:db8:2::1/64'];
const five = '2001:db8:1::5';
const six = '2001:db8:1::6';
const secret = 'c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I=';
const interfaceKey = 'cHJpdmF0ZSBwcml2YXRlIHByaXZhdGUgcHJpdmF0ZSE=';

let clock: FakeClock;
let kernel: FakeKernel;
let ubus: FakeUbus;
let rpcd: FakeRpcd;
let stateFile: FakeStateFile;
/** What was ever opened, by its name. */
let files: Map<string, FakeStateFile>;
let hostsFile: FakeStateFile;
let daemon: Daemon;
/** With what scripts were called. */
let called: Environment[];
let log: string[];
/** Whatever has left the program. */
let said: string[];

function network(): Package {
  const peer = (public_key: string, description: string, ...allowed_ips: string[]) => ({
    '.type': 'wireguard_wg1',
    public_key,
    description,
    preshared_key: secret,
    allowed_ips,
  });
  return {
    wg1: { '.type': 'interface', proto: 'wireguard', private_key: interfaceKey },
    cfg01: peer(alice, "Alice's phone", '2001:db8:a::/64'),
    cfg02: peer(bob, 'Bob', '2001:db8:1::b/128'),
    cfg03: { ...peer(carol, 'Carol'), '.type': 'wireguard_wg2' },
  };
}

beforeEach(() => {
  clock = new FakeClock();
  kernel = new FakeKernel(clock);
  ubus = new FakeUbus();
  stateFile = new FakeStateFile();
  files = new Map();
  hostsFile = new FakeStateFile();
  rpcd = new FakeRpcd({
    network: network(),
    'wg-slaacer': {
      globals: { '.type': 'globals', log_level: 'debug' },
      wg1: { '.type': 'interface', enabled: '1' },
      second: { '.type': 'interface', device: 'wg2' },
    },
  });
  rpcd.join(ubus);
  kernel.addLink('wg1', { addresses: router });
  kernel.addLink('wg2', { addresses: ['2001:db8:9::1/64'] });
  kernel.setPeers('wg1', { [alice]: ['2001:db8:a::/64'], [bob]: ['2001:db8:1::b/128'] });
  kernel.setPeers('wg2', { [carol]: [] });
  called = [];
  log = [];
  said = [];
});

/** As a new process would begin. */
function start(): void {
  clock.dropTimers();
  kernel.revive();
  daemon = new Daemon({
    version: '1.2.3',
    kernel,
    clock,
    ubus,
    stateFile,
    openFile(path) {
      const file = files.get(path) ?? new FakeStateFile(path);
      files.set(path, file);
      return file;
    },
    hostsFile,
    setsFile: new FakeStateFile(),
    scripts: {
      exist: () => true,
      async call(environment) {
        called.push(environment);
      },
    },
    write: (level, line) => {
      log.push(`${level}: ${line}`);
      said.push(line);
    },
  });
  daemon.start();
}

/** Lets everything that is under way come to its end. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

async function started(): Promise<void> {
  start();
  await settle();
}

function configure(section: string, options: Record<string, string | string[]>): void {
  const sections = rpcd.packages['wg-slaacer']!;
  sections[section] = { ...sections[section], '.type': 'interface', ...options };
}

/** A call of ours, as somebody on the bus makes it. */
async function call(method: string, args: UbusTable = {}): Promise<UbusTable | undefined> {
  const answer = await ubus.objects.get('wg-slaacer')![method]!.call(args);
  said.push(JSON.stringify(answer ?? {}));
  return answer;
}

async function statusOf(method: string, args: UbusTable): Promise<number> {
  try {
    await call(method, args);
    return ubusStatus.ok;
  } catch (error) {
    said.push((error as UbusError).message);
    return (error as UbusError).status;
  }
}

function learn(address: string, peer = alice, device = 'wg1'): void {
  kernel.receive(device, peer, address);
  kernel.flush();
  expect(kernel.owner(device, address)).toBe(peer);
}

/** "address peer" of each, sorted. */
async function addresses(args: UbusTable = {}): Promise<string[]> {
  const { addresses } = (await call('get_addresses', args)) as { addresses: UbusTable[] };
  return addresses.map(({ address, peer }) => `${address} ${nameOf(peer as string)}`).sort();
}

async function problems(): Promise<UbusTable[]> {
  return ((await call('status')) as { problems: UbusTable[] }).problems;
}

const allowedOf = (section: string) => rpcd.packages.network![section]!.allowed_ips;

describe('configurations for clients', () => {
  beforeEach(async () => {
    kernel.publicKey = carol;
    kernel.withPresharedKey.add(alice);
    await started();
  });

  const ask = (args: UbusTable = {}) =>
    call('get_client', { interface: 'wg1', peer: alice, for: 'app', ...args }) as Promise<UbusTable>;
  const textFor = async (args: UbusTable = {}) => (await ask(args)).configuration as string;
  /** The one that an app is told to take in the interface's first prefix. */
  const fixed = async (peer: string) => /2001:db8:1::?[\da-f:]+/.exec(await textFor({ peer }))![0];

  it('names the peers of an interface, or of all that are enabled, but for disabled ones', async () => {
    rpcd.packages.network!.cfg02!.disabled = '1';
    kernel.setPeers('wg1', { [alice]: [], [carol]: [] });
    await call('reload');
    const here = [
      { interface: 'wg1', peer: alice, description: "Alice's phone" },
      { interface: 'wg1', peer: carol }, // by wg set
    ];
    expect(await call('get_peers')).toEqual({ peers: here });
    expect(await call('get_peers', { interface: 'wg1' })).toEqual({ peers: here });
    expect(await call('get_peers', { interface: 'wg2' })).toEqual({
      peers: [{ interface: 'second', peer: carol, description: 'Carol' }],
    });
    expect(await statusOf('get_peers', { interface: 'wg9' })).toBe(ubusStatus.notFound);
  });

  it('are made of what the router has, without keys that are nobody else’s business', async () => {
    const answer = await ask({ for: 'wg-quick', endpoint: 'home.example.org' });
    expect(answer).toMatchObject({
      interface: 'wg1',
      peer: alice,
      description: "Alice's phone",
      for: 'wg-quick',
      endpoint: 'home.example.org:51820',
      missing: ['PRIVATE-KEY-OF-THE-CLIENT', 'PRESHARED-KEY-OF-THE-PEER'],
    });
    const text = answer.configuration as string;
    expect(text).toContain(`PublicKey = ${carol}\n`);
    expect(text).toContain('addr_gen_mode=3');
    expect(said.join()).not.toContain(secret);
    expect(said.join()).not.toContain(interfaceKey);
    kernel.withPresharedKey.delete(alice);
    expect(await textFor({ for: 'wg-quick' })).not.toContain('PresharedKey');
  });

  it('have what is configured for the peer, IPv4 too', async () => {
    rpcd.packages.network!.cfg01!.allowed_ips = ['192.168.10.2/32 2001:DB8:1::A', '10.0.0.0/8'];
    await call('reload');
    const text = await textFor();
    expect(text).toMatch(/^Address = 192\.168\.10\.2\/32, 2001:db8:1::a\/128, 2001:db8:2:[\da-f:]+\/128$/m);
    expect(text).toContain('AllowedIPs = 0.0.0.0/0, ');
  });

  it('have an address that is written with the length of its network, if the peer has no other', async () => {
    rpcd.packages.network!.cfg01!.allowed_ips = ['192.168.10.2/24', '2001:db8:1::a/64'];
    await call('reload');
    expect(await textFor()).toMatch(/^Address = 192\.168\.10\.2\/32, 2001:db8:1::a\/128, /m);
    rpcd.packages.network!.cfg01!.allowed_ips = ['192.168.10.2/32', '192.168.20.1/24', '2001:db8:1::a/64'];
    await call('reload');
    expect(await textFor()).toMatch(/^Address = 192\.168\.10\.2\/32, 2001:db8:1::a\/128, /m);
  });

  it('lead to the router where each address stands by itself, and have no list that is empty', async () => {
    kernel.setLinkAddresses('wg1', ['fd00:1::1/128', 'fe80::1/64']);
    rpcd.packages.network!.cfg01!.allowed_ips = ['fd00:1::2'];
    await call('reload');
    expect(await textFor()).toContain('Address = fd00:1::2/128\n');
    expect(await textFor()).toContain('AllowedIPs = fd00:1::1/128\n');
    kernel.setLinkAddresses('wg1', ['fe80::1/64']);
    await call('reload');
    expect(await textFor()).not.toContain('AllowedIPs');
  });

  it('send no more of IPv4 into a split tunnel than to the network of the interface', async () => {
    rpcd.packages.network!.cfg01!.allowed_ips = ['192.168.10.2/32'];
    const addresses = [{ address: '192.168.10.1', mask: 25 }];
    ubus.objects.set('network.interface', {
      dump: {
        arguments: {},
        call: () => ({
          interface: [
            { interface: 'wg1', proto: 'wireguard', l3_device: 'wg1', up: true, 'ipv4-address': addresses },
          ],
        }),
      },
    });
    await call('reload');
    expect(await textFor()).toContain('AllowedIPs = 0.0.0.0/0, ');
    configure('wg1', { ra_default: '0' });
    await call('reload');
    expect(await textFor()).toContain('AllowedIPs = 192.168.10.0/25, ');
    ubus.objects.delete('network.interface');
    await call('reload');
    expect(await textFor()).toContain('AllowedIPs = 0.0.0.0/0, '); // nothing is known of it
  });

  it('give an app an address that it can have: the same each time, and nobody else’s', async () => {
    const first = await fixed(alice);
    expect(await fixed(alice)).toBe(first);
    expect(await fixed(bob)).not.toBe(first);
    learn(first);
    expect(await fixed(alice)).toBe(first);
    await call('forget', { interface: 'wg1', address: first });
    learn(first, bob);
    const second = await fixed(alice);
    expect(second).not.toBe(first);
    learn(second);
  });

  it('give an app none that is reserved, or the router’s own', async () => {
    configure('wg1', { prefix: ['2001:db8:1::/126', '2001:db8:2::/126'] });
    await call('reload');
    for (const peer of [alice, bob])
      expect(await textFor({ peer })).toMatch(/^Address = .*2001:db8:1::[23]\/128, 2001:db8:2::[23]\/128$/m);
  });

  it('give an app one in the /64 that is advertised, of a wider prefix that the interface has', async () => {
    kernel.setLinkAddresses('wg1', ['2001:db8:1:13::1/60', 'fe80::1/64']);
    for (const peer of [alice, bob])
      expect(await textFor({ peer })).toMatch(/^Address = .*2001:db8:1:13:[\da-f:]+\/128$/m);
  });

  it('give an app no address in a prefix that is deprecated, or that is all another peer’s', async () => {
    kernel.allow('wg1', bob, '2001:db8:2::/64');
    expect(await textFor()).toMatch(/^Address = 2001:db8:1:[\da-f:]+\/128$/m);
    kernel.setLifetimes('wg1', 0, 60_000);
    expect(await textFor()).toContain('Address = ADDRESS-OF-THE-CLIENT\n');
  });

  it('tell the DNS server that is advertised, unless it has a link-local address only', async () => {
    kernel.routing.listeners.push('::');
    expect(await textFor()).toContain('DNS = 2001:db8:1::1\n');
    kernel.setLinkAddresses('wg1', [...router, 'fe80::1/64']);
    kernel.routing.listeners.splice(0, 1, 'fe80::1');
    expect(await textFor()).not.toContain('DNS');
  });

  it('tell under what name or address the router can be reached, if there is one', async () => {
    expect(await ask()).toMatchObject({
      endpoint: 'ADDRESS-OF-THE-ROUTER:51820',
      missing: expect.arrayContaining(['ADDRESS-OF-THE-ROUTER']) as string[],
    });
    rpcd.packages.ddns = { myddns: { '.type': 'service', enabled: '1', lookup_host: 'home.example.org' } };
    expect(await ask()).toMatchObject({ endpoint: 'home.example.org:51820' });
    expect(await ask({ endpoint: '[2001:db8::1]:443' })).toMatchObject({ endpoint: '[2001:db8::1]:443' });
    rpcd.leave(ubus);
    expect(await ask()).toMatchObject({ endpoint: 'ADDRESS-OF-THE-ROUTER:51820' });
  });

  it('tell none in what leads into the tunnel, where its own packets would go, too', async () => {
    const assigned = ['2001:db8:1:0:1::1', '2001:db8:8::1', '2001:db8:9::1'].map((address) => ({
      'local-address': { address, mask: 64 },
    }));
    const dump = () => ({
      interface: [
        { interface: 'wan6', up: true, route: [{ target: '::', mask: 0 }] },
        { interface: 'lan', up: true, 'ipv6-prefix-assignment': assigned },
      ],
    });
    ubus.objects.set('network.interface', { dump: { arguments: {}, call: dump } });
    configure('wg1', { ra_route: '2001:db8:8::/48' });
    await call('reload');
    expect(await ask()).toMatchObject({ endpoint: '[2001:db8:9::1]:51820' });
    expect(await ask({ endpoint: '2001:db8:8::1' })).toMatchObject({ endpoint: '[2001:db8:8::1]:51820' });
  });

  it('say that the port is not to last, unless it is configured, or told by who asks', async () => {
    const note = 'set option\n# listen_port';
    expect(await textFor()).toContain(note);
    expect(await textFor({ endpoint: 'home.example.org:443' })).not.toContain(note);
    rpcd.packages.network!.wg1!.listen_port = '51820';
    await call('reload');
    expect(await textFor()).not.toContain(note);
  });

  it('are refused for what is not there, and what nothing is known of', async () => {
    const asked = { interface: 'wg1', peer: alice, for: 'app' };
    expect(await statusOf('get_client', { ...asked, interface: 'wg9' })).toBe(ubusStatus.notFound);
    expect(await statusOf('get_client', { ...asked, peer: carol })).toBe(ubusStatus.notFound);
    for (const [name, value] of Object.entries({ peer: 'phone', for: 'amiga', endpoint: 'a\nb' }))
      expect(await statusOf('get_client', { ...asked, [name]: value })).toBe(ubusStatus.invalidArgument);
    for (const name of Object.keys(asked))
      expect(await statusOf('get_client', { ...asked, [name]: '' })).toBe(ubusStatus.invalidArgument);
    expect(await statusOf('get_client', { ...asked, interface: 'wg2', peer: carol })).toBe(ubusStatus.noData);
    kernel.deleteLink('wg1');
    kernel.announce();
    expect(await statusOf('get_client', asked)).toBe(ubusStatus.noData);
  });
});

describe('the ubus object', () => {
  beforeEach(started);

  it('tells the status of all interfaces that are configured', async () => {
    learn(five);
    kernel.receive('wg1', bob, '2001:db8:bad::1');
    kernel.flush();
    clock.advance(61_900);
    expect(await call('status')).toEqual({
      version: '1.2.3',
      uptime: 61,
      read: 61,
      hook: 'fexit',
      options: { hook: 'auto', log_level: 'debug' },
      problems: [],
      interfaces: [
        {
          name: 'wg1',
          device: 'wg1',
          enabled: true,
          up: true,
          options: {
            rate: 5,
            burst: 16,
            max_addresses: 32,
            lifetime: 86_400,
            prefix: [],
            share: '',
            ra: 'auto',
            ra_default: 'auto',
            ra_preference: 'medium',
            ra_route: [],
            ra_dns: ['auto'],
            ra_search: ['auto'],
            ra_mtu: 'auto',
            takeover: 0,
            dns: '0',
            nftset_prefix: '',
          },
          prefixes: ['2001:db8:1::/64', '2001:db8:2::/64'],
          addresses: 1,
          counters: { candidate: 1, restore: 0, owned: 0, scope: 1, reserved: 0, rate: 0 },
        },
        {
          name: 'second',
          device: 'wg2',
          enabled: false,
          up: true,
          options: {
            rate: 5,
            burst: 16,
            max_addresses: 32,
            lifetime: 86_400,
            prefix: [],
            share: '',
            ra: 'auto',
            ra_default: 'auto',
            ra_preference: 'medium',
            ra_route: [],
            ra_dns: ['auto'],
            ra_search: ['auto'],
            ra_mtu: 'auto',
            takeover: 0,
            dns: '0',
            nftset_prefix: '',
          },
          prefixes: [],
          addresses: 0,
          counters: { candidate: 0, restore: 0, owned: 0, scope: 0, reserved: 0, rate: 0 },
        },
      ],
      totals: {
        learned: 1,
        restored: 0,
        given: 0,
        adopted: 0,
        expired: 0,
        evicted: 0,
        forgotten: 0,
        released: 0,
        taken: 0,
        denied: { owned: 0, scope: 1, reserved: 0, rate: 0, 'in-use': 0 },
        delivered: 1,
        delivery_failed: 0,
        missed: 0,
      },
    });
  });

  it('tells an interface that is down or gone, and has no hook without any', async () => {
    kernel.setLinkUp('wg1', false);
    kernel.deleteLink('wg2');
    kernel.announce();
    expect(await call('status')).toMatchObject({ interfaces: [{ up: false }, { up: false }] });
    configure('wg1', { enabled: '0' });
    await call('reload');
    clock.advance(10_000);
    expect(await call('status')).toMatchObject({ hook: 'none' });
  });

  it('tells the status of one interface, with what concerns it or all', async () => {
    configure('wg1', { rate: 'fast' });
    configure('second', { enabled: '1', device: 'wg9', burst: 'many' });
    rpcd.packages['wg-slaacer']!.globals!.log_level = 'loud';
    await call('reload');
    const of = async (args: UbusTable) => {
      const answer = (await call('status', args))!;
      return [answer.interfaces, answer.problems].map((list) =>
        (list as UbusTable[]).map(({ name, code, data }) => name ?? `${code} ${Object.values(data!)[0]}`),
      );
    };
    expect(await of({ interface: 'wg1' })).toEqual([
      ['wg1'],
      ['invalid-option globals', 'invalid-option wg1'],
    ]);
    const other = [['second'], ['invalid-option globals', 'invalid-option second', 'no-interface wg9']];
    expect(await of({ interface: 'second' })).toEqual(other);
    expect(await of({ interface: 'wg9' })).toEqual(other);
    expect(await statusOf('status', { interface: 'wg7' })).toBe(ubusStatus.notFound);
  });

  it('tells learned addresses with the names of their peers, in seconds', async () => {
    const learned = Math.round(clock.wall() / 1000);
    learn(five);
    clock.advance(100_000);
    kernel.receive('wg1', alice, five); // which the hook alone sees
    clock.advance(50_000);
    kernel.calls.length = 0;
    expect(await call('get_addresses')).toEqual({
      addresses: [
        {
          interface: 'wg1',
          address: five,
          peer: alice,
          description: "Alice's phone",
          learned,
          last_seen: learned + 100,
          expires: 24 * 3600 - 50,
        },
      ],
    });
    expect(kernel.calls).not.toContain('lastSeen');
  });

  it('tells the addresses of an interface, by its name or its device, or of a peer', async () => {
    configure('second', { enabled: '1' });
    await call('reload');
    learn(five);
    learn(six, bob);
    learn('2001:db8:9::c', carol, 'wg2');
    expect(await addresses({ interface: 'wg1', peer: alice })).toEqual([`${five} alice`]);
    expect(await addresses({ peer: bob })).toEqual([`${six} bob`]);
    expect(await addresses({ interface: 'second' })).toEqual(['2001:db8:9::c carol']);
    expect(await addresses({ interface: 'wg2' })).toEqual(['2001:db8:9::c carol']);
    expect(await addresses({ peer: carol, interface: 'wg1' })).toEqual([]);
  });

  it('leaves out what does not fit into a message, and says how much', async () => {
    configure('wg1', { rate: '0', max_addresses: '1000' });
    rpcd.packages.network!.cfg01!.description = 'x'.repeat(2_000);
    await call('reload');
    for (let i = 0; i < 600; i++) {
      kernel.receive('wg1', alice, `2001:db8:1::1:${i.toString(16)}`);
    }
    kernel.flush();
    const answer = (await call('get_addresses')) as { addresses: UbusTable[]; omitted: number };
    const size = encodeTable(answer).length;
    expect(size).toBeLessThan(1_024 * 1_024 - 1_024);
    expect(size).toBeGreaterThan(950_000);
    expect(answer.addresses.length + answer.omitted).toBe(600);
    expect(answer.omitted).toBeGreaterThan(0);
  });

  it('tells what was denied, the newest first', async () => {
    kernel.receive('wg1', bob, '2001:db8:bad::1');
    kernel.flush();
    clock.advance(5_000);
    kernel.receive('wg1', alice, '2001:db8:1::b');
    kernel.flush();
    const last = Math.round(clock.wall() / 1000);
    const denied = [
      {
        interface: 'wg1',
        address: '2001:db8:1::b',
        peer: alice,
        description: "Alice's phone",
        reason: 'owned',
        count: 1,
        last,
        owner: bob,
        owner_description: 'Bob',
        state: 'configured',
      },
      {
        interface: 'wg1',
        address: '2001:db8:bad::1',
        peer: bob,
        description: 'Bob',
        reason: 'scope',
        count: 1,
        last: last - 5,
      },
    ];
    expect(await call('get_denied')).toEqual({ denied });
    expect(await call('get_denied', { interface: 'wg1' })).toEqual({ denied });
    expect(await call('get_denied', { interface: 'second' })).toEqual({ denied: [] });
  });

  it('forgets an address in whatever form it is written', async () => {
    learn(five);
    await call('forget', { interface: 'wg1', address: '2001:0DB8:1:0:0:0:0.0.0.5' });
    expect(kernel.owner('wg1', five)).toBeUndefined();
    expect(await addresses()).toEqual([]);
  });

  it('flushes all, or an interface, or a peer', async () => {
    learn(five);
    learn(six, bob);
    expect(await call('flush', { interface: 'second' })).toEqual({ count: 0 });
    expect(await call('flush', { interface: 'wg1', peer: bob })).toEqual({ count: 1 });
    expect(await addresses()).toEqual([`${five} alice`]);
    expect(await call('flush')).toEqual({ count: 1 });
    expect(kernel.owner('wg1', five)).toBeUndefined();
    expect(kernel.owner('wg1', '2001:db8:1::b')).toBe(bob);
  });

  it.each([
    ['get_addresses', { interface: '' }],
    ['get_addresses', { peer: 'alice' }],
    ['get_denied', { interface: '' }],
    ['forget', {}],
    ['forget', { interface: 'wg1' }],
    ['forget', { address: five }],
    ['forget', { interface: 'wg1', address: '2001:db8::/64' }],
    ['forget', { interface: 'nowhere', address: '192.0.2.1' }],
    ['flush', { peer: `${alice}=` }],
    ['pin', { interface: 'wg1', address: 'five' }],
    ['pin', { address: five }],
  ])('answers %s %j with invalid argument', async (method, args) => {
    learn(five);
    expect(await statusOf(method, args)).toBe(2);
    expect(await addresses()).toEqual([`${five} alice`]);
  });

  it.each([
    ['get_addresses', { interface: 'wg3' }],
    ['get_denied', { interface: 'wg3' }],
    ['forget', { interface: 'wg3', address: five }],
    ['forget', { interface: 'second', address: five }],
    ['forget', { interface: 'wg1', address: six }],
    ['forget', { interface: 'wg1', address: '2001:db8:1::b' }],
    ['flush', { interface: 'wg3' }],
    ['pin', { interface: 'wg1', address: six }],
    ['pin', { interface: 'wg3', address: five }],
    ['give', { interface: 'wg3', address: five, peer: bob }],
    ['give', { interface: 'wg1', address: six, peer: bob }],
    ['give', { interface: 'wg1', address: five, peer: carol }],
  ])('answers %s %j with not found', async (method, args) => {
    learn(five);
    expect(await statusOf(method, args)).toBe(4);
    expect(await addresses()).toEqual([`${five} alice`]);
  });

  it('gives an address of a peer without a session to another, and tells both sides', async () => {
    kernel.handshakes.set(alice, Math.floor(clock.wall() / 1000));
    learn(five);
    const gift = { interface: 'wg1', address: five, peer: bob };
    expect(await statusOf('give', gift)).toBe(ubusStatus.permissionDenied);
    kernel.receive('wg1', bob, five);
    kernel.flush();
    expect(await call('get_denied')).toMatchObject({ denied: [{ owner: alice, state: 'present' }] });

    clock.advance(180_000);
    expect(await call('get_denied')).toMatchObject({ denied: [{ state: 'silent', silent: 180 }] });
    ubus.notifications.length = 0;
    expect(await statusOf('give', gift)).toBe(ubusStatus.ok);
    expect(kernel.owner('wg1', five)).toBe(bob);
    expect(await addresses()).toEqual([`${five} bob`]);
    expect(await call('get_denied')).toEqual({ denied: [] });
    expect(await call('status')).toMatchObject({ totals: { given: 1, forgotten: 1, taken: 0 } });
    const about = { interface: 'wg1', address: five };
    expect(ubus.notifications).toEqual([
      ['address.forgotten', { ...about, peer: alice, description: "Alice's phone", reason: 'given' }],
      ['address.given', { ...about, peer: bob, description: 'Bob' }],
    ]);
    expect(await statusOf('give', gift)).toBe(ubusStatus.ok); // it is
  });

  it.each([
    ['configured', { address: '2001:db8:1::b', peer: alice }, ubusStatus.notSupported],
    ['of no valid key', { address: five, peer: 'bob' }, ubusStatus.invalidArgument],
    ['of no peer', { address: five }, ubusStatus.invalidArgument],
  ])('gives nothing %s', async (_, args, status) => {
    learn(five);
    expect(await statusOf('give', { interface: 'wg1', ...args })).toBe(status);
    expect(kernel.owner('wg1', five)).toBe(alice);
    expect(kernel.owner('wg1', '2001:db8:1::b')).toBe(bob);
  });

  it('gives nothing on an interface that is not there', async () => {
    learn(five);
    kernel.deleteLink('wg1');
    kernel.announce();
    const gift = { interface: 'wg1', address: five, peer: bob };
    expect(await statusOf('give', gift)).toBe(ubusStatus.noData);
    expect(await addresses()).toEqual([`${five} alice`]);
  });

  it('notifies of what happens to addresses', async () => {
    configure('wg1', { max_addresses: '1', lifetime: '1h' });
    await call('reload');
    learn(five);
    clock.advance(1_000);
    learn(six);
    kernel.receive('wg1', bob, six);
    kernel.flush();
    clock.advance(2 * 3_600_000);
    learn(five);
    await call('flush');
    const about = { interface: 'wg1', peer: alice, description: "Alice's phone" };
    expect(ubus.notifications).toEqual([
      ['address.learned', { ...about, address: five }],
      ['address.evicted', { ...about, address: five }],
      ['address.learned', { ...about, address: six }],
      [
        'address.denied',
        {
          ...{ interface: 'wg1', address: six, peer: bob, description: 'Bob', reason: 'owned' },
          ...{ owner: alice, owner_description: "Alice's phone", state: 'silent', silent: 0 },
        },
      ],
      ['address.expired', { ...about, address: six }],
      ['address.learned', { ...about, address: five }],
      ['address.forgotten', { ...about, address: five, reason: 'user' }],
    ]);
  });
});

describe('changed configuration', () => {
  beforeEach(started);

  it('is in force when reload has been answered, and no learned address is touched', async () => {
    learn(five);
    configure('wg1', { rate: '1', burst: '1', lifetime: '2h' });
    kernel.added.length = 0;
    expect(await statusOf('reload', {})).toBe(0);
    expect(kernel.removed).toEqual([]);
    expect(kernel.added).toEqual([]);
    expect(kernel.hooksOpened).toBe(1);
    expect(await call('get_addresses')).toMatchObject({ addresses: [{ address: five, expires: 7200 }] });
    learn(six, bob);
    kernel.receive('wg1', bob, '2001:db8:1::7');
    kernel.flush();
    expect(await call('get_denied')).toMatchObject({ denied: [{ reason: 'rate' }] });
  });

  it('withdraws what is over the number of addresses, and what is out of the prefixes', async () => {
    learn(five);
    clock.advance(1_000);
    learn(six);
    learn('2001:db8:2::7', bob);
    configure('wg1', { max_addresses: '1' });
    await call('reload');
    expect(await addresses()).toEqual([`${six} alice`, '2001:db8:2::7 bob']);
    configure('wg1', { prefix: '2001:db8:2::/64' });
    await call('reload');
    expect(await addresses()).toEqual(['2001:db8:2::7 bob']);
    expect(kernel.owner('wg1', six)).toBeUndefined();
  });

  it('goes on with the prefixes that can be used if there is a typo in another', async () => {
    configure('wg1', { prefix: ['2001:db8:77::/64'] });
    await call('reload');
    learn('2001:db8:77::5');
    configure('wg1', { prefix: ['2001:db8:77::/64', '2001:db8:78::1'] });
    await call('reload');
    expect(kernel.removed).toEqual([]);
    expect(await addresses()).toEqual(['2001:db8:77::5 alice']);
    kernel.receive('wg1', alice, six);
    kernel.flush();
    expect(kernel.owner('wg1', six)).toBeUndefined();
    expect(await problems()).toMatchObject([
      { message: 'wg-slaacer.wg1.prefix: "2001:db8:78::1" is not allowed, so it is left out' },
    ]);
  });

  it('enables and disables interfaces', async () => {
    learn(five);
    configure('second', { enabled: '1' });
    configure('wg1', { enabled: '0' });
    await call('reload');
    expect(kernel.owner('wg1', five)).toBeUndefined();
    learn('2001:db8:9::c', carol, 'wg2');
    expect(await addresses()).toEqual(['2001:db8:9::c carol']);
  });

  it('calls scripts with the name that a peer had, of what goes with its interface', async () => {
    learn(five);
    configure('wg1', { enabled: '0' });
    await call('reload');
    await settle();
    expect(called).toMatchObject([
      { ACTION: 'learned', NAME: 'alices-phone', ADDRESS: five },
      { ACTION: 'forgotten', NAME: 'alices-phone', ADDRESS: five },
    ]);
  });

  it('follows a device that is renamed', async () => {
    learn(five);
    kernel.renameLink('wg1', 'wg-home');
    kernel.announce();
    configure('wg1', { device: 'wg-home' });
    await call('reload');
    expect(kernel.removed).toEqual([]);
    expect(await addresses({ interface: 'wg1' })).toEqual([`${five} alice`]);
    learn(six, alice, 'wg-home');
  });

  it('changes the hook', async () => {
    learn(five);
    rpcd.packages['wg-slaacer']!.globals!.hook = 'lending';
    await call('reload');
    expect(await call('status')).toMatchObject({ hook: 'lending' });
    expect(await addresses()).toEqual([`${five} alice`]);
    expect(kernel.removed).toEqual([]);
  });

  it('leaves what is wrong at its default, names it in the log and the status, and takes it back', async () => {
    configure('wg1', { rate: 'fast' });
    configure('second', { enabled: '1' });
    await call('reload');
    const message = 'wg-slaacer.wg1.rate: "fast" is not allowed, so the default is used';
    expect(await problems()).toEqual([
      {
        code: 'invalid-option',
        message,
        hint: expect.anything(),
        data: {
          section: 'wg1',
          option: 'rate',
          value: 'fast',
          allowed: expect.stringContaining('6000'),
          instead: 'default',
        },
      },
    ]);
    expect(log.filter((line) => line.startsWith(`warn: ${message} – allowed is 0`))).toHaveLength(1);
    learn(five);
    learn('2001:db8:9::c', carol, 'wg2');
    configure('wg1', { rate: '5' });
    await call('reload');
    expect(await problems()).toEqual([]);
    expect(log).toContain(`info: solved: ${message}`);
  });

  it('is read one after the other: what is asked for last is what is in force', async () => {
    const reloads: Promise<unknown>[] = [];
    for (let rate = 1; rate <= 20; rate++) {
      configure('wg1', { max_addresses: String(rate) });
      reloads.push(call('reload'));
      if (rate % 3 === 0) await Promise.resolve();
    }
    await Promise.all(reloads);
    configure('wg1', { max_addresses: '1' });
    await call('reload');
    learn(five);
    clock.advance(1_000);
    learn(six);
    expect(await addresses()).toEqual([`${six} alice`]);
  });

  it('names peers anew', async () => {
    learn(five);
    rpcd.packages.network!.cfg01!.description = 'Alice';
    await call('reload');
    expect(await call('get_addresses')).toMatchObject({ addresses: [{ description: 'Alice' }] });
  });
});

describe('router advertisements', () => {
  beforeEach(() => {
    kernel.setLinkAddresses('wg1', [...router, 'fe80::1/64']);
    kernel.allow('wg1', alice, 'fe80::a/128');
  });

  it('are sent unless odhcpd is configured to', async () => {
    rpcd.packages.dhcp = { lan: { '.type': 'dhcp', interface: 'lan', ra: 'server' } };
    await started();
    clock.advance(200);
    expect(kernel.routing.sent).toHaveLength(1);

    rpcd.packages.dhcp.wg1 = { '.type': 'dhcp', interface: 'wg1', ra: 'server' };
    await daemon.reload();
    expect(kernel.routing.sockets.size).toBe(0);
    expect(daemon.problems()).toContainEqual({
      code: 'ra-conflict',
      data: { device: 'wg1', advertiser: "odhcpd (dhcp.wg1.ra is 'server')" },
    });
  });
});

describe('the prefix of an interface of netifd', () => {
  beforeEach(async () => {
    kernel.setLinkAddresses('wg1', ['fe80::1/64']);
    kernel.addLink('br-lan', { kind: 'bridge', addresses: ['2001:db8:1::1/64'] });
    const lan = { interface: 'lan', l3_device: 'br-lan', proto: 'static' };
    ubus.objects.set('network.interface', { dump: { arguments: {}, call: () => ({ interface: [lan] }) } });
    configure('wg1', { share: 'lan' });
    await started();
  });

  it('can be shared by its name', async () => {
    expect((await problems()).map(({ code }) => code)).not.toContain('no-share');
    kernel.receive('wg1', alice, five);
    kernel.flush();
    clock.advance(1_000);
    expect(await addresses()).toEqual([`${five} alice`]);
    expect([...kernel.reach.entries.values()].map(({ address }) => address)).toContain(five);
  });

  it('is passed on by odhcpd, too, if that is configured, which is a problem', async () => {
    rpcd.packages.dhcp = { lan: { '.type': 'dhcp', interface: 'lan', ndp: 'relay' } };
    await daemon.reload();
    expect(daemon.problems()).toContainEqual({
      code: 'share-conflict',
      data: { device: 'wg1', shared: 'br-lan', rival: "odhcpd (dhcp.lan.ndp is 'relay')" },
    });
  });
});

it('says who has all of a delegated prefix, so that an interface that is to have a part has a local one only', async () => {
  kernel.setLinkAddresses('wg1', ['fd00:1::1/64']);
  const lan = { interface: 'lan', l3_device: 'br-lan', proto: 'static' };
  const assigned = { lan: { address: '2001:db8::', mask: 60 } };
  const prefix = { address: '2001:db8::', mask: 60, class: 'wan6', assigned };
  const wan6 = { interface: 'wan6', l3_device: 'eth0', delegation: true, 'ipv6-prefix': [prefix] };
  ubus.objects.set('network.interface', {
    dump: { arguments: {}, call: () => ({ interface: [lan, wan6] }) },
  });
  rpcd.packages.network!.wg1!.ip6assign = '64';
  await started();
  const data = { prefix: '2001:db8::/60', uplink: 'wan6', holders: 'lan', holder: 'lan', share: 'wide' };
  expect(daemon.problems()).toContainEqual({ code: 'prefix-exhausted', data: { device: 'wg1', ...data } });
});

it('an interface that is in no zone of the firewall is a problem until it is, if it is enabled', async () => {
  let zone = {};
  const dump = () => ({
    interface: ['wg1', 'wg2'].map((name) => ({
      interface: name,
      proto: 'wireguard',
      l3_device: name,
      up: true,
      data: zone,
    })),
  });
  ubus.objects.set('network.interface', { dump: { arguments: {}, call: dump } });
  await started();
  expect(await problems()).toEqual([]);
  rpcd.packages.firewall = { cfg01: { '.type': 'zone', name: 'lan', network: ['lan'] } };
  await call('reload');
  expect(await problems()).toMatchObject([{ code: 'no-zone', data: { device: 'wg1' } }]);
  zone = { zone: 'lan' }; // by option zone of the interface itself
  await call('reload');
  expect(await problems()).toEqual([]);
  zone = {};
  rpcd.packages.firewall.cfg01!.network = ['lan', 'wg1'];
  await call('reload');
  expect(await problems()).toEqual([]);
});

describe('a peer that is removed', () => {
  beforeEach(started);

  it('loses what it has when WireGuard has it no more, at once if that is configured', async () => {
    learn(five);
    learn('2001:db8:2::7', bob);
    kernel.deleteLink('wg1');
    kernel.addLink('wg1', { addresses: router });
    kernel.setPeers('wg1', {});
    kernel.announce();
    expect(await addresses()).toHaveLength(2); // both may be about to come back
    delete rpcd.packages.network!.cfg01;
    log = [];
    await call('reload');
    expect(await addresses()).toEqual(['2001:db8:2::7 bob']);
    expect(log).toContain(`info: wg1: forgotten ${five} peer ${alice} (the peer is gone)`);
  });

  it('keeps it for a while if it is not known whether it is configured', async () => {
    learn(five);
    kernel.setPeers('wg1', {});
    rpcd.packages.network = {};
    await call('reload');
    expect(await addresses()).toEqual([`${five} alice`]);
  });
});

describe('an address that is configured for the peer for which it was learned', () => {
  beforeEach(started);

  it('is released: no longer learned, and never withdrawn', async () => {
    configure('wg1', { lifetime: '10m' });
    learn(five);
    learn(six);
    rpcd.packages.network!.cfg01!.allowed_ips = ['2001:db8:a::/64', '2001:0db8:1:0::5'];
    await call('reload');
    expect(await addresses()).toEqual([`${six} alice`]);
    expect(kernel.records().map(({ address }) => address)).toEqual([six]);
    expect(ubus.notifications).toContainEqual([
      'address.released',
      { interface: 'wg1', address: five, peer: alice, description: "Alice's phone" },
    ]);
    clock.advance(1_800_000);
    configure('wg1', { enabled: '0' });
    await call('reload');
    expect(kernel.removed.map(({ address }) => address)).toEqual([six]);
    expect(kernel.owner('wg1', five)).toBe(alice);
  });

  it('stays although its interface is disabled at the same time', async () => {
    learn(five);
    rpcd.packages.network!.cfg01!.allowed_ips = [`${five}/128`];
    configure('wg1', { enabled: '0' });
    await call('reload');
    expect(kernel.removed).toEqual([]);
    expect(kernel.owner('wg1', five)).toBe(alice);
  });

  it('stays although that happens while the service is not running', async () => {
    learn(five);
    learn(six);
    daemon.stop();
    rpcd.packages.network!.cfg01!.allowed_ips = [`${five}/128`];
    configure('wg1', { enabled: '0' });
    await started();
    expect(kernel.owner('wg1', five)).toBe(alice);
    expect(kernel.owner('wg1', six)).toBeUndefined();
    expect(kernel.records()).toEqual([]);
  });

  it('is still learned if it is configured for another peer, or for one that is disabled', async () => {
    learn(five);
    rpcd.packages.network!.cfg01 = {
      ...rpcd.packages.network!.cfg01!,
      disabled: '1',
      allowed_ips: [`${five}/128`],
    };
    rpcd.packages.network!.cfg03!.allowed_ips = [`${five}/128`];
    await call('reload');
    expect(await addresses()).toEqual([`${five} alice`]);
  });
});

describe('pin', () => {
  beforeEach(started);

  it('adds the address to what is configured for the peer, keeps it allowed, and tells netifd nothing', async () => {
    learn(five);
    await call('pin', { interface: 'wg1', address: '2001:DB8:1:0::5' });
    expect(allowedOf('cfg01')).toEqual(['2001:db8:a::/64', `${five}/128`]);
    expect(allowedOf('cfg02')).toEqual(['2001:db8:1::b/128']);
    expect(rpcd.packages.network!.cfg01!.preshared_key).toBe(secret);
    expect(rpcd.committed).toEqual([]);
    expect(await addresses()).toEqual([]);
    expect(kernel.removed).toEqual([]);
    expect(kernel.owner('wg1', five)).toBe(alice);
    expect(rpcd.sessions).toBe(0);
  });

  it('goes into the last section of its peer, as only that one’s allowed IPs are in force', async () => {
    const [first, last] = [rpcd.packages.network!.cfg01!, { ...rpcd.packages.network!.cfg01! }];
    rpcd.packages.network!.cfg04 = last;
    await call('reload');
    learn(five);
    await call('pin', { interface: 'wg1', address: five });
    expect(first.allowed_ips).toEqual(['2001:db8:a::/64']);
    expect(last.allowed_ips).toEqual(['2001:db8:a::/64', `${five}/128`]);
  });

  it('keeps what is listed in one option', async () => {
    rpcd.packages.network!.cfg01!.allowed_ips = '2001:db8:a::/64 192.0.2.0/24';
    learn(five);
    await call('pin', { interface: 'wg1', address: five });
    expect(allowedOf('cfg01')).toBe(`2001:db8:a::/64 192.0.2.0/24 ${five}/128`);
  });

  it('does not commit what somebody else has changed and not committed', async () => {
    learn(five);
    rpcd.change('network', 'wg1', { mtu: '1280' });
    rpcd.change('network', 'cfg01', { allowed_ips: ['::/0'] });
    await call('pin', { interface: 'wg1', address: five });
    expect(rpcd.packages.network!.wg1!.mtu).toBeUndefined();
    expect(allowedOf('cfg01')).toEqual(['2001:db8:a::/64', `${five}/128`]);
  });

  it('loses none of several at once', async () => {
    learn(five);
    learn(six);
    learn('2001:db8:1::7', bob);
    await Promise.all(
      [five, six, '2001:db8:1::7'].map((address) => call('pin', { interface: 'wg1', address })),
    );
    expect(allowedOf('cfg01')).toEqual(['2001:db8:a::/64', `${five}/128`, `${six}/128`]);
    expect(allowedOf('cfg02')).toEqual(['2001:db8:1::b/128', '2001:db8:1::7/128']);
    expect(await addresses()).toEqual([]);
  });

  /** Somebody else moves the peers, whose sections go by their places. */
  function swap(): void {
    const { cfg01, cfg02, ...others } = rpcd.packages.network!;
    rpcd.packages.network = { ...others, cfg01: cfg02!, cfg02: cfg01! };
  }

  const lists = [['2001:db8:1::b/128'], '2001:db8:1::b/128 192.0.2.0/24', []];
  it.each(
    lists.flatMap((others) => [[['2001:db8:a::/64'], others] as const, ['2001:db8:a::/64', others] as const]),
  )(
    'finds the peer by its key where another change shifts sections: %j, and the other one keeps %j',
    async (own, others) => {
      Object.assign(rpcd.packages.network!.cfg01!, { allowed_ips: own });
      Object.assign(rpcd.packages.network!.cfg02!, { allowed_ips: others });
      learn(five);
      rpcd.beforeExecution = () => {
        rpcd.beforeExecution = undefined;
        swap();
      };
      await call('pin', { interface: 'wg1', address: five });
      expect([allowedOf('cfg02')].flat().join(' ')).toBe(`2001:db8:a::/64 ${five}/128`);
      expect([allowedOf('cfg01') ?? []].flat().join(' ')).toBe([others].flat().join(' '));
    },
  );

  it('gives up where that goes on and on, and leaves nothing with another peer', async () => {
    learn(five);
    let n = 0;
    rpcd.beforeExecution = () => n++ % 2 === 0 && swap();
    expect(await statusOf('pin', { interface: 'wg1', address: five })).toBe(ubusStatus.unknownError);
    for (const section of ['cfg01', 'cfg02']) expect(allowedOf(section)).not.toContain(`${five}/128`);
  });

  it('does not list twice what is configured meanwhile', async () => {
    learn(five);
    rpcd.packages.network!.cfg01!.allowed_ips = [five];
    await call('pin', { interface: 'wg1', address: five });
    expect(allowedOf('cfg01')).toEqual([five]);
    expect(await addresses()).toEqual([]);
  });

  it('is not supported for a peer that is not in UCI, or only disabled', async () => {
    kernel.setPeers('wg1', { [alice]: [], [bob]: [], [carol]: [] });
    learn(five, carol);
    learn(six);
    expect(await statusOf('pin', { interface: 'wg1', address: five })).toBe(ubusStatus.notSupported);
    rpcd.packages.network!.cfg01!.disabled = '1';
    expect(await statusOf('pin', { interface: 'wg1', address: six })).toBe(ubusStatus.notSupported);
    expect(await addresses()).toEqual([`${five} carol`, `${six} alice`]);
    expect(rpcd.committed).toEqual([]);
    expect(rpcd.sessions).toBe(0);
  });

  it('says what is missing where rpcd cannot run programs', async () => {
    learn(five);
    ubus.objects.delete('file');
    expect(await statusOf('pin', { interface: 'wg1', address: five })).toBe(ubusStatus.unknownError);
    expect(log).toContain(
      `error: wg1: ${five} cannot be pinned: rpcd cannot run /sbin/uci: install rpcd-mod-file`,
    );
  });

  it.each(['get', 'create', 'grant', 'exec'])(
    'changes nothing if rpcd refuses %s, and says that it was not the argument',
    async (method) => {
      learn(five);
      rpcd.failures[method] = ubusStatus.notFound;
      expect(await statusOf('pin', { interface: 'wg1', address: five })).toBe(ubusStatus.unknownError);
      expect(log.filter((line) => line.startsWith('error: '))).toHaveLength(1);
      delete rpcd.failures[method];
      expect(allowedOf('cfg01')).toEqual(['2001:db8:a::/64']);
      expect(await addresses()).toEqual([`${five} alice`]);
      expect(rpcd.sessions).toBe(0);
      await call('pin', { interface: 'wg1', address: five });
      expect(allowedOf('cfg01')).toEqual(['2001:db8:a::/64', `${five}/128`]);
    },
  );
});

describe('assign_prefix', () => {
  beforeEach(started);

  it('gives a WireGuard interface a /64, and changes nothing else', async () => {
    rpcd.change('network', 'wg1', { mtu: '1300' });
    expect(await call('assign_prefix', { interface: 'wg1' })).toEqual({ changed: true });
    expect(rpcd.packages.network).toEqual({ ...network(), wg1: { ...network().wg1, ip6assign: '64' } });
    expect(rpcd.committed).toEqual(['network']);
    expect(rpcd.sessions).toBe(0);
  });

  it('leaves an interface alone that is to have a prefix already', async () => {
    rpcd.packages.network!.wg1!.ip6assign = '60';
    expect(await call('assign_prefix', { interface: 'wg1' })).toEqual({ changed: false });
    expect(rpcd.packages.network!.wg1!.ip6assign).toBe('60');
  });

  it('is for WireGuard interfaces of /etc/config/network only', async () => {
    rpcd.packages.network!.lan = { '.type': 'interface', proto: 'static' };
    for (const name of ['lan', 'wg9', 'cfg01'])
      expect(await statusOf('assign_prefix', { interface: name })).toBe(ubusStatus.notSupported);
    for (const args of [{}, { interface: '' }, { interface: 'x'.repeat(16) }, { interface: 'a/b' }])
      expect(await statusOf('assign_prefix', args)).toBe(ubusStatus.invalidArgument);
    expect(rpcd.committed).toEqual([]);
  });

  it('tells in the log what rpcd has refused', async () => {
    rpcd.failures.set = ubusStatus.permissionDenied;
    expect(await statusOf('assign_prefix', { interface: 'wg1' })).toBe(ubusStatus.unknownError);
    expect(log.at(-1)).toMatch(/^error: wg1: it cannot be given a \/64: /);
    expect(rpcd.packages.network).toEqual(network());
    expect(rpcd.sessions).toBe(0);
  });
});

describe('without ubus or rpcd', () => {
  it('waits for its configuration, withdraws nothing meanwhile, and says so', async () => {
    await started();
    learn(five);
    daemon.stop();
    rpcd.leave(ubus);
    log = [];
    await started();
    expect(kernel.hookIsOpen).toBe(false);
    expect(kernel.owner('wg1', five)).toBe(alice);
    expect(await problems()).toMatchObject([{ code: 'no-configuration' }]);
    expect(log).toEqual([
      expect.stringMatching(/^warn: the configuration cannot be read \(.*not found.*\): nothing is learned/),
    ]);
    expect(await call('status')).toMatchObject({ hook: 'none', interfaces: [] });

    rpcd.join(ubus);
    await settle();
    expect(await problems()).toEqual([]);
    expect(await addresses()).toEqual([`${five} alice`]);
    expect(log).toContain('info: ready: wg-slaacer 1.2.3, hook fexit');
  });

  it('waits a while for ubus before it says so', async () => {
    ubus.connected = false;
    await started();
    expect(log).toEqual([]);
    clock.advance(5_000);
    await settle();
    expect(log).toEqual([expect.stringMatching(/^warn: the configuration cannot be read/)]);
    ubus.setConnected(true);
    await settle();
    learn(five);
  });

  it('tries again by itself', async () => {
    rpcd.failures.get = ubusStatus.timeout;
    await started();
    for (const seconds of [1, 2, 4, 8, 16, 32, 32]) {
      expect(clock.pending()).toEqual([1_000 * seconds]);
      clock.advance(1_000 * seconds);
      await settle();
    }
    expect(kernel.hookIsOpen).toBe(false);
    delete rpcd.failures.get;
    clock.advance(32_000);
    await settle();
    learn(five);
    rpcd.failures.get = ubusStatus.timeout;
    await statusOf('reload', {});
    expect(clock.pending()[0]).toBe(1_000);
  });

  it('tries again when rpcd appears, even if that is told before it is known to have failed', async () => {
    rpcd.leave(ubus);
    start();
    await Promise.resolve(); // looked for
    await Promise.resolve();
    rpcd.join(ubus);
    await settle();
    learn(five);
  });

  it('goes on with the last configuration, and reads it again when ubus is back', async () => {
    await started();
    ubus.setConnected(false);
    learn(five);
    expect(await statusOf('reload', {})).not.toBe(0);
    learn(six);
    expect(await addresses()).toEqual([`${five} alice`, `${six} alice`]);
    expect(await problems()).toMatchObject([{ message: expect.stringContaining('the last one stays') }]);
    configure('wg1', { max_addresses: '1' });
    ubus.setConnected(true);
    await settle();
    expect(await problems()).toEqual([]);
    expect(await addresses()).toHaveLength(1);
  });

  it('keeps all if the configuration has vanished', async () => {
    await started();
    learn(five);
    delete rpcd.packages['wg-slaacer'];
    delete rpcd.packages.network;
    await statusOf('reload', {});
    expect(await addresses()).toEqual([`${five} alice`]);
  });

  it('tells a section whose peer was the last one that netifd had', async () => {
    const wg1 = { interface: 'wg1', proto: 'wireguard', l3_device: 'wg1' };
    ubus.objects.set('network.interface', { dump: { arguments: {}, call: () => ({ interface: [wg1] }) } });
    const phone = { '.type': 'peer', interface: 'wg1', public_key: alice, name: 'phone' };
    rpcd.packages['wg-slaacer']!.phone = phone;
    await started();
    expect(await problems()).toEqual([]);
    const { cfg01, cfg02, ...rest } = rpcd.packages.network!;
    rpcd.packages.network = rest;
    await call('reload');
    expect(await problems()).toMatchObject([{ code: 'ignored-section', data: { reason: 'no-peer' } }]);
  });

  it('keeps what it knows of peers if only they cannot be read', async () => {
    await started();
    rpcd.packages.network!.cfg01!.allowed_ips = [`${five}/128`];
    await call('reload');
    delete rpcd.packages.network;
    configure('wg1', { max_addresses: '1' });
    await statusOf('reload', {});
    expect(await problems()).toMatchObject([{ code: 'no-peers' }, { code: 'no-peers' }]);
    kernel.receive('wg1', alice, '2001:db8:bad::1');
    kernel.flush();
    expect(await call('get_denied')).toMatchObject({ denied: [{ description: "Alice's phone" }] });
    learn(six);
    clock.advance(1_000);
    learn('2001:db8:1::7');
    expect(await addresses()).toEqual(['2001:db8:1::7 alice']);
  });

  it.each([
    ['nothing', {}],
    ['no table', { values: 'nonsense' }],
    ['a list', { values: [1, 2] }],
    ['null', { values: null }],
  ])('goes on if rpcd answers with %s', async (_, answer) => {
    await started();
    learn(five);
    const { get } = ubus.objects.get('uci')!;
    ubus.objects.set('uci', { get: { ...get!, call: () => answer } });
    expect(await statusOf('reload', {})).toBe(ubusStatus.unknownError);
    expect(await addresses()).toEqual([`${five} alice`]);
  });

  it('leaves learned addresses in place when it is stopped, and takes them up again', async () => {
    await started();
    learn(five);
    daemon.stop();
    expect(kernel.owner('wg1', five)).toBe(alice);
    expect(ubus.closed).toBe(true);
    expect(kernel.hookIsOpen).toBe(false);
    await started();
    expect(await addresses()).toEqual([`${five} alice`]);
  });

  it('does nothing any more if it is stopped while the configuration is read', async () => {
    start();
    daemon.stop();
    await settle();
    expect(kernel.hookIsOpen).toBe(false);
    expect(clock.pending()).toEqual([]);
  });
});

describe('the log', () => {
  it('tells events with the names of peers', async () => {
    await started();
    learn(five);
    kernel.receive('wg1', bob, five);
    kernel.flush();
    await call('flush');
    expect(log).toEqual([
      'info: ready: wg-slaacer 1.2.3, hook fexit',
      expect.stringMatching(`^info: wg1: learned ${five} peer Alice's phone \\(`),
      `info: wg1: denied ${five} peer Bob: another peer's (Alice's phone); wg-slaacer give wg1 ${five} ${bob} moves it`,
      `info: wg1: forgotten ${five} peer Alice's phone (on request)`,
    ]);
  });

  it.each([
    ['info', 1],
    ['warn', 0],
    ['error', 0],
  ])('has only what matters with level %s', async (level, learned) => {
    rpcd.packages['wg-slaacer']!.globals!.log_level = level;
    await started();
    log = [];
    learn(five);
    expect(log).toHaveLength(learned);
    configure('wg1', { rate: 'fast' });
    await call('reload');
    expect(log).toHaveLength(learned + (level === 'error' ? 0 : 1));
  });

  it('is not flooded by what is refused', async () => {
    rpcd.packages['wg-slaacer']!.globals!.log_level = 'info';
    await started();
    log = [];
    const flood = () => {
      for (let i = 0; i < 30; i++) kernel.receive('wg1', alice, `2001:db8:bad::${i.toString(16)}`);
      kernel.flush();
    };
    flood();
    expect(log.filter((line) => line.includes('denied 2001:'))).toHaveLength(10);
    expect(log.at(-1)).toMatch(/more denied addresses are not logged/);
    clock.advance(60_000);
    flood();
    expect(log).toHaveLength(22);
  });

  it('is not flooded by addresses that come and go where there is no rate', async () => {
    configure('wg1', { rate: '0', max_addresses: '1' });
    rpcd.packages['wg-slaacer']!.globals!.log_level = 'info';
    await started();
    log = [];
    const flood = () => {
      for (let i = 1; i <= 100; i++) {
        kernel.receive('wg1', alice, `2001:db8:1::${i.toString(16)}:7`);
        kernel.flush();
        clock.advance(1);
      }
    };
    flood();
    const lines = (word: string) => log.filter((line) => line.includes(`${word} 2001:`)).length;
    expect([lines('learned'), lines('evicted')]).toEqual([60, 60]);
    expect(log.filter((line) => /more (learned|evicted) addresses are not logged/.test(line))).toHaveLength(
      2,
    );
    expect(log).toHaveLength(122);
  });

  it('has each event on one line, whatever a peer is called', async () => {
    rpcd.packages.network!.cfg01!.description = 'two\nlines\u001b[31m';
    await started();
    learn(five);
    expect(log.at(-1)).toMatch(/ peer two\?lines\?\[31m /);
  });
});

it('never tells a private or preshared key', async () => {
  await started();
  learn(five);
  learn(six, bob);
  kernel.receive('wg1', bob, five);
  kernel.flush();
  for (const method of ['status', 'get_addresses', 'get_denied', 'reload', 'status']) await call(method);
  await call('pin', { interface: 'wg1', address: five });
  rpcd.failures.commit = ubusStatus.unknownError;
  await statusOf('pin', { interface: 'wg1', address: six });
  await call('flush');
  const everything = [...said, JSON.stringify(ubus.notifications)].join('\n');
  expect(everything).toContain(alice);
  expect(everything).not.toContain(secret);
  expect(everything).not.toContain(interfaceKey);
});

describe('what is to be known after a reboot', () => {
  const line = `peer wg1 ${alice} fe80::a\n`;

  it('is written when the service ends, and known to the next one', async () => {
    await started();
    kernel.receive('wg1', alice, 'fe80::a');
    kernel.flush();
    daemon.stop();
    expect(stateFile.text).toContain(line);
    kernel.reboot();
    kernel.addLink('wg1', { addresses: router });
    kernel.setPeers('wg1', { [alice]: [], [bob]: [] });
    await started();
    expect(kernel.owner('wg1', 'fe80::a')).toBe(alice);
  });

  it('stays as it is if the service ends before it has a configuration', async () => {
    stateFile.text = line;
    delete rpcd.packages['wg-slaacer'];
    await started();
    daemon.stop();
    expect(stateFile.text).toBe(line);
  });
});

describe('the history', () => {
  const stays = async (args: UbusTable = {}) =>
    ((await call('get_history', args)) as { history: UbusTable[] }).history;
  const seconds = () => Math.round(clock.wall() / 1_000);

  it('tells which peer had which address, and when', async () => {
    await started();
    learn(five);
    const from = seconds();
    clock.advance(60_000);
    await call('forget', { interface: 'wg1', address: five });
    learn(six, bob);
    expect(await stays()).toEqual([
      {
        interface: 'wg1',
        address: six,
        peer: bob,
        description: 'Bob',
        from: from + 60,
        last_seen: from + 60,
        how: 'present',
      },
      {
        interface: 'wg1',
        address: five,
        peer: alice,
        description: "Alice's phone",
        from,
        to: from + 60,
        last_seen: from,
        how: 'forgotten',
        reason: 'user',
      },
    ]);
    expect(await stays({ address: '2001:DB8:1::5', at: from + 1 })).toHaveLength(1);
    expect(await stays({ address: five, at: from + 61 })).toEqual([]);
    expect(await stays({ peer: bob })).toHaveLength(1);
    expect(await stays({ last: 0 })).toHaveLength(2);
    clock.advance(1_000);
    expect(await stays({ last: 0 })).toHaveLength(1);
    expect(await call('get_history')).toMatchObject({ now: from + 61 });
  });

  it.each([{ address: 'five' }, { peer: 'bob' }, { at: -1 }, { last: -1 }])('refuses %j', async (args) => {
    await started();
    expect(await statusOf('get_history', args)).toBe(ubusStatus.invalidArgument);
  });

  it('is kept in a file, if that is configured, from then on and across restarts', async () => {
    await started();
    learn(five);
    expect(files.size).toBe(0);
    const { globals } = rpcd.packages['wg-slaacer']!;
    globals!.history_file = '/mnt/history';
    await call('reload');
    await call('flush');
    expect((await call('status'))!.options).toMatchObject({ history_file: '/mnt/history' });
    daemon.stop();
    clock.advance(60_000);
    await started();
    expect(await stays()).toMatchObject([{ address: five, how: 'forgotten' }]);
    delete globals!.history_file;
    await call('reload');
    const { text } = files.get('/mnt/history')!;
    learn(six);
    daemon.stop();
    expect(files.get('/mnt/history')!.text).toBe(text);
  });

  it('tells what is in the way of its file, until it is not', async () => {
    files.set('/mnt/history', new FakeStateFile('/mnt/history'));
    const { failures } = files.get('/mnt/history')!;
    failures.write = 'ENOSPC';
    rpcd.packages['wg-slaacer']!.globals!.history_file = '/mnt/history';
    await started();
    learn(five);
    clock.advance(60_000);
    expect(await problems()).toMatchObject([{ code: 'history-failed', data: { error: 'ENOSPC' } }]);
    await call('reload');
    expect(await problems()).toHaveLength(1);
    delete failures.write;
    clock.advance(600_000);
    expect(await problems()).toEqual([]);
    expect(log.at(-1)).toMatch(/^info: solved: \/mnt\/history/);
  });
});

describe('names of peers', () => {
  let signals: UbusTable[];

  beforeEach(async () => {
    signals = [];
    ubus.objects.set('service', {
      signal: { arguments: {}, call: (args) => void signals.push(args) },
    });
    rpcd.packages.dhcp = { cfg01: { '.type': 'dnsmasq', domain: 'lan' } };
    configure('wg1', { dns: '1' });
    await started();
  });

  const named = async () => {
    clock.advance(5_000);
    await settle();
    return hostsFile.text.split('\n').filter(Boolean);
  };

  it('are in the hosts file with the router’s domain, of which dnsmasq is told as odhcpd does it', async () => {
    learn(five);
    expect(await named()).toEqual([`${five}\talices-phone.lan\talices-phone`, '2001:db8:1::b\tbob.lan\tbob']);
    expect(signals).toEqual([{ name: 'dnsmasq' }]);
    await call('forget', { interface: 'wg1', address: five });
    expect(await named()).toEqual(['2001:db8:1::b\tbob.lan\tbob']);
  });

  it('are told beside descriptions, where they are switched on', async () => {
    learn(five);
    expect(await call('get_addresses')).toMatchObject({ addresses: [{ name: 'alices-phone' }] });
    configure('wg1', { dns: '0' });
    await call('reload');
    expect((await call('get_addresses')) as unknown).not.toMatchObject({
      addresses: [{ name: 'alices-phone' }],
    });
    expect(await named()).toEqual([]);
  });

  it('stay while a new process cannot read of peers', async () => {
    learn(five);
    const lines = await named();
    delete rpcd.packages.network;
    await started();
    expect(await named()).toEqual(lines);
  });

  it('follow the sections of peers', async () => {
    rpcd.packages['wg-slaacer']!.cfg09 = {
      '.type': 'peer',
      interface: 'wg1',
      public_key: alice,
      name: 'Handy',
      dns: 'stable',
    };
    rpcd.packages['wg-slaacer']!.cfg10 = { '.type': 'peer', interface: 'wg1', public_key: bob, dns: '0' };
    await call('reload');
    learn(five);
    expect(await named()).toEqual([]);
    learn('fe80::5');
    expect(await named()).toEqual([`${five}\thandy.lan\thandy`]);
  });

  it('that two peers would have are a problem, which names both by their descriptions', async () => {
    rpcd.packages.network!.cfg02!.description = 'ALICES phone';
    await call('reload');
    expect(await problems()).toMatchObject([
      { code: 'name-taken', message: expect.stringContaining("peer Alice's phone has no name") },
      { code: 'name-taken', message: expect.stringContaining('peer ALICES phone has no name') },
    ]);
  });

  it('that dnsmasq cannot be told of are a problem until it can', async () => {
    const service = ubus.objects.get('service')!;
    ubus.objects.delete('service');
    learn(five);
    await named();
    expect(await problems()).toMatchObject([{ code: 'dnsmasq-untold' }]);
    ubus.objects.set('service', service);
    clock.advance(30_000);
    await settle();
    expect(await problems()).toEqual([]);
    expect(log.join('\n')).toContain('info: solved: dnsmasq could not be told');
  });
});

describe('sets of nftables', () => {
  const set = 'inet#fw4#phone';
  const told = async () => {
    clock.advance(10_000);
    await settle();
    return problems();
  };

  beforeEach(async () => {
    rpcd.packages['wg-slaacer']!.cfg09 = {
      '.type': 'peer',
      interface: 'wg1',
      public_key: bob,
      nftset: [set],
    };
    await started();
  });

  it('have what their peers have, by configuration and by learning', async () => {
    kernel.nft.declare(set);
    learn(five);
    learn(six, bob);
    clock.advance(20);
    expect(kernel.nft.elements(set)).toEqual([six, '2001:db8:1::b'].sort());
    await call('pin', { interface: 'wg1', address: six });
    clock.advance(20);
    expect(kernel.nft.elements(set)).toContain(six);
    delete rpcd.packages['wg-slaacer']!.cfg09;
    await call('reload');
    clock.advance(20);
    expect(kernel.nft.elements(set)).toEqual([]);
    expect(kernel.nft.opened).toBe(0);
  });

  it('keep what is configured for peers while a new process cannot read it', async () => {
    kernel.nft.declare(set);
    learn(six, bob);
    clock.advance(20);
    const { network: readable } = rpcd.packages;
    delete rpcd.packages.network;
    await started();
    clock.advance(500);
    expect(kernel.nft.elements(set)).toEqual([six, '2001:db8:1::b'].sort());
    rpcd.packages.network = readable!;
    delete readable!.cfg02;
    await call('reload');
    clock.advance(20);
    expect(kernel.nft.elements(set)).toEqual([six]);
  });

  it('that are not there are a problem with its cure; learning goes on', async () => {
    learn(six, bob);
    expect(await told()).toMatchObject([
      { code: 'no-nftset', hint: expect.stringContaining("config ipset with option name 'phone'") },
    ]);
    kernel.nft.declare(set);
    expect(await told()).toEqual([]);
    expect(kernel.nft.elements(set)).toContain(six);
  });

  it('may be named by a prefix, which is no problem for peers that have none', async () => {
    kernel.nft.declare(set);
    kernel.nft.declare('inet#fw4#wg1_alices-phone');
    configure('wg1', { nftset_prefix: 'inet#fw4#wg1_' });
    await call('reload');
    learn(five);
    expect(await told()).toEqual([]);
    expect(kernel.nft.elements('inet#fw4#wg1_alices-phone')).toEqual([five]);
  });
});
