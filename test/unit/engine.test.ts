// SPDX-License-Identifier: GPL-2.0-only

import { beforeEach, describe, expect, it } from 'vitest';
import type { EngineConfig } from '../../src/engine/config.ts';
import type { Problem } from '../../src/problem.ts';
import { alice, Bench, bob, config, on, prefixes } from './bench.ts';

const router = ['2001:db8:1::1/64'];
const configured = ['2001:db8:a::/64', '2001:db8:1::a/128'];
const peers = { [alice]: [configured[0]!], [bob]: [configured[1]!] };
const five = '2001:db8:1::5';
const six = '2001:db8:1::6';
const wg1 = config(on('wg1'));
const noBtf: Problem = { code: 'no-btf', data: {} };

let bench: Bench;

beforeEach(() => {
  bench = new Bench();
  bench.kernel.addLink('wg1', { addresses: router });
  bench.kernel.setPeers('wg1', peers);
});

/** Ledger, WireGuard and the kernel's records all have just these addresses. */
function expectEverywhere(...entries: string[]): void {
  expect(bench.ledger('wg1')).toEqual(entries);
  expect(bench.allowed('wg1', configured)).toEqual(entries);
  expect(bench.records('wg1')).toEqual(entries);
}

function learn(address: string, peer = alice): void {
  expect(bench.packet('wg1', peer, address)).toBe(false);
  expect(bench.packet('wg1', peer, address)).toBe(true);
}

function started(config: EngineConfig = wg1): Bench {
  bench.start(config);
  bench.takeEvents();
  return bench;
}

/** netifd in OpenWrt 24.10: the link goes, comes, and is configured. */
function recreate(): void {
  bench.kernel.deleteLink('wg1');
  bench.kernel.addLink('wg1', { addresses: router });
  bench.kernel.setPeers('wg1', peers);
}

describe('learning', () => {
  it('allows the address, delivers the packet, remembers and tells it', () => {
    started().packet('wg1', alice, five);
    expectEverywhere(`${five} alice`);
    expect(bench.kernel.delivered).toEqual([
      { ifindex: bench.kernel.ifindex('wg1'), packet: `from ${five}` },
    ]);
    expect(bench.takeEvents()).toEqual([
      {
        event: 'learned',
        time: bench.clock.wall() / 1000,
        interface: 'wg1',
        address: five,
        peer: alice,
        took: 0,
        delivered: true,
      },
    ]);
  });

  it('tells how long it took, and that a packet was lost', () => {
    started().kernel.receive('wg1', alice, five, null);
    bench.clock.advance(3);
    bench.kernel.flush();
    expect(bench.takeEvents()).toMatchObject([{ event: 'learned', took: 3, delivered: false }]);
  });

  it('counts a packet that cannot be put back as lost', () => {
    started().kernel.failures.deliver = true;
    bench.packet('wg1', alice, five);
    expect(bench.takeEvents()).toMatchObject([{ event: 'learned', delivered: false }]);
    expectEverywhere(`${five} alice`);
  });

  it('adds a whole batch in one call', () => {
    started();
    for (const [peer, address] of [[alice, five] as const, [bob, six] as const]) {
      bench.kernel.receive('wg1', peer, address);
    }
    bench.kernel.calls.length = 0;
    bench.kernel.flush();
    expectEverywhere(`${five} alice`, `${six} bob`);
    expect(bench.kernel.calls.filter((call) => call === 'add' || call === 'dump')).toEqual(['dump', 'add']);
  });

  it('denies what is refused, tells and lists it', () => {
    started().packet('wg1', alice, '2001:db8:1::a');
    bench.packet('wg1', alice, '2001:db8:2::5');
    bench.packet('wg1', alice, '2001:db8:1::1');
    const denied = [
      { address: '2001:db8:1::a', reason: 'owned', owner: bob },
      { address: '2001:db8:2::5', reason: 'scope' },
      { address: '2001:db8:1::1', reason: 'reserved' },
    ];
    expect(bench.takeEvents()).toMatchObject(denied);
    expect(bench.engine.view.denied().toReversed()).toMatchObject(denied);
    expectEverywhere();
  });

  it('goes by the name that the configuration gives', () => {
    started(config(on('wg1', {}, 'home'))).packet('wg1', alice, five);
    expect(bench.ledger('home')).toEqual([`${five} alice`]);
    expect(bench.records('wg1')).toEqual([`${five} alice`]);
    expect(bench.takeEvents()).toMatchObject([{ event: 'learned', interface: 'home' }]);
  });

  it('keeps the least recently used out, as the kernel has seen them used', () => {
    started(config(on('wg1', { maxAddresses: 2 })));
    learn(five);
    bench.clock.advance(2_000);
    learn(six);
    bench.clock.advance(2_000);
    bench.packet('wg1', alice, five);
    bench.takeEvents();
    bench.packet('wg1', alice, '2001:db8:1::7');
    expect(bench.told()).toEqual([`evicted ${six} alice`, 'learned 2001:db8:1::7 alice']);
    expectEverywhere(`${five} alice`, '2001:db8:1::7 alice');
  });
});

