// SPDX-License-Identifier: GPL-2.0-only
// Peers that have addresses in the prefix of another link.

import { constants } from 'node:os';
import { beforeEach, describe, expect, it } from 'vitest';
import { formatPrefix } from '../../src/address-text.ts';
import { NetlinkError } from '../../src/kernel/netlink-socket.ts';
import type { InterfaceSettings } from '../../src/settings.ts';
import { alice, Bench, bob, carol, config, on } from './bench.ts';
import type { FakeReach } from './fake-reach.ts';

const LAN = '2001:db8:a::1/64';
const ADDRESS = '2001:db8:a::5';
const NAS = '2001:db8:a::a';

let bench: Bench;
let reach: FakeReach;
let wg1: number;
let lan: number;

beforeEach(() => {
  bench = new Bench();
  wg1 = bench.kernel.addLink('wg1', { addresses: ['fe80::1/64'] });
  lan = bench.kernel.addLink('br-lan', { kind: 'bridge', addresses: [LAN, 'fe80::2/64'] });
  bench.kernel.setPeers('wg1', { [alice]: [], [bob]: ['2001:db8:a::b/128'] });
  reach = bench.kernel.reach;
});

function start(settings: Partial<InterfaceSettings> = {}): void {
  bench.start(config(on('wg1', { share: 'br-lan', ...settings })));
}

const problems = () => bench.engine.view.problems().map(({ code }) => code);
const routed = () => [...reach.hostRoutes].sort();
const proxied = () => [...reach.entries.keys()].sort();
const both = (...addresses: string[]) => {
  expect(routed()).toEqual(addresses.map((address) => `${wg1} ${address}`).sort());
  expect(proxied()).toEqual(addresses.map((address) => `${lan} ${address}`).sort());
};

/** A packet from an address that is still to be asked for, and the time that takes. */
function learn(address = ADDRESS, peer = alice): void {
  bench.packet('wg1', peer, address);
  bench.clock.advance(1_000);
}

