// SPDX-License-Identifier: GPL-2.0-only

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../src/address.ts';
import { parseConfiguration } from '../../src/service/config.ts';
import { interfaceDefaults, isNftset } from '../../src/settings.ts';
import type { UbusTable } from '../../src/ubus/types.ts';
import { describeProblem } from '../../src/words/problems.ts';
import { alice, bob, prefixes } from './bench.ts';

/** As rpcd answers; names that begin with "cfg" are anonymous. */
function parse(sections: Record<string, Record<string, string | string[]>>) {
  return parseConfiguration(
    Object.fromEntries(
      Object.entries(sections).map(([name, section]) => [
        name,
        { '.anonymous': name.startsWith('cfg'), '.type': 'interface', '.name': name, ...section },
      ]),
    ),
  );
}

describe('a configuration', () => {
  it('has defaults for what is not said, and nothing enabled', () => {
    expect(parse({ wg1: {} })).toEqual({
      global: { hook: 'auto', logLevel: 'info' },
      interfaces: [
        {
          name: 'wg1',
          device: 'wg1',
          enabled: false,
          dns: '0',
          nftsetPrefix: undefined,
          settings: interfaceDefaults,
        },
      ],
      peers: [],
      problems: [],
    });
    expect(parse({}).interfaces).toEqual([]);
  });

  it('says everything', () => {
    const { global, interfaces, peers, problems } = parse({
      globals: { '.type': 'globals', hook: 'kprobe', log_level: 'debug' },
      cfg01: {
        '.type': 'peer',
        interface: 'home',
        public_key: alice,
        name: 'Phone',
        dns: 'stable',
        nftset: ['inet#fw4#phone', '6#ip6#mine#allowed'],
      },
      cfg02: { '.type': 'peer', interface: 'wg-home', public_key: bob },
      home: {
        enabled: '1',
        device: 'wg-home',
        rate: '7',
        burst: '8',
        max_addresses: '9',
        lifetime: '12h',
        prefix: ['2001:db8:1::/64', '2001:db8:2::/64'],
        share: 'lan',
        ra: '1',
        ra_default: '0',
        ra_preference: 'high',
        ra_route: 'fd00:1::/48 fd00:2::/48',
        ra_dns: ['2001:db8::53', 'auto'],
        ra_search: '0',
        ra_mtu: '1300',
        takeover: '1',
        dns: '1',
        nftset_prefix: 'inet#fw4#home_',
      },
    });
    expect(problems).toEqual([]);
    expect(global).toEqual({ hook: 'kprobe', logLevel: 'debug' });
    expect(interfaces).toEqual([
      {
        name: 'home',
        device: 'wg-home',
        enabled: true,
        dns: '1',
        nftsetPrefix: 'inet#fw4#home_',
        settings: {
          rate: 7,
          burst: 8,
          maxAddresses: 9,
          lifetime: 12 * 3_600_000,
          prefixes: prefixes('2001:db8:1::/64', '2001:db8:2::/64'),
          share: 'lan',
          ra: '1',
          raDefault: '0',
          raPreference: 'high',
          raRoutes: prefixes('fd00:1::/48', 'fd00:2::/48'),
          raDns: [parseAddress('2001:db8::53'), 'auto'],
          raSearch: [],
          raMtu: 1_300,
          takeover: true,
        },
      },
    ]);
    expect(peers).toEqual([
      {
        section: 'cfg01',
        device: 'wg-home',
        key: alice,
        name: 'phone',
        dns: 'stable',
        nftsets: ['inet#fw4#phone', 'ip6#mine#allowed'],
      },
      { section: 'cfg02', device: 'wg-home', key: bob, name: undefined, dns: undefined, nftsets: [] },
    ]);
  });

  it('takes prefixes in one option, too, and empty options for none', () => {
    const { interfaces, problems } = parse({
      wg1: { prefix: '2001:db8:1::/64  2001:db8:2::/64', rate: '', device: ' ' },
    });
    expect(problems).toEqual([]);
    expect(interfaces[0]).toMatchObject({
      device: 'wg1',
      settings: { rate: 5, prefixes: prefixes('2001:db8:1::/64', '2001:db8:2::/64') },
    });
  });

  it.each(['1', 'on', 'true', 'yes', 'enabled'])('is enabled by %s', (enabled) => {
    expect(parse({ wg1: { enabled } }).interfaces[0]!.enabled).toBe(true);
  });

  it.each(['0', 'off', 'false', 'no', 'disabled'])('is disabled by %s', (enabled) => {
    expect(parse({ wg1: { enabled } })).toMatchObject({ interfaces: [{ enabled: false }], problems: [] });
  });
});