describe('expiry', () => {
  it('withdraws what was not used for its lifetime, in time', () => {
    started(config(on('wg1', { lifetime: 1_000 }))).packet('wg1', alice, five);
    bench.clock.advance(999);
    expectEverywhere(`${five} alice`);
    bench.clock.advance(1);
    expect(bench.told()).toEqual([`learned ${five} alice`, `expired ${five} alice`]);
    expectEverywhere();
  });

  it('counts from the last use', () => {
    started(config(on('wg1', { lifetime: 60_000 })));
    learn(five);
    bench.clock.advance(40_000);
    bench.packet('wg1', alice, five);
    bench.clock.advance(59_000);
    expectEverywhere(`${five} alice`);
    bench.clock.advance(1_000);
    expectEverywhere();
  });

  it('spares the link-local address of a peer that goes on shaking hands, also at the next start', () => {
    const hour = config(on('wg1', { lifetime: 3_600_000 }));
    const shakeHands = () => bench.kernel.handshakes.set(alice, bench.clock.wall() / 1_000);
    started(hour);
    learn('fe80::a');
    learn(five);
    for (let minutes = 0; minutes < 90; minutes++) {
      shakeHands();
      bench.clock.advance(60_000);
    }
    expectEverywhere('fe80::a alice');
    shakeHands();
    bench.start(hour);
    expectEverywhere('fe80::a alice');
    bench.clock.advance(3_599_000);
    expectEverywhere('fe80::a alice');
    bench.clock.advance(1_000);
    expectEverywhere();
  });

  it('is tried again when it fails', () => {
    started(config(on('wg1', { lifetime: 1_000 }))).packet('wg1', alice, five);
    bench.kernel.failures.remove = 0;
    bench.clock.advance(1_000);
    expectEverywhere(`${five} alice`);
    expect(bench.told()).toEqual([`learned ${five} alice`, 'problem remove-failed']);
    delete bench.kernel.failures.remove;
    bench.clock.advance(1_000);
    expect(bench.told()).toContain(`expired ${five} alice`);
    expectEverywhere();
  });
});

describe('timers', () => {
  it('that fire a little early lead to a comparison all the same, and are not set once more for the rest', () => {
    started();
    bench.clock.early = 2;
    learn(five);
    bench.kernel.calls.length = 0;
    bench.clock.advance(24_998);
    expect(bench.kernel.calls.filter((call) => call === 'dump')).toHaveLength(1);
    expect(bench.clock.pending()).toEqual([24_998]);
  });

  it('there are none while there is nothing to do', () => {
    started();
    expect(bench.clock.pending()).toEqual([]);
    bench.packet('wg1', alice, '2001:db8:2::5');
    expect(bench.clock.pending()).toEqual([]);
  });

  it('the next one is half a minute away at most, and sooner for a short lifetime', () => {
    started(config(on('wg1'), on('wg2', { lifetime: 5_000 })));
    bench.packet('wg1', alice, five);
    expect(bench.clock.pending()).toHaveLength(1);
    expect(bench.clock.pending()[0]).toBeLessThanOrEqual(30_000);
    bench.kernel.addLink('wg2', { addresses: router });
    bench.kernel.setPeers('wg2', peers);
    bench.kernel.announce();
    bench.packet('wg2', alice, five);
    expect(bench.clock.pending()).toEqual([5_000]);
  });

  it('that of what is learned later is not lost among the others', () => {
    started(config(on('wg1', { lifetime: 40_000 })));
    learn(five);
    bench.clock.advance(39_900);
    learn(six);
    expect(bench.clock.pending()).toEqual([100]);
    bench.clock.advance(100);
    expectEverywhere(`${six} alice`);
    expect(bench.clock.pending()).toHaveLength(1);
    bench.clock.advance(39_900);
    expectEverywhere();
    expect(bench.clock.pending()).toEqual([]);
  });

  it('none goes off too often', () => {
    started(config(on('wg1', { lifetime: 1_000 }))).packet('wg1', alice, five);
    bench.kernel.failures.remove = 0;
    bench.kernel.calls.length = 0;
    bench.clock.advance(11_000);
    expect(bench.kernel.calls.filter((call) => call === 'remove').length).toBeLessThanOrEqual(50);
  });
});

describe('what was wiped', () => {
  it('comes back at the next packet, with all of the interface, at no cost', () => {
    started(config(on('wg1', { burst: 2, rate: 1 })));
    learn(five);
    learn(six);
    bench.clock.advance(1_000);
    bench.takeEvents();
    for (let i = 0; i < 5; i++) {
      bench.kernel.setPeers('wg1', peers);
      bench.packet('wg1', alice, five);
      expectEverywhere(`${five} alice`, `${six} alice`);
      expect(bench.told()).toEqual([`restored ${five} alice`, `restored ${six} alice`]);
      bench.clock.advance(1_000);
    }
    expect(bench.kernel.delivered.filter(({ packet }) => packet === `from ${five}`)).toHaveLength(6);
  });

  it('comes back within 30 s without one', () => {
    started();
    learn(five);
    bench.clock.advance(29_000);
    bench.kernel.setPeers('wg1', peers);
    bench.clock.advance(30_000);
    expectEverywhere(`${five} alice`);
  });

  it('comes back when the link is recreated, and has been used since', () => {
    started(config(on('wg1', { lifetime: 60_000 })));
    learn(five);
    bench.clock.advance(50_000);
    bench.packet('wg1', alice, five);
    recreate();
    bench.kernel.announce();
    expectEverywhere(`${five} alice`);
    expect(bench.kernel.watched).toEqual([bench.kernel.ifindex('wg1')]);
    expect(bench.kernel.records()).toHaveLength(1);
    bench.clock.advance(59_000);
    expectEverywhere(`${five} alice`);
  });

  it('does not when a configuration gives it to another peer', () => {
    started();
    learn(five);
    bench.kernel.setPeers('wg1', { [alice]: [], [bob]: [`${five}/128`] });
    bench.takeEvents();
    bench.clock.advance(30_000);
    expect(bench.told()).toEqual([`forgotten ${five} alice (owned)`]);
    expect(bench.kernel.owner('wg1', five)).toBe(bob);
    expect(bench.records('wg1')).toEqual([]);
  });

  it('is let go with its peer, after a minute', () => {
    started();
    learn(five);
    bench.kernel.setPeers('wg1', { [bob]: [] });
    bench.clock.advance(60_000);
    expect(bench.ledger('wg1')).toEqual([`${five} alice`]);
    bench.clock.advance(60_000);
    expectEverywhere();
    expect(bench.kernel.peers('wg1')).toEqual([bob]);
  });

  it('is not, when the interface was away while a minute passed', () => {
    started();
    learn(five);
    recreate();
    bench.kernel.setPeers('wg1', {});
    bench.kernel.announce();
    bench.kernel.deleteLink('wg1');
    bench.kernel.announce();
    bench.clock.advance(120_000);
    bench.kernel.addLink('wg1', { addresses: router });
    bench.kernel.announce();
    bench.kernel.setPeers('wg1', peers);
    bench.clock.advance(30_000);
    expectEverywhere(`${five} alice`);
  });
});

