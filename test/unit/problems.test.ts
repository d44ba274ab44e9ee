// SPDX-License-Identifier: GPL-2.0-only

import { beforeEach, describe, expect, it } from 'vitest';
import {
  interfaceProblems,
  noInterface,
  ownedProblems,
  twiceProblems,
  withHolder,
} from '../../src/engine/diagnosis.ts';
import { type Assignment, type Exhausted, failureOf, type Problem, ProblemList } from '../../src/problem.ts';
import { describeProblem } from '../../src/words/problems.ts';
import { alice, bob, deviceOf, prefixes, settings } from './bench.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeKernel } from './fake-kernel.ts';

const problem = (device: string): Problem => ({ code: 'no-interface', data: { device } });
const about = ({ data }: Problem) => ('device' in data ? data.device : '');

describe('a list of problems', () => {
  let told: string[];
  let list: ProblemList;
  beforeEach(() => {
    told = [];
    list = new ProblemList(
      (problem) => told.push(`+${about(problem)}`),
      (problem) => told.push(`-${about(problem)}`),
    );
  });

  it('tells of each when it comes up and when it is gone, once', () => {
    list.set([problem('a'), problem('b')]);
    list.set([problem('b'), problem('c')]);
    list.set([problem('b'), problem('c')]);
    list.set([]);
    expect(told).toEqual(['+a', '+b', '-a', '+c', '-b', '-c']);
    expect(list.list()).toEqual([]);
  });

  it('has what is met on the way until everything has been looked at again', () => {
    list.set([problem('a')]);
    list.add(problem('b'));
    list.begin();
    list.add(problem('c'));
    list.add(problem('c'));
    expect(list.list()).toHaveLength(3);
    list.set([problem('a')]);
    expect(told).toEqual(['+a', '+b', '+c', '-b']);
    list.begin();
    list.set([problem('a')]);
    expect(told.slice(4)).toEqual(['-c']);
  });

  it('has each but once: those of one kind that are about different things are different ones', () => {
    list.set([problem('a'), problem('a'), { code: 'no-64', data: { device: 'a' } }]);
    list.set([problem('a')]);
    expect(told).toEqual(['+a', '+a', '-a']);
    expect(list.list()).toEqual([problem('a')]);
  });
});

describe('of an interface', () => {
  const kernel = new FakeKernel(new FakeClock());
  kernel.addLink('wg1', { addresses: ['fe80::1/64'] });
  kernel.addLink('wg2', { addresses: ['2001:db8::1/64'] });
  kernel.addLink('eth0', { kind: '' });
  kernel.addLink('br-lan', { kind: 'bridge' });

  const of = (
    device: string,
    configured: string[] = [],
    missing?: { assignment?: Assignment; exhausted?: Exhausted },
  ) =>
    interfaceProblems(
      device,
      settings({ prefixes: prefixes(...configured) }),
      kernel.links.list().find(({ name }) => name === device)!,
      kernel.routing,
      [],
      missing,
    );

  it('that there is no such interface', () => {
    const links = kernel.links.list();
    const configured = links.map(({ name }) => name);
    expect(noInterface('wg9', links, configured)).toEqual({ code: 'no-interface', data: { device: 'wg9' } });
  });

  it('which other WireGuard interfaces are there, of which one may be meant', () => {
    const problem = noInterface('wg9', kernel.links.list(), ['wg9']);
    expect(describeProblem(problem)).toEqual({
      message: 'wg9: there is no such interface, but there is wg1, wg2',
      hint: 'correct the name, or bring it up (on OpenWrt: ifup wg9); learning begins by itself when it appears',
    });
  });

  it('that it is of another kind', () => {
    expect(of('br-lan')).toEqual([{ code: 'not-wireguard', data: { device: 'br-lan', kind: 'bridge' } }]);
    expect(of('eth0')).toEqual([{ code: 'not-wireguard', data: { device: 'eth0', kind: '' } }]);
  });

  it('that there is nothing to learn in but link-local addresses', () => {
    expect(of('wg1')).toEqual([{ code: 'no-prefix', data: { device: 'wg1' } }]);
    expect(of('wg1', [], { assignment: { assignment: 'unassigned' } })).toEqual([
      { code: 'no-prefix', data: { device: 'wg1', assignment: 'unassigned' } },
    ]);
  });

  it('that others have all of a delegated prefix, unless it needs none of it', () => {
    const exhausted: Exhausted = {
      prefix: '2001:db8::/60',
      uplink: 'wan6',
      holders: 'lan',
      holder: 'lan',
      share: 'wide',
    };
    const missing = { assignment: { assignment: 'unassigned' }, exhausted } as const;
    kernel.addLink('wg4', { addresses: ['fd00::1/64'] });
    for (const device of ['wg1', 'wg4'])
      expect(of(device, [], missing)).toEqual([{ code: 'prefix-exhausted', data: { device, ...exhausted } }]);
    expect(of('wg2', [], missing)).toEqual([]);
    expect(of('wg2', ['2001:db8::/64'], missing)).toEqual([]);
    const link = kernel.links.list().find(({ name }) => name === 'wg1')!;
    expect(interfaceProblems('wg1', settings({ share: 'lan' }), link, kernel.routing, [], missing)).toEqual(
      [],
    );
  });

  it.each([
    [
      { noIpv6: 'mtu', mtu: 1250 },
      { reason: 'mtu', mtu: 1250 },
    ],
    [{ noIpv6: 'disabled' }, { reason: 'disabled' }],
    [{ noIpv6: 'kernel' }, { reason: 'kernel' }],
  ] as const)('one only where there is no IPv6, with the reason: %j', (changes, data) => {
    kernel.changeLink('wg1', changes);
    expect(of('wg1')).toEqual([{ code: 'no-ipv6', data: { device: 'wg1', ...data } }]);
    expect(of('wg1', ['2001:db8::/64'])).toMatchObject([{ code: 'no-ipv6' }]);
    kernel.changeLink('wg1', { noIpv6: undefined, mtu: 1420 });
  });

  it('none, with a prefix of its own or a configured one', () => {
    expect(of('wg1', ['2001:db8::/64'])).toEqual([]);
    expect(of('wg2')).toEqual([]);
  });

  it('that no route leads to a configured prefix that is not its own, nor around or in it', () => {
    const on = '2001:db8:1::/64';
    kernel.routing.astray.add('2001:db8:1:0:ffff:ffff:ffff:ffff');
    kernel.routing.astray.add('2001:db8::ffff:ffff:ffff:ffff');
    expect(of('wg1', [on])).toEqual([{ code: 'no-route', data: { device: 'wg1', prefix: on } }]);
    expect(of('wg2', [on, '2001:db8::/48', '2001:db8::/65', '2001:db8:7::/64'])).toEqual([
      { code: 'no-route', data: { device: 'wg2', prefix: on } },
    ]);
    kernel.setLinkUp('wg1', false);
    expect(of('wg1', [on])).toEqual([]);
  });

  it('that it has taken a prefix from a peer, which counts for none', () => {
    kernel.addLink('wg3', { addresses: ['2001:db8:6::1/64', '2001:db8:6::2/64'] });
    const addresses = kernel.links.list().find(({ name }) => name === 'wg3')!.addresses;
    kernel.changeLink('wg3', { addresses: addresses.map((each) => ({ ...each, isAutoconfigured: true })) });
    expect(of('wg3')).toEqual([
      { code: 'ra-taken', data: { device: 'wg3', prefix: '2001:db8:6::/64' } },
      { code: 'no-prefix', data: { device: 'wg3' } },
    ]);
  });
});

