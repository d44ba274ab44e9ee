// SPDX-License-Identifier: GPL-2.0-only
// Addresses that move from one peer to another: a device that has a new key, while its old peer is still configured.

import { beforeEach, describe, expect, it } from 'vitest';
import { SESSION } from '../../src/model.ts';
import type { InterfaceSettings } from '../../src/settings.ts';
import { alice, Bench, bob, config, nameOf, on } from './bench.ts';

const router = ['2001:db8:1::1/64'];
const five = '2001:db8:1::5';
const six = '2001:db8:1::6';

let bench: Bench;

beforeEach(() => {
  bench = new Bench();
  bench.kernel.addLink('wg1', { addresses: router });
  bench.kernel.setPeers('wg1', { [alice]: [], [bob]: [] });
});

/** Alice has an address, and shook hands just now. */
function started(settings: Partial<InterfaceSettings> = {}, addresses = [five]): void {
  bench.start(config(on('wg1', settings)));
  bench.kernel.handshakes.set(alice, Math.floor(bench.clock.wall() / 1_000));
  for (const address of addresses) bench.packet('wg1', alice, address);
  bench.clock.advance(30_000); // WireGuard is looked at meanwhile
  bench.takeEvents();
}

/** Ledger, WireGuard and the kernel's records all have just these addresses. */
function expectEverywhere(...entries: string[]): void {
  expect(bench.ledger('wg1')).toEqual(entries);
  expect(bench.allowed('wg1')).toEqual(entries);
  expect(bench.records('wg1')).toEqual(entries);
}

const give = (address = five, peer = bob) => bench.engine.give('wg1', address, peer);

describe('what is given', () => {
  it('moves in one step, with its record, and begins a new life', () => {
    started();
    bench.clock.advance(SESSION);
    const since = bench.clock.now();
    bench.kernel.calls.length = 0;
    expect(give()).toBeUndefined();
    expect(bench.kernel.calls.filter((call) => call === 'add' || call === 'remove')).toEqual(['add']);
    expectEverywhere(`${five} bob`);
    expect(bench.told()).toEqual([`forgotten ${five} alice (given)`, `given ${five} bob`]);
    expect(bench.engine.ledger.get('wg1', five)).toMatchObject({ learned: since, lastSeen: since });
    expect(bench.packet('wg1', bob, five)).toBe(true);
  });

  it.each([
    ['session', { code: 'session', owner: alice }, () => give()],
    ['no such peer', { code: 'unknown-peer' }, () => give(five, 'x')],
    ['no such address', { code: 'not-learned' }, () => give(six)],
    ['no such interface', { code: 'away' }, () => bench.engine.give('wg9', five, bob)],
  ])('is nothing where there is a reason against it: %s', (_, refusal, attempt) => {
    started();
    expect(attempt()).toEqual(refusal);
    expectEverywhere(`${five} alice`);
    expect(bench.told()).toEqual([]);
  });

  it('is nothing that a wider allowed IP of anybody has, nor is that offered', () => {
    started();
    bench.packet('wg1', bob, five);
    bench.clock.advance(SESSION);
    bench.kernel.allow('wg1', alice, '2001:db8:1::/80');
    expect(bench.engine.view.denied()).toMatchObject([{ owner: alice, state: 'configured' }]);
    expect(give()).toEqual({ code: 'configured', owner: alice });
  });

  it('makes room at a peer that has all it may have', () => {
    started({ maxAddresses: 1 });
    bench.packet('wg1', bob, six);
    bench.clock.advance(SESSION);
    give();
    expectEverywhere(`${five} bob`);
  });

  it.each(['add', 'remember'] as const)('stays where it was if that fails in the kernel (%s)', (call) => {
    started();
    bench.clock.advance(SESSION);
    bench.takeEvents();
    bench.kernel.failures[call] = 0;
    expect(give()).toEqual({ code: 'failed', owner: alice });
    delete bench.kernel.failures[call];
    expect(bench.told()).toEqual(['problem add-failed']);
    bench.clock.advance(30_000);
    expectEverywhere(`${five} alice`);
  });

  it('pushes nothing out at its new peer if it cannot be moved', () => {
    started({ maxAddresses: 1 });
    bench.packet('wg1', bob, six);
    bench.clock.advance(SESSION);
    bench.takeEvents();
    bench.kernel.failures.add = 0;
    expect(give()).toEqual({ code: 'failed', owner: alice });
    delete bench.kernel.failures.add;
    expect(bench.told()).toEqual(['problem add-failed']);
    expectEverywhere(`${five} alice`, `${six} bob`);
    expect(give()).toBeUndefined();
    expectEverywhere(`${five} bob`);
  });
});