describe('what is lent', () => {
  const halves = ['2001:db8:1::/65', '2001:db8:1:0:8000::/65'];
  const lendToBob = () => {
    bench.kernel.allow('wg1', bob, ...halves);
    bench.kernel.loans.set(bench.kernel.ifindex('wg1'), { peer: bob, allowedIps: prefixes(...halves) });
  };

  it("does not count as the borrower's when others' addresses come back", () => {
    started();
    learn(five);
    bench.takeEvents();
    bench.kernel.setPeers('wg1', peers);
    lendToBob();
    bench.clock.advance(30_000);
    expect(bench.told()).toEqual([`restored ${five} alice`]);
    expect(bench.kernel.owner('wg1', five)).toBe(alice);
  });

  it('is not withdrawn with what was learned', () => {
    started();
    learn(five, bob);
    lendToBob();
    bench.engine.flush();
    expect(bench.kernel.allowedIps('wg1', bob)).toEqual([...halves, configured[1]].sort());
  });

  it('lets a packet through that reveals an address', () => {
    started();
    lendToBob();
    bench.kernel.accepted('wg1', bob, six);
    expect(bench.takeEvents()).toMatchObject([
      { event: 'learned', address: six, peer: bob, delivered: true },
    ]);
    expect(bench.kernel.delivered).toEqual([]);
  });

  it('is looked at again when its source says so, and so are warnings', () => {
    started();
    learn(five);
    bench.takeEvents();
    bench.kernel.setPeers('wg1', peers);
    bench.kernel.warn({ code: 'refused-peer', data: { device: 'wg1', peer: bob } });
    expect(bench.takeEvents()).toMatchObject([
      { event: 'restored', address: five },
      { event: 'problem', code: 'refused-peer' },
    ]);
  });
});

describe('an absence', () => {
  it('is told if it lasts, or if the interface has never been there', () => {
    bench.start(config(on('wg1'), on('wg9')));
    const absent = () =>
      bench.engine.view
        .problems()
        .flatMap(({ code, data }) => (code === 'no-interface' ? [(data as { device: string }).device] : []));
    expect(absent()).toEqual(['wg9']);
    bench.kernel.deleteLink('wg1');
    bench.kernel.announce();
    bench.clock.advance(9_000);
    expect(absent()).toEqual(['wg9']);
    bench.kernel.addLink('wg1');
    bench.kernel.announce();
    bench.clock.advance(60_000);
    bench.kernel.deleteLink('wg1');
    bench.kernel.announce();
    bench.clock.advance(9_000);
    expect(absent()).toEqual(['wg9']);
    bench.clock.advance(1_000);
    expect(absent()).toEqual(['wg1', 'wg9']);
    expect(bench.clock.pending()).toEqual([]);
  });

  it('is not followed by a complaint about a prefix that comes a moment after the interface', () => {
    const codes = () => bench.engine.view.problems().map(({ code }) => code);
    const recreate = () => {
      bench.kernel.deleteLink('wg1');
      bench.kernel.announce();
      bench.kernel.addLink('wg1', { addresses: [] });
      bench.kernel.announce();
      bench.clock.advance(1_000);
      expect(codes()).toEqual([]);
    };
    bench.start(wg1);
    recreate();
    bench.kernel.setLinkAddresses('wg1', ['2001:db8:1::1/64']);
    bench.kernel.announce();
    bench.clock.advance(60_000);
    expect(codes()).toEqual([]);
    recreate();
    bench.clock.advance(10_000);
    expect(codes()).toEqual(['no-prefix']);
  });
});

describe('the end', () => {
  it.each([
    [true, ['2001:db8:1::5 alice'], []],
    [false, [], ['forgotten 2001:db8:1::5 alice (stopped)']],
  ])('leaves what was learned if something remembers it: %j', (remembers, left, told) => {
    bench.kernel.remembers = remembers;
    bench.start(wg1);
    bench.packet('wg1', alice, '2001:db8:1::5');
    bench.told();
    bench.engine.stop();
    expect(bench.allowed('wg1', ['2001:db8:1::a/128'])).toEqual(left);
    expect(bench.told()).toEqual(told);
  });
});

