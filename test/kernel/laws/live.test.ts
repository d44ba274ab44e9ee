// SPDX-License-Identifier: GPL-2.0-only
// Laws 3 and 9: what changes while the engine runs takes effect at once, and what is withdrawn is exactly what was
// learned and may no longer stay.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { guestFor, ways } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import type { Interfaces, Options } from '../../bed/engine-driver.ts';
import { keyPair } from '../../bed/keys.ts';
import { Lab } from '../../bed/lab.ts';
import { LiveEngine } from '../../bed/live-engine.ts';
import { Pinger } from '../../bed/pinger.ts';
import { answered, expectAnswered, expectRefused, holdLoan, reveal, use } from '../../bed/ways.ts';

const PATIENCE = 30_000;

const configured = { laptop: ['2001:db8:1::10/128'], phone: ['2001:db8:1::99/128'], tablet: [] };
const a = '2001:db8:1::a';
const b = '2001:db8:1::b';
const c = '2001:db8:1::c';
const d = '2001:db8:1::d';
const upperHalf = '2001:db8:1:0:8000::5';
const elsewhere = '2001:db8:3::5';
const linkLocal = 'fe80::5';

/** As if for wg1 alone, without a limit to the rate. */
const wg1 = (options: Options = {}): Interfaces => ({ wg1: { rate: '0', ...options } });

