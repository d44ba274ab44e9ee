// SPDX-License-Identifier: GPL-2.0-only
// Generated configurations through the daemon and a reader of its own, on a kernel that is a model: none is an error,
// whatever is wrong is told once, and nothing else suffers. FUZZ_CONFIGURATIONS says how many (3,000 unless told), FUZZ_SEED
// which. What is right is known by how each is made.

import { expect, it } from 'vitest';
import { Daemon } from '../../src/daemon.ts';
import { Reader } from '../../src/service/reader.ts';
import type { UbusTable, UbusValue } from '../../src/ubus/types.ts';
import { alice, bob } from './bench.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeKernel } from './fake-kernel.ts';
import { FakeStateFile } from './fake-state-file.ts';
import { FakeUbus } from './fake-ubus.ts';

const CONFIGURATIONS = Number(process.env.FUZZ_CONFIGURATIONS ?? 3_000);
const SEED = Number(process.env.FUZZ_SEED ?? 1);

const OWN = '2001:db8:1::/64';
/** In OWN, and what its peer goes on using. */
const ADDRESS = '2001:db8:1::5';

/** mulberry32 */
function randomFrom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

const random = randomFrom(SEED);
const one = <Value>(values: readonly Value[]): Value => values[random(values.length)]!;
const some = <Value>(most: number, make: (index: number) => Value): Value[] =>
  Array.from({ length: random(most + 1) }, (_, index) => make(index));

/** What an option is, and what comes of it: neither value nor wrong ones where it says nothing. */
interface Given {
  readonly raw: UbusValue;
  readonly value?: unknown;
  readonly wrong: readonly (readonly [text: string, instead: string])[];
}

type Pool = readonly (readonly [text: string, value: unknown])[];

/** Of these uci says nothing, or nothing that could be an option's value. */
const nothing: readonly UbusValue[] = [
  '',
  ' ',
  '\t\n',
  [],
  [''],
  [' ', ''],
  null,
  5,
  true,
  { a: '1' },
  [7, null],
];
const junk = [
  'x',
  '-',
  '1 2',
  '٣',
  '€',
  '"',
  "it's",
  '\u001b[2J',
  '%s%n',
  '{device}',
  'constructor',
  '0x10',
  '1e3',
];
const oneWord = junk.filter((text) => !text.includes(' '));
const long = 'y'.repeat(200);

function single(valid: Pool, invalid: readonly string[], instead = 'default'): Given {
  switch (random(8)) {
    case 0:
      return { raw: one(nothing), wrong: [] };
    case 1: {
      const texts = [one(valid)[0], one([...invalid, one(valid)[0]])];
      return { raw: texts, wrong: [[texts.join(' '), instead]] };
    }
    case 2:
    case 3: {
      const text = one(invalid);
      return { raw: one([text, [text], ['', text]]), wrong: [[text, instead]] };
    }
    default: {
      const [text, value] = one(valid);
      return { raw: one([text, [text], ` ${text}\t`, [text, ' ']]), value, wrong: [] };
    }
  }
}

function list(valid: Pool, invalid: readonly string[]): Given {
  const elements = some(4, () => (random(2) ? one(valid) : ([one(invalid), undefined] as const)));
  if (elements.length === 0) return { raw: one(nothing), wrong: [] };
  const values = elements.filter(([, value]) => value !== undefined).map(([, value]) => value);
  const texts = elements.map(([text]) => text);
  const wrong = new Set(elements.filter(([, value]) => value === undefined).map(([text]) => text));
  const instead = values.length > 0 ? 'others' : 'default';
  return {
    raw: one<UbusValue>([texts, texts.join(' '), [texts.join('  '), '']]),
    ...(values.length > 0 && { value: values }),
    wrong: [...wrong].map((text) => [text, instead] as const),
  };
}

const numbers = (...values: number[]): Pool => values.map((value) => [String(value), value]);
const words = (...values: string[]): Pool => values.map((value) => [value, value]);