describe('with takeover, a peer that uses an address of another', () => {
  const takeover = { takeover: true };

  it('gets it when that has neither a session nor used it for 3 minutes', () => {
    started(takeover);
    bench.clock.advance(SESSION);
    expect(bench.packet('wg1', bob, five)).toBe(false);
    expectEverywhere(`${five} bob`);
    expect(bench.takeEvents()).toMatchObject([
      { event: 'forgotten', address: five, peer: alice, reason: 'taken' },
      { event: 'learned', address: five, peer: bob, delivered: false },
    ]);
    expect(bench.engine.view.status().totals).toMatchObject({ taken: 1, denied: { owned: 0 } });
    expect(bench.packet('wg1', bob, five)).toBe(true);
  });

  it('has it with the packet that shows it, where that was accepted', () => {
    started(takeover);
    bench.clock.advance(SESSION);
    bench.kernel.accepted('wg1', bob, five, alice);
    expectEverywhere(`${five} bob`);
    expect(bench.takeEvents().at(-1)).toMatchObject({ event: 'learned', peer: bob, delivered: true });
  });

  it('does not get it by itself unless that is switched on', () => {
    started();
    bench.clock.advance(SESSION);
    bench.packet('wg1', bob, five);
    expect(bench.told()).toEqual([`denied ${five} bob (owned)`]);
    expect(bench.engine.view.denied()).toMatchObject([{ owner: alice, state: 'silent' }]);
  });

  it('does not get it while that may have a session, be it told of only now', () => {
    started(takeover);
    bench.clock.advance(SESSION - 5_000);
    bench.kernel.handshakes.set(alice, Math.floor(bench.clock.wall() / 1_000));
    bench.clock.advance(5_000);
    bench.packet('wg1', bob, five);
    expect(bench.told()).toEqual([`denied ${five} bob (owned)`]);
    expectEverywhere(`${five} alice`);
  });

  it('does not get it if it was used less than 3 minutes ago', () => {
    started(takeover);
    bench.clock.advance(SESSION);
    bench.packet('wg1', alice, five);
    bench.clock.advance(SESSION - 1_000);
    bench.packet('wg1', bob, five);
    expectEverywhere(`${five} alice`);
  });

  it('does not get it when the interface has just been made anew', () => {
    started(takeover);
    bench.clock.advance(SESSION - 31_000);
    bench.kernel.deleteLink('wg1');
    bench.kernel.addLink('wg1', { addresses: router });
    bench.kernel.setPeers('wg1', { [alice]: [], [bob]: [] });
    bench.kernel.handshakes.set(alice, 0);
    bench.kernel.announce();
    bench.packet('wg1', bob, five);
    expectEverywhere(`${five} alice`);
  });

  it('does not get what is configured, by itself or within a prefix', () => {
    started(takeover);
    bench.kernel.allow('wg1', alice, '2001:db8:1::c/128', '2001:db8:1:0:a::/80');
    bench.clock.advance(SESSION);
    bench.packet('wg1', bob, '2001:db8:1::c');
    bench.packet('wg1', bob, '2001:db8:1:0:a::1');
    expect(bench.kernel.owner('wg1', '2001:db8:1::c')).toBe(alice);
    expect(bench.kernel.owner('wg1', '2001:db8:1:0:a::1')).toBe(alice);
  });

  it('gets no more than it may have, and pushes nothing out', () => {
    started({ ...takeover, maxAddresses: 2 }, [five, six]);
    bench.clock.advance(SESSION);
    bench.packet('wg1', bob, '2001:db8:1::7');
    for (const address of [five, six]) bench.packet('wg1', bob, address);
    expectEverywhere(`${five} bob`, `${six} alice`, '2001:db8:1::7 bob');
  });

  it('gets no more in a minute than it may learn', () => {
    const many = Array.from({ length: 6 }, (_, i) => `2001:db8:1::1${i}`);
    started({ ...takeover, rate: 2, burst: 2 }, []);
    bench.engine.configure(config(on('wg1', { ...takeover, rate: 0 })));
    for (const address of many) bench.packet('wg1', alice, address);
    bench.engine.configure(config(on('wg1', { ...takeover, rate: 2, burst: 2 })));
    bench.clock.advance(SESSION);
    const taken = () => bench.ledger('wg1').filter((entry) => entry.endsWith(nameOf(bob))).length;
    for (const address of many) bench.packet('wg1', bob, address);
    expect(taken()).toBe(4);
    bench.clock.advance(61_000);
    for (const address of many) bench.packet('wg1', bob, address);
    expect(taken()).toBe(6);
  });

  it('leaves it where it was if the kernel refuses, whatever else was to be done', () => {
    started({ ...takeover, maxAddresses: 1 });
    bench.clock.advance(SESSION);
    bench.kernel.failures.add = 0;
    bench.kernel.receive('wg1', bob, five);
    bench.kernel.receive('wg1', bob, six); // for which the one before has to make room
    bench.kernel.flush();
    delete bench.kernel.failures.add;
    bench.clock.advance(30_000);
    expectEverywhere(`${five} alice`);
  });
});

it('tells for how long the owner of a denied address has been silent, though nobody had looked for long', () => {
  bench.kernel.setPeers('wg1', { [alice]: [`${five}/128`], [bob]: [] });
  bench.start(config(on('wg1')));
  bench.clock.advance(600_000);
  bench.kernel.handshakes.set(alice, Math.floor(bench.clock.wall() / 1_000));
  bench.clock.advance(60_000);
  bench.kernel.calls.length = 0;
  for (let n = 0; n < 3; n++) {
    bench.packet('wg1', bob, five);
    bench.clock.advance(1_000);
  }
  expect(bench.takeEvents()).toMatchObject([60, 61, 62].map((silent) => ({ state: 'configured', silent })));
  expect(bench.kernel.calls.filter((call) => call === 'dump')).toHaveLength(1);
});