describe('another start', () => {
  const begin = () => started();

  it('takes up everything, with the times of its last use', () => {
    started(config(on('wg1', { lifetime: 60_000 })));
    learn(five);
    bench.clock.advance(30_000);
    bench.packet('wg1', alice, five);
    bench.clock.advance(10_000);
    started(config(on('wg1', { lifetime: 60_000 })));
    expectEverywhere(`${five} alice`);
    expect([...bench.engine.ledger.entries()]).toMatchObject([
      { learned: 1_000_000, lastSeen: bench.clock.now() - 10_000 },
    ]);
    bench.clock.advance(49_000);
    expectEverywhere(`${five} alice`);
    bench.clock.advance(1_000);
    expectEverywhere();
  });

  it('tells of what it has taken up, as of what is learned', () => {
    begin();
    learn(five);
    bench.packet('wg1', bob, six);
    bench.takeEvents();
    bench.start(wg1);
    expect(bench.told()).toEqual([`adopted ${five} alice`, `adopted ${six} bob`]);
    expect(bench.engine.view.status().totals.addresses).toMatchObject({ learned: 0, adopted: 2 });
  });

  it('restores what was wiped in between', () => {
    begin();
    learn(five);
    bench.kernel.setPeers('wg1', peers);
    bench.start(wg1);
    expect(bench.told()).toContain(`restored ${five} alice`);
    expectEverywhere(`${five} alice`);
  });

  it('finds the link recreated', () => {
    begin();
    learn(five);
    recreate();
    begin();
    expectEverywhere(`${five} alice`);
    expect(bench.kernel.records()).toHaveLength(1);
  });

  it.each([
    ['disabled', config(on('wg2'))],
    ['the only one, and disabled', config()],
  ])('withdraws what was learned on an interface that is now %s', (_, next) => {
    begin();
    learn(five);
    bench.start(next);
    expect(bench.allowed('wg1', configured)).toEqual([]);
    expect(bench.kernel.records()).toEqual([]);
  });

  it('forgets what was learned on an interface that is disabled and gone', () => {
    begin();
    learn(five);
    bench.kernel.addLink('wg2');
    bench.kernel.deleteLink('wg1');
    bench.start(config(on('wg2')));
    expect(bench.kernel.records()).toEqual([]);
  });

  it('withdraws what is no longer in the scope', () => {
    begin();
    learn(five);
    bench.takeEvents();
    bench.start(config(on('wg1', { prefixes: prefixes('2001:db8:7::/64') })));
    expect(bench.told()).toEqual([`adopted ${five} alice`, `forgotten ${five} alice (scope)`]);
    expectEverywhere();
  });

  it('lets go of the hook if it was needed only to withdraw', () => {
    begin();
    learn(five);
    bench.start(config());
    bench.clock.advance(5_000);
    expect(bench.kernel.hookIsOpen).toBe(false);
  });

  it('completes what was going on at any moment when it was killed', () => {
    const addresses = [five, six, '2001:db8:1::7'];
    for (let calls = 0; calls < 30; calls++) {
      bench = new Bench();
      bench.kernel.addLink('wg1', { addresses: router });
      bench.kernel.setPeers('wg1', peers);
      const two = config(on('wg1', { maxAddresses: 2 }));
      started(two);
      learn(five);
      bench.kernel.killAfter(calls);
      try {
        for (const address of addresses) bench.packet('wg1', alice, address);
        bench.engine.forget('wg1', six);
        recreate();
        bench.kernel.announce();
      } catch {
        // killed
      }
      started(two);
      expect(bench.allowed('wg1', configured)).toEqual(bench.ledger('wg1'));
      expect(bench.records('wg1')).toEqual(bench.ledger('wg1'));
      expect(bench.kernel.records()).toHaveLength(bench.ledger('wg1').length);
      expect(bench.ledger('wg1').length).toBeLessThanOrEqual(2);
    }
  });
});

it('the end leaves everything in place', () => {
  started();
  learn(five);
  bench.engine.stop();
  expect(bench.allowed('wg1', configured)).toEqual([`${five} alice`]);
  expect(bench.records('wg1')).toEqual([`${five} alice`]);
  expect(bench.kernel.hookIsOpen).toBe(false);
  expect(bench.clock.pending()).toEqual([]);
  recreate();
  bench.kernel.announce();
  expect(bench.kernel.hookIsOpen).toBe(false);
});

