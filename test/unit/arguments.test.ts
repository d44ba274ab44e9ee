// SPDX-License-Identifier: GPL-2.0-only

import { describe, expect, it } from 'vitest';
import { parseJsonFlag, parseRunArguments } from '../../src/cli/arguments.ts';
import { UsageError, usage } from '../../src/cli/usage.ts';
import { globalDefaults, globalOptions, interfaceDefaults, interfaceOptions } from '../../src/settings.ts';
import { prefixes } from './bench.ts';

const parse = (line: string) => parseRunArguments(line.split(' '));

function complaint(line: string): string {
  try {
    parse(line);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error(`accepted: ${line}`);
}

describe('run', () => {
  it('is the service without an interface', () => {
    expect(parseRunArguments([])).toMatchObject({ interfaces: [] });
    expect(parse('--state /tmp/state')).toMatchObject({ interfaces: [], state: '/tmp/state' });
  });

  it('needs but an interface', () => {
    expect(parse('--interface wg1')).toEqual({
      interfaces: ['wg1'],
      global: globalDefaults,
      settings: interfaceDefaults,
      json: false,
    });
  });

  it('takes several interfaces, each once', () => {
    expect(parse('--interface wg1 -i wg2 --interface=wg1').interfaces).toEqual(['wg1', 'wg2']);
  });

  it('takes every option, and a prefix several times', () => {
    const { settings, global, json } = parse(
      '-i wg1 --set rate=1 --set burst=2 --set max_addresses=3 --set lifetime=4s --set hook=kprobe' +
        ' --set prefix=2001:db8:1::/64 --set prefix=fd00::/64 --set ra=0 --set takeover=1 --json' +
        ' --set share=br-lan --set ra_default=1 --set ra_preference=low --set ra_route=fd00:1::/48 --set ra_dns=0' +
        ' --set ra_search=auto --set ra_search=example.com --set ra_mtu=1280',
    );
    expect(settings).toEqual({
      rate: 1,
      burst: 2,
      maxAddresses: 3,
      lifetime: 4_000,
      prefixes: prefixes('2001:db8:1::/64', 'fd00::/64'),
      share: 'br-lan',
      ra: '0',
      raDefault: '1',
      raPreference: 'low',
      raRoutes: prefixes('fd00:1::/48'),
      raDns: [],
      raSearch: ['auto', 'example.com'],
      raMtu: 1280,
      takeover: true,
    });
    expect(global).toEqual({ hook: 'kprobe' });
    expect(json).toBe(true);
  });

  it.each([
    ['--json', 'run needs an --interface, or no option but --state to be the service'],
    ['--set rate=5', 'run needs an --interface, or no option but --state to be the service'],
    ['-i wg1 --state=', '--state: the name of the file is missing'],
    ['-i wg1 --set rate', '--set rate: not OPTION=VALUE'],
    ['-i wg1 --set =5', '--set =5: not OPTION=VALUE'],
    ['-i wg1 --set rate=', '--set rate=: allowed is 0 (no limit) to 6000 new addresses per minute'],
    ['-i wg1 --set rate=5=6', '--set rate=5=6: allowed is 0 (no limit) to 6000 new addresses per minute'],
    ['-i wg1 --set burst=1 --set burst=2', '--set burst=1 2: allowed is 1 to 1000 addresses at once'],
    ['-i wg1 --set hook=none', '--set hook=none: allowed is auto, fexit, kprobe or lending'],
    [
      '-i wg1 --set color=red',
      '--set color=red: there is no option "color"; there are rate, burst, max_addresses, lifetime, prefix, share, ra, ra_default, ra_preference, ra_route, ra_dns, ra_search, ra_mtu, takeover, hook',
    ],
    ['-i wg1 --set constructor=1', expect.stringContaining('there is no option "constructor"')],
    ['-i wg1 --verbose', "unknown option '--verbose'"],
    ['wg1', expect.stringContaining("unexpected argument 'wg1'")],
    ['-i', expect.stringContaining('argument missing')],
    ['-i wg1 --json=yes', expect.stringContaining('does not take an argument')],
  ])('%j is refused: %s', (line, message) => expect(complaint(line)).toEqual(message));
});

it('other commands take --json alone', () => {
  expect(parseJsonFlag([])).toBe(false);
  expect(parseJsonFlag(['--json'])).toBe(true);
  expect(() => parseJsonFlag(['--set', 'rate=5'])).toThrow(UsageError);
});

describe('the help', () => {
  it('names every option', () => {
    for (const name of Object.keys({ ...interfaceOptions, ...globalOptions }))
      expect(usage()).toContain(`  ${name}=`);
  });

  it('fits 80 columns', () => {
    expect(
      usage()
        .split('\n')
        .filter((line) => line.length > 80),
    ).toEqual([]);
  });
});
