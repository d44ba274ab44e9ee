// SPDX-License-Identifier: GPL-2.0-only

import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../src/address.ts';
import { formatPrefix } from '../../src/address-text.ts';
import {
  formatDuration,
  globalDefaults,
  globalOptions,
  interfaceDefaults,
  interfaceOptions,
  parseOptions,
} from '../../src/settings.ts';

const parse = (name: string, ...texts: string[]) =>
  parseOptions(interfaceOptions, interfaceDefaults, new Map([[name, texts]]));
const parseHook = (...texts: string[]) =>
  parseOptions(globalOptions, globalDefaults, new Map([['hook', texts]]));

it('what is not given has its default', () => {
  expect(parseOptions(interfaceOptions, interfaceDefaults, new Map())).toEqual({
    settings: {
      rate: 5,
      burst: 16,
      maxAddresses: 32,
      lifetime: 86_400_000,
      prefixes: [],
      share: undefined,
      ra: 'auto',
      raDefault: 'auto',
      raPreference: 'medium',
      raRoutes: [],
      raDns: ['auto'],
      raSearch: ['auto'],
      raMtu: 'auto',
      takeover: false,
    },
    invalid: [],
  });
  expect(parseOptions(globalOptions, globalDefaults, new Map())).toEqual({
    settings: { hook: 'auto' },
    invalid: [],
  });
});

it.each([
  ['rate', '0', { rate: 0 }],
  ['rate', '6000', { rate: 6_000 }],
  ['rate', ' 7\n', { rate: 7 }],
  ['burst', '1', { burst: 1 }],
  ['burst', '1000', { burst: 1_000 }],
  ['max_addresses', '1', { maxAddresses: 1 }],
  ['max_addresses', '1000', { maxAddresses: 1_000 }],
  ['lifetime', '1s', { lifetime: 1_000 }],
  ['lifetime', '90m', { lifetime: 5_400_000 }],
  ['lifetime', '24h', { lifetime: 86_400_000 }],
  ['lifetime', '365d', { lifetime: 31_536_000_000 }],
  ['share', 'lan', { share: 'lan' }],
  ['share', 'br-lan.7@x', { share: 'br-lan.7@x' }],
  ['ra_default', '1', { raDefault: '1' }],
  ['ra_preference', 'low', { raPreference: 'low' }],
  ['ra_dns', '0', { raDns: [] }],
  ['ra_dns', ' auto ', { raDns: ['auto'] }],
  ['ra_dns', 'fe80::1', { raDns: [parseAddress('fe80::1')!] }],
  ['ra_search', '0', { raSearch: [] }],
  ['ra_search', 'Home.Example.', { raSearch: ['Home.Example.'] }],
  ['ra_mtu', 'auto', { raMtu: 'auto' }],
  ['ra_mtu', '1280', { raMtu: 1_280 }],
  ['ra_mtu', '65535', { raMtu: 65_535 }],
] as const)('%s may be %j', (name, text, expected) => {
  expect(parse(name, text)).toEqual({ settings: { ...interfaceDefaults, ...expected }, invalid: [] });
});

it.each(['auto', 'fexit', 'kprobe'])('hook may be %s', (hook) => {
  expect(parseHook(hook)).toEqual({ settings: { hook }, invalid: [] });
});

it('servers, domains and routes may be several, those that are automatic among them', () => {
  expect(parse('ra_dns', '2001:db8::1', 'auto', '0').settings.raDns).toEqual([
    parseAddress('2001:db8::1'),
    'auto',
  ]);
  expect(parse('ra_search', 'auto', 'a.example').settings.raSearch).toEqual(['auto', 'a.example']);
  expect(parse('ra_route', 'fd00::1/48', '::/0').settings.raRoutes.map(formatPrefix)).toEqual([
    'fd00::/48',
    '::/0',
  ]);
});

it('prefixes may be several', () => {
  const { settings, invalid } = parse('prefix', '2001:db8:1::1/64', ' fd00::/8 ', '::/0');
  expect(settings.prefixes.map(formatPrefix).join(' ')).toBe('2001:db8:1::/64 fd00::/8 ::/0');
  expect(invalid).toEqual([]);
});

