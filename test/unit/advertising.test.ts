// SPDX-License-Identifier: GPL-2.0-only
// Router Advertisements as the engine has them sent.

import { beforeEach, describe, expect, it } from 'vitest';
import { parseAddress, parsePrefix } from '../../src/address.ts';
import { formatAddress, formatPrefix } from '../../src/address-text.ts';
import { linkLocalOf } from '../../src/advertiser/advertising.ts';
import type { InterfaceConfig } from '../../src/engine/config.ts';
import { NetlinkError } from '../../src/kernel/netlink-socket.ts';
import { routerSolicitation } from '../../src/packets/solicitation.ts';
import type { InterfaceSettings } from '../../src/settings.ts';
import { alice, Bench, bob, config, on, prefixes } from './bench.ts';
import { key } from './fake-kernel.ts';

const A = '2001:db8:a::/64';
const B = '2001:db8:b::/64';
const LINK_LOCAL = 'fe80::1/64';

let bench: Bench;
let ifindex: number;

beforeEach(() => {
  bench = new Bench();
  ifindex = bench.kernel.addLink('wg1', { addresses: ['2001:db8:a::1/64', LINK_LOCAL] });
  bench.kernel.setPeers('wg1', { [alice]: ['fe80::a/128'], [bob]: ['2001:db8:a::b/128'] });
});

function start(
  changes: Partial<InterfaceConfig> = {},
  ra: 'auto' | '1' | '0' = 'auto',
  settings: Partial<InterfaceSettings> = {},
): Bench {
  bench.start(config({ ...on('wg1', { ra, ...settings }), ...changes }));
  bench.clock.advance(200);
  return bench;
}

/** What was sent since the last call: receiver, router lifetime, and each option as its type and bytes in hex. */
function sent() {
  return bench.kernel.routing.sent.splice(0).map(({ to, message }) => {
    const options: Record<number, string[]> = {};
    for (let at = 16; at < message.length; at += 8 * message[at + 1]!) {
      const body = message.subarray(at + 2, at + 8 * message[at + 1]!).toString('hex');
      options[message[at]!] = [...(options[message[at]!] ?? []), body];
    }
    const prefixes = (options[3] ?? []).map((body) => {
      const bytes = new Uint8Array(Buffer.from(body.slice(28), 'hex'));
      const seconds = (from: number) => Number.parseInt(body.slice(from, from + 8), 16);
      return `${formatPrefix({ bytes, length: 64 })} ${seconds(12)}/${seconds(4)}`;
    });
    return { to, router: message.readUInt16BE(6), prefixes, options };
  });
}

const problems = () => bench.engine.view.problems().map(({ code }) => code);

function solicit(from: string): void {
  bench.kernel.routing.sockets.get(ifindex)!(parseAddress(from)!);
}

describe('whom', () => {
  it('whoever has a link-local address, configured or learned, and nobody else', () => {
    start();
    expect(sent().map(({ to }) => to)).toEqual(['fe80::a']);
    bench.packet('wg1', bob, 'fe80::b');
    solicit('fe80::b');
    bench.clock.advance(200);
    expect(sent().map(({ to }) => to)).toEqual(['fe80::b']);
    expect(bench.engine.forget('wg1', 'fe80::b')).toBe(true);
    bench.clock.advance(25_000);
    sent();
    bench.clock.advance(1_000_000);
    expect(new Set(sent().map(({ to }) => to))).toEqual(new Set(['fe80::a']));
  });

  it('whoever shows a link-local address, once, however long ago its handshake was', () => {
    start();
    bench.kernel.shakeHands('wg1', bob);
    bench.clock.advance(20_000);
    sent();
    bench.packet('wg1', bob, 'fe80::b');
    bench.clock.advance(60_000);
    expect(sent().filter(({ to }) => to === 'fe80::b')).toHaveLength(1);
  });

  it('nobody where it is switched off, or left to another', () => {
    start({}, '0');
    expect(bench.kernel.routing.sockets.size).toBe(0);
    start({ otherAdvertiser: 'odhcpd' });
    expect(bench.kernel.routing.sockets.size).toBe(0);
    expect(problems()).toEqual(['ra-conflict']);
    expect(sent()).toEqual([]);
    start({ otherAdvertiser: 'odhcpd' }, '1');
    expect(problems()).toEqual([]);
    expect(sent()).toHaveLength(1);
  });
});

