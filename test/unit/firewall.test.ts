// SPDX-License-Identifier: GPL-2.0-only

import { beforeEach, describe, expect, it } from 'vitest';
import { type Entry, Ledger } from '../../src/engine/ledger.ts';
import { emptySets, Firewall, type Member } from '../../src/service/firewall.ts';
import { alice, bob } from './bench.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeNftables } from './fake-nftables.ts';
import { FakeStateFile } from './fake-state-file.ts';

const set = 'inet#fw4#phone';
const other = 'inet#fw4#trusted';
const five = '2001:db8:1::5';
const six = '2001:db8:1::6';

let clock: FakeClock;
let ledger: Ledger;
let nftables: FakeNftables;
let firewall: Firewall;
let file: FakeStateFile;

const member = (key = alice, changes: Partial<Member> = {}): Member => ({
  interface: 'wg1',
  key,
  sets: [set],
  optional: [],
  configured: new Set(),
  ...changes,
});

function begin(...members: Member[]): void {
  clock.dropTimers();
  firewall = new Firewall(
    ledger,
    clock,
    () => nftables.open(),
    file,
    () => {},
  );
  ledger.follow(firewall);
  firewall.configure(members);
}

beforeEach(() => {
  clock = new FakeClock();
  ledger = new Ledger();
  nftables = new FakeNftables();
  file = new FakeStateFile();
  nftables.declare(set);
  nftables.declare(other);
});

const entryOf = (address: string, peer = alice): Entry => {
  const now = clock.now();
  return { interface: 'wg1', peer, address, learned: now, lastSeen: now, confirmed: now };
};

/** As the executor does; `between` happens before WireGuard has it. */
function learn(address: string, peer = alice, between = () => {}): void {
  const entry = entryOf(address, peer);
  ledger.put(entry);
  ledger.tellComing([entry]);
  between();
  ledger.tellPresent(entry, { event: 'learned', took: 0, delivered: true });
}

function withdraw(address: string): void {
  const entry = ledger.get('wg1', address)!;
  ledger.delete(entry);
  ledger.tellGone(entry, { event: 'expired' });
}

describe('a set', () => {
  beforeEach(() => {
    begin(member());
    clock.advance(20);
  });

  it('has an address before its peer can use it', () => {
    learn(five, alice, () => expect(nftables.elements(set)).toEqual([five]));
    expect(nftables.reads).toBe(1);
    clock.advance(60_000);
    expect(nftables.reads).toBe(1); // nothing more to do
    learn(six, bob);
    expect(nftables.elements(set)).toEqual([five]);
  });

  it('loses what is withdrawn, or was never in force', () => {
    learn(five);
    withdraw(five);
    const entry = entryOf(six);
    ledger.tellComing([entry]);
    ledger.tellStayedAway([entry]);
    clock.advance(20);
    expect(nftables.elements(set)).toEqual([]);
  });

  it('keeps an address that goes to another of its peers', () => {
    firewall.configure([member(), member(bob)]);
    learn(five);
    clock.advance(20);
    const [from, to] = [ledger.get('wg1', five)!, entryOf(five, bob)];
    ledger.put(to);
    ledger.tellComing([to]);
    ledger.tellGone(from, { event: 'forgotten', reason: 'taken' });
    ledger.tellPresent(to, { event: 'learned', took: 0, delivered: false });
    clock.advance(20);
    expect(nftables.elements(set)).toEqual([five]);
  });

  it('has nothing that is another peer’s by the time that one can use it', () => {
    firewall.configure([member(), member(bob, { sets: [other] })]);
    learn(five);
    learn(six);
    clock.advance(20);
    const [from, to] = [ledger.get('wg1', five)!, entryOf(five, bob)];
    ledger.put(to);
    ledger.tellComing([to], from);
    expect([nftables.elements(set), nftables.elements(other)]).toEqual([[six], [five]]);
    withdraw(six);
    learn(six, bob, () => {
      expect([nftables.elements(set), nftables.elements(other)]).toEqual([[], [five, six]]);
    });
  });

  it('is filled again when it was flushed, or has been away', () => {
    learn(five);
    nftables.flush(set);
    clock.advance(0);
    expect(nftables.elements(set)).toEqual([five]);
    nftables.delete(set);
    clock.advance(300);
    learn(six);
    nftables.declare(set);
    clock.advance(0);
    expect(nftables.elements(set)).toEqual([five, six]);
    clock.advance(60_000);
    expect(firewall.problems).toEqual([]);
  });

  it('that is full loses what is withdrawn before it gets what is new', () => {
    nftables.delete(set);
    nftables.declare(set, { size: 1 });
    learn(five);
    withdraw(five);
    learn(six);
    clock.advance(20);
    expect(nftables.elements(set)).toEqual([six]);
  });

  it('has what is configured for its peer, too', () => {
    firewall.configure([member(alice, { configured: new Set([six]) })]);
    learn(five);
    clock.advance(20);
    expect(nftables.elements(set)).toEqual([five, six]);
  });

  it('that is no longer named is emptied, and nothing is kept open without any', () => {
    learn(five);
    firewall.configure([member(alice, { sets: [other] })]);
    clock.advance(20);
    expect([nftables.elements(set), nftables.elements(other)]).toEqual([[], [five]]);
    firewall.configure([]);
    clock.advance(20);
    expect(nftables.elements(other)).toEqual([]);
    expect(nftables.opened).toBe(0);
    expect(clock.pending()).toEqual([]);
  });

  it('loses what went while nothing ran, and what others have put there stays', () => {
    nftables.delete(set);
    nftables.declare(set, { others: ['2001:db8:1::f'] });
    clock.advance(0);
    learn(five);
    learn(six);
    ledger.delete(ledger.get('wg1', five)!);
    begin(member());
    clock.advance(20);
    expect(nftables.elements(set)).toEqual([six, '2001:db8:1::f'].sort());
  });
});

