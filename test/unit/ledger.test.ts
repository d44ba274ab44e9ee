// SPDX-License-Identifier: GPL-2.0-only

import { beforeEach, expect, it } from 'vitest';
import { type Arrival, type Departure, type Entry, Ledger } from '../../src/engine/ledger.ts';
import { alice, bob } from './bench.ts';

let ledger: Ledger;
beforeEach(() => {
  ledger = new Ledger();
});

function put(name: string, address: string, peer: string): Entry {
  const entry = { interface: name, address, peer, learned: 1, lastSeen: 1, confirmed: 1 };
  ledger.put(entry);
  return entry;
}

it('tells followers of what is there already, then of what comes and goes', () => {
  const told: string[] = [];
  const follower = {
    present: ({ address }: Entry, { event }: Arrival) => told.push(`${event} ${address}`),
    gone: ({ address }: Entry, { event }: Departure) => told.push(`${event} ${address}`),
  };
  put('wg1', 'fe80::5', alice);
  ledger.follow(follower);
  const six = put('wg1', 'fe80::6', bob);
  ledger.tellPresent(six, { event: 'restored' });
  ledger.delete(six);
  ledger.tellGone(six, { event: 'released' });
  expect(told).toEqual(['adopted fe80::5', 'restored fe80::6', 'released fe80::6']);
});

it('keeps the same address on two interfaces apart', () => {
  const one = put('wg1', 'fe80::5', alice);
  const other = put('wg2', 'fe80::5', bob);
  expect(ledger.get('wg1', 'fe80::5')).toBe(one);
  expect(ledger.get('wg2', 'fe80::5')).toBe(other);
  expect(ledger.get('wg3', 'fe80::5')).toBeUndefined();
});

it('keeps the same peer on two interfaces apart', () => {
  const one = put('wg1', 'fe80::5', alice);
  put('wg2', 'fe80::6', alice);
  expect([...ledger.ofPeer('wg1', alice)]).toEqual([one]);
  expect([...ledger.ofPeer('wg1', bob)]).toEqual([]);
});

it('lists all entries, or those of an interface, in the order in which they were learned', () => {
  const first = put('wg1', 'fe80::9', alice);
  const second = put('wg2', 'fe80::5', alice);
  const third = put('wg1', 'fe80::1', bob);
  expect([...ledger.entries('wg1')]).toEqual([first, third]);
  expect(new Set(ledger.entries())).toEqual(new Set([first, second, third]));
  expect([...ledger.entries('wg3')]).toEqual([]);
  expect(['wg1', 'wg2', 'wg3'].map((name) => ledger.count(name))).toEqual([2, 1, 0]);
});

it('gives an address to one peer only', () => {
  put('wg1', 'fe80::5', alice);
  const entry = put('wg1', 'fe80::5', bob);
  expect(ledger.get('wg1', 'fe80::5')).toBe(entry);
  expect([...ledger.ofPeer('wg1', alice)]).toEqual([]);
  expect([...ledger.ofPeer('wg1', bob)]).toEqual([entry]);
  expect(ledger.count('wg1')).toBe(1);
});

it('forgets an entry everywhere', () => {
  const entry = put('wg1', 'fe80::5', alice);
  const other = put('wg1', 'fe80::6', alice);
  ledger.delete(entry);
  expect(ledger.get('wg1', 'fe80::5')).toBeUndefined();
  expect([...ledger.ofPeer('wg1', alice)]).toEqual([other]);
  ledger.delete(other);
  expect([...ledger.entries()]).toEqual([]);
});

it('does not take one entry for another of the same address', () => {
  const former = put('wg1', 'fe80::5', alice);
  const entry = put('wg1', 'fe80::5', alice);
  ledger.delete(former);
  expect(ledger.get('wg1', 'fe80::5')).toBe(entry);
  expect([...ledger.ofPeer('wg1', alice)]).toEqual([entry]);
});

it('gives a key back as a peer has it, or as it was given', () => {
  put('wg1', 'fe80::5', alice);
  expect(ledger.keyOf('wg1', alice)).toBe(alice);
  expect(ledger.keyOf('wg1', bob)).toBe(bob);
});