describe('what is wrong', () => {
  it('is named with section, option, value and what is allowed; the default is used, and others run', () => {
    const { interfaces, problems, global } = parse({
      globals: { '.type': 'globals', log_level: 'loud' },
      wg1: { enabled: '1', rate: 'fast' },
      wg2: { enabled: '1' },
    });
    expect(problems.map((problem) => describeProblem(problem))).toEqual([
      {
        message: 'wg-slaacer.globals.log_level: "loud" is not allowed, so the default is used',
        hint: 'allowed is error, warn, info or debug',
      },
      {
        message: 'wg-slaacer.wg1.rate: "fast" is not allowed, so the default is used',
        hint: 'allowed is 0 (no limit) to 6000 new addresses per minute',
      },
    ]);
    expect(global.logLevel).toBe('info');
    expect(interfaces.map(({ name, enabled }) => [name, enabled])).toEqual([
      ['wg1', true],
      ['wg2', true],
    ]);
    expect(interfaces[0]!.settings.rate).toBe(5);
  });

  it('takes a beginning of sets only if any name of a peer may follow', () => {
    const prefixOf = (length: number) => {
      const nftset_prefix = `inet#fw4#${'x'.repeat(length)}`;
      return parse({ wg1: { enabled: '1', nftset_prefix } }).interfaces[0]!.nftsetPrefix;
    };
    expect(isNftset(`${prefixOf(65)}${'a'.repeat(63)}`)).toBe(true);
    expect(prefixOf(66)).toBeUndefined();
  });

  it('of a peer leaves out its section, or the option', () => {
    const peer = { '.type': 'peer', interface: 'wg1', public_key: alice };
    const { peers, problems } = parse({
      wg1: { enabled: '1', dns: 'yes', nftset_prefix: 'fw4#wg1_' },
      nobody: { '.type': 'peer', interface: 'wg1' },
      wrong: { ...peer, public_key: 'x' },
      nowhere: { ...peer, interface: 'wg9' },
      lost: { '.type': 'peer', public_key: alice },
      phone: { ...peer, name: 'my phone', nftset: ['inet#fw4#phone', 'inet#fw4', 'ip#fw4#phone'], dns: '2' },
      again: { ...peer, name: 'phone' },
    });
    expect(problems.map((problem) => describeProblem(problem).message)).toEqual([
      'wg-slaacer.wg1.dns: "yes" is not allowed, so the default is used',
      'wg-slaacer.wg1.nftset_prefix: "fw4#wg1_" is not allowed, so the default is used',
      'wg-slaacer.nobody: left out, because it does not say which peer it is for',
      'wg-slaacer.wrong.public_key: "x" is not allowed, so the section is left out',
      'wg-slaacer.nowhere: left out, because there is no section for an interface called "wg9"',
      'wg-slaacer.lost: left out, because it does not say which interface its peer is of',
      'wg-slaacer.phone.name: "my phone" is not allowed, so the default is used',
      'wg-slaacer.phone.dns: "2" is not allowed, so the default is used',
      'wg-slaacer.phone.nftset: "inet#fw4" is not allowed, so it is left out',
      'wg-slaacer.phone.nftset: "ip#fw4#phone" is not allowed, so it is left out',
      'wg-slaacer.again: left out, because section phone is for the same peer',
    ]);
    expect(describeProblem(problems[4]!).hint).toBe(
      'correct its option interface, or remove it: uci delete wg-slaacer.nowhere, then uci commit wg-slaacer and service wg-slaacer reload',
    );
    expect(peers).toMatchObject([{ section: 'phone', name: undefined, nftsets: ['inet#fw4#phone'] }]);
  });

  it.each(['phone', 'a', 'Phone-2', '4g', `${'a'.repeat(63)}`])('is not the name %s', (name) => {
    const { problems } = parse({
      wg1: {},
      cfg01: { '.type': 'peer', interface: 'wg1', public_key: alice, name },
    });
    expect(problems).toEqual([]);
  });

  it.each(['-phone', 'phone-', 'phone.lan', 'büro', '42', 'localhost', `${'a'.repeat(64)}`, 'a\nb', 'a_b'])(
    'is the name %j',
    (name) => {
      const { peers, problems } = parse({
        wg1: {},
        cfg01: { '.type': 'peer', interface: 'wg1', public_key: alice, name },
      });
      expect(problems).toMatchObject([{ code: 'invalid-option', data: { option: 'name' } }]);
      expect(peers[0]!.name).toBeUndefined();
    },
  );

  it('may be a list where there is one value', () => {
    expect(parse({ wg1: { rate: ['1', '2'] } }).problems).toMatchObject([{ data: { value: '1 2' } }]);
  });

  it('may be an option that does not exist', () => {
    expect(parse({ wg1: { lifetme: '1h' } }).problems).toEqual([
      {
        code: 'unknown-option',
        data: { section: 'wg1', option: 'lifetme', known: expect.stringContaining('lifetime') },
      },
    ]);
  });

  it('may be a section of another type, or a second one of globals', () => {
    const { problems, global } = parse({
      globals: { '.type': 'globals', hook: 'fexit' },
      more: { '.type': 'globals', hook: 'kprobe' },
      wg1: { '.type': 'interfaces' },
    });
    expect(problems.map((problem) => describeProblem(problem).message)).toEqual([
      'wg-slaacer.more: left out, because there is another section of type globals before it',
      'wg-slaacer.wg1: left out, because there are no sections of type "interfaces"',
    ]);
    expect(global.hook).toBe('fexit');
  });

  it('may be the device: too long a name, or none of an anonymous section', () => {
    const { interfaces, problems } = parse({
      a_very_long_name: { enabled: '1' },
      cfg01: { enabled: '1' },
      wg3: { enabled: '1', device: 'wg/../3' },
      fine_but_too_long: { enabled: '1', device: 'wg-4' },
      cfg02: { enabled: '1', device: 'wg5' },
    });
    expect(problems.map((problem) => describeProblem(problem).message)).toEqual([
      'wg-slaacer.a_very_long_name: left out, because its name cannot be that of a network interface',
      'wg-slaacer.cfg01: left out, because it has no name',
      'wg-slaacer.wg3.device: "wg/../3" is not allowed, so the section is left out',
    ]);
    expect(interfaces.map(({ name, device }) => `${name} ${device}`)).toEqual([
      'fine_but_too_long wg-4',
      'wg5 wg5',
    ]);
  });

  it('may be a second section for a device: only the first enabled one counts', () => {
    const { interfaces, problems } = parse({
      off: { device: 'wg1' },
      first: { enabled: '1', device: 'wg1' },
      second: { enabled: '1', device: 'wg1' },
    });
    expect(interfaces.filter(({ enabled }) => enabled).map(({ name }) => name)).toEqual(['first']);
    expect(problems.map((problem) => describeProblem(problem).message)).toEqual([
      'wg-slaacer.second: left out, because section first is for the same interface, wg1',
    ]);
  });

  it('may be a name that an anonymous section has from its device', () => {
    const { interfaces, problems } = parse({ wg1: { device: 'wg2' }, cfg01: { device: 'wg1' } });
    expect(interfaces.map(({ device }) => device)).toEqual(['wg2']);
    expect(problems).toHaveLength(1);
  });

  it('is never an error, whatever rpcd answers, and what is in force is always allowed', () => {
    const word = fc.oneof(
      fc.constantFrom('1', 'wg1', '24h', '2001:db8::/64', 'interface', 'globals', 'auto', '__proto__'),
      fc.string(),
    );
    const value = fc.oneof(word, fc.array(word), fc.jsonValue());
    const option = fc.oneof(
      fc.constantFrom('.type', '.anonymous', 'enabled', 'device', 'rate', 'prefix', 'hook', 'lifetime'),
      word,
    );
    const section = fc.oneof(fc.dictionary(option, value), fc.jsonValue());
    fc.assert(
      fc.property(fc.dictionary(word, section), (values) => {
        const { interfaces, problems } = parseConfiguration(values as UbusTable);
        const enabled = interfaces.filter((section) => section.enabled).map(({ device }) => device);
        expect(new Set(enabled).size).toBe(enabled.length);
        expect(new Set(interfaces.map(({ name }) => name)).size).toBe(interfaces.length);
        for (const { device, settings } of interfaces) {
          expect(device).toMatch(/^[^/\s]{1,15}$/);
          expect(settings.rate).toBeGreaterThanOrEqual(0);
          expect(settings.lifetime).toBeGreaterThanOrEqual(1_000);
        }
        for (const problem of problems) expect(describeProblem(problem).message).toMatch(/^wg-slaacer\./);
      }),
      { numRuns: 1_000 },
    );
  });
});