describe('another configuration', () => {
  it('of the rate is in force at once, and nothing is lost', () => {
    started(config(on('wg1', { rate: 1, burst: 1 })));
    learn(five);
    expect(bench.packet('wg1', alice, six)).toBe(false);
    expectEverywhere(`${five} alice`);
    bench.engine.configure(config(on('wg1', { rate: 0 })));
    bench.clock.advance(1_000);
    learn(six);
    expectEverywhere(`${five} alice`, `${six} alice`);
  });

  it('of the lifetime, too', () => {
    started();
    learn(five);
    bench.clock.advance(20_000);
    bench.engine.configure(config(on('wg1', { lifetime: 10_000 })));
    bench.clock.advance(1_000);
    expectEverywhere();
  });

  it('of the number of addresses, too: the least recently used ones go', () => {
    started();
    learn(five);
    learn(six, bob);
    bench.clock.advance(2_000);
    learn('2001:db8:1::7');
    bench.clock.advance(2_000);
    bench.packet('wg1', alice, five);
    bench.takeEvents();
    bench.engine.configure(config(on('wg1', { maxAddresses: 1 })));
    expect(bench.told()).toEqual(['evicted 2001:db8:1::7 alice']);
    expectEverywhere(`${five} alice`, `${six} bob`);
  });

  it('of the prefixes withdraws what they leave out', () => {
    started();
    learn(five);
    learn('fe80::5');
    bench.takeEvents();
    bench.engine.configure(config(on('wg1', { prefixes: prefixes('2001:db8:7::/64') })));
    expect(bench.told()).toEqual([`forgotten ${five} alice (scope)`]);
    expectEverywhere('fe80::5 alice');
  });

  it('that disables an interface withdraws what was learned on it, and on no other', () => {
    const wg2 = on('wg2', { prefixes: prefixes('2001:db8:1::/64') });
    started(config(on('wg1'), wg2));
    bench.kernel.addLink('wg2', { addresses: ['fe80::2/64'] });
    bench.kernel.setPeers('wg2', { [alice]: [] });
    bench.kernel.announce();
    learn(five);
    bench.packet('wg2', alice, five);
    bench.takeEvents();
    bench.engine.configure(config(wg2));
    expect(bench.told()).toEqual([`forgotten ${five} alice (disabled)`]);
    expectEverywhere();
    expect(bench.allowed('wg2')).toEqual([`${five} alice`]);
    expect(bench.packet('wg1', alice, five)).toBe(false);
    expectEverywhere();
  });

  it('of the hook keeps what was learned', () => {
    started();
    learn(five);
    bench.engine.configure({ ...wg1, hook: 'kprobe' });
    expect(bench.engine.view.hook).toBe('kprobe');
    expectEverywhere(`${five} alice`);
    learn(six);
  });

  it('of the hook and the interfaces at once withdraws, too', () => {
    started();
    learn(five);
    bench.engine.configure({ hook: 'kprobe', interfaces: [] });
    expect(bench.allowed('wg1', configured)).toEqual([]);
    expect(bench.kernel.records()).toEqual([]);
  });

  it('of the device moves nothing to the new one', () => {
    started(config(on('wg1', {}, 'home')));
    learn(five);
    bench.kernel.addLink('wg2', { addresses: router });
    bench.kernel.setPeers('wg2', peers);
    bench.engine.configure(config(on('wg2', {}, 'home')));
    expect(bench.ledger('home')).toEqual([]);
    expect(bench.allowed('wg1', configured)).toEqual([]);
    expect(bench.allowed('wg2', configured)).toEqual([]);
    expect(bench.kernel.records()).toEqual([]);
  });

  it('that follows a renamed link keeps what was learned, and when it was used', () => {
    started(config(on('wg1', { lifetime: 60_000 }, 'home')));
    learn(five);
    bench.clock.advance(20_000);
    bench.packet('wg1', alice, five);
    bench.kernel.renameLink('wg1', 'wg9');
    bench.engine.configure(config(on('wg9', { lifetime: 60_000 }, 'home')));
    expect(bench.ledger('home')).toEqual([`${five} alice`]);
    expect(bench.records('wg9')).toEqual([`${five} alice`]);
    bench.clock.advance(59_000);
    expect(bench.allowed('wg9', configured)).toEqual([`${five} alice`]);
  });
});

describe('links', () => {
  it('that appear are watched from then on', () => {
    bench = new Bench().start(wg1);
    expect(bench.told()).toEqual(['problem no-interface']);
    expect(bench.kernel.hooksOpened).toBe(0);
    bench.kernel.addLink('wg1', { addresses: router });
    bench.kernel.setPeers('wg1', peers);
    bench.kernel.announce();
    expect(bench.told()).toEqual(['solved no-interface']);
    learn(five);
  });

  it('whose prefix changes have it learned in', () => {
    started();
    learn(five);
    bench.takeEvents();
    bench.kernel.setLinkAddresses('wg1', ['2001:db8:2::1/64']);
    bench.kernel.announce();
    expect(bench.told()).toEqual([`forgotten ${five} alice (scope)`]);
    learn('2001:db8:2::5');
    expectEverywhere('2001:db8:2::5 alice');
  });

  it('that are recreated are not compared with what is known of the former one', () => {
    started();
    learn(five);
    learn(six);
    bench.clock.advance(1_000);
    bench.kernel.setPeers('wg1', peers);
    bench.kernel.receive('wg1', alice, five);
    recreate();
    bench.kernel.flush();
    expect(bench.allowed('wg1', configured)).not.toContain(`${six} alice`);
    bench.kernel.announce();
    expectEverywhere(`${five} alice`, `${six} alice`);
  });

  it('that come up have a minute to get their prefixes', () => {
    started();
    learn(five);
    bench.takeEvents();
    bench.kernel.deleteLink('wg1');
    bench.kernel.addLink('wg1');
    bench.kernel.setPeers('wg1', peers);
    bench.kernel.announce();
    bench.clock.advance(59_000);
    expectEverywhere(`${five} alice`);
    bench.kernel.setLinkAddresses('wg1', router);
    bench.kernel.announce();
    bench.clock.advance(60_000);
    expect(bench.told()).not.toContain(`forgotten ${five} alice (scope)`);
    expectEverywhere(`${five} alice`);
  });

  it('that come up and get no prefix lose what was learned in it', () => {
    started();
    learn(five);
    bench.kernel.deleteLink('wg1');
    bench.kernel.addLink('wg1');
    bench.kernel.announce();
    bench.clock.advance(90_000);
    expectEverywhere();
  });

  it('that come up with a prefix and lose it lose at once what was learned in it', () => {
    started();
    learn(five);
    recreate();
    bench.kernel.announce();
    bench.takeEvents();
    bench.kernel.setLinkAddresses('wg1', []);
    bench.kernel.announce();
    expect(bench.told()).toContain(`forgotten ${five} alice (scope)`);
  });

  it('that are down keep what was learned on them', () => {
    started();
    learn(five);
    bench.kernel.setLinkUp('wg1', false);
    bench.kernel.setLinkAddresses('wg1', []);
    bench.kernel.announce();
    bench.clock.advance(120_000);
    bench.kernel.setLinkUp('wg1', true);
    bench.kernel.announce();
    expectEverywhere(`${five} alice`);
    bench.clock.advance(90_000);
    expectEverywhere();
  });

  it('of any kind reserve their addresses', () => {
    started();
    learn(five);
    bench.takeEvents();
    bench.kernel.addLink('br-lan', { kind: 'bridge', addresses: [`${five}/128`] });
    bench.kernel.announce();
    expect(bench.told()).toEqual([`forgotten ${five} alice (scope)`]);
    expectEverywhere();
  });

  it('that vanish leave the hook in place for 5 s', () => {
    started();
    bench.kernel.deleteLink('wg1');
    bench.kernel.announce();
    bench.clock.advance(4_999);
    expect(bench.kernel.hookIsOpen).toBe(true);
    bench.clock.advance(1);
    expect(bench.kernel.hookIsOpen).toBe(false);
    expect(bench.engine.view.hook).toBe('none');
  });

  it('that come back sooner have it stay', () => {
    started();
    bench.kernel.deleteLink('wg1');
    bench.kernel.announce();
    bench.clock.advance(4_999);
    bench.kernel.addLink('wg1', { addresses: router });
    bench.kernel.announce();
    bench.clock.advance(10_000);
    expect(bench.kernel.hookIsOpen).toBe(true);
    expect(bench.kernel.hooksOpened).toBe(1);
  });

  it('that come back later have what was learned on them', () => {
    started();
    learn(five);
    bench.kernel.deleteLink('wg1');
    bench.kernel.announce();
    bench.clock.advance(60_000);
    expect(bench.kernel.hookIsOpen).toBe(false);
    bench.kernel.addLink('wg1', { addresses: router });
    bench.kernel.setPeers('wg1', peers);
    bench.kernel.announce();
    expectEverywhere(`${five} alice`);
  });

  it('that come back too late have it no more', () => {
    started(config(on('wg1', { lifetime: 60_000 })));
    learn(five);
    bench.kernel.deleteLink('wg1');
    bench.kernel.announce();
    bench.clock.advance(60_000);
    bench.kernel.addLink('wg1', { addresses: router });
    bench.kernel.setPeers('wg1', peers);
    bench.takeEvents();
    bench.kernel.added.length = 0;
    bench.kernel.announce();
    expectEverywhere();
    expect(bench.kernel.added).toEqual([]);
  });
});