const flag = (on: UbusValue, off: UbusValue) => () =>
  single(
    [
      ['1', on],
      ['on', on],
      ['yes', on],
      ['0', off],
      ['disabled', off],
    ],
    [...junk, '2', 'Yes'],
  );

/** By option, as src/settings.ts and docs/configure.md have them. */
const interfaceGenerators: Record<string, () => Given> = {
  rate: () => single(numbers(0, 1, 5, 6000), [...junk, '-1', '6001', '1.5']),
  burst: () => single(numbers(1, 16, 1000), [...junk, '0', '1001', long]),
  max_addresses: () => single(numbers(1, 32, 1000), [...junk, '0', '1001']),
  lifetime: () =>
    single(
      [
        ['1s', 1],
        ['90m', 5_400],
        ['12h', 43_200],
        ['365d', 31_536_000],
      ],
      [...junk, '0s', '366d', '24', '1w', '-1h'],
    ),
  prefix: () =>
    list(
      [
        [OWN, OWN],
        ['2001:DB8:2:0::7/64', '2001:db8:2::/64'],
        ['fd00::/8', 'fd00::/8'],
      ],
      [...oneWord, '2001:db8:78::1', 'ff02::/64', '10.0.0.0/8', '::1/128', `${OWN}4`],
    ),
  ra: () => single(words('auto', '1', '0'), [...junk, '2', 'Auto', 'yes']),
  share: () =>
    single(words('lan', 'wg1', 'br-lan', 'wan.7@x'), ['1 2', '٣', '€', '"', "it's", 'a/b', '..', long]),
  ra_default: () => single(words('auto', '1', '0'), [...junk, '2']),
  ra_preference: () => single(words('low', 'medium', 'high'), [...junk, '0']),
  ra_route: () =>
    list(
      [
        ['FD00:1::/48', 'fd00:1::/48'],
        ['::/0', '::/0'],
      ],
      [...oneWord, 'ff02::/64', 'fd00::', '10.0.0.0/8'],
    ),
  ra_dns: () =>
    list(words('auto', '2001:db8::53', 'fe80::1'), [...oneWord, '1.1.1.1', '::', 'ff02::fb', OWN]),
  ra_search: () => list(words('auto', 'lan', 'home.example.'), ['€', '"', "it's", 'a..b', '.', long]),
  ra_mtu: () => single(words('auto', '1280', '65535'), [...junk, '1279', '65536', '0']),
  takeover: flag(1, 0),
  dns: () => single(words('0', '1', 'stable'), [...junk, 'yes', 'Stable']),
  nftset_prefix: () =>
    single(words('inet#fw4#wg1_', 'ip6#t#', 'bridge#a#b'), [...junk, 'ip#fw4#x', 'inet#fw4', 'inet##x']),
  enabled: flag(true, false),
};
const device = () =>
  single(
    words('wg1', 'wg2', 'wg-home', 'wg1'),
    [
      ...junk.filter(
        (text) => text !== 'x' && text !== '-' && text !== 'constructor' && text !== '0x10' && text !== '1e3',
      ),
      'a/b',
      '..',
      long,
    ],
    'nothing',
  );
const globalGenerators: Record<string, () => Given> = {
  hook: () => single(words('auto', 'fexit', 'kprobe', 'lending'), [...junk, 'ftrace']),
  log_level: () => single(words('error', 'warn', 'info', 'debug'), [...junk, 'loud']),
  history_file: () => single(words('/mnt/history', '/etc/wg-slaacer/history'), [...junk, '/mnt/', 'history']),
};

const defaults = {
  rate: 5,
  burst: 16,
  max_addresses: 32,
  lifetime: 86_400,
  prefix: [],
  share: '',
  ra: 'auto',
  ra_default: 'auto',
  ra_preference: 'medium',
  ra_route: [],
  ra_dns: ['auto'],
  ra_search: ['auto'],
  ra_mtu: 'auto',
  takeover: 0,
  dns: '0',
  nftset_prefix: '',
};

