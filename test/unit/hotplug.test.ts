// SPDX-License-Identifier: GPL-2.0-only

import { beforeEach, expect, it } from 'vitest';
import { Ledger } from '../../src/engine/ledger.ts';
import { type Environment, Hotplug } from '../../src/service/hotplug.ts';
import { alice, bob } from './bench.ts';

const five = '2001:db8:1::5';

let ledger: Ledger;
let isThere: boolean;
let called: Environment[];
/** Has the scripts that run end. */
let end: (() => void) | undefined;
let omitted: number[];

beforeEach(() => {
  ledger = new Ledger();
  isThere = true;
  called = [];
  end = undefined;
  omitted = [];
  const scripts = {
    exist: () => isThere,
    call(environment: Environment) {
      called.push(environment);
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    },
  };
  ledger.follow(
    new Hotplug(
      scripts,
      (_, peer) => (peer === alice ? 'phone' : ''),
      (count) => omitted.push(count),
    ),
  );
});

const entryOf = (address: string, peer = alice) => ({
  interface: 'wg1',
  peer,
  address,
  learned: 0,
  lastSeen: 0,
  confirmed: 0,
});
const learn = (address: string, peer = alice) =>
  ledger.tellPresent(entryOf(address, peer), { event: 'learned', took: 1, delivered: true });
const settle = () => new Promise((resolve) => setImmediate(resolve));

it('scripts are told of each event, one after the other', async () => {
  learn(five);
  ledger.tellGone(entryOf(five), { event: 'forgotten', reason: 'given' });
  ledger.tellPresent(entryOf(five, bob), { event: 'given' });
  ledger.tellPresent(entryOf('2001:db8:1::6'), { event: 'adopted' });
  ledger.tellPresent(entryOf('2001:db8:1::6'), { event: 'restored' });
  await settle();
  expect(called).toEqual([
    { ACTION: 'learned', INTERFACE: 'wg1', PEER: alice, NAME: 'phone', ADDRESS: five },
  ]);
  for (let i = 0; i < 3; i++) {
    end!();
    await settle();
  }
  expect(called.map(({ ACTION, PEER, NAME }) => [ACTION, PEER, NAME])).toEqual([
    ['learned', alice, 'phone'],
    ['forgotten', alice, 'phone'],
    ['learned', bob, ''],
  ]);
});

it('of a storm that they cannot keep up with, the rest is left out, and that is told once', async () => {
  for (let i = 0; i < 1_000; i++) learn(`2001:db8:1::${i.toString(16)}`);
  for (let i = 0; i < 300; i++) {
    end?.();
    await settle();
  }
  expect(called).toHaveLength(257);
  expect(omitted).toEqual([743]);
});

it('without scripts nothing waits', async () => {
  isThere = false;
  learn(five);
  isThere = true;
  await settle();
  expect(called).toEqual([]);
});