it('a set that was named when the service ran last is emptied, and then forgotten', () => {
  begin(member());
  learn(five);
  firewall.stop();
  begin(member(alice, { sets: [other] }));
  clock.advance(20);
  expect([nftables.elements(set), nftables.elements(other)]).toEqual([[], [five]]);
  expect(file.text).toBe(`${other}\n`);
  firewall.stop();
  emptySets(nftables.open(), file);
  expect([nftables.elements(other), file.text]).toEqual([[], '']);
});

describe('a set that cannot be filled', () => {
  it('is a problem if that lasts, until it can', () => {
    nftables.delete(set);
    begin(member());
    learn(five);
    clock.advance(4_000);
    expect(firewall.problems).toEqual([]);
    clock.advance(2_000);
    expect(firewall.problems).toEqual([
      { code: 'no-nftset', data: { set, name: 'phone', reason: 'missing' } },
    ]);
    nftables.declare(set);
    clock.advance(0);
    expect(firewall.problems).toEqual([]);
    expect(nftables.elements(set)).toEqual([five]);
  });

  it('is no problem if it need not be there', () => {
    nftables.delete(set);
    begin(member(alice, { sets: [], optional: [set] }));
    learn(five);
    clock.advance(60_000);
    expect(firewall.problems).toEqual([]);
    nftables.declare(set);
    clock.advance(0);
    expect(nftables.elements(set)).toEqual([five]);
  });

  it('may be one of other elements', () => {
    nftables.delete(set);
    nftables.declare(set, { isFit: false });
    begin(member());
    clock.advance(6_000);
    expect(firewall.problems).toMatchObject([{ code: 'no-nftset', data: { reason: 'unfit' } }]);
  });

  it('may be full: learning goes on, and it is tried again', () => {
    begin(member());
    clock.advance(20);
    nftables.failure = 'ENFILE';
    learn(five);
    clock.advance(6_000);
    expect(firewall.problems).toMatchObject([{ code: 'nftset-failed', data: { set, error: 'ENFILE' } }]);
    nftables.failure = undefined;
    clock.advance(30_000);
    expect(firewall.problems).toEqual([]);
    expect(nftables.elements(set)).toEqual([five]);
  });
});

it('nothing is opened, asked or waited for where no set is named', () => {
  begin();
  learn(five);
  withdraw(five);
  expect([nftables.opened, nftables.reads, clock.pending()]).toEqual([0, 0, []]);
});