/** Of a section for a peer, without what says which. */
const peerGenerators: Record<string, () => Given> = {
  name: () => single(words('phone', 'Phone', '4g'), ['-', '1 2', '€', 'a.b', 'localhost', long, '"', '-a']),
  dns: () => single(words('0', '1', 'stable'), [...junk, 'yes']),
  nftset: () =>
    list(words('inet#fw4#phone', '6#ip6#t#s'), [...junk.filter((text) => !text.includes(' ')), 'ip#fw4#x']),
};

interface Expected {
  /** Problems of the configuration, one text for each. */
  readonly problems: Set<string>;
  readonly interfaces: { name: string; device: string; enabled: boolean; options: Record<string, unknown> }[];
  options: Record<string, unknown> | undefined;
}

const excerpt = (text: string) => (text.length > 64 ? `${text.slice(0, 64)}…` : text);
const invalid = (section: string, option: string, [value, instead]: readonly [string, string]) =>
  `invalid ${section} ${option} ${excerpt(value)} ${instead}`;

/** Options of a section, and what is to come of them; what is wrong goes into `problems`. */
function options(
  generators: Record<string, () => Given>,
  section: string,
  problems: Set<string>,
): { raw: Record<string, UbusValue>; values: Record<string, unknown> } {
  const raw: Record<string, UbusValue> = {};
  const values: Record<string, unknown> = {};
  for (const [name, make] of Object.entries(generators)) {
    if (random(3) === 0) continue;
    const given = make();
    raw[name] = given.raw;
    if (given.value !== undefined) values[name] = given.value;
    for (const wrong of given.wrong) problems.add(invalid(section, name, wrong));
  }
  if (random(6) === 0) {
    const unknown = one(['rte', 'Rate', '__proto__', 'toString', long]);
    Object.defineProperty(raw, unknown, { value: 'x', enumerable: true });
    problems.add(`unknown ${section} ${excerpt(unknown)}`);
  }
  return { raw, values };
}

/** The package wg-slaacer. */
function settings(): { values: Record<string, UbusValue>; expected: Expected } {
  const expected: Expected = { problems: new Set(), interfaces: [], options: undefined };
  const { problems, interfaces } = expected;
  const values: Record<string, UbusValue> = {};
  const names = [
    'globals',
    'wg1',
    'wg2',
    'home',
    'cfg01',
    'cfg02',
    'a_name_too_long_for_a_device',
    'constructor',
    'more',
  ];
  // Mostly there, so that something can stay learned from one configuration to the next.
  const isSteady = random(4) > 0;
  for (const name of names.filter((name) => random(2) > 0 || (isSteady && name === 'wg1'))) {
    const anonymous = name.startsWith('cfg');
    const put = (type: UbusValue, raw: Record<string, UbusValue>) => {
      values[name] = { '.type': type, '.anonymous': anonymous, '.name': name, ...raw };
    };
    const isSteadyOne = isSteady && name === 'wg1';
    if (!isSteadyOne && random(20) === 0) {
      values[name] = one<UbusValue>([null, 'x', ['x'], 7]); // no section at all
    } else if (!isSteadyOne && random(12) === 0) {
      const type = one(['interfaces', '', 'peers', '__proto__']);
      put(type, { rate: 'x' });
      problems.add(`ignored ${name} type`);
    } else if (name === 'globals' || name === 'more') {
      if (expected.options) {
        put('globals', { hook: 'x' });
        problems.add(`ignored ${name} globals`);
        continue;
      }
      const { raw, values } = options(globalGenerators, name, problems);
      put('globals', raw);
      expected.options = { hook: 'auto', log_level: 'info', ...values };
    } else {
      const { enabled: _, ...others } = interfaceGenerators;
      const { raw, values } = options(isSteadyOne ? others : interfaceGenerators, name, problems);
      if (isSteadyOne) [raw.enabled, values.enabled] = ['1', true];
      const hasDevice = anonymous || (!isSteadyOne && random(3) === 0);
      const named = hasDevice ? device() : { raw: '', wrong: [] };
      for (const wrong of named.wrong) problems.add(invalid(name, 'device', wrong));
      put('interface', { ...raw, device: named.raw });
      if (named.wrong.length > 0) continue;
      const { enabled = false, ...rest } = values;
      const device_ =
        (named.value as string | undefined) ?? (anonymous || name.length > 15 ? undefined : name);
      const own = anonymous ? device_ : name;
      if (device_ === undefined) problems.add(`ignored ${name} ${anonymous ? 'no-name' : 'no-device'}`);
      else if (interfaces.some((other) => other.name === own)) problems.add(`ignored ${name} name`);
      else {
        const hasRival = enabled && interfaces.some((other) => other.enabled && other.device === device_);
        if (hasRival) problems.add(`ignored ${name} device`);
        interfaces.push({
          name: own!,
          device: device_,
          enabled: enabled === true && !hasRival,
          options: { ...defaults, ...rest },
        });
      }
    }
  }
  addPeers(values, expected);
  return { values, expected };
}

