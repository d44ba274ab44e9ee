// SPDX-License-Identifier: GPL-2.0-only

import { describe, expect, it } from 'vitest';
import type { Problem, ProblemCode, ProblemData } from '../../src/problem.ts';
import { describeProblem, isKnown } from '../../src/words/problems.ts';
import { alice } from './bench.ts';

const device = 'wg1';
const failure = { error: 'ENOMEM', detail: 'sendto: ENOMEM' };
const section = 'home';

/** Of each kind, and each that is worded differently. */
const examples: { readonly [Code in ProblemCode]: readonly ProblemData[Code][] } = {
  'invalid-option': [
    { section, option: 'rate', value: 'many', allowed: '0 to 6000', instead: 'default' },
    { section, option: 'prefix', value: '2001:db8::1', allowed: 'a prefix', instead: 'others' },
    { section, option: 'device', value: 'w/g', allowed: 'a name', instead: 'nothing' },
  ],
  'unknown-option': [{ section, option: 'rat', known: 'rate, burst' }],
  'ignored-section': [
    { section, reason: 'type', type: 'interfaces' },
    { section, reason: 'globals' },
    { section, reason: 'no-name' },
    { section, reason: 'no-device' },
    { section, reason: 'name', name: 'wg2' },
    { section, reason: 'device', device, rival: 'wg2' },
    { section, reason: 'no-key' },
    { section, reason: 'nowhere' },
    { section, reason: 'no-interface', name: 'wg9' },
    { section, reason: 'peer', rival: 'cfg01' },
    { section, reason: 'no-peer', device },
  ],
  'name-taken': [{ device, peer: alice, name: 'phone' }],
  'no-configuration': [
    { detail: 'timeout', isInForce: true },
    { detail: 'timeout', isInForce: false },
  ],
  'no-peers': [{ device, detail: 'timeout' }],
  'no-network': [{ detail: 'timeout' }],
  'no-interface': [
    { device },
    { device, present: 'wg2, wg3' },
    { device, absence: 'disabled' },
    { device, absence: 'failing' },
    { device, absence: 'unconfigured' },
  ],
  'not-wireguard': [
    { device, kind: '' },
    { device, kind: 'bridge' },
  ],
  'no-ipv6': [
    { device, reason: 'mtu', mtu: 1250 },
    { device, reason: 'disabled' },
    { device, reason: 'kernel' },
  ],
  'no-prefix': [
    { device },
    { device, assignment: 'unassigned' },
    { device, assignment: 'undelegated' },
    { device, assignment: 'class' },
    { device, assignment: 'withheld', uplink: 'wan6' },
  ],
  'prefix-exhausted': [
    { device, prefix: '2001:db8::/60', uplink: 'wan6', holders: 'lan', holder: 'lan', share: 'wide' },
    {
      device,
      prefix: '2001:db8::/63',
      uplink: 'wan6',
      holders: 'guest, lan',
      holder: 'guest',
      share: 'whole',
    },
  ],
  'no-zone': [{ device }],
  'prefix-twice': [{ device, prefix: '2001:db8:1::/64', other: 'br-lan' }],
  'no-route': [{ device, prefix: '2001:db8:1::/64' }],
  'prefix-owned': [
    { device, peer: alice, prefix: '2001:db8:1::/64', cover: '2001:db8::/48' },
    { device, peer: alice, cover: '::/0', isProvider: true },
  ],
  'refused-peer': [{ device, peer: alice }],
  'no-address': [{ device, peer: alice }],
  'no-share': [
    { device, share: 'lan', reason: 'away' },
    { device, share: 'wg1', reason: 'self' },
    { device, share: 'lan', reason: 'no-64' },
  ],
  'share-claimed': [{ device, peer: alice, address: '2001:db8:1::5', shared: 'br-lan' }],
  'share-conflict': [{ device, shared: 'br-lan', rival: 'ndppd' }],
  'no-forwarding': [{ device }],
  'no-64': [{ device }],
  'ra-taken': [{ device, prefix: '2001:db8:2::/64' }],
  'ra-too-long': [
    { device, prefixes: 0, routes: 0, servers: 0, domains: 3 },
    { device, prefixes: 0, routes: 1, servers: 0, domains: 3 },
    { device, prefixes: 2, routes: 1, servers: 1, domains: 3 },
  ],
  'ra-blocked': [{ device }],
  'ra-unheeded': [{ device, peer: alice, prefix: '2001:db8:1::/64' }],
  'solicitations-blocked': [{ device }],
  'ra-conflict': [{ device, advertiser: 'odhcpd' }],
  'hosts-failed': [{ file: '/tmp/hosts/wg-slaacer', error: 'ENOSPC', detail: 'ENOSPC: write' }],
  'dnsmasq-untold': [{ detail: 'not found' }],
  'no-nftset': (['missing', 'unfit'] as const).map((reason) => ({
    set: 'inet#fw4#phone',
    name: 'phone',
    reason,
  })),
  'nftset-failed': ['ENFILE', 'EPERM'].map((error) => ({
    set: 'inet#fw4#phone',
    error,
    detail: `${error}: nft`,
  })),
  'state-corrupt': [{ file: '/etc/wg-slaacer/state', lines: 2 }],
  'state-foreign': [{ file: '/etc/passwd' }],
  'state-failed': ['EROFS', 'ENOSPC', 'EACCES', 'EISDIR', 'ENAMETOOLONG', 'EIO', ''].map((error) => ({
    file: '/etc/wg-slaacer/state',
    error,
    detail: `${error}: open`,
  })),
  'history-corrupt': [{ file: '/mnt/history', lines: 2 }],
  'history-foreign': [{ file: '/mnt/passwd' }],
  'history-failed': ['EROFS', 'ENAMETOOLONG'].map((error) => ({
    file: '/mnt/history',
    error,
    detail: `${error}: open`,
  })),
  'no-permission': [{}],
  'no-module': [{}],
  'no-btf': [{}],
  'no-module-btf': [{ file: '/etc/types' }],
  lockdown: [{}],
  'no-symbol': [{}],
  'no-bpf-events': [{}],
  'no-kprobes': [{}],
  'no-ftrace': [{}],
  'not-pinned': [
    { reason: 'unmounted' },
    { reason: 'read-only', file: '/sys/fs/bpf' },
    { reason: 'occupied', file: '/sys/fs/bpf/wg-slaacer' },
    { reason: 'foreign', file: '/sys/fs/bpf/wg-slaacer' },
    { reason: 'layout', file: '/sys/fs/bpf/wg-slaacer/lent-v1' },
  ],
  'not-kept': [{ file: '/var/run/wg-slaacer-4026531840.learned', ...failure }],
  lending: [{ because: { code: 'no-btf', data: {} } }],
  'unfit-hook': [{ hook: 'fexit', because: { code: 'no-btf', data: {} } }],
  'no-fexit': [failure],
  'no-kprobe': [failure],
  'no-lending': [failure],
  'links-failed': [failure],
  'dump-failed': [{ device, ...failure }],
  'change-missed': [{ device }],
  'add-failed': [{ device, ...failure }],
  'remove-failed': [{ device, ...failure }],
  'watch-failed': [{ device, ...failure }],
  'ra-failed': [{ device, ...failure }],
  'share-failed': [{ device, ...failure }],
  'lending-failed': [{ device, ...failure }],
};