describe('an address in a shared prefix', () => {
  it('is learned when nobody has answered for a second, and then its packets are delivered', () => {
    start();
    bench.packet('wg1', alice, ADDRESS);
    bench.packet('wg1', alice, ADDRESS);
    expect(reach.solicited).toEqual([ADDRESS]);
    bench.clock.advance(999);
    expect(bench.ledger('wg1')).toEqual([]);
    expect(bench.kernel.delivered).toEqual([]);
    bench.clock.advance(1);
    expect(bench.ledger('wg1')).toEqual([`${ADDRESS} alice`]);
    expect(bench.kernel.delivered).toHaveLength(2);
    expect(bench.told()).toEqual([`learned ${ADDRESS} alice`]);
    expect(problems()).toEqual([]);
  });

  it('is learned at once on an uplink that has no neighbours, where the kernel takes every address for reachable', () => {
    bench.kernel.changeLink('br-lan', { noNeighbours: true });
    reach.known.set(`${lan} ${ADDRESS}`, true);
    start();
    bench.packet('wg1', alice, ADDRESS);
    expect(bench.ledger('wg1')).toEqual([`${ADDRESS} alice`]);
    expect(bench.kernel.delivered).toHaveLength(1);
    bench.clock.advance(60_000);
    expect(reach.solicited).toEqual([]);
    expect(problems()).toEqual([]);
  });

  it('can be reached from before its packets are delivered until it goes', () => {
    start();
    both('2001:db8:a::b'); // by configuration
    expect(reach.isOn).toBe(true);
    learn();
    both(ADDRESS, '2001:db8:a::b');
    expect(bench.engine.forget('wg1', ADDRESS)).toBe(true);
    both('2001:db8:a::b');
    bench.kernel.setPeers('wg1', { [alice]: [], [bob]: [] });
    bench.clock.advance(25_000);
    both();
    expect(reach.isOn).toBe(false);
  });

  it('is in the /64 of the router where the LAN has a wider prefix, as netifd assigns it by default', () => {
    bench.kernel.setLinkAddresses('br-lan', ['2001:db8:a:10::1/60', 'fe80::2/64']);
    start();
    expect(problems()).toEqual([]);
    learn('2001:db8:a:10::5');
    learn('2001:db8:a:11::6');
    expect(bench.ledger('wg1')).toEqual(['2001:db8:a:10::5 alice']);
    both('2001:db8:a:10::5');
  });

  it('stays reachable when it is configured for its peer', () => {
    start();
    learn();
    bench.engine.configure({
      ...config(on('wg1', { share: 'br-lan' })),
      isConfigured: (_, { address }) => address === ADDRESS,
    });
    expect(bench.ledger('wg1')).toEqual([]);
    both(ADDRESS, '2001:db8:a::b');
  });

  it('is made reachable again after something has removed what leads there, of which nobody tells', () => {
    bench.kernel.tells = true;
    start();
    learn();
    for (const quiet of [0, 3_600_000]) {
      bench.clock.advance(quiet);
      reach.hostRoutes.clear();
      reach.entries.clear();
      reach.isOn = false;
      reach.isOursOn = false;
      bench.clock.advance(25_000);
      both(ADDRESS, '2001:db8:a::b');
      expect(reach.isOn).toBe(true);
    }
  });

  it('is not made reachable on an interface that is down, which is no problem, but as soon as it is up', () => {
    bench.kernel.setLinkUp('wg1', false);
    reach.failure = new NetlinkError(constants.errno.ENETDOWN, 'RTM_NEWROUTE');
    start();
    expect(problems()).toEqual([]);
    reach.failure = undefined;
    bench.kernel.setLinkUp('wg1', true);
    bench.kernel.announce();
    both('2001:db8:a::b');
  });

  it('is denied at once if a host is known to have it, and after a second if it answers', () => {
    start();
    reach.known.set(`${lan} ${NAS}`, true);
    bench.packet('wg1', alice, NAS);
    expect(bench.told()).toEqual([`denied ${NAS} alice (in-use)`]);
    expect(reach.solicited).toEqual([]);
    reach.hosts.add(`${lan} ${ADDRESS}`);
    learn();
    expect(bench.told()).toEqual([`denied ${ADDRESS} alice (in-use)`]);
    expect(bench.engine.view.status().totals.denied['in-use']).toBe(2);
    expect(bench.ledger('wg1')).toEqual([]);
    both('2001:db8:a::b');
  });

  it('that a host was known to have is asked for again, and learned if the host has gone', () => {
    start();
    reach.known.set(`${lan} ${ADDRESS}`, false);
    learn();
    expect(bench.ledger('wg1')).toEqual([`${ADDRESS} alice`]);
  });

  it('that is in use is refused by the kernel for a minute, and by that name', () => {
    start();
    reach.hosts.add(`${lan} ${NAS}`);
    learn(NAS);
    bench.told();
    bench.clock.advance(5_000);
    bench.packet('wg1', bob, NAS);
    expect(bench.told()).toEqual([`denied ${NAS} bob (in-use)`]);
    expect(reach.solicited).toEqual([NAS]);
    reach.hosts.clear();
    reach.known.clear();
    bench.clock.advance(90_000);
    learn(NAS, bob);
    expect(bench.ledger('wg1')).toContain(`${NAS} bob`);
  });

  it('that is in use has everything looked at once only, however many are', () => {
    start({ rate: 0, burst: 1_000 });
    for (let i = 1; i <= 8; i++) reach.hosts.add(`${lan} 2001:db8:a::1:${i}`);
    for (let i = 1; i <= 8; i++) bench.packet('wg1', alice, `2001:db8:a::1:${i}`);
    bench.kernel.calls.length = 0;
    bench.clock.advance(1_000);
    expect(bench.told()).toHaveLength(8);
    expect(bench.kernel.calls.filter((call) => call === 'list')).toHaveLength(1);
  });

  it('is its that has asked first, while it is not known whose it is', () => {
    start();
    bench.packet('wg1', alice, ADDRESS);
    bench.packet('wg1', bob, ADDRESS);
    bench.clock.advance(1_000);
    expect(bench.ledger('wg1')).toEqual([`${ADDRESS} alice`]);
  });

  it('is asked for in no greater numbers than eight of a peer, and 32 in all, at a time', () => {
    const peers = [
      alice,
      bob,
      carol,
      ...Array.from({ length: 4 }, (_, i) => Buffer.alloc(32, i + 1).toString('base64')),
    ];
    bench.kernel.setPeers('wg1', Object.fromEntries(peers.map((peer) => [peer, []])));
    start({ rate: 0, burst: 1_000 });
    for (let i = 0; i < 100; i++) bench.packet('wg1', alice, `2001:db8:a::1:${i}`);
    expect(reach.solicited).toHaveLength(8);
    for (const [n, peer] of peers.entries())
      for (let i = 0; i < 100; i++) bench.packet('wg1', peer, `2001:db8:a::${n + 2}:${i}`);
    expect(reach.solicited).toHaveLength(32);
    bench.clock.advance(1_000);
    expect(bench.ledger('wg1')).toHaveLength(32);
  });

  it('is not asked for if it is link-local, or the interface’s own', () => {
    bench.kernel.setLinkAddresses('wg1', ['fd00::1/64', 'fe80::1/64']);
    start();
    bench.packet('wg1', alice, 'fe80::a');
    bench.packet('wg1', alice, 'fd00::a');
    expect(reach.solicited).toEqual([]);
    expect(bench.ledger('wg1')).toEqual(['fd00::a alice', 'fe80::a alice']);
    both('2001:db8:a::b');
  });

  it('is not asked for again when WireGuard was set up anew', () => {
    start();
    learn();
    bench.kernel.setPeers('wg1', { [alice]: [], [bob]: [] });
    bench.clock.advance(2_000);
    bench.packet('wg1', alice, ADDRESS);
    expect(reach.solicited).toEqual([ADDRESS]);
    expect(bench.allowed('wg1')).toEqual([`${ADDRESS} alice`]);
  });

  it('is nobody’s if the interface has gone meanwhile', () => {
    start();
    bench.packet('wg1', alice, ADDRESS);
    bench.engine.configure(config());
    bench.clock.advance(1_000);
    expect(bench.ledger('wg1')).toEqual([]);
    both();
  });

  it('that cannot be asked for is not learned, which is a problem', () => {
    start();
    reach.failure = new NetlinkError(1, 'RTM_NEWNEIGH');
    learn();
    expect(problems()).toEqual(['share-failed']);
    expect(bench.ledger('wg1')).toEqual([]);
    reach.failure = undefined;
    learn();
    expect(bench.ledger('wg1')).toEqual([`${ADDRESS} alice`]);
  });

  it('is not learned, which is a problem, if it cannot be known whether a host has answered', () => {
    start();
    bench.packet('wg1', alice, ADDRESS);
    reach.refusal = new NetlinkError(constants.errno.ENOBUFS, 'RTM_GETNEIGH');
    bench.clock.advance(1_000);
    expect(problems()).toEqual(['share-failed']);
    expect(bench.ledger('wg1')).toEqual([]);
    reach.refusal = undefined;
    learn();
    expect(bench.ledger('wg1')).toEqual([`${ADDRESS} alice`]);
  });
});