/** Sections that say something of peers of wg1, or would. */
function addPeers(values: Record<string, UbusValue>, { problems, interfaces }: Expected): void {
  const known = new Set<string>();
  some(4, (index) => {
    const name = `peer${index}`;
    const { raw } = options(peerGenerators, name, problems);
    const key = one([alice, bob, 'x', '']);
    const of = one(['wg1', 'wg1', 'nowhere', '']);
    values[name] = {
      '.type': 'peer',
      '.anonymous': true,
      '.name': name,
      ...raw,
      public_key: key,
      interface: of,
    };
    if (key === '') problems.add(`ignored ${name} no-key`);
    else if (key === 'x') problems.add(invalid(name, 'public_key', ['x', 'nothing']));
    else if (!interfaces.some((each) => each.name === of || each.device === of))
      problems.add(`ignored ${name} ${of === '' ? 'nowhere' : 'no-interface'}`);
    else {
      const { device } = (interfaces.find((each) => each.name === of) ??
        interfaces.find((each) => each.enabled && each.device === of) ??
        interfaces.find((each) => each.device === of))!;
      if (known.has(`${device} ${key}`)) problems.add(`ignored ${name} peer`);
      else known.add(`${device} ${key}`);
    }
  });
}

/** Peers of wg1 in the package network, and what they are to be called and have. */
function peers() {
  const values: Record<string, UbusValue> = {};
  const names = new Map<string, { text: string | undefined; enabled: boolean }>();
  const configured = new Set<string>();
  some(5, (index) => {
    const key = one([alice, alice, bob, 'x', alice.slice(1), '']);
    const disabled = one<UbusValue>(['1', '0', 'yes', '', null, ['x']]);
    const description = one<UbusValue>(['phone', 'two\nlines', '名前', long, '', null, { x: '1' }]);
    const allowed = some(4, () =>
      one([
        [`${ADDRESS}/128`, ADDRESS],
        ['2001:DB8:1:0::b', '2001:db8:1::b'],
        ['10.0.0.2/32', undefined],
        [OWN, undefined],
        ['x', undefined],
        ['2001:db8:1::c/129', undefined],
        ['-', undefined],
        [long, undefined],
      ] as const),
    );
    const texts = allowed.map(([text]) => text);
    values[`cfg1${index}`] = {
      '.type': 'wireguard_wg1',
      '.anonymous': true,
      preshared_key: 'x',
      public_key: one([key, ` ${key} `, [key]]),
      disabled,
      description,
      allowed_ips: one<UbusValue>([
        texts,
        texts.join(' '),
        texts.join(','),
        [texts.join(', ')],
        texts.join('\n'),
      ]),
    };
    if (key !== alice && key !== bob) return;
    const isEnabled = disabled !== '1';
    const text = typeof description === 'string' && description !== '' ? description : undefined;
    const before = names.get(key);
    if (!before || isEnabled || !before.enabled)
      names.set(key, {
        text: text ?? (before?.enabled === isEnabled ? before.text : undefined),
        enabled: isEnabled,
      });
    if (!isEnabled) return;
    // The last one of a peer counts alone.
    for (const each of configured) if (each.startsWith(key)) configured.delete(each);
    for (const [, address] of allowed) if (address) configured.add(`${key} ${address}`);
  });
  return { values, names, configured };
}

