// SPDX-License-Identifier: GPL-2.0-only
// Commands that ask the service.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DeniedAddress, LearnedAddress, StatusAnswer } from '../../src/answers.ts';
import { client } from '../../src/cli/client.ts';
import type { Screen } from '../../src/cli/screen.ts';
import { overUbus } from '../../src/cli/service.ts';
import { addressLines, deniedLines, statusLines } from '../../src/cli/show.ts';
import { exitStatus, UsageError, UserError } from '../../src/cli/usage.ts';
import { watch } from '../../src/cli/watch.ts';
import type { EngineEvent } from '../../src/engine/events.ts';
import { notificationOf } from '../../src/service/notification.ts';
import { UbusError, type UbusTable, ubusStatus } from '../../src/ubus/types.ts';
import { displayWidth } from '../../src/words/text.ts';
import { alice, bob, carol } from './bench.ts';
import { FakeCaller } from './fake-caller.ts';

const now = 1_800_000_000;
const screen: Screen = { columns: 80, colour: false, now };
const longest = '2001:fdb8:aaaa:bbbb:cccc:dddd:eeee:ffff';

const phone: LearnedAddress = {
  interface: 'wg1',
  address: '2001:db8:1::cafe',
  peer: alice,
  description: 'phone',
  learned: now - 3_600,
  last_seen: now - 200,
  expires: 82_900,
};
const nameless: LearnedAddress = { ...phone, address: longest, peer: bob, description: '', expires: 30 };
const attempt: DeniedAddress = {
  interface: 'wg1',
  address: longest,
  peer: bob,
  description: 'a description that is much longer than what is left of a line',
  reason: 'reserved',
  count: 123_456,
  last: now - 59 * 60,
};
const options = {
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
const status: StatusAnswer = {
  version: '0.1.0',
  uptime: 3 * 86_400,
  read: 60,
  hook: 'fexit',
  options: { hook: 'auto', log_level: 'info' },
  problems: [],
  interfaces: [
    {
      name: 'wg1',
      device: 'wg1',
      enabled: true,
      up: true,
      options: { ...options, lifetime: 5_400, prefix: ['2001:db8:1::/64', '2001:db8:2::/64'], ra: '0' },
      prefixes: ['2001:db8:1::/64', 'fe80::/64'],
      addresses: 2,
      counters: { candidate: 2, restore: 0, owned: 7 },
    },
    {
      name: 'home',
      device: 'wg-home',
      enabled: true,
      up: false,
      options,
      prefixes: [],
      addresses: 0,
      counters: {},
    },
    {
      name: 'wg3',
      device: 'wg3',
      enabled: false,
      up: true,
      options,
      prefixes: [],
      addresses: 0,
      counters: {},
    },
  ],
  totals: {
    learned: 12,
    restored: 0,
    given: 0,
    adopted: 3,
    expired: 5,
    evicted: 0,
    forgotten: 0,
    released: 1,
    taken: 0,
    denied: { owned: 7, scope: 2, reserved: 0, rate: 0 },
    delivered: 11,
    delivery_failed: 1,
    missed: 0,
  },
};
const table = (value: object) => value as unknown as UbusTable;

describe('in words and tables', () => {
  it('the status', () => {
    expect(statusLines(status, screen).join('\n')).toBe(`wg-slaacer 0.1.0, running for 3 d, hook fexit
  options    hook auto, log_level info
  so far     learned 12, adopted 3, expired 5, released 1, denied owned 7,
             denied scope 2, delivered 11, delivery failed 1

wg1: learning
  options    rate 5, burst 16, max_addresses 32, lifetime 90m,
             prefix 2001:db8:1::/64 2001:db8:2::/64, ra 0, ra_default auto,
             ra_preference medium, ra_dns auto, ra_search auto, ra_mtu auto,
             takeover 0, dns 0
  prefixes   2001:db8:1::/64, fe80::/64
  addresses  2
  packets    candidate 2, owned 7

home (device wg-home): down
  options    rate 5, burst 16, max_addresses 32, lifetime 1d, ra auto,
             ra_default auto, ra_preference medium, ra_dns auto, ra_search auto,
             ra_mtu auto, takeover 0, dns 0
  addresses  0

wg3: off
  options    rate 5, burst 16, max_addresses 32, lifetime 1d, ra auto,
             ra_default auto, ra_preference medium, ra_dns auto, ra_search auto,
             ra_mtu auto, takeover 0, dns 0
  addresses  0`);
  });

  it('what lending costs, where addresses are learned by it', () => {
    const lines = statusLines({ ...status, hook: 'lending' }, screen);
    expect(lines.filter((line) => line.startsWith('  lending '))).toEqual([
      '  lending    The first packet from a new address is lost, and its sender retransmits it.',
      "  lending    While a peer holds the loan, WireGuard accepts any source in the prefix from it that is nobody's.",
    ]);
    expect(statusLines(status, screen).join('\n')).not.toContain('lending');
  });

  it('what is in the way of learning, and that nothing is configured', () => {
    const problems = [{ code: 'no-hook', message: 'no hook\u001b[2J', hint: 'do this', data: {} }];
    expect(statusLines({ ...status, hook: 'none', problems, interfaces: [] }, screen)).toEqual([
      'wg-slaacer 0.1.0, running for 3 d, hook none',
      '  options    hook auto, log_level info',
      expect.stringContaining('so far'),
      expect.anything(),
      '',
      'problem: no hook',
      '  hint: do this',
      '',
      'No interface is configured in /etc/config/wg-slaacer.',
    ]);
  });

  it('learned addresses, those of each interface by themselves', () => {
    const lines = addressLines({ addresses: [phone, { ...phone, interface: 'wg2' }, nameless] }, screen);
    expect(lines.join('\n')).toBe(`wg1: 2
ADDRESS                                  PEER       LAST SEEN  EXPIRES
2001:db8:1::cafe                         phone      3 min ago  in 23 h
${longest}  ${bob.slice(0, 8)}…  3 min ago  in 30 s

wg2: 1
ADDRESS           PEER   LAST SEEN  EXPIRES
2001:db8:1::cafe  phone  3 min ago  in 23 h`);
  });

  it('refused addresses', () => {
    expect(deniedLines({ denied: [attempt] }, screen).join('\n')).toBe(`wg1: 1
ADDRESS                                  PEER       REASON     TIMES        LAST
${longest}  a descri…  reserved  123456  59 min ago`);
  });

  it.each([
    [{ state: 'silent', silent: 300 }, `, silent for 5 min: wg-slaacer give wg1 ${longest} ${bob} moves it`],
    [
      { state: 'silent' },
      `, silent since the interface was made: wg-slaacer give wg1 ${longest} ${bob} moves it`,
    ],
    [
      { state: 'configured', silent: 7_200 },
      ', silent for 2 h: if it is to move, take it out of the allowed IPs that are configured for phone',
    ],
    [
      { state: 'configured', silent: 179 },
      ': if it is to move, take it out of the allowed IPs that are configured for phone',
    ],
  ])('whose a refused address is, and the cure: %j', (holder, told) => {
    const owned = { ...attempt, reason: 'owned', owner: alice, owner_description: 'phone', ...holder };
    expect(deniedLines({ denied: [owned] }, screen).slice(-2)).toEqual([
      '',
      `wg1: ${longest} is phone's${told}`,
    ]);
  });

  it('no cure where the owner may be there, and nothing of an owner that is none any more', () => {
    const owned = { ...attempt, reason: 'owned', owner: alice };
    expect(deniedLines({ denied: [{ ...owned, state: 'present', silent: 9 }] }, screen).at(-1)).toBe(
      `wg1: ${longest} is ${alice.slice(0, 8)}…'s`,
    );
    expect(deniedLines({ denied: [owned] }, screen)).toHaveLength(3);
  });

  it('that there is none', () => {
    expect(addressLines({ addresses: [] }, screen)).toEqual([
      expect.stringMatching(/^No address has been learned. wg show has the latest handshake/),
    ]);
    expect(deniedLines({ denied: [] }, screen)).toEqual(['No address has been denied.']);
  });

  it('that there are more', () => {
    expect(addressLines({ addresses: [phone], omitted: 3 }, screen).at(-1)).toContain('3 more');
    expect(deniedLines({ denied: [attempt], omitted: 3 }, screen).at(-1)).toContain('3 more');
    expect(deniedLines({ denied: [attempt], omitted: 0 }, screen).join()).not.toContain('more');
  });

  it('nothing over 80 columns', () => {
    const description = '電話📱\u001b[31m'.repeat(20);
    const prefixes = Array.from({ length: 5 }, () => `${longest}/128`);
    const lines = [
      ...addressLines(
        { addresses: [{ ...nameless, description, last_seen: now - 7_199, expires: 7_199 }] },
        screen,
      ),
      ...deniedLines({ denied: [{ ...attempt, description }] }, screen),
      ...statusLines({ ...status, interfaces: [{ ...status.interfaces[0]!, prefixes }] }, screen),
    ];
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(80);
    expect(lines.join()).not.toContain('\u001b');
  });

  it('in colours on a terminal that has them', () => {
    expect(statusLines(status, { ...screen, colour: true }).join()).toContain('\u001b[32mlearning\u001b[39m');
  });
});

let printed: string[];
beforeEach(() => {
  printed = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
  vi.spyOn(console, 'error').mockImplementation((line: string) => void printed.push(`! ${line}`));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function service(methods: Record<string, (args: UbusTable) => UbusTable> = {}): FakeCaller {
  return new FakeCaller({ 'wg-slaacer': { status: () => table(status), ...methods } });
}

function command(ubus: FakeCaller, name: string, ...args: string[]): Promise<number> {
  return overUbus(() => ubus)[name]!(args);
}

function refuse(code: number): () => never {
  return () => {
    throw new UbusError(code, 'refused\u0007');
  };
}

/** What a command fails with. */
async function failure(ubus: FakeCaller, name: string, ...args: string[]): Promise<UserError> {
  const error: unknown = await command(ubus, name, ...args).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect(ubus.closed).toBe(true);
  return error as UserError;
}

describe('a command', () => {
  it.each([
    ['addresses', ['wg1'], 'get_addresses', { interface: 'wg1' }, { addresses: [] }],
    ['addresses', [], 'get_addresses', {}, { addresses: [] }],
    ['denied', ['wg1'], 'get_denied', { interface: 'wg1' }, { denied: [] }],
    ['forget', ['wg1', '2001:DB8::0:5'], 'forget', { interface: 'wg1', address: '2001:db8::5' }, {}],
    ['pin', ['wg1', '2001:db8::5'], 'pin', { interface: 'wg1', address: '2001:db8::5' }, {}],
    [
      'give',
      ['wg1', '2001:db8::5', bob],
      'give',
      { interface: 'wg1', address: '2001:db8::5', peer: bob },
      {},
    ],
    ['flush', ['wg1'], 'flush', { interface: 'wg1' }, { count: 2 }],
    ['flush', [], 'flush', {}, { count: 1 }],
    ['reload', [], 'reload', {}, {}],
  ])(
    'asks the service, says what it answered, and ends: %s %j',
    async (name, args, method, asked, answer) => {
      const ubus = service({ [method]: () => answer });
      expect(await command(ubus, name, ...args)).toBe(exitStatus.ok);
      expect(ubus.calls).toEqual([{ object: 'wg-slaacer', method, args: asked }]);
      expect(printed).toHaveLength(1);
      expect(ubus.closed).toBe(true);
    },
  );

  it('shows the status of one interface', async () => {
    const one = { ...status, interfaces: status.interfaces.slice(0, 1) };
    const ubus = service({ status: () => table(one) });
    await command(ubus, 'status', 'wg1');
    expect(ubus.calls).toEqual([{ object: 'wg-slaacer', method: 'status', args: { interface: 'wg1' } }]);
    expect(printed).toContain('wg1: learning');
    const absent = service({
      status: ({ interface: name }) => (name ? refuse(ubusStatus.notFound)() : table(status)),
    });
    expect((await failure(absent, 'status', 'wg9')).message).toBe(
      'there is no interface "wg9" in /etc/config/wg-slaacer; there is wg1, home, wg3',
    );
  });

  it('says how many it forgot', async () => {
    await command(service({ flush: () => ({ count: 1 }) }), 'flush', 'wg1');
    await command(service({ flush: () => ({ count: 2 }) }), 'flush');
    expect(printed).toEqual(['wg1: forgot 1 address', 'all interfaces: forgot 2 addresses']);
  });

  it('prints the answer as it is with --json', async () => {
    await command(service(), 'status', '--json');
    expect(printed.map((line) => JSON.parse(line))).toEqual([status]);
  });

  it.each([
    ['forget', ['wg1']],
    ['forget', []],
    ['pin', ['wg1', 'no-address']],
    ['give', ['wg1', '2001:db8::5']],
    ['pin', ['wg1', '2001:db8::/64']],
    ['status', ['wg1', 'wg2']],
    ['addresses', ['wg1', 'wg2']],
    ['denied', ['--wrong']],
  ])('refuses wrong usage without asking: %s %j', async (name, args) => {
    const ubus = service();
    await expect(command(ubus, name, ...args)).rejects.toBeInstanceOf(UsageError);
    expect(ubus.calls).toEqual([]);
  });

  it('says how to start a service that is not running', async () => {
    const error = await failure(new FakeCaller({}), 'addresses');
    expect(error.message).toContain('service wg-slaacer start');
    expect(error.status).toBe(exitStatus.notRunning);
  });

  const wg1 = { '.type': 'interface', enabled: '1' };
  it.each([
    ['nothing is configured', {}, /no interface is enabled .*: uci set wg-slaacer.wg1=interface; uci set/],
    [
      'its interface is not enabled',
      { vpn: { ...wg1, enabled: '0' } },
      /no interface is enabled .* To enable vpn: uci set wg-slaacer.vpn.enabled=1; .* reload$/,
    ],
    [
      'the option is misspelt',
      { wg1: { '.type': 'interface', enable: '1' } },
      /no interface is enabled .*\nproblem: wg-slaacer.wg1.enable: there is no such option\n {2}hint: .*enabled/,
    ],
    ['it should run', { wg1 }, /although interface wg1 is enabled.* ask again.* logread -e wg-slaacer says/],
  ])('says what keeps the service from running: %s', async (_, values, expected) => {
    const ubus = new FakeCaller({ uci: { get: () => ({ values }) } });
    const error = await failure(ubus, 'status');
    expect(error.message).toMatch(expected);
    expect(error.status).toBe(exitStatus.notRunning);
  });

  it('says that there is no such interface, and which there are', async () => {
    const ubus = service({ flush: refuse(ubusStatus.notFound) });
    const error = await failure(ubus, 'flush', 'wg9');
    expect(error.message).toMatch(/"wg9".* wg1, home, wg3$/);
    expect(error.status).toBe(exitStatus.failed);
  });

  it.each(['home', 'wg-home'])(
    'says where to look for an address that was not learned on %s',
    async (name) => {
      const ubus = service({ forget: refuse(ubusStatus.notFound) });
      const error = await failure(ubus, 'forget', name, '2001:db8::5');
      expect(error.message).toBe(
        `${name}: 2001:db8::5 has not been learned; see wg-slaacer addresses ${name}`,
      );
    },
  );

  it.each([
    ['permissionDenied', [phone.address], /cafe stays with phone, which has a session, or had one/],
    ['notSupported', [], /cafe is configured for another peer: take it out/],
    ['noData', [], /the interface is not there now: bring it up/],
    ['notFound', [phone.address], /it has no peer .*; see wg show wg1 peers$/],
    ['notFound', [], /cafe has not been learned; see wg-slaacer addresses wg1$/],
  ] as const)('says why nothing was given: %s, with %j learned', async (code, learned, expected) => {
    const addresses = learned.length > 0 ? [phone] : [];
    const ubus = service({ give: refuse(ubusStatus[code]), get_addresses: () => table({ addresses }) });
    const error = await failure(ubus, 'give', 'wg1', phone.address, bob);
    expect(error.message).toMatch(expected);
    expect(error.status).toBe(exitStatus.failed);
  });

  it('does not take the bus for a peer that is there', async () => {
    const ubus = service({ give: refuse(ubusStatus.permissionDenied), get_addresses: refuse(6) });
    expect((await failure(ubus, 'give', 'wg1', phone.address, bob)).message).toMatch(/as root/);
  });

  it.each([
    ['permissionDenied', /as root/, exitStatus.failed],
    ['connectionFailed', /ubusd/, exitStatus.notRunning],
    ['notSupported', /2001:db8::5 is not in \/etc\/config\/network/, exitStatus.failed],
    ['unknownError', /logread/, exitStatus.failed],
    ['timeout', /^ubus call wg-slaacer pin: refused$/, exitStatus.failed],
  ] as const)('says in words what went wrong: %s', async (code, expected, exit) => {
    const error = await failure(service({ pin: refuse(ubusStatus[code]) }), 'pin', 'wg1', '2001:db8::5');
    expect(error.message).toMatch(expected);
    expect(error.status).toBe(exit);
  });

  it('waits for ubusd to take the connection, but not for long', async () => {
    vi.useFakeTimers();
    const ubus = service();
    ubus.connected = false;
    const later = command(ubus, 'status');
    await vi.advanceTimersByTimeAsync(500);
    ubus.setConnected(true);
    expect(await later).toBe(exitStatus.ok);

    const absent = service();
    absent.connected = false;
    const failed = failure(absent, 'status');
    await vi.advanceTimersByTimeAsync(10_000);
    expect((await failed).status).toBe(exitStatus.notRunning);
  });
});

describe('client', () => {
  const peers = [
    { interface: 'wg1', peer: alice, description: ' phone ' },
    { interface: 'home', peer: alice, description: 'phone' },
    { interface: 'wg1', peer: bob, description: 'lap\u001b[2Jtop' },
    { interface: 'wg1', peer: carol },
  ];
  const answer = { configuration: '[Interface]\nPostUp = sysctl\n' };
  const withPeers = (listed: readonly UbusTable[] = peers) =>
    service({
      get_peers: ({ interface: name }) => ({
        peers: listed.filter((each) => name === undefined || each.interface === name),
      }),
      get_client: () => answer,
    });
  const run = (ubus: FakeCaller, ...args: string[]) => client(() => ubus, args);
  const failureOf = async (...args: string[]) => {
    const error: unknown = await run(withPeers(), ...args).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message;
  };

  it('prints the configuration for a peer, named by its description or its key', async () => {
    const ubus = withPeers();
    expect(await run(ubus, 'laptop')).toBe(exitStatus.ok);
    expect(printed).toEqual(['[Interface]\nPostUp = sysctl']);
    await run(ubus, carol, '--for', 'app', '--endpoint', 'home.example.org:443');
    await run(ubus, 'phone', '--interface', 'home', '--for=networkd');
    expect(ubus.calls.filter(({ method }) => method === 'get_client').map(({ args }) => args)).toEqual([
      { interface: 'wg1', peer: bob, for: 'wg-quick' },
      { interface: 'wg1', peer: carol, for: 'app', endpoint: 'home.example.org:443' },
      { interface: 'home', peer: alice, for: 'networkd' },
    ]);
    expect(ubus.closed).toBe(true);
  });

  it('prints the answer as it is with --json', async () => {
    await run(withPeers(), carol, '--json');
    expect(JSON.parse(printed[0]!)).toEqual(answer);
  });

  it('says what peers there are, if there is no such one', async () => {
    expect(await failureOf('tablet')).toBe(
      `there is no peer "tablet"; there is "phone" on wg1, "phone" on home, "laptop" on wg1, "${carol}" on wg1`,
    );
    expect(await failureOf('laptop', '--interface', 'home')).toContain('there is "phone" on home');
    const many = Array.from({ length: 30 }, (_, i) => ({
      interface: 'wg1',
      peer: alice,
      description: `p${i}`,
    }));
    await expect(run(withPeers(many), 'x')).rejects.toThrow(/"p19" on wg1, 10 more$/);
    await expect(run(withPeers([]), 'x')).rejects.toThrow(/there is none$/);
  });

  it('says how to tell peers of the same name apart', async () => {
    expect(await failureOf('phone')).toBe(
      `"phone" is more than one peer: name --interface; there is ${alice} on wg1, ${alice} on home`,
    );
    const twins = [alice, bob].map((peer) => ({ interface: 'wg1', peer, description: 'twin' }));
    await expect(run(withPeers(twins), 'twin')).rejects.toThrow(
      `"twin" is more than one peer: name its key; there is ${alice} on wg1, ${bob} on wg1`,
    );
  });

  it.each([[], ['a', 'b'], ['a', '--for', 'amiga'], ['a', '--endpoint', 'x\ny'], ['a', '--wrong']])(
    'refuses wrong usage without asking: %j',
    async (...args) => {
      const ubus = withPeers();
      await expect(run(ubus, ...args)).rejects.toBeInstanceOf(UsageError);
      expect(ubus.calls).toEqual([]);
    },
  );

  it('says in words what went wrong', async () => {
    const down = service({ get_peers: () => ({ peers }), get_client: refuse(ubusStatus.noData) });
    await expect(run(down, carol)).rejects.toThrow(/^wg1: nothing is learned on it now.*wg-slaacer status$/);
    const unknown = service({ get_peers: refuse(ubusStatus.notFound) });
    await expect(run(unknown, carol, '-i', 'wg9')).rejects.toThrow(/"wg9".* wg1, home, wg3$/);
    const gone = service({
      get_peers: () => ({ peers: [peers[1]!] }),
      get_client: refuse(ubusStatus.notFound),
    });
    await expect(run(gone, alice)).rejects.toThrow(
      `home: it has no peer ${alice}; see wg show wg-home peers`,
    );
    await expect(run(new FakeCaller({}), carol)).rejects.toMatchObject({ status: exitStatus.notRunning });
  });
});

describe('watch', () => {
  const use = { interface: 'wg1', address: '2001:db8:1::5', peer: alice };

  /** Starts it, and resolves to a function that ends it. */
  async function start(ubus: FakeCaller, ...args: string[]): Promise<() => Promise<number>> {
    let end!: () => void;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const exit = watch(() => ubus, args, ended);
    await vi.waitFor(() => expect(printed).not.toEqual([]));
    return () => {
      end();
      return exit;
    };
  }
  /** As the service notifies of it. */
  const notify = (ubus: FakeCaller, event: EngineEvent, description?: string) => {
    const { type, data } = notificationOf(event, () => description)!;
    ubus.notify('wg-slaacer', type, data);
  };
  const withoutTime = () => printed.map((line) => line.replace(/^\d\d:\d\d:\d\d /, ''));

  it('tells what happens, until it is told to end', async () => {
    const ubus = service();
    const stop = await start(ubus);
    const about = { ...use, time: 0 };
    notify(ubus, { ...about, event: 'learned', took: 1, delivered: true }, 'ph\u0007one');
    notify(ubus, { ...about, event: 'adopted' });
    notify(ubus, { ...about, event: 'denied', reason: 'owned', count: 1 });
    notify(ubus, { ...about, event: 'forgotten', reason: 'owned' });
    notify(ubus, { ...about, event: 'released' });
    ubus.notify('wg-slaacer', 'address.denied', { ...use, reason: 'new' }); // of a later version
    expect(await stop()).toBe(exitStatus.ok);
    const peer = `peer ${alice.slice(0, 8)}…`;
    expect(withoutTime()).toEqual([
      'the service is running',
      'wg1: learned 2001:db8:1::5 peer phone',
      `wg1: adopted 2001:db8:1::5 ${peer}`,
      `wg1: denied 2001:db8:1::5 ${peer}: another peer's`,
      `wg1: forgotten 2001:db8:1::5 ${peer}: another peer's by configuration`,
      `wg1: released 2001:db8:1::5 ${peer}`,
      `wg1: denied 2001:db8:1::5 ${peer}: new`,
    ]);
    expect(ubus.closed).toBe(true);
  });

  it('prints an object a line with --json', async () => {
    const ubus = service();
    const stop = await start(ubus, '--json');
    notify(ubus, { ...use, time: 0, event: 'expired' });
    await stop();
    const time = expect.closeTo(Date.now() / 1000, -2);
    expect(printed.map((line) => JSON.parse(line))).toEqual([
      { event: 'running', time },
      { event: 'expired', time, ...use },
    ]);
  });

  it('says when the service, or ubus, goes and comes back', async () => {
    const ubus = service();
    const stop = await start(ubus);
    ubus.objectEvent('remove', 'another');
    expect(printed).toHaveLength(1);
    ubus.objectEvent('remove', 'wg-slaacer');
    ubus.objectEvent('remove', 'wg-slaacer');
    ubus.objectEvent('add', 'wg-slaacer');
    ubus.setConnected(false);
    ubus.setConnected(true);
    await vi.waitFor(() => expect(printed).toHaveLength(5));
    await stop();
    const [running, stopped] = ['the service is running', 'the service is not running'];
    expect(withoutTime()).toEqual([running, stopped, running, stopped, running]);
  });

  it('ends in words if ubus does not let it', async () => {
    const ubus = service({ status: refuse(ubusStatus.permissionDenied) });
    await expect(watch(() => ubus, [], new Promise(() => {}))).rejects.toThrow(/as root/);
    expect(ubus.closed).toBe(true);
  });

  it('waits for a service that is not running, and says how to start it', async () => {
    const ubus = new FakeCaller({});
    const stop = await start(ubus);
    ubus.objectEvent('add', 'wg-slaacer');
    await stop();
    expect(withoutTime()).toEqual([
      'the service is not running',
      expect.stringContaining('service wg-slaacer start'),
      'the service is running',
    ]);
  });
});