describe('an invalid value is reported and leaves the default in force', () => {
  it.each([
    ...['-1', '6001', '1.5', '5/min', '', '0x10', '1e3'].map((text) => ['rate', text]),
    ...['0', '1001', 'many'].map((text) => ['burst', text]),
    ...['0', '1001'].map((text) => ['max_addresses', text]),
    ...['0s', '366d', '24', 'h', '1.5h', '24 h', '-1h', '1w', '9999999999s'].map((text) => [
      'lifetime',
      text,
    ]),
    ...[
      '2001:db8::1',
      '10.0.0.0/8',
      'ff02::/16',
      '::1/128',
      '::/128',
      '::ffff:0:0/96',
      '::ffff:1.2.3.0/120',
      '',
    ].flatMap((text) => [
      ['prefix', text],
      ['ra_route', text],
    ]),
    ...['', '.', 'a/b', 'a b', 'x'.repeat(16)].map((text) => ['share', text]),
    ...['2', 'yes'].map((text) => ['ra_default', text]),
    ...['', '1'].map((text) => ['ra_preference', text]),
    ...['', '1.1.1.1', '::', '::1', 'ff02::1', '::ffff:1.1.1.1', '2001:db8::/64'].map((text) => [
      'ra_dns',
      text,
    ]),
    ...['', '.', 'a..b', 'x y', 'ä.example', 'x'.repeat(64), Array(64).fill('abcd').join('.')].map((text) => [
      'ra_search',
      text,
    ]),
    ...['', '0', '1279', '65536', '1420 '.repeat(2)].map((text) => ['ra_mtu', text]),
  ] as [string, string][])('%s %j', (name, text) => {
    const { settings, invalid } = parse(name, text);
    expect(settings).toEqual(interfaceDefaults);
    expect(invalid).toMatchObject([{ option: name, value: text, allowed: interfaceOptions[name]!.allowed }]);
  });

  it('each once in a list, and leaves the others in force', () => {
    const { settings, invalid } = parse('prefix', 'ff00::/8', '2001:db8:1::/64', 'x', '2001:db8:2::/64', 'x');
    expect(settings.prefixes.map(formatPrefix)).toEqual(['2001:db8:1::/64', '2001:db8:2::/64']);
    expect(invalid).toMatchObject([
      { value: 'ff00::/8', instead: 'others' },
      { value: 'x', instead: 'others' },
    ]);
  });

  it('all of a list, if none can be used', () => {
    const { settings, invalid } = parse('prefix', 'ff00::/8', 'x');
    expect(settings).toEqual(interfaceDefaults);
    expect(invalid).toMatchObject([
      { value: 'ff00::/8', instead: 'default' },
      { value: 'x', instead: 'default' },
    ]);
  });

  it('several values where one is expected', () => {
    expect(parse('rate', '1', '2').invalid).toMatchObject([{ value: '1 2' }]);
    expect(parse('rate').invalid).toMatchObject([{ value: '' }]);
  });

  it('a hook that there is not', () => {
    expect(parseHook('ftrace')).toMatchObject({
      settings: globalDefaults,
      invalid: [{ message: 'option hook: "ftrace" is not allowed: auto, fexit, kprobe or lending' }],
    });
  });

  it('and the valid ones of others', () => {
    const given = new Map([
      ['rate', ['x']],
      ['burst', ['3']],
      ['unknown', ['1']],
    ]);
    const { settings, invalid } = parseOptions(interfaceOptions, interfaceDefaults, given);
    expect(settings).toEqual({ ...interfaceDefaults, burst: 3 });
    expect(invalid.map(({ option }) => option)).toEqual(['rate']);
  });
});

it.each(['1s', '90s', '90m', '23h', '1d', '365d'])('a lifetime of %s is written as such', (text) => {
  expect(formatDuration(parse('lifetime', text).settings.lifetime)).toBe(text);
});

it('a lifetime is written in its largest unit', () => {
  expect(formatDuration(interfaceDefaults.lifetime)).toBe('1d');
  expect(formatDuration(120_000)).toBe('2m');
});