describe('who does not heed', () => {
  const afterAMinute = () => {
    for (let n = 0; n < 4; n++) {
      bench.kernel.shakeHands('wg1', alice);
      bench.clock.advance(20_000);
    }
  };

  it('is a problem, which a prefix address solves, learned or configured', () => {
    start();
    afterAMinute();
    expect(bench.engine.view.problems()).toEqual([
      { code: 'ra-unheeded', data: { device: 'wg1', peer: alice, prefix: A } },
    ]);
    bench.packet('wg1', alice, '2001:db8:a::a');
    bench.clock.advance(30_000);
    expect(problems()).toEqual([]);
  });

  it('is nobody who has a configured address or network there', () => {
    for (const owned of ['2001:db8:a::a/128', '2001:db8:a:0:1::/80']) {
      bench.kernel.setPeers('wg1', { [alice]: ['fe80::a/128', owned] });
      start();
      afterAMinute();
      expect(problems()).toEqual([]);
      bench.engine.stop();
    }
  });
});

describe('who is unknown', () => {
  const withoutLinkLocal = { [alice]: ['2001:db8:a::a/128'], [bob]: ['2001:db8:a::b/128'] };

  it('gets it at ff02::1, which is its own just then', () => {
    bench.kernel.setPeers('wg1', withoutLinkLocal);
    start();
    bench.kernel.shakeHands('wg1', bob);
    bench.clock.advance(200);
    expect(sent().map(({ to, router }) => [to, router])).toEqual([['ff02::1', 2700]]);
    expect(bench.kernel.allNodes).toEqual([bob]);
    expect(bench.kernel.owner('wg1', 'ff02::1')).toBeUndefined();
  });

  it('gets none where ff02::1 is configured for another', () => {
    bench.kernel.setPeers('wg1', { ...withoutLinkLocal, [alice]: ['ff02::1/128'] });
    start();
    bench.kernel.shakeHands('wg1', bob);
    bench.clock.advance(1_000);
    expect(sent()).toEqual([]);
    expect(bench.kernel.owner('wg1', 'ff02::1')).toBe(alice);
  });

  it('gets none there either when its link-local address has just been lost', () => {
    bench.kernel.setPeers('wg1', { [alice]: ['ff02::1/128'], [bob]: ['fe80::b/128'] });
    start();
    bench.clock.advance(10_000);
    bench.kernel.routing.failure = new NetlinkError(126, 'sendto'); // ENOKEY
    bench.kernel.shakeHands('wg1', bob);
    bench.clock.advance(0);
    bench.kernel.routing.failure = undefined;
    sent();
    bench.clock.advance(20_000);
    expect(sent().map(({ to }) => to)).not.toContain('ff02::1');
    expect(bench.kernel.allNodes).toEqual([]);
    expect(bench.kernel.owner('wg1', 'ff02::1')).toBe(alice);
  });
});