describe('problems', () => {
  it('with the hook are told once, and it is tried again when links have changed only', () => {
    bench.kernel.failures.hook = [noBtf];
    const attempts = () => bench.kernel.calls.filter((call) => call === 'openSightings').length;
    bench.start(wg1);
    expect(bench.told()).toEqual(['problem no-btf']);
    expect(bench.engine.view.problems()).toEqual([noBtf]);
    expect(bench.engine.view.hook).toBe('none');
    bench.kernel.setLinkAddresses('wg1', router);
    bench.kernel.announce();
    expect(attempts()).toBe(1);
    recreate();
    bench.kernel.announce();
    expect(attempts()).toBe(2);
    expect(bench.told()).toEqual([]);
    delete bench.kernel.failures.hook;
    recreate();
    bench.kernel.announce();
    expect(bench.told()).toEqual(['solved no-btf']);
    learn(five);
  });

  it('with a hook that was asked for end with another choice', () => {
    bench.kernel.failures.hook = [noBtf];
    bench.start({ ...wg1, hook: 'fexit' });
    delete bench.kernel.failures.hook;
    bench.engine.configure(wg1);
    expect(bench.told()).toEqual(['problem no-btf', 'solved no-btf']);
  });

  it('of one interface leave the others alone', () => {
    bench.start(config(on('wg1'), on('wg2'), on('br-lan')));
    expect(bench.told()).toEqual(['problem no-interface', 'problem no-interface']);
    learn(five);
  });

  it("are a peer's allowed IPs that cover the prefix", () => {
    bench.kernel.allow('wg1', bob, '::/0');
    bench.start(wg1);
    expect(bench.told()).toEqual(['problem prefix-owned']);
    bench.packet('wg1', alice, five);
    expect(bench.told()).toEqual([`denied ${five} alice (owned)`]);
    expectEverywhere();
  });

  it('are not that the tunnel of a provider has no prefix for peers', () => {
    bench.kernel.setLinkAddresses('wg1', ['fc00:bbbb:bbbb:bb01::2/128']);
    bench.kernel.setPeers('wg1', { [alice]: ['::/0'] });
    bench.start(wg1);
    expect(bench.told()).toEqual(['problem prefix-owned']);
  });

  it('that are met while everything is brought in line stand until the next time', () => {
    started();
    learn(five);
    bench.takeEvents();
    bench.kernel.setPeers('wg1', peers);
    bench.kernel.failures.add = 0;
    bench.clock.advance(30_000);
    expect(bench.told()).toEqual(['problem add-failed']);
    expect(bench.engine.view.problems()).toMatchObject([{ code: 'add-failed' }]);
    bench.clock.advance(30_000);
    expect(bench.told()).toEqual([]);
    delete bench.kernel.failures.add;
    bench.clock.advance(30_000);
    expect(bench.told()).toEqual([`restored ${five} alice`, 'solved add-failed']);
  });
});

