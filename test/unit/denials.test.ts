// SPDX-License-Identifier: GPL-2.0-only

import { expect, it } from 'vitest';
import { Denials } from '../../src/engine/denials.ts';
import type { Denial } from '../../src/engine/plan.ts';
import { alice, bob } from './bench.ts';
import { key } from './fake-kernel.ts';

function denial(changes: Partial<Denial> = {}): Denial {
  return { interface: 'wg1', address: '2001:db8::5', peer: alice, reason: 'scope', count: 1, ...changes };
}

function many(denials: Denials, count: number, changes: Partial<Denial> = {}): void {
  for (let i = 0; i < count; i++)
    denials.add(denial({ address: `2001:db8::${i.toString(16)}`, ...changes }), i);
}

it('repeats of an attempt are counted as one', () => {
  const denials = new Denials();
  denials.add(denial(), 1);
  denials.add(denial({ count: 7 }), 2);
  expect(denials.list()).toEqual([{ ...denial(), count: 8, last: 2 }]);
});

it.each([
  ['interfaces', { interface: 'wg2' }],
  ['addresses', { address: '2001:db8::6' }],
  ['peers', { peer: bob }],
  ['reasons', { reason: 'rate' }],
] as const)('different %s are told apart', (_, changes) => {
  const denials = new Denials();
  denials.add(denial(), 1);
  denials.add(denial(changes), 2);
  expect(denials.list().map(({ count }) => count)).toEqual([1, 1]);
});

it('the newest come first, and a repeat is new', () => {
  const denials = new Denials();
  many(denials, 3);
  denials.add(denial({ address: '2001:db8::1' }), 9);
  expect(denials.list().map(({ address }) => address)).toEqual(['2001:db8::1', '2001:db8::2', '2001:db8::0']);
});

it('tells whose the address was last', () => {
  const denials = new Denials();
  denials.add(denial({ reason: 'owned', owner: bob }), 1);
  denials.add(denial({ reason: 'owned', owner: key(1) }), 2);
  expect(denials.list()).toMatchObject([{ owner: key(1), count: 2 }]);
});

it('a peer has no more than its newest 32', () => {
  const denials = new Denials();
  many(denials, 40);
  const kept = denials.list().map(({ address }) => address);
  expect(kept).toHaveLength(32);
  expect([kept[0], kept[31]]).toEqual(['2001:db8::27', '2001:db8::8']);
});

it("a peer's flood leaves the others' alone, and its own of another interface", () => {
  const denials = new Denials();
  denials.add(denial({ peer: bob }), 1);
  denials.add(denial({ interface: 'wg2' }), 1);
  denials.add(denial({ interface: 'wg10' }), 1);
  many(denials, 5_000);
  expect(denials.list().filter(({ interface: name, peer }) => name !== 'wg1' || peer !== alice)).toHaveLength(
    3,
  );
});

it('there are no more than the newest 1024 of all', () => {
  const denials = new Denials();
  for (let peer = 0; peer < 40; peer++) many(denials, 32, { peer: key(peer) });
  const kept = denials.list();
  expect(kept).toHaveLength(1_024);
  expect(kept.at(-1)!.peer).toBe(key(8));
});