describe('what', () => {
  it('all that there is, for as long as it is', () => {
    bench.kernel.setLinkAddresses('wg1', [
      '2001:db8:a::1/64',
      '2001:db8:a::2/64',
      'fd00::1/64',
      '2001:db8:c::1/112',
      LINK_LOCAL,
    ]);
    bench.kernel.setLifetimes('wg1', 100_000, 200_000);
    bench.kernel.routing.listeners.push('::');
    start({ search: ['lan'] });
    expect(sent()).toEqual([
      {
        to: 'fe80::a',
        router: 2700,
        prefixes: [`${A} 98/198`, 'fd00::/64 98/198'],
        options: {
          3: expect.any(Array),
          5: ['00000000058c'],
          25: ['000000000a8c20010db8000a00000000000000000001'],
          31: ['000000000a8c036c616e00000000'],
        },
      },
    ]);
  });

  it('a DNS server that listens at one of its addresses, a link-local one if there is no other', () => {
    const { listeners } = bench.kernel.routing;
    const server = () => {
      start();
      return sent()[0]!.options[25]?.[0]?.slice(12);
    };
    expect(server()).toBeUndefined();
    listeners.push('2001:db8:99::1');
    expect(server()).toBeUndefined();
    listeners.push('fe80::1');
    expect(server()).toBe('fe800000000000000000000000000001');
    listeners.push('2001:db8:a::1');
    expect(server()).toBe('20010db8000a00000000000000000001');
  });

  it('no default router where nothing is forwarded or no route leads on', () => {
    bench.kernel.routing.forwarding = false;
    start();
    expect(sent()[0]!.router).toBe(0);
    expect(problems()).toEqual(['no-forwarding']);
    bench.kernel.routing.forwarding = true;
    bench.kernel.routing.defaultRoute = false;
    start();
    expect(sent()[0]!.router).toBe(0);
    expect(problems()).toEqual([]);
  });

  it.each<[string, string[], readonly string[] | undefined, number]>([
    ['from the prefix itself', ['2001:db8:a::1/64'], ['2001:db8:a::'], 2700],
    ['from one of its prefixes', ['2001:db8:a::1/64', '2001:db8:c::1/64'], ['2001:db8:c::'], 2700],
    ['from another one only', ['2001:db8:a::1/64'], ['2001:db8:f::'], 0],
    ['but there are only unique local addresses', ['fd00::1/64'], undefined, 0],
    ['but there is no prefix', [], undefined, 0],
  ])('a default router where a route leads on: %s', (_, addresses, sources, expected) => {
    bench.kernel.setLinkAddresses('wg1', [...addresses, LINK_LOCAL]);
    bench.kernel.routing.sources = sources;
    start();
    expect(sent()[0]!.router).toBe(expected);
  });

  it('a default router as long as the prefix that has just gone leads on', () => {
    start();
    sent();
    bench.kernel.setLinkAddresses('wg1', [LINK_LOCAL]);
    bench.kernel.announce();
    expect(sent().map(({ router, prefixes }) => [router, prefixes])).toEqual([[2700, [`${A} 0/5400`]]]);
  });

  it('nothing of what a peer has advertised', () => {
    const addresses = bench.kernel.links.list()[0]!.addresses;
    bench.kernel.changeLink('wg1', {
      addresses: addresses.map((each, i) => (i === 0 ? { ...each, isAutoconfigured: true } : each)),
    });
    start();
    expect(sent()[0]!.prefixes).toEqual([]);
    expect(problems()).toEqual(['ra-taken', 'no-prefix']);
  });

  it.each([
    ['1', false, 2700],
    ['0', true, 0],
  ] as const)(
    'a default router with ra_default %s whatever the routes are',
    (raDefault, defaultRoute, expected) => {
      Object.assign(bench.kernel.routing, { defaultRoute, forwarding: defaultRoute });
      start({}, '1', { raDefault });
      expect(sent()[0]!.router).toBe(expected);
    },
  );

  it('routes, servers, domains and an MTU that are configured, among what is automatic', () => {
    bench.kernel.routing.listeners.push('::');
    start({ search: ['lan'] }, '1', {
      raPreference: 'high',
      raRoutes: prefixes('fd00:1::/48', '2001:db8:f::/64'),
      raDns: [parseAddress('2001:db8::53')!, 'auto'],
      raSearch: ['a', 'auto'],
      raMtu: 1_280,
    });
    expect(sent()[0]!.options).toEqual({
      3: expect.any(Array),
      5: ['000000000500'],
      24: ['300800000a8cfd00000100000000', '400800000a8c20010db8000f0000'],
      25: ['000000000a8c20010db800000000000000000000005320010db8000a00000000000000000001'],
      31: ['000000000a8c016100036c616e00'],
    });
  });

  it('neither servers nor domains where there are to be none', () => {
    bench.kernel.routing.listeners.push('::');
    start({ search: ['lan'] }, '1', { raDns: [], raSearch: [] });
    expect(Object.keys(sent()[0]!.options)).toEqual(['3', '5']);
  });

  it('routes that are no more, for as long as hosts have them, and when all is taken back', () => {
    const routes = () => sent().map(({ options }) => options[24]);
    const [one, other] = ['300000000a8cfd00000100000000', '300000000a8cfd00000200000000'];
    const noMore = (route: string) => route.replace('0a8c', '0000');
    start({}, '1', { raRoutes: prefixes('fd00:1::/48', 'fd00:2::/48') });
    expect(routes()).toEqual([[one, other]]);
    bench.engine.configure(config(on('wg1', { ra: '1', raRoutes: prefixes('fd00:2::/48') })));
    expect(routes()).toEqual([[other, noMore(one)]]);
    bench.engine.configure(config());
    expect(routes()).toEqual([[noMore(one), noMore(other)]]);
    start({}, '1', { raRoutes: prefixes('fd00:1::/48') });
    bench.engine.configure(config(on('wg1', { ra: '1' })));
    bench.clock.advance(2_699_000);
    sent();
    bench.clock.advance(1_000_000);
    expect(new Set(routes())).toEqual(new Set([undefined]));
  });

  it('as much as fits, and that it is not all', () => {
    start({ search: Array.from({ length: 40 }, (_, i) => `department-${i}.office.example.com`) });
    expect(bench.engine.view.problems()).toEqual([
      {
        code: 'ra-too-long',
        data: { device: 'wg1', prefixes: 0, routes: 0, servers: 0, domains: expect.any(Number) },
      },
    ]);
    expect(bench.kernel.routing.sent[0]!.message.length).toBeLessThanOrEqual(1240);
  });

  it('of a wider prefix, as netifd assigns them by ip6assign 60, the /64 of the router in it', () => {
    bench.kernel.setLinkAddresses('wg1', ['2001:db8:a:13::1/60', LINK_LOCAL]);
    start();
    expect(sent()[0]!.prefixes).toEqual([expect.stringMatching(/^2001:db8:a:13::\/64 /)]);
    expect(problems()).toEqual([]);
  });

  it('nothing of prefixes that are narrower than a /64, which is a problem', () => {
    bench.kernel.setLinkAddresses('wg1', ['2001:db8:a::1/112', LINK_LOCAL]);
    start();
    expect(sent()[0]!.prefixes).toEqual([]);
    expect(problems()).toEqual(['no-64']);
  });
});