describe('a link that has lost its prefix', () => {
  const change = (name: string, ...addresses: string[]) => {
    bench.kernel.setLinkAddresses(name, [...addresses, 'fe80::2/64']);
    bench.kernel.announce();
  };

  beforeEach(() => {
    start({ ra: '1' });
    bench.kernel.setPeers('wg1', { [alice]: ['fe80::a/128'], [bob]: [] });
    bench.clock.advance(25_200);
    learn();
  });

  it('leaves addresses in it reached, as long as peers may use them', () => {
    change('br-lan');
    expect(problems()).toEqual(['no-share']);
    both(ADDRESS);
    expect(bench.ledger('wg1')).toEqual([`${ADDRESS} alice`]);
    change('br-lan', LAN);
    expect(problems()).toEqual([]);
    both(ADDRESS);
  });

  it('has them answered for again when it is made anew', () => {
    bench.kernel.deleteLink('br-lan');
    bench.kernel.announce();
    expect(problems()).toEqual(['no-share']);
    expect(routed()).toEqual([`${wg1} ${ADDRESS}`]);
    lan = bench.kernel.addLink('br-lan', { kind: 'bridge', addresses: [LAN] });
    bench.kernel.announce();
    both(ADDRESS);
    expect(reach.isOn).toBe(true);
  });
});