describe('a prefix', () => {
  const router = new FakeKernel(new FakeClock());
  router.addLink('wg1', { addresses: ['2001:db8:1::2/64', 'fd00:1::1/64', 'fe80::1/64'] });
  router.addLink('br-lan', { kind: 'bridge', addresses: ['2001:db8:1::1/60', 'fe80::1/64'] });
  const of = (name: string) => {
    const links = router.links.list();
    return twiceProblems(links.find((link) => link.name === name)!, links);
  };

  it('that another interface has, too, is told', () => {
    const data = { device: 'wg1', prefix: '2001:db8:1::/64', other: 'br-lan' };
    expect(of('wg1')).toEqual([{ code: 'prefix-twice', data }]);
  });

  it('that is to be learned in, but is another interface’s, is told as that, and not that it wants a route', () => {
    const links = router.links.list();
    const link = links.find(({ name }) => name === 'wg1')!;
    const noRoute = (prefix: string) => ({ code: 'no-route', data: { device: 'wg1', prefix } }) as const;
    expect(withHolder(noRoute('2001:db8:1::/64'), link, links)).toMatchObject({ code: 'prefix-twice' });
    expect(withHolder(noRoute('2001:db8:2::/64'), link, links)).toEqual(noRoute('2001:db8:2::/64'));
  });

  it('is none if that is in another VRF, down, or has had it before', () => {
    router.changeLink('br-lan', { table: 10 });
    expect(of('wg1')).toEqual([]);
    router.changeLink('br-lan', { table: undefined });
    router.setLinkUp('br-lan', false);
    expect(of('wg1')).toEqual([]);
    router.setLinkUp('br-lan', true);
    router.setLifetimes('br-lan', 0, 7_000_000);
    expect(of('wg1')).toEqual([]);
  });
});

describe("a peer's allowed IPs", () => {
  const scope = { learn: prefixes('2001:db8:1::/64', 'fe80::/64'), reserved: [] };
  const of = (...allowedIps: string[]) =>
    ownedProblems('wg1', scope, deviceOf({ [alice]: allowedIps, [bob]: [] }));

  it.each(['2001:db8::/32', '2001:db8:1::/64'])('that cover a prefix to learn in are told: %s', (cover) => {
    const data = { device: 'wg1', peer: alice, prefix: '2001:db8:1::/64', cover };
    expect(of(cover)).toEqual([{ code: 'prefix-owned', data }]);
  });

  it.each([
    ['::/0', ['::/0']],
    ['::/1', ['::/1', '8000::/1']],
  ])('that are those of a provider are told once: %s', (cover, allowedIps) => {
    const data = { device: 'wg1', peer: alice, cover, isProvider: true };
    expect(of(...allowedIps)).toEqual([{ code: 'prefix-owned', data }]);
  });

  it('that cover a part of it only, or something else, are not', () => {
    expect(of('2001:db8:1::/65', '2001:db8:1::5/128', '2001:db8:2::/48')).toEqual([]);
  });
});

it('a failed system call is known by its errno and by what the system said, in one line', () => {
  const refused = Object.assign(new Error('RTM_NEWADDR: ENOMEM:\n  no room'), { code: 'ENOMEM' });
  expect(failureOf(refused)).toEqual({ error: 'ENOMEM', detail: 'RTM_NEWADDR: ENOMEM: no room' });
  expect(failureOf(new Error('x'.repeat(500)))).toEqual({ error: '', detail: 'x'.repeat(400) });
});