describe('another prefix', () => {
  beforeEach(() => {
    start();
    bench.packet('wg1', alice, '2001:db8:a::5');
    sent();
    bench.kernel.setLinkAddresses('wg1', ['2001:db8:b::1/64', LINK_LOCAL]);
    bench.kernel.announce();
  });

  it('is told at once, and the old one deprecated, kept reachable, and learned in', () => {
    expect(sent().map(({ prefixes }) => prefixes)).toEqual([[`${B} 2700/5400`, `${A} 0/5400`]]);
    expect(bench.kernel.routing.routes).toEqual([{ ifindex, prefix: parsePrefix(A), remaining: 5_400_000 }]);
    expect(bench.ledger('wg1')).toContain('2001:db8:a::5 alice');
    bench.packet('wg1', alice, '2001:db8:a::6');
    expect(bench.ledger('wg1')).toContain('2001:db8:a::6 alice');
  });

  it('leaves nothing of the old one when that has run out', () => {
    bench.clock.advance(5_399_000);
    expect(bench.ledger('wg1')).toContain('2001:db8:a::5 alice');
    bench.clock.advance(2_000);
    expect(bench.ledger('wg1')).toEqual([]);
    expect(bench.told()).toContain('forgotten 2001:db8:a::5 alice (scope)');
    expect(bench.kernel.routing.routes).toEqual([]);
  });

  it('keeps the old one reachable in the table of the interface', () => {
    bench.kernel.changeLink('wg1', { table: 1010 });
    bench.kernel.setLinkAddresses('wg1', ['2001:db8:c::1/64', LINK_LOCAL]);
    bench.kernel.announce();
    expect(bench.kernel.routing.routes.at(-1)).toMatchObject({ prefix: parsePrefix(B), table: 1010 });
  });

  it('is given up when the old one is back', () => {
    bench.kernel.setLinkAddresses('wg1', ['2001:db8:a::1/64', LINK_LOCAL]);
    bench.kernel.announce();
    expect(bench.kernel.routing.routes.map(({ prefix }) => formatPrefix(prefix))).toEqual([B]);
  });

  it('is gone on with after a crash', () => {
    sent();
    start();
    expect(sent()[0]!.prefixes).toEqual([`${B} 2700/5400`, `${A} 0/5399`]);
    expect(bench.ledger('wg1')).toContain('2001:db8:a::5 alice');
  });
});

