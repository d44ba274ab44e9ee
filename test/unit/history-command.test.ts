// SPDX-License-Identifier: GPL-2.0-only
// The command "history".

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Stay } from '../../src/answers.ts';
import { parseHistoryArguments } from '../../src/cli/arguments.ts';
import { history } from '../../src/cli/history.ts';
import { historyLines } from '../../src/cli/show.ts';
import { exitStatus, UsageError, UserError } from '../../src/cli/usage.ts';
import type { UbusTable } from '../../src/ubus/types.ts';
import { alice, bob } from './bench.ts';
import { FakeCaller } from './fake-caller.ts';

const zone = process.env.TZ;
beforeAll(() => {
  process.env.TZ = 'Europe/Berlin';
});
afterAll(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

const five = '2001:db8:1::5';
const begin = Date.UTC(2026, 10, 28, 17, 0) / 1_000;
const stay: Stay = {
  interface: 'wg1',
  address: five,
  peer: alice,
  description: 'phone',
  from: begin,
  to: begin + 3_600,
  last_seen: begin + 1_800,
  how: 'forgotten',
  reason: 'given',
};
const { to: _, reason: __, description: ___, ...rest } = stay;
const present: Stay = { ...rest, peer: bob, how: 'present' };

let printed: string[];
let ubus: FakeCaller;
beforeEach(() => {
  printed = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
  const get_history = () => ({ now: begin, history: [present, stay] }) as unknown as UbusTable;
  ubus = new FakeCaller({ 'wg-slaacer': { get_history } });
});
afterEach(() => vi.restoreAllMocks());

const run = (...args: string[]) => history(() => ubus, args);
const asked = () => ubus.calls.map(({ method, args }) => ({ method, ...args }));

it('shows who had what, from when to when, by the local time', async () => {
  expect(await run()).toBe(exitStatus.ok);
  expect(asked()).toEqual([{ method: 'get_history' }]);
  expect(ubus.closed).toBe(true);
  expect(printed.join('\n')).toBe(`wg1: 2
ADDRESS        PEER       FROM         LAST SEEN    TO           HOW
${five}  ${bob.slice(0, 8)}…  11-28 18:00  11-28 18:30               present
${five}  phone      11-28 18:00  11-28 18:30  11-28 19:00  forgotten (given)`);
});

it.each([
  ['an address, however it is written', ['2001:DB8:1:0::5'], { address: five }],
  ['a key', [alice], { peer: alice }],
  ['a time', ['--at', '1800000000'], { at: 1_800_000_000 }],
  ['a name', ['phone'], {}],
])('asks for %s', async (_, args, asking) => {
  await run(...args, '--json');
  expect(asked()).toEqual([{ method: 'get_history', ...asking }]);
});

it('has of a name what is of peers that are called so', async () => {
  await run('phone', '--json');
  expect(printed.map((line) => JSON.parse(line))).toEqual([{ now: begin, history: [stay] }]);
});

it('says that there is nothing', async () => {
  await run('laptop\u001b[2J');
  expect(printed).toEqual(['There is nothing of laptop in the history.']);
  const screen = { columns: 80, colour: false, now: begin };
  expect(historyLines({ history: [] }, undefined, screen)).toEqual(['There is nothing in the history.']);
  expect(historyLines({ history: [stay], omitted: 7 }, undefined, screen).at(-1)).toBe(
    '… and 7 more: name an address or a peer to see fewer at once.',
  );
});

it('says how to start a service that is not running', async () => {
  ubus = new FakeCaller({});
  await expect(run()).rejects.toMatchObject({ status: exitStatus.notRunning });
  await expect(run()).rejects.toBeInstanceOf(UserError);
});

describe('a time', () => {
  const now = new Date('2026-11-28T12:00:00Z');
  const at = (text: string) => parseHistoryArguments(['--at', text], now).at;

  it.each([
    ['12:59', '2026-11-28T11:59Z'],
    ['13:01:05', '2026-11-27T12:01:05Z'],
    ['2026-11-27', '2026-11-26T23:00Z'],
    ['2026-11-27 08:30', '2026-11-27T07:30Z'],
    ['2026-07-01T08:30:05', '2026-07-01T06:30:05Z'],
    ['2026-11-27T08:30Z', '2026-11-27T08:30Z'],
    ['2026-11-27 08:30:00+05:30', '2026-11-27T03:00Z'],
    ['1790000000', '2026-09-21T14:13:20Z'],
  ])('may be %s', (text, expected) => expect(at(text)).toBe(Date.parse(expected) / 1_000));

  it.each(['', 'now', '25:00', '8:30', '12:60', '2026-13-01', '2026-11-27 8', '-5', '12345', '1e9'])(
    'is not %j',
    (text) => expect(() => at(text)).toThrow(UsageError),
  );

  it('and one argument are all that there may be', () => {
    expect(() => parseHistoryArguments(['a', 'b'], now)).toThrow('unexpected argument "b"');
    expect(() => parseHistoryArguments(['--since', '1'], now)).toThrow(UsageError);
  });
});