describe('when the kernel refuses', () => {
  const batch = () => {
    for (const address of [five, six, '2001:db8:1::7']) bench.kernel.receive('wg1', alice, address);
    bench.kernel.flush();
  };

  it.each(['add', 'remember'] as const)('to %s after one of three, none of them is learned', (call) => {
    started().kernel.failures[call] = 1;
    batch();
    delete bench.kernel.failures[call];
    expectEverywhere();
    expect(bench.told()).toEqual(['problem add-failed']);
    expect(bench.kernel.delivered).toEqual([]);
    batch();
    expectEverywhere(`${five} alice`, `${six} alice`, '2001:db8:1::7 alice');
  });

  it('to add, and to take back what was added, all stays known and is completed later', () => {
    started().kernel.failures.add = 1;
    bench.kernel.failures.remove = 0;
    batch();
    delete bench.kernel.failures.add;
    delete bench.kernel.failures.remove;
    bench.packet('wg1', bob, 'fe80::5');
    bench.clock.advance(30_000);
    expectEverywhere(`${five} alice`, `${six} alice`, '2001:db8:1::7 alice', 'fe80::5 bob');
  });

  it('to bring back what was wiped, it stays known and is tried again at the next packet', () => {
    started();
    learn(five);
    bench.clock.advance(1_000);
    bench.kernel.setPeers('wg1', peers);
    bench.kernel.failures.add = 0;
    bench.packet('wg1', alice, five);
    expect(bench.ledger('wg1')).toEqual([`${five} alice`]);
    expect(bench.records('wg1')).toEqual([`${five} alice`]);
    delete bench.kernel.failures.add;
    bench.packet('wg1', alice, five);
    expectEverywhere(`${five} alice`);
  });

  it('to remove on request, it stays known', () => {
    started();
    learn(five);
    learn(six);
    bench.takeEvents();
    bench.kernel.failures.remove = 1;
    bench.engine.flush();
    delete bench.kernel.failures.remove;
    expect(bench.told()).toEqual(['problem remove-failed']);
    expect(bench.ledger('wg1')).toEqual([`${five} alice`, `${six} alice`]);
    bench.clock.advance(30_000);
    expectEverywhere(`${five} alice`, `${six} alice`);
  });

  it('to make room, the new one is learned all the same and the old one goes later', () => {
    started(config(on('wg1', { maxAddresses: 1 })));
    learn(five);
    bench.clock.advance(1_000);
    bench.kernel.failures.remove = 0;
    learn(six);
    expectEverywhere(`${five} alice`, `${six} alice`);
    delete bench.kernel.failures.remove;
    bench.clock.advance(30_000);
    expectEverywhere(`${six} alice`);
  });

  it('to watch an interface, it is tried again and the others are watched', () => {
    bench.kernel.addLink('wg2', { addresses: router });
    bench.kernel.setPeers('wg2', peers);
    started(config(on('wg1'), on('wg2')));
    learn(five);
    recreate();
    bench.kernel.failures.remember = 0;
    bench.kernel.announce();
    expect(bench.told()).toEqual([`learned ${five} alice`, 'problem watch-failed']);
    expect(bench.kernel.watched).toEqual([bench.kernel.ifindex('wg2')]);
    delete bench.kernel.failures.remember;
    bench.clock.advance(30_000);
    expect(bench.told()).toEqual([`restored ${five} alice`, 'solved watch-failed']);
    expectEverywhere(`${five} alice`);
  });

  it('to withdraw from a disabled interface, it is tried again', () => {
    started();
    learn(five);
    bench.kernel.failures.remove = 0;
    bench.engine.configure(config());
    delete bench.kernel.failures.remove;
    bench.clock.advance(30_000);
    expectEverywhere();
  });

  it('to withdraw from an interface that is enabled again, it stays learned', () => {
    started();
    learn(five);
    bench.kernel.failures.remove = 0;
    bench.engine.configure(config());
    bench.engine.configure(wg1);
    expectEverywhere(`${five} alice`);
  });

  it('to withdraw what an earlier process learned, it is tried again', () => {
    started();
    learn(five);
    bench.kernel.failures.remove = 0;
    bench.start(config());
    delete bench.kernel.failures.remove;
    bench.clock.advance(30_000);
    expect(bench.allowed('wg1', configured)).toEqual([]);
    expect(bench.kernel.records()).toEqual([]);
  });
});

describe('on request', () => {
  it('one address is forgotten', () => {
    started();
    learn(five);
    learn(six);
    bench.takeEvents();
    expect(bench.engine.forget('wg1', five)).toBe(true);
    expect(bench.told()).toEqual([`forgotten ${five} alice (user)`]);
    expectEverywhere(`${six} alice`);
    expect(bench.engine.forget('wg1', five)).toBe(false);
    expect(bench.engine.forget('wg2', six)).toBe(false);
  });

  it('a configured one is not', () => {
    started();
    expect(bench.engine.forget('wg1', '2001:db8:1::a')).toBe(false);
    expect(bench.kernel.owner('wg1', '2001:db8:1::a')).toBe(bob);
  });

  it('all are, of all, an interface or a peer', () => {
    started();
    learn(five);
    learn(six, bob);
    expect(bench.engine.flush('wg2')).toBe(0);
    expect(bench.engine.flush('wg1', bob)).toBe(1);
    expectEverywhere(`${five} alice`);
    expect(bench.engine.flush()).toBe(1);
    expectEverywhere();
    expect(bench.kernel.allowedIps('wg1', bob)).toEqual([configured[1]]);
  });

  it('what was learned on an interface that is away is forgotten for good', () => {
    started();
    learn(five);
    bench.kernel.deleteLink('wg1');
    bench.kernel.announce();
    expect(bench.engine.flush('wg1')).toBe(1);
    started();
    bench.kernel.addLink('wg1', { addresses: router });
    bench.kernel.setPeers('wg1', peers);
    bench.kernel.announce();
    expectEverywhere();
  });

  it('what is forgotten is learned again at its next packet', () => {
    started();
    learn(five);
    bench.engine.flush();
    bench.clock.advance(1_000);
    learn(five);
  });
});