describe.each(ways)('by %s', (hook) => {
  let lab: Lab;
  let engine: LiveEngine;
  let laptop: Client;
  let phone: Client;
  /** Is a peer of wg2, too, and talks to that. */
  let tablet: Client;
  let peers: string;

  beforeAll(async () => {
    lab = await Lab.create(await guestFor(hook), {
      clients: ['laptop', 'phone', 'tablet'],
      allowedIps: configured,
    });
    [laptop, phone, tablet] = lab.clients as [Client, Client, Client];
    await createWg2();
    for (const address of [a, b, c, '2001:db8:1::10']) await laptop.addAddress(address);
    peers = await allPeers();
    engine = await LiveEngine.launch(lab.router, hook);
  });

  afterAll(async () => {
    await engine?.finish();
    await lab?.router.run('ip link delete wg2');
    await lab?.destroy();
  });

  beforeEach(() => engine.configure(wg1()));

  afterEach(async () => {
    await engine.flush();
    expect(await lab.allowedIps()).toEqual(configured);
    expect(await allPeers()).toBe(peers);
  });

  /** A second interface of the router's, with the tablet on the other end. */
  async function createWg2(): Promise<void> {
    const keys = keyPair();
    await lab.router.run(
      `set -e
cat >/run/wg2.key
ip link add wg2 type wireguard
wg set wg2 private-key /run/wg2.key listen-port 51821 peer '${tablet.publicKey}' endpoint 10.9.3.2:51820
ip address add 2001:db8:2::1/64 dev wg2 nodad
ip link set wg2 up`,
      { input: keys.privateKey },
    );
    const router = '$(wg show wg0 peers)';
    await tablet.run(
      `wg set wg0 peer "${router}" remove peer '${keys.publicKey}' endpoint 10.9.3.1:51821 allowed-ips ::/0`,
    );
  }

  const allPeers = async () => (await lab.router.run('wg show all peers')).stdout;

  /** Has a client use addresses until they are learned. */
  async function learn(client: Client, ...addresses: string[]): Promise<void> {
    await reveal(engine, client, addresses);
  }

  /** The addresses that were learned and not withdrawn, with the interface of each. */
  async function learned(): Promise<string[]> {
    const { stdout } = await lab.router.run('wg show all allowed-ips');
    return [...stdout.matchAll(/^(wg\d)\t\S+\t(.*)$/gm)]
      .flatMap(([, name, list]) => list!.split(' ').map((prefix) => `${name} ${prefix}`))
      .filter((entry) => entry.endsWith('/128') && !/::(10|99)\/128$/.test(entry))
      .map((entry) => entry.replace('/128', ''))
      .sort();
  }

  const on1 = (...addresses: string[]) => addresses.map((address) => `wg1 ${address}`).sort();
  const gone = (address: string, reason: 'scope' | 'disabled' | 'user', from: number) =>
    engine.event('forgotten', { address, reason }, PATIENCE, from);

  test('an interface switched off loses at once what was learned there, and nothing else', async () => {
    await engine.configure({ ...wg1(), wg2: {} });
    await learn(laptop, a, b);
    await learn(phone, c);
    await learn(tablet, '2001:db8:2::5');
    const from = engine.mark;
    await engine.configure({ wg2: {} });
    expect(await learned()).toEqual(['wg2 2001:db8:2::5']);
    expect(await lab.allowedIps()).toEqual(configured);
    expect(await lab.borrower()).toBeUndefined();
    for (const address of [a, b, c]) await gone(address, 'disabled', from);
  });

  test('two interfaces keep apart what is learned on each', async () => {
    await engine.configure({ ...wg1(), wg2: { prefix: ['2001:db8:1::/64', '2001:db8:2::/64'] } });
    await learn(laptop, linkLocal, a);
    await learn(tablet, linkLocal, a, '2001:db8:2::5');
    expect(await engine.forget('wg2', linkLocal)).toBe(true);
    expect(await learned()).toEqual([...on1(a, linkLocal), `wg2 ${a}`, 'wg2 2001:db8:2::5'].sort());
    expect(await engine.flush('wg1')).toBe(2);
    expect(await learned()).toEqual([`wg2 ${a}`, 'wg2 2001:db8:2::5'].sort());
  });

  test(`while another interface is switched on and off, no first packet${hook === 'lending' ? ' of the borrower' : ''} is lost`, async () => {
    await holdLoan(lab, engine, laptop, linkLocal);
    const from = engine.mark;
    const flood = laptop.flood({ prefix: '2001:db8:1::', count: 30, pps: 15 });
    for (let round = 0; round < 3; round++) {
      await engine.configure({ ...wg1(), wg2: {} });
      await engine.configure(wg1());
    }
    await flood;
    const count = () => engine.events.slice(from).filter(({ event }) => event === 'learned').length;
    await lab.guest.until(() => expect(count()).toBe(30), PATIENCE);
  });

  test('narrower prefixes withdraw at once what is outside, wider ones let it be learned', async () => {
    await learn(laptop, a, upperHalf, linkLocal);
    const from = engine.mark;
    await engine.configure(wg1({ prefix: '2001:db8:1::/65' }));
    expect(await learned()).toEqual(on1(a, linkLocal));
    await gone(upperHalf, 'scope', from);
    await expectRefused(lab, engine, laptop, { address: '2001:db8:1:0:8000::6', reason: 'scope' });
    await engine.configure(wg1({ prefix: ['2001:db8:1::/65', '2001:db8:1:0:8000::/65'] }));
    await learn(laptop, upperHalf);
  });

  test('a prefix that the interface gets is learned in, one that it loses is withdrawn', async () => {
    await learn(laptop, a);
    const from = engine.mark;
    await lab.router.run('ip address add 2001:db8:3::1/64 dev wg1 nodad');
    await lab.guest.until(async () => {
      await laptop.sendFrom(elsewhere);
      expect(await learned()).toEqual(on1(a, elsewhere));
    }, PATIENCE);
    await lab.router.run('ip address delete 2001:db8:3::1/64 dev wg1');
    await gone(elsewhere, 'scope', from);
    expect(await learned()).toEqual(on1(a));
  });

  test('a prefix that no route leads back to by the interface is told, until one does', async () => {
    const from = engine.mark;
    await engine.configure(wg1({ prefix: '2001:db8:3::/64' }));
    await engine.event('problem', { code: 'no-route' }, PATIENCE, from);
    await lab.router.run('ip -6 route add 2001:db8:3::/64 dev wg1');
    await engine.event('solved', { code: 'no-route' }, PATIENCE, from);
    await lab.router.run('ip -6 route delete 2001:db8:3::/64 dev wg1');
    await engine.configure(wg1());
  });

  test('an address that the router takes is withdrawn', async () => {
    await learn(laptop, a, b);
    const from = engine.mark;
    await lab.router.run(`ip address add ${b}/64 dev wg1 nodad`);
    await gone(b, 'scope', from);
    expect(await learned()).toEqual(on1(a));
    await lab.router.run(`ip address delete ${b}/64 dev wg1`);
  });

  test('rate and burst take effect', async () => {
    await lab.router.run('sleep 1.1'); // what was used less than a second ago would cost no token
    await engine.configure(wg1({ rate: '1', burst: '1' }));
    await learn(laptop, a);
    expect(await use(engine, laptop, d)).toMatchObject({ event: 'denied', reason: 'rate' });
    await engine.configure(wg1({ rate: '1', burst: '2' }));
    await learn(laptop, b);
    await engine.configure(wg1());
    await learn(laptop, c);
    expect(await learned()).toEqual(on1(a, b, c));
  });

  test('max_addresses takes effect, on the addresses that were not used for longest', async () => {
    await learn(laptop, a, b, c);
    const from = engine.mark;
    await engine.configure(wg1({ max_addresses: '2' }));
    await engine.event('evicted', { address: a }, PATIENCE, from);
    expect(await learned()).toEqual(on1(b, c));
    await learn(laptop, upperHalf);
    expect(await learned()).toEqual(on1(c, upperHalf));
  });

  test('lifetime takes effect: what is not used for so long goes, what is used or configured stays', async () => {
    await learn(laptop, a, b);
    const pinger = await Pinger.start(laptop, b);
    await laptop.ping({ from: '2001:db8:1::10' });
    const from = engine.mark;
    await engine.configure(wg1({ lifetime: '2s' }));
    await engine.event('expired', { address: a }, PATIENCE, from);
    await pinger.more(60); // more than a lifetime later
    expect(engine.all('expired').filter(({ address }) => address === b)).toEqual([]);
    expect(await learned()).toEqual(on1(b));
    expect((await lab.allowedIps()).laptop).toContain('2001:db8:1::10/128');
    expect(await pinger.stop()).toMatchObject({ lost: [] });
    await engine.event('expired', { address: b }, PATIENCE, from);
  });

  test('no packet is lost over ten changes', async () => {
    await learn(laptop, a);
    const pinger = await Pinger.start(laptop, a);
    const from = engine.mark;
    const changes: Options[] = [
      { rate: '1', burst: '1' },
      { max_addresses: '1' },
      { lifetime: '60s' },
      { prefix: '2001:db8::/32' },
      {},
    ];
    for (const options of [...changes, ...changes]) {
      await engine.configure(wg1(options));
      await pinger.more(4);
    }
    expect(await pinger.stop()).toMatchObject({ lost: [] });
    expect(engine.events.slice(from).filter(({ event }) => event)).toEqual([]);
  });

  test(`forget and flush withdraw what they name, and it is learned again when it is used, ${answered[hook]}`, async () => {
    await learn(laptop, a, b);
    await learn(phone, c);
    const from = engine.mark;
    expect(await engine.forget('wg1', a)).toBe(true);
    expect(await engine.forget('wg1', a)).toBe(false);
    expect(await engine.forget('wg1', '2001:db8:1::10')).toBe(false);
    expect(await learned()).toEqual(on1(b, c));
    expect(await engine.flush('wg1', laptop.publicKey)).toBe(1);
    expect(await learned()).toEqual(on1(c));
    for (const address of [a, b]) await gone(address, 'user', from);
    await expectAnswered(engine, laptop, a);
    expect(await engine.flush()).toBe(2);
    expect(await learned()).toEqual([]);
  });

  test('a link renamed and back keeps what was learned, also under its other name', async () => {
    await learn(laptop, a, b);
    const from = engine.mark;
    const rename = (from: string, to: string) =>
      lab.router.run(`set -e
ip -batch - <<END
link set ${from} down
link set ${from} name ${to}
address add 2001:db8:1::1/64 dev ${to} nodad
address add fe80::1/64 dev ${to} nodad
link set ${to} up
END`);
    await rename('wg1', 'wgx');
    await engine.configure({ wg1: { device: 'wgx' } });
    const { stdout } = await lab.router.run('wg show wgx allowed-ips');
    for (const address of [a, b]) expect(stdout).toContain(`${address}/128`);
    await rename('wgx', 'wg1');
    await engine.configure(wg1());
    expect(await learned()).toEqual(on1(a, b));
    const told = engine.events.slice(from).map(({ event }) => event);
    expect(told).not.toContain('forgotten');
    expect(told).not.toContain('learned');
  });
});