const problems = Object.entries(examples).flatMap(([code, data]) =>
  data.map((data) => ({ code, data }) as Problem),
);

const messages = problems.map((problem) => describeProblem(problem).message);

/** Each text that a translator would get for a problem. */
function textsOf(problem: Problem): string[] {
  const texts: string[] = [];
  describeProblem(problem, (text) => {
    texts.push(text);
    return text;
  });
  return texts;
}

describe('a problem in words', () => {
  it.each(problems.map((problem, i) => [messages[i]!, problem] as const))(
    'says what happened and what to do: %s',
    (message, problem) => {
      const { hint } = describeProblem(problem);
      expect(`${message}${hint}`).not.toMatch(/[{}]|undefined|\[object/);
      expect(hint).not.toMatch(/tried again/);
      expect(message).not.toMatch(/[.–]$/);
      for (const [key, value] of Object.entries(problem.data))
        if (
          !['reason', 'instead', 'assignment', 'absence', 'share'].includes(key) &&
          typeof value === 'string'
        )
          expect(`${message} ${hint}`).toContain(value);
    },
  );

  it('differs from all others', () => {
    expect(new Set(messages).size).toBe(messages.length);
  });

  it('has the name of a peer instead of its key, where it has one', () => {
    const data = { device, peer: alice, description: "Alice's {phone}" };
    const { message } = describeProblem({ code: 'refused-peer', data });
    expect(message).toMatch(/^wg1: peer Alice's \{phone\} goes on/);
    expect(message).not.toContain(alice);
  });

  it('is in another language with another catalogue, whatever stands in it', () => {
    const shouted = (problem: Problem) =>
      describeProblem(problem, (text) =>
        text
          .split(/(\{\w+\})/)
          .map((part) => (part.startsWith('{') ? part : part.toUpperCase()))
          .join(''),
      );
    expect(shouted({ code: 'no-peers', data: { device, detail: 'time $& out' } }).message).toBe(
      'wg1: WHAT IS CONFIGURED FOR ITS PEERS CANNOT BE READ (time $& out)',
    );
    expect(shouted({ code: 'lending', data: { because: { code: 'no-btf', data: {} } } })).toEqual({
      message:
        'NEW ADDRESSES ARE LEARNED BY LENDING PREFIXES, WHICH HAS A PRICE, BECAUSE THE KERNEL HAS NO BTF (TYPE INFORMATION)',
      hint: 'IF YOU ACCEPT THE PRICE (DOCS/LENDING.MD), SET OPTION HOOK TO LENDING; TO LEARN WITHOUT LENDING, BUILD THE KERNEL WITH CONFIG_DEBUG_INFO_BTF=Y',
    });
  });

  it('is made of whole sentences for translators, at most three of them', () => {
    for (const problem of problems) {
      const texts = textsOf(problem);
      expect(texts.length).toBeGreaterThanOrEqual(2);
      expect(texts.length).toBeLessThanOrEqual(4);
    }
  });

  it('is known by its code, and no other name is', () => {
    expect(problems.every(({ code }) => isKnown(code))).toBe(true);
    expect(['x', 'toString', '__proto__'].some(isKnown)).toBe(false);
  });
});

describe('what the kernel says', () => {
  const of = (error: string) =>
    describeProblem({ code: 'add-failed', data: { device, error, detail: `sendto: ${error}` } });

  it.each([
    ['EPERM', 'does not permit', 'as root'],
    ['ENODEV', 'no such interface', 'ip link set wg1 up'],
    ['ENOMEM', 'no memory', 'max_addresses'],
    ['ENOBUFS', 'no memory', 'max_addresses'],
    ['E2BIG', 'table for it is full', 'lifetime'],
    ['EMFILE', 'too many files', 'ulimit'],
    ['EINTR', 'change it all the time', 'ip monitor'],
    ['EAFNOSUPPORT', 'IPv6 is switched off', 'ipv6.disable'],
    ['EUCLEAN', 'sendto: EUCLEAN', 'report this'],
  ])('%s is told with what was tried, on what, what it means, and a cure', (error, meaning, cure) => {
    const { message, hint } = of(error);
    expect(message).toMatch(/^wg1: new addresses could not be made allowed IPs of their peers: /);
    expect(message).toContain(meaning);
    expect(message).toContain(`sendto: ${error}`);
    expect(hint).toContain(cure);
  });
});