/** Sections of odhcpd: for each interface one that says something, amid others that do not. */
function dhcp() {
  const values: Record<string, UbusValue> = {};
  const advertisers = new Set<string>();
  const domains = new Map<string, string[]>();
  for (const name of ['wg1', 'wg2', 'lan']) {
    const put = (suffix: string, section: Record<string, UbusValue>) => {
      values[`${name}_${suffix}`] = { '.type': 'dhcp', interface: one([name, [name]]), ...section };
    };
    const noise = () => ({
      ra: one<UbusValue>(['', 'Server', 'x', ['server'], null, 7]),
      ignore: one(['1', '0', 'x']),
      ra_default: one(junk),
      dhcpv6: 'server',
    });
    if (random(2)) put('before', noise());
    if (random(3)) {
      const ra = one(['server', 'disabled', 'relay']);
      const master = one<UbusValue>(['1', 'true', '0', 'false', 'yes', '', ['1'], null]);
      const domain = some(3, () => one(['lan', 'home.example', '€', long]));
      put('said', { ...noise(), ra, master, domain: one<UbusValue>([domain, domain.join(' ')]) });
      if (ra === 'server' && master !== '1' && master !== 'true') advertisers.add(name);
      if (domain.length > 0) domains.set(name, [...new Set(domain)]);
    }
    if (random(2)) put('after', noise());
  }
  return { values, advertisers, domains };
}

const dumps: readonly UbusValue[] = [
  [
    { interface: 'wg1', l3_device: 'wg1', proto: 'wireguard' },
    { interface: 'wan', 'dns-search': ['isp.example'] },
  ],
  [{ interface: 7 }, 'x', null, { interface: 'wg2', l3_device: 7, 'ipv6-prefix': 'x', 'dns-search': [1] }],
  'x',
  [],
  null,
];

interface Told {
  readonly code: string;
  readonly data: Readonly<Record<string, string>>;
}

/** As `Expected.problems` has it; undefined for what is not of the configuration. */
function asExpected({ code, data }: Told): string | undefined {
  if (code === 'invalid-option')
    return `invalid ${data.section} ${data.option} ${data.value} ${data.instead}`;
  if (code === 'unknown-option') return `unknown ${data.section} ${data.option}`;
  // What WireGuard has decides of that one.
  return code === 'ignored-section' && data.reason !== 'no-peer'
    ? `ignored ${data.section} ${data.reason}`
    : undefined;
}