describe('a start', () => {
  it('reads the records once, however many interfaces there are', () => {
    bench.kernel.addLink('wg2', { addresses: router });
    bench.kernel.setPeers('wg2', peers);
    const both = config(on('wg1'), on('wg2'));
    started(both).packet('wg1', alice, five);
    bench.packet('wg2', alice, six);
    bench.kernel.calls.length = 0;
    bench.start(both);
    expect(bench.ledger('wg1')).toEqual([`${five} alice`]);
    expect(bench.ledger('wg2')).toEqual([`${six} alice`]);
    expect(bench.kernel.calls.filter((call) => call === 'records')).toHaveLength(1);
  });

  it('does not take an address again that it has just withdrawn with its record', () => {
    started().packet('wg1', alice, five);
    bench.kernel.failures.remove = 0;
    bench.engine.configure(config());
    expect(bench.records('wg1')).toEqual([`${five} alice`]);
    delete bench.kernel.failures.remove;
    bench.engine.configure(config(on('wg1')));
    expectEverywhere();
  });
});

describe('what is asked', () => {
  it('is learned addresses, when they were last used, with one look at the records', () => {
    started().packet('wg1', alice, five);
    bench.packet('wg1', bob, six);
    bench.clock.advance(5_000);
    bench.kernel.receive('wg1', alice, five);
    bench.kernel.calls.length = 0;
    const now = bench.clock.now();
    expect(bench.engine.view.addresses().map(({ address, lastSeen }) => [address, now - lastSeen])).toEqual([
      [five, 0],
      [six, 5_000],
    ]);
    expect(bench.kernel.calls).toEqual(['records']);
    expect(bench.engine.view.addresses('wg2')).toEqual([]);
  });

  it('is the state of an interface, whether something is learned on it or not', () => {
    bench.kernel.addLink('wg2', { addresses: ['2001:db8:2::1/64'] });
    started().kernel.receive('wg1', alice, '2001:db8:bad::1');
    bench.engine.configure(config(on('wg1'), on('wg3')));
    const { interfaces, up } = bench.engine.view.status();
    expect(interfaces).toMatchObject([
      { name: 'wg1', prefixes: prefixes('2001:db8:1::/64'), addresses: 0, counters: { scope: 1 } },
      { name: 'wg3', prefixes: [], addresses: 0, counters: undefined },
    ]);
    expect([...up]).toEqual(['wg1', 'wg2']);
  });
});

describe('a peer without an address', () => {
  const says = (address: string) => bench.packet('wg1', alice, address);

  it('is one problem, once it is for long, and no address that is denied', () => {
    started();
    says('::');
    bench.clock.advance(1_000);
    says('::1');
    expect(bench.told()).toEqual(['denied :: alice (reserved)', 'denied ::1 alice (reserved)']);
    for (let n = 0; n < 60; n++) {
      bench.clock.advance(1_000);
      says('::1');
    }
    expect(bench.told()).toEqual(['problem no-address']);
    expect(bench.engine.view.problems()).toEqual([
      { code: 'no-address', data: { device: 'wg1', peer: alice } },
    ]);
    expect(bench.engine.view.status().totals.denied.reserved).toBeGreaterThan(10);
  });

  it('is none when it has one, or is not heard of any more', () => {
    for (const end of [() => learn(five), () => bench.clock.advance(400_000)]) {
      started();
      for (let n = 0; n < 10; n++) {
        bench.clock.advance(1_000);
        says('::1');
      }
      expect(bench.told()).toContain('problem no-address');
      end();
      bench.clock.advance(25_000);
      expect(bench.told()).toContain('solved no-address');
      bench.engine.flush();
    }
  });

  it('is none with one: other packets come from :: at all times', () => {
    started();
    learn('fe80::5');
    bench.takeEvents();
    for (let n = 0; n < 30; n++) {
      bench.clock.advance(1_000);
      says('::');
    }
    expect(bench.told()).toEqual(['denied :: alice (reserved)']);
  });
});

describe('an address that is configured after it was learned', () => {
  const configuring = (...addresses: string[]): EngineConfig => ({
    ...wg1,
    isConfigured: (device, { peer, address }) =>
      device === 'wg1' && peer === alice && addresses.includes(address),
  });

  it('is released, and stays in force', () => {
    started().packet('wg1', alice, five);
    bench.packet('wg1', alice, six);
    bench.takeEvents();
    bench.engine.configure(configuring(five));
    expect(bench.told()).toEqual([`released ${five} alice`]);
    expect(bench.ledger('wg1')).toEqual([`${six} alice`]);
    expect(bench.records('wg1')).toEqual([`${six} alice`]);
    expect(bench.kernel.removed).toEqual([]);
    expect(bench.kernel.owner('wg1', five)).toBe(alice);
  });

  it('is released when its interface is back', () => {
    started().packet('wg1', alice, five);
    bench.kernel.deleteLink('wg1');
    bench.kernel.announce();
    bench.engine.configure(configuring(five));
    bench.kernel.addLink('wg1', { addresses: router });
    bench.kernel.setPeers('wg1', { ...peers, [alice]: [...peers[alice]!, `${five}/128`] });
    bench.kernel.announce();
    expect(bench.ledger('wg1')).toEqual([]);
    expect(bench.kernel.records()).toEqual([]);
    expect(bench.kernel.owner('wg1', five)).toBe(alice);
  });

  it('is not withdrawn with what an earlier process has left', () => {
    started().packet('wg1', alice, five);
    bench.packet('wg1', alice, six);
    bench.start({ ...configuring(five), interfaces: [] });
    expect(bench.kernel.removed.map(({ address }) => address)).toEqual([six]);
    expect(bench.kernel.records()).toEqual([]);
  });

  it('may be learned again when it is no longer configured', () => {
    started().packet('wg1', alice, five);
    bench.engine.configure(configuring(five));
    bench.kernel.setPeers('wg1', peers);
    bench.engine.configure(wg1);
    bench.clock.advance(1_000);
    learn(five);
    expectEverywhere(`${five} alice`);
  });
});