describe('two interfaces', () => {
  it('may share a prefix: an address is learned on one of them', () => {
    bench.kernel.addLink('wg2', { addresses: ['fe80::3/64'] });
    bench.kernel.setPeers('wg2', { [carol]: [] });
    bench.start(config(on('wg1', { share: 'br-lan' }), on('wg2', { share: 'br-lan' })));
    learn();
    bench.told();
    bench.packet('wg2', carol, ADDRESS);
    expect(bench.told()).toEqual([`denied ${ADDRESS} carol (in-use)`]);
    bench.engine.configure(config(on('wg2', { share: 'br-lan' })));
    bench.packet('wg2', carol, ADDRESS);
    bench.clock.advance(1_000);
    expect(bench.ledger('wg2')).toEqual([`${ADDRESS} carol`]);
    expect(proxied()).toEqual([`${lan} ${ADDRESS}`]);
  });
});

describe('what an earlier process has left', () => {
  it('goes on, without a moment in which it is not there, and goes with its address', () => {
    start();
    learn();
    const before = [...reach.hostRoutes];
    start();
    expect([...reach.hostRoutes]).toEqual(before);
    bench.engine.forget('wg1', ADDRESS);
    both('2001:db8:a::b');
  });

  it('is removed where nothing is shared any more', () => {
    for (const changed of [config(), config(on('wg1'))]) {
      start();
      learn();
      bench.start(changed);
      both();
      expect(reach.isOn).toBe(false);
    }
  });

  it('is removed later where nothing is shared any more, if that fails at first, which is told', () => {
    start();
    learn();
    reach.failure = new NetlinkError(constants.errno.EPERM, 'RTM_DELROUTE');
    bench.start(config());
    expect(bench.engine.view.problems()).toMatchObject([{ code: 'share-failed', data: { device: 'wg1' } }]);
    reach.failure = undefined;
    bench.clock.advance(25_000);
    both();
    expect(problems()).toEqual([]);
    bench.clock.advance(3_600_000);
    expect(bench.clock.pending()).toEqual([]);
  });

  it('leaves no socket open where nothing is shared', () => {
    bench.start(config(on('wg1')));
    expect(reach.closed).toBe(1);
    start();
    expect(reach.closed).toBe(1);
  });

  it('does not make proxying ours that was on before', () => {
    reach.isOn = true;
    start();
    learn();
    start();
    bench.engine.configure(config());
    both();
    expect(reach.isOn).toBe(true);
  });

  it('is known to have switched proxying on, although the kernel has lost its entries with the link', () => {
    for (const isShared of [true, false]) {
      start();
      learn();
      bench.engine.stop();
      reach.entries.clear();
      if (isShared) {
        start();
        both(ADDRESS, '2001:db8:a::b');
        bench.engine.configure(config());
      } else bench.start(config());
      both();
      expect(reach.isOn).toBe(false);
    }
  });

  it('has proxying switched off later, if that fails at first', () => {
    start();
    learn();
    bench.engine.stop();
    reach.entries.clear();
    reach.hostRoutes.clear();
    reach.failure = new NetlinkError(constants.errno.EPERM, 'write');
    bench.start(config());
    reach.failure = undefined;
    bench.clock.advance(25_000);
    expect(reach.isOn).toBe(false);
    bench.clock.advance(3_600_000);
    expect(bench.clock.pending()).toEqual([]);
  });

  it('stays when the engine stops', () => {
    start();
    learn();
    bench.engine.stop();
    both(ADDRESS, '2001:db8:a::b');
  });
});

