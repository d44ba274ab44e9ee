// SPDX-License-Identifier: GPL-2.0-only

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { InterfaceSection, PeerOptions } from '../../src/service/config.ts';
import { namePeers } from '../../src/service/names.ts';
import { PeerTable } from '../../src/service/peers.ts';
import { interfaceDefaults, labelOf } from '../../src/settings.ts';
import { describeProblem } from '../../src/words/problems.ts';
import { alice, bob, carol, nameOf } from './bench.ts';

const wg1: InterfaceSection = {
  name: 'wg1',
  device: 'wg1',
  enabled: true,
  dns: '1',
  nftsetPrefix: undefined,
  settings: interfaceDefaults,
};

const described = (key: string, description?: string) => ({
  section: `cfg${nameOf(key)}`,
  key,
  description,
  disabled: false,
  allowedIps: [],
});

const said = (key: string, name?: string, device = 'wg1'): PeerOptions => ({
  section: `peer_${nameOf(key)}`,
  device,
  key,
  name,
  dns: undefined,
  nftsets: [],
});

/** What each is called, and what is said of that. */
function name(
  peers: ReturnType<typeof described>[],
  options: readonly PeerOptions[] = [],
  section: Partial<InterfaceSection> = {},
) {
  const table = new PeerTable(new Map([['wg1', peers]]));
  const named = namePeers([{ ...wg1, ...section }], table, options, 'OpenWrt');
  return {
    names: Object.fromEntries(named.peers.map(({ key, name }) => [nameOf(key), name])),
    sets: named.peers.flatMap(({ derivedSet }) => derivedSet ?? []),
    problems: named.problems.map((problem) => describeProblem(problem).message),
  };
}

describe('a description', () => {
  it.each([
    ['phone', 'phone'],
    ["Anna's Phone", 'annas-phone'],
    ['Büro (2. Stock)', 'buro-2-stock'],
    ['  laptop  ', 'laptop'],
    ['phone.lan', 'phone-lan'],
    ['a\n2001:db8::66 router\n', 'a-2001-db8-66-router'],
    ['"; rm -rf /', 'rm-rf'],
    ['x'.repeat(300), 'x'.repeat(63)],
    [`${'x'.repeat(62)} y`, 'x'.repeat(62)],
  ])('%j makes the name %j', (description, label) => {
    expect(labelOf(description)).toBe(label);
  });

  it.each(['', '   ', '42', '1.2.3.4', '手机', 'localhost', '---', '\u0000'])(
    '%j makes none',
    (description) => {
      expect(labelOf(description)).toBeUndefined();
    },
  );

  it('makes a label of RFC 1123 or none, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (description) => {
        const label = labelOf(description);
        return label === undefined || /^(?=.{1,63}$)(?=.*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(label);
      }),
    );
  });
});

describe('names', () => {
  it('are made of descriptions, or given', () => {
    const { names, problems } = name(
      [described(alice, 'Phone'), described(bob, 'Laptop'), described(carol)],
      [said(bob, 'work')],
    );
    expect(names).toEqual({ alice: 'phone', bob: 'work', carol: undefined });
    expect(problems).toEqual([]);
  });

  it('are nobody’s if two descriptions make the same, and that is told', () => {
    const { names, problems } = name([described(alice, 'Phone'), described(bob, 'phone!')]);
    expect(names).toEqual({ alice: undefined, bob: undefined });
    expect(problems).toEqual([
      'wg1: peer Phone has no name, because "phone" is that of another peer or of the router',
      'wg1: peer phone! has no name, because "phone" is that of another peer or of the router',
    ]);
  });

  it('that are given count for more than descriptions', () => {
    const { names, problems } = name([described(alice, 'Phone'), described(bob, 'x')], [said(bob, 'phone')]);
    expect(names).toEqual({ alice: undefined, bob: 'phone' });
    expect(problems).toHaveLength(1);
  });

  it('that are given twice are those of the first section', () => {
    const { names, problems } = name(
      [described(alice), described(bob)],
      [said(alice, 'phone'), said(bob, 'phone')],
    );
    expect(names).toEqual({ alice: 'phone', bob: undefined });
    expect(problems).toHaveLength(1);
  });

  it('are never the router’s own', () => {
    expect(name([described(alice, 'OpenWrt')]).names).toEqual({ alice: undefined });
    expect(name([described(alice)], [said(alice, 'openwrt')]).problems).toHaveLength(1);
  });

  it('are not missed where they are of no use', () => {
    const both = [described(alice, 'Phone'), described(bob, 'Phone')];
    expect(name(both, [], { dns: '0' }).problems).toEqual([]);
    expect(name(both, [], { dns: '0', nftsetPrefix: 'inet#fw4#wg1_' }).problems).toHaveLength(2);
  });

  it('may be of a peer of two interfaces, which is the same', () => {
    const table = new PeerTable(
      new Map([
        ['wg1', [described(alice, 'Phone')]],
        ['wg2', [described(alice, 'Phone')]],
      ]),
    );
    const { peers, problems } = namePeers([wg1, { ...wg1, name: 'wg2', device: 'wg2' }], table, [], '');
    expect(peers.map(({ name }) => name)).toEqual(['phone', 'phone']);
    expect(problems).toEqual([]);
  });

  it('complete the prefix of sets', () => {
    const { sets } = name([described(alice, 'Phone'), described(bob)], [], { nftsetPrefix: 'inet#fw4#wg1_' });
    expect(sets).toEqual(['inet#fw4#wg1_phone']);
  });

  it('are none of interfaces that are disabled', () => {
    expect(name([described(alice, 'Phone')], [said(bob, 'x')], { enabled: false })).toEqual({
      names: {},
      sets: [],
      problems: [],
    });
  });
});

it('a section for a peer that WireGuard is not to have is told, unless that is a disabled one or not known', () => {
  expect(name([described(alice)], [said(bob, 'phone')]).problems).toEqual([
    'wg-slaacer.peer_bob: it has no effect, because wg1 has no peer with that public key',
  ]);
  expect(name([], [said(bob, 'phone')])).toMatchObject({ names: { bob: 'phone' }, problems: [] });
  const none = new PeerTable(new Map([['wg1', []]]));
  const ofNetifd = (peers: PeerTable) =>
    namePeers([wg1], peers, [said(bob, 'phone')], '', new Set(['wg1'])).problems.map(({ code }) => code);
  expect(ofNetifd(none)).toEqual(['ignored-section']);
  expect(ofNetifd(new PeerTable())).toEqual([]); // they could not be read
  const table = new PeerTable(new Map([['wg1', [described(alice), { ...described(bob), disabled: true }]]]));
  expect(namePeers([wg1], table, [said(bob, 'phone')], '').problems).toEqual([]);
});
