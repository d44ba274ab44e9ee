// SPDX-License-Identifier: GPL-2.0-only

import { describe, expect, it } from 'vitest';
import type { EngineEvent } from '../../src/engine/events.ts';
import type { ForgetReason } from '../../src/engine/ledger.ts';
import { describeEvent, shortKey } from '../../src/words/describe.ts';
import { alice, bob } from './bench.ts';

const about = { time: 0, interface: 'wg1', address: '2001:db8:1::5', peer: alice };
const learned = { ...about, event: 'learned', took: 1.26, delivered: true } as const;
const denied = { ...about, event: 'denied', reason: 'owned', count: 1 } as const;
const forgetReasons = ['user', 'disabled', 'scope', 'owned', 'peer'] satisfies ForgetReason[];

const events: EngineEvent[] = [
  { event: 'ready', time: 0, hook: 'fexit', version: '0.1.0' },
  learned,
  { ...learned, took: 1234.5, delivered: false },
  ...(['adopted', 'restored', 'expired', 'evicted', 'released'] as const).map((event) => ({
    ...about,
    event,
  })),
  ...forgetReasons.map((reason) => ({ ...about, event: 'forgotten' as const, reason })),
  ...(['scope', 'reserved', 'rate'] as const).map((reason) => ({ ...denied, reason })),
  { ...denied, owner: bob, count: 12 },
];

describe('in words', () => {
  it.each([
    ['the start', events[0]!, 'ready: wg-slaacer 0.1.0, hook fexit'],
    [
      'the start without a hook',
      { event: 'ready', time: 0, hook: 'none', version: '0.1.0' },
      'ready: wg-slaacer 0.1.0, hook none',
    ],
    [
      'a learned address',
      learned,
      'wg1: learned 2001:db8:1::5 peer oaGhoaGh… (1.3 ms, its packet delivered)',
    ],
    [
      'a lost packet',
      { ...learned, took: 1234.5, delivered: false },
      'wg1: learned 2001:db8:1::5 peer oaGhoaGh… (1235 ms, its packet lost)',
    ],
    ['an expired address', { ...about, event: 'expired' }, 'wg1: expired 2001:db8:1::5 peer oaGhoaGh…'],
    [
      'a forgotten address',
      { ...about, event: 'forgotten', reason: 'scope' },
      'wg1: forgotten 2001:db8:1::5 peer oaGhoaGh… (no longer in a prefix to learn in)',
    ],
    [
      'repeated attempts',
      { ...denied, reason: 'rate', count: 12 },
      'wg1: denied 2001:db8:1::5 peer oaGhoaGh…: too many new addresses, 12 times',
    ],
    [
      'a problem',
      { event: 'problem', time: 0, code: 'no-interface', data: { device: 'wg1' } },
      'problem: wg1: there is no such interface\n  hint: bring it up (on OpenWrt: ifup wg1); learning begins by itself when it appears',
    ],
    [
      'its end',
      { event: 'solved', time: 0, code: 'no-interface', data: { device: 'wg1' } },
      'solved: wg1: there is no such interface',
    ],
  ] satisfies [string, EngineEvent, string][])('%s', (_, event, expected) => {
    expect(describeEvent(event)).toBe(expected);
  });

  it('whose the address is', () => {
    const line = describeEvent({ ...denied, owner: bob });
    expect(line).toContain(`peer ${shortKey(alice)}`);
    expect(line).toContain(`(${shortKey(bob)})`);
    expect(line).not.toContain('times');
  });

  it('every event differently', () => {
    expect(new Set(events.map((event) => describeEvent(event))).size).toBe(events.length);
  });

  it.each(events.map((event) => [describeEvent(event)]))('in 80 columns: %s', (line) => {
    expect(line.length).toBeLessThanOrEqual(80);
  });
});