it(`${CONFIGURATIONS} configurations are never an error, and each value counts for itself`, {
  timeout: 3_600_000,
}, async () => {
  const clock = new FakeClock();
  const kernel = new FakeKernel(clock);
  for (const name of ['wg1', 'wg2', 'wg-home']) kernel.addLink(name, { addresses: ['2001:db8:1::1/64'] });
  kernel.setPeers('wg1', { [alice]: [], [bob]: [] });
  const ubus = new FakeUbus();
  const packages: Record<string, Record<string, UbusValue>> = {};
  ubus.objects.set('uci', {
    get: {
      arguments: {},
      call: ({ config, type }) => ({
        values: Object.fromEntries(
          Object.entries(packages[config as string] ?? {}).filter(
            ([, section]) => type === undefined || (section as UbusTable | null)?.['.type'] === type,
          ),
        ),
      }),
    },
  });
  let dump: UbusValue = null;
  ubus.objects.set('network.interface', { dump: { arguments: {}, call: () => ({ interface: dump }) } });
  let warnings: string[] = [];
  const write = (level: string, line: string) => level === 'warn' && warnings.push(line);
  const daemon = new Daemon({
    version: '1',
    kernel,
    clock,
    ubus,
    openFile: (path) => new FakeStateFile(path),
    write,
  });
  daemon.start();
  const reader = new Reader(ubus);
  const status = async () => (await ubus.objects.get('wg-slaacer')!.status!.call({})) as UbusTable;

  let told = new Set<string>();
  /** The section that ADDRESS was learned for. */
  let learnedFor: string | undefined;
  let kept = 0;
  for (let run = 0; run < CONFIGURATIONS; run++) {
    const { values, expected } = settings();
    const [network, pools] = [peers(), dhcp()];
    Object.assign(packages, { 'wg-slaacer': values, network: network.values, dhcp: pools.values });
    dump = one(dumps);
    warnings = [];
    const configuration = () => `seed ${SEED}, run ${run}: ${JSON.stringify(packages)}`;

    expect(await daemon.reload(), configuration()).toBe(true);
    const { problems, interfaces, options } = await status();
    const ofConfiguration = (problems as unknown as Told[]).filter((problem) => asExpected(problem));
    const texts = ofConfiguration.map((problem) => asExpected(problem)!);
    const own = ofConfiguration.map(({ code, data }) => JSON.stringify([code, data]));
    expect(texts.sort(), configuration()).toEqual([...expected.problems].sort());
    expect(options, configuration()).toEqual(expected.options ?? { hook: 'auto', log_level: 'info' });
    const told_ = (interfaces as unknown as Expected['interfaces']).map(
      ({ name, device, enabled, options }) => ({
        name,
        device,
        enabled,
        options,
      }),
    );
    expect(told_, configuration()).toEqual(expected.interfaces);
    if (expected.options?.log_level !== 'error') {
      const news = own.filter((problem) => !told.has(problem));
      const said = (line: string) => line.startsWith('wg-slaacer.') && !line.includes('it has no effect');
      expect(warnings.filter(said).length, configuration()).toBe(news.length);
    }
    told = new Set(own);

    await reader.read();
    expect(reader.failures, configuration()).toEqual([]);
    const learnsOnWg1 = expected.interfaces.some(({ device }) => device === 'wg1');
    for (const peer of learnsOnWg1 ? [alice, bob] : []) {
      expect(reader.peers.description('wg1', peer), configuration()).toBe(network.names.get(peer)?.text);
      for (const address of [ADDRESS, '2001:db8:1::b', '2001:db8:1::c'])
        expect(reader.peers.isConfigured('wg1', { peer, address }), configuration()).toBe(
          network.configured.has(`${peer} ${address}`),
        );
    }
    expect(new Set(reader.network.advertisers.keys()), configuration()).toEqual(pools.advertisers);
    expect(reader.network.search, configuration()).toEqual(pools.domains);

    // What was learned stays as long as what is right of the configuration allows it.
    const section = expected.interfaces.find(({ device, enabled }) => enabled && device === 'wg1');
    const scope = section?.options.prefix as string[] | undefined;
    const isInScope = scope?.length === 0 || scope?.includes(OWN);
    if (section && isInScope && !network.configured.has(`${alice} ${ADDRESS}`)) {
      const entry = () => daemon.engine.ledger.get(section.name, ADDRESS);
      if (learnedFor === section.name) {
        expect(entry(), configuration()).toBeDefined();
        kept++;
      } else if (!entry()) {
        kernel.receive('wg1', alice, ADDRESS);
        kernel.flush();
      }
      learnedFor = entry() ? section.name : undefined;
    } else {
      learnedFor = undefined;
      kernel.setPeers('wg1', { [alice]: [], [bob]: [] }); // as netifd makes them anew
    }
  }
  expect(kept).toBeGreaterThan(CONFIGURATIONS / 100);
  daemon.stop();
});