describe('problems', () => {
  const data = () => bench.engine.view.problems().map((problem) => problem.data);

  it.each([
    ['there is no such link', 'lan', 'away'],
    ['it is the interface itself', 'wg1', 'self'],
    ['it has no /64', 'eth0', 'no-64'],
  ])('that %s', (_, share, reason) => {
    bench.kernel.addLink('eth0', { kind: '', addresses: ['2001:db8::1/112', 'fe80::4/64'] });
    start({ share });
    expect(bench.engine.view.problems()).toEqual([
      { code: 'no-share', data: { device: 'wg1', share, reason } },
    ]);
  });

  it('none if what is shared goes by another name', () => {
    bench.start(config({ ...on('wg1', { share: 'lan' }), sharedDevice: 'br-lan' }));
    learn();
    both(ADDRESS, '2001:db8:a::b');
    expect(problems()).toEqual([]);
  });

  it('that a host has taken the address of a peer, until it has gone', () => {
    start();
    learn();
    reach.hosts.add(`${lan} ${ADDRESS}`);
    reach.known.set(`${lan} ${ADDRESS}`, false);
    bench.clock.advance(25_000);
    expect(data()).toEqual([{ device: 'wg1', peer: alice, address: ADDRESS, shared: 'br-lan' }]);
    expect(reach.known.get(`${lan} ${ADDRESS}`)).toBe(true);
    bench.clock.advance(300_000);
    expect(problems()).toEqual(['share-claimed']);
    reach.hosts.clear();
    reach.known.set(`${lan} ${ADDRESS}`, false);
    bench.clock.advance(125_000);
    expect(problems()).toEqual([]);
  });

  it('that something else does the same there', () => {
    reach.otherPrograms = ['ndppd'];
    bench.start(config({ ...on('wg1', { share: 'br-lan' }), rival: 'odhcpd' }));
    expect(data()).toEqual([
      { device: 'wg1', shared: 'br-lan', rival: 'odhcpd' },
      { device: 'wg1', shared: 'br-lan', rival: 'ndppd' },
    ]);
  });
});

describe('advertisements', () => {
  const sent = () =>
    bench.kernel.routing.sent.splice(0).map(({ message }) => {
      const shown = [`router ${message.readUInt16BE(6)}`];
      for (let at = 16; at < message.length; at += 8 * message[at + 1]!) {
        const text = () =>
          formatPrefix({
            bytes: new Uint8Array(message.subarray(at + 16, at + 32)),
            length: message[at + 2]!,
          });
        if (message[at] === 3)
          shown.push(
            `${text()} ${(message[at + 3]! >> 4).toString(16)} ${message.readUInt32BE(at + 4)}/${message.readUInt32BE(at + 8)}`,
          );
        if (message[at] === 24) shown.push(`route ${message.subarray(at + 2, at + 16).toString('hex')}`);
        if (message[at] === 25) shown.push(`dns ${message.subarray(at + 8, at + 24).toString('hex')}`);
      }
      return shown.join(', ');
    });

  beforeEach(() => {
    bench.kernel.setPeers('wg1', { [alice]: ['fe80::a/128'] });
    bench.kernel.routing.listeners.push('2001:db8:a::1');
  });

  it('have hosts choose addresses in it, and send everything here', () => {
    start({ ra: '1' });
    bench.clock.advance(200);
    expect(sent()).toEqual([
      'router 2700, 2001:db8:a::/64 4 5400/2700, dns 20010db8000a00000000000000000001',
    ]);
  });

  it('have a route to it where there is no default route', () => {
    start({ ra: '1', raDefault: '0' });
    bench.clock.advance(200);
    expect(sent()[0]).toContain('router 0, 2001:db8:a::/64 4 5400/2700, route 400000000a8c20010db8000a0000');
  });

  it('tell of another prefix at once; addresses in the old one are kept and reached, but not all of it', () => {
    start({ ra: '1' });
    learn();
    bench.clock.advance(200);
    sent();
    bench.kernel.setLinkAddresses('br-lan', ['2001:db8:b::1/64', 'fe80::2/64']);
    bench.kernel.announce();
    expect(sent()[0]).toMatch(/^router 2700, 2001:db8:b::\/64 4 5400\/2700, 2001:db8:a::\/64 4 \d+\/0/);
    expect(bench.kernel.routing.routes).toEqual([]);
    both(ADDRESS);
    learn('2001:db8:b::5');
    both(ADDRESS, '2001:db8:b::5');
    bench.clock.advance(5_500_000);
    both('2001:db8:b::5');
  });
});