describe('a link-local address', () => {
  const own = `${formatAddress(linkLocalOf(key(7)))}/64`;

  beforeEach(() => {
    bench.kernel.publicKey = key(7);
    bench.kernel.setLinkAddresses('wg1', ['2001:db8:a::1/64']);
  });

  it('is added beside one that no route comes with, as netifd adds what is written without a length', () => {
    bench.kernel.setLinkAddresses('wg1', ['2001:db8:a::1/64', 'fe80::1/128']);
    start();
    expect([...bench.kernel.routing.addresses]).toEqual([`${ifindex} ${own}`]);
  });

  it('is added if there is none, always the same, and removed when learning is switched off', () => {
    start();
    expect([...bench.kernel.routing.addresses]).toEqual([`${ifindex} ${own}`]);
    bench.kernel.setLinkAddresses('wg1', ['2001:db8:a::1/64', own]);
    bench.kernel.disown('wg1', own.slice(0, -3));
    start({}, '0');
    expect(bench.kernel.routing.addresses.size).toBe(1);
    bench.engine.configure(config());
    expect(bench.kernel.routing.addresses.size).toBe(0);
  });

  it('is not added where nothing is advertised, there is one, or there is no key or no link yet', () => {
    start({}, '0');
    bench.kernel.publicKey = undefined;
    start();
    bench.kernel.publicKey = key(7);
    bench.kernel.setLinkUp('wg1', false);
    start();
    bench.kernel.setLinkUp('wg1', true);
    bench.kernel.setLinkAddresses('wg1', [LINK_LOCAL]);
    start();
    expect(bench.kernel.routing.addresses.size).toBe(0);
  });

  it('of the user’s is never removed', () => {
    bench.kernel.setLinkAddresses('wg1', [LINK_LOCAL]);
    bench.kernel.routing.addresses.add(`${ifindex} ${LINK_LOCAL}`);
    start();
    bench.engine.configure(config());
    expect(bench.kernel.routing.addresses.size).toBe(1);
  });
});

describe('the end', () => {
  it('is told when learning or advertising is switched off, not when the engine stops', () => {
    start();
    bench.packet('wg1', bob, 'fe80::b');
    bench.clock.advance(200);
    sent();
    bench.engine.stop();
    expect(sent()).toEqual([]);
    expect(bench.kernel.routing.sockets.size).toBe(0);
    for (const end of [
      () => bench.engine.configure(config()),
      () => bench.engine.configure(config(on('wg1', { ra: '0' }))),
    ]) {
      start();
      bench.packet('wg1', bob, 'fe80::b');
      bench.clock.advance(200);
      sent();
      end();
      expect(sent().map(({ to, router, prefixes }) => [to, router, prefixes])).toEqual([
        ['fe80::a', 0, []],
        ['fe80::b', 0, []],
      ]);
      expect(bench.kernel.routing.sockets.size).toBe(0);
    }
  });

  it('is told by the next start, if learning was switched off while nothing ran', () => {
    bench.kernel.disown('wg1', 'fe80::1');
    start();
    bench.packet('wg1', alice, 'fe80::a5');
    bench.engine.stop();
    sent();
    bench.start(config());
    expect(sent().map(({ to, router }) => [to, router])).toEqual([
      ['fe80::a', 0],
      ['fe80::a5', 0],
    ]);
    expect(bench.kernel.routing.sockets.size).toBe(0);
    expect(bench.allowed('wg1', ['fe80::a/128', '2001:db8:a::b/128'])).toEqual([]);
  });

  it('reaches the others, and leaves no socket, though one cannot be reached', () => {
    bench.kernel.disown('wg1', 'fe80::1');
    bench.kernel.setPeers('wg1', { [alice]: ['fe80::a/128'], [bob]: ['fe80::b/128'] });
    start();
    bench.engine.stop();
    sent();
    bench.kernel.routing.unreachable.add('fe80::a');
    bench.start(config());
    expect(sent().map(({ to, router }) => [to, router])).toEqual([['fe80::b', 0]]);
    expect(bench.kernel.routing.sockets.size).toBe(0);
  });
});

describe('without IPv6 on the interface', () => {
  it.each([
    ['its MTU', { mtu: 1250, noIpv6: 'mtu' }],
    ['a sysctl', { noIpv6: 'disabled' }],
  ] as const)('for %s, that is the one problem, and it is answered again when it is back', (_, off) => {
    start();
    sent();
    bench.kernel.changeLink('wg1', { ...off, addresses: [] });
    bench.kernel.announce();
    expect(problems()).toEqual(['no-ipv6']);
    expect(bench.kernel.routing.sockets.size).toBe(0);
    expect(sent()).toEqual([]); // what hosts were told holds
    bench.kernel.changeLink('wg1', { mtu: 1420, noIpv6: undefined });
    bench.kernel.setLinkAddresses('wg1', ['2001:db8:a::1/64', LINK_LOCAL]);
    bench.kernel.announce();
    expect(problems()).toEqual([]);
    solicit('fe80::a');
    expect(sent().at(-1)!.prefixes).toEqual([`${A} 2700/5400`]);
  });

  it('for a moment that nobody saw, solicitations are listened to again', () => {
    start();
    bench.kernel.changeLink('wg1', { mtu: 1420 });
    bench.kernel.routing.listening.clear();
    bench.kernel.announce();
    expect([...bench.kernel.routing.listening]).toEqual([ifindex]);
  });
});

describe('what goes wrong', () => {
  it('is told, and learning goes on', () => {
    bench.kernel.routing.failure = new NetlinkError(1, 'socket');
    start();
    expect(problems()).toEqual(['ra-failed']);
    expect(bench.clock.pending()).toHaveLength(1); // it is tried again
    bench.packet('wg1', alice, '2001:db8:a::5');
    expect(bench.ledger('wg1')).toEqual(['2001:db8:a::5 alice']);
    bench.kernel.routing.failure = undefined;
    bench.clock.advance(25_200);
    expect(problems()).toEqual([]);
    expect(sent()).not.toEqual([]);
  });

  it('with a firewall is told, be it in the way of what comes or of what goes', () => {
    start();
    bench.kernel.routing.failure = new NetlinkError(1, 'sendto');
    solicit('fe80::a');
    bench.clock.advance(0);
    expect(problems()).toContain('ra-blocked');
    bench.kernel.routing.failure = undefined;
    solicit('fe80::a');
    bench.clock.advance(0);
    expect(problems()).toEqual([]);

    bench.kernel.routing.keepsOut = true;
    bench.kernel.receive('wg1', bob, 'fe80::b', routerSolicitation(parseAddress('fe80::b')!));
    bench.kernel.flush();
    bench.clock.advance(1_000);
    expect(problems()).toEqual(['solicitations-blocked']);
    bench.kernel.routing.keepsOut = false;
    bench.kernel.receive('wg1', bob, 'fe80::c', routerSolicitation(parseAddress('fe80::c')!));
    bench.kernel.flush();
    bench.clock.advance(1_000);
    expect(problems()).toEqual([]);
  });

  it('with a firewall is told although every peer is known, and that it is mended', () => {
    bench.kernel.setPeers('wg1', { [alice]: ['fe80::a/128', '2001:db8:a::a/128'] });
    bench.kernel.routing.keepsOut = true;
    start();
    bench.clock.advance(1_000);
    expect(problems()).toEqual(['solicitations-blocked']);
    sent();
    bench.kernel.routing.keepsOut = false;
    bench.clock.advance(25_000);
    expect(problems()).toEqual([]);
    expect(sent()).toEqual([]); // nobody has asked
    bench.kernel.routing.keepsOut = true;
    bench.clock.advance(330_000);
    expect(problems()).toEqual(['solicitations-blocked']);
  });

  it('with what the kernel cannot be given just now is no firewall', () => {
    bench.kernel.failures.deliver = true;
    start();
    bench.clock.advance(2_000);
    expect(problems()).toEqual([]);
  });
});
