// SPDX-License-Identifier: GPL-2.0-only

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { EngineConfig } from '../../src/engine/config.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { Entry, Follower } from '../../src/engine/ledger.ts';
import { type Choice, History, MOST_STAYS, type Stay } from '../../src/history/history.ts';
import { HistoryKeeper } from '../../src/history/history-keeper.ts';
import { decodeHistory, encodeHistory } from '../../src/history/history-text.ts';
import type { Problem } from '../../src/problem.ts';
import { alice, bob, config, nameOf, on } from './bench.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeKernel } from './fake-kernel.ts';
import { FakeStateFile } from './fake-state-file.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;
const PATH = '/etc/wg-slaacer/history';
const five = '2001:db8:1::5';
const six = '2001:db8:1::6';

let clock: FakeClock;
let kernel: FakeKernel;
let engine: Engine;
let history: History;
let file: FakeStateFile | undefined;
let keeper: HistoryKeeper | undefined;
let stateFile: FakeStateFile;
let problems: readonly Problem[];
let wanted: EngineConfig;

beforeEach(() => {
  setUp();
  start();
});

/** A router on which nothing has ever run. */
function setUp(): void {
  clock = new FakeClock();
  kernel = new FakeKernel(clock);
  file = keeper = undefined;
  stateFile = new FakeStateFile();
  problems = [];
  wanted = config(on('wg1'));
  addLink();
}

/** As a new process would begin, whatever became of the one before. */
function start(...followers: Follower[]): void {
  clock.dropTimers();
  kernel.revive();
  engine = new Engine(kernel, clock, () => {}, stateFile);
  const { view } = engine;
  history = new History(
    clock,
    () => view.addresses(),
    () => keeper?.note(),
  );
  for (const follower of [history, ...followers]) engine.ledger.follow(follower);
  keep();
  engine.start(wanted);
}

function keep(): void {
  keeper =
    file &&
    new HistoryKeeper(file, clock, history, (told) => {
      problems = told;
    });
}

/** As the service does it. */
function stop(): void {
  engine.stop();
  keeper?.stop();
}

function addLink(): void {
  kernel.addLink('wg1', { addresses: ['2001:db8:1::1/64'] });
  kernel.setPeers('wg1', { [alice]: [], [bob]: [] });
}

function reboot(): void {
  kernel.reboot();
  addLink();
}

function packet(address: string, peer = alice): void {
  kernel.receive('wg1', peer, address);
  kernel.flush();
}

/** Seconds since 1970. */
const now = () => Math.round(clock.wall() / SECOND);

/** "2001:db8::5 alice -60 -10 -5 expired": when it began, was last used and ended, in seconds from now. */
function told(choice: Choice = {}): string[] {
  return history.stays(choice).map(({ address, peer, from, lastSeen, to, how, reason }) => {
    const times = [from, lastSeen, ...(to === undefined ? [] : [to])].map((time) => time - now());
    return [address, nameOf(peer), ...times, how, ...(reason ? [reason] : [])].join(' ');
  });
}

describe('the history', () => {
  it('has who has an address since when, with its last use', () => {
    packet(five);
    clock.advance(10 * SECOND);
    packet(six, bob);
    clock.advance(20 * SECOND);
    kernel.receive('wg1', alice, five);
    clock.advance(5 * SECOND);
    expect(told()).toEqual([`${six} bob -25 -25 present`, `${five} alice -35 -5 present`]);
  });

  it('has who had an address, until when, and how that ended', () => {
    packet(five);
    packet(six, bob);
    clock.advance(30 * SECOND);
    kernel.receive('wg1', bob, six);
    clock.advance(30 * SECOND);
    engine.forget('wg1', six);
    clock.advance(2 * DAY);
    expect(told()).toEqual([
      `${five} alice -172860 -172860 -86460 expired`,
      `${six} bob -172860 -172830 -172800 forgotten user`,
    ]);
  });

  it('says of an address whose it was at a time', () => {
    packet(five);
    clock.advance(10 * MINUTE);
    engine.give('wg1', five, bob);
    clock.advance(10 * MINUTE);
    engine.flush();
    clock.advance(10 * MINUTE);
    const at = (ago: number) =>
      history.stays({ address: five, at: now() - ago * 60 }).map(({ peer }) => nameOf(peer));
    expect([31, 29, 21, 19, 11, 9].map(at)).toEqual([[], ['alice'], ['alice'], ['bob'], ['bob'], []]);
    expect(told({ address: six })).toEqual([]);
    expect(told({ peer: alice })).toEqual([`${five} alice -1800 -1800 -1200 forgotten given`]);
  });

  it('can leave out what had ended before a time', () => {
    packet(five);
    packet(six);
    clock.advance(MINUTE);
    engine.forget('wg1', five);
    clock.advance(MINUTE);
    expect(history.stays({ since: now() - 60 })).toHaveLength(2);
    expect(history.stays({ since: now() - 59 }).map(({ address }) => address)).toEqual([six]);
  });

  it('keeps the newest of those that have ended, and all that are present', () => {
    wanted = config(on('wg1', { rate: 0, maxAddresses: 1 }));
    engine.configure(wanted);
    for (let i = 1; i <= MOST_STAYS + 100; i++) {
      packet(`2001:db8:1::${i.toString(16)}:7`);
      clock.advance(SECOND);
    }
    const stays = history.stays();
    expect(stays).toHaveLength(MOST_STAYS + 1);
    expect(stays[0]!.how).toBe('present');
    expect(stays.at(-1)!.address).toBe('2001:db8:1::64:7');
    expect(new Set(stays.map(({ from }) => from)).size).toBe(stays.length);
  });

  it('is not bent by a clock that is set, and has times by what that says now', () => {
    packet(five);
    clock.advance(MINUTE);
    clock.set = -365 * DAY;
    engine.forget('wg1', five);
    packet(six);
    clock.set = 100 * DAY;
    clock.advance(MINUTE);
    expect(told()).toEqual([`${six} alice -60 -60 present`, `${five} alice -120 -120 -60 forgotten user`]);
  });

  it('knows after a restart what is present, though not what had ended', () => {
    packet(five);
    packet(six);
    engine.forget('wg1', six);
    clock.advance(MINUTE);
    stop();
    start();
    expect(told()).toEqual([`${five} alice -60 -60 present`]);
  });
});

describe('a file for the history', () => {
  beforeEach(() => {
    file = new FakeStateFile(PATH);
    keep();
  });

  it('carries it over a restart', () => {
    packet(five);
    packet(six);
    clock.advance(MINUTE);
    engine.forget('wg1', six);
    clock.advance(MINUTE);
    stop();
    clock.advance(MINUTE);
    start();
    clock.advance(MINUTE);
    expect(told()).toEqual([`${five} alice -240 -240 present`, `${six} alice -240 -240 -180 forgotten user`]);
  });

  it('carries it over a reboot, which ends what was learned, but for what peers are advertised to', () => {
    packet(five);
    packet('fe80::a');
    clock.advance(MINUTE);
    stop();
    reboot();
    clock.advance(MINUTE);
    start();
    clock.advance(MINUTE);
    packet(five);
    clock.advance(MINUTE);
    expect(told()).toEqual([
      `${five} alice -60 -60 present`,
      'fe80::a alice -240 -120 present',
      `${five} alice -240 -240 -180 interrupted`,
    ]);
    stop();
    start();
    expect(told()).toHaveLength(3);
    expect(told()[1]).toBe('fe80::a alice -240 -120 present');
  });

  it('keeps the times of an earlier process when the clock is set, as before it is known after a boot', () => {
    packet(five);
    clock.advance(MINUTE);
    engine.forget('wg1', five);
    const [before] = history.stays();
    stop();
    clock.set = -365 * DAY;
    start();
    packet(six);
    clock.set = 0;
    expect(history.stays()).toContainEqual(before);
    expect(told()).toEqual([`${six} alice 0 0 present`, `${five} alice -60 -60 0 forgotten user`]);
  });

  it('ends what was present when it was written, if that is gone after a killed process', () => {
    packet(five);
    packet(six, bob);
    clock.advance(2 * MINUTE);
    kernel.kill();
    wanted = config();
    clock.advance(MINUTE);
    start();
    expect(told()).toEqual([
      `${six} bob -180 -180 -120 interrupted`,
      `${five} alice -180 -180 -120 interrupted`,
    ]);
  });

  it('is written when something has changed, at most once in ten minutes, and at the end', () => {
    clock.advance(60 * MINUTE);
    expect(file!.writes).toBe(0);
    for (let minute = 0; minute < 60; minute++) {
      engine.flush();
      packet(five);
      clock.advance(MINUTE);
    }
    expect(file!.writes).toBeGreaterThanOrEqual(5);
    expect(file!.writes).toBeLessThanOrEqual(6);
    clock.advance(60 * MINUTE);
    const { writes } = file!;
    clock.advance(DAY / 2);
    expect(file!.writes).toBe(writes);
    stop();
    expect(file!.writes).toBe(writes + 1);
  });

  it('that cannot be written costs nothing, and is written when it can be', () => {
    file!.failures.write = 'ENOSPC';
    packet(five);
    clock.advance(MINUTE);
    expect(problems).toMatchObject([{ code: 'history-failed', data: { file: PATH, error: 'ENOSPC' } }]);
    delete file!.failures.write;
    clock.advance(10 * MINUTE);
    expect(problems).toEqual([]);
    expect(decodeHistory(file!.text).stays).toHaveLength(1);
  });

  it('that is not ours stays as it is', () => {
    file!.text = 'root:x:0:0\n';
    packet(five);
    clock.advance(60 * MINUTE);
    stop();
    expect(problems).toEqual([{ code: 'history-foreign', data: { file: PATH } }]);
    expect(file!.text).toBe('root:x:0:0\n');
  });

  it('loses only the lines that cannot be read', () => {
    packet(five);
    packet(six);
    stop();
    file!.text = file!.text.replace(/^stay.*6 .*$/m, (line) => line.replace('::6', '::z'));
    reboot();
    start();
    expect(problems).toEqual([{ code: 'history-corrupt', data: { file: PATH, lines: 1 } }]);
    expect(told()).toEqual([`${five} alice 0 0 0 interrupted`]);
  });

  it('that appears late, as on a disk that is mounted after the start, is taken in and not written over', () => {
    packet(five);
    clock.advance(MINUTE);
    engine.forget('wg1', five);
    stop();
    const disk = file!;
    file = new FakeStateFile(PATH);
    clock.advance(MINUTE);
    start();
    packet(six);
    file.text = disk.text;
    clock.advance(MINUTE);
    expect(file.writes).toBe(1);
    expect(told()).toEqual([`${six} alice -60 -60 present`, `${five} alice -180 -180 -120 forgotten user`]);
    expect(decodeHistory(file.text).stays).toHaveLength(2);
  });
});

describe('the text of the history', () => {
  const stay = fc
    .record({
      interface: fc.constantFrom('wg1', 'home'),
      peer: fc.constantFrom(alice, bob),
      address: fc.constantFrom(five, six, 'fe80::1'),
      begin: fc.integer({ min: 1, max: 2 ** 33 }),
      use: fc.nat(1_000),
      rest: fc.nat(1_000),
      end: fc.constantFrom(undefined, 'expired', 'evicted', 'released', 'forgotten', 'interrupted'),
      reason: fc.constantFrom('user', 'given', 'taken', 'stopped'),
    } as const)
    .map(({ begin, use, rest, end, reason, ...of }): Stay => {
      const times = { from: begin, lastSeen: begin + use };
      if (end === undefined) return { ...of, ...times, how: 'present' };
      const why = end === 'forgotten' ? { reason } : {};
      return { ...of, ...times, to: begin + use + rest, how: end, ...why };
    });

  it('says what it was made of', () => {
    fc.assert(
      fc.property(fc.array(stay, { minLength: 1 }), (stays) => {
        const decoded = decodeHistory(encodeHistory(stays, 1_800_000_000));
        expect(decoded).toEqual({
          stays: [...stays].reverse(),
          written: 1_800_000_000,
          unreadable: 0,
          isForeign: false,
        });
      }),
    );
  });

  it('is read without an error, whatever became of it', () => {
    fc.assert(
      fc.property(
        fc.array(stay, { minLength: 1, maxLength: 4 }),
        fc.nat(400),
        fc.string({ maxLength: 9 }),
        (stays, at, junk) => {
          const text = encodeHistory(stays, 1_800_000_000);
          const decoded = decodeHistory(text.slice(0, at) + junk + text.slice(at + junk.length));
          for (const { from, lastSeen, to = lastSeen } of decoded.stays) {
            expect(from).toBeLessThanOrEqual(lastSeen);
            expect(lastSeen).toBeLessThanOrEqual(to);
          }
        },
      ),
    );
  });

  it('takes less than what is read of a file, at the most', () => {
    const address = '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff';
    const from = 10_000_000_000;
    const stays = Array.from({ length: MOST_STAYS + 9 }, (_, i): Stay => {
      const peer = Buffer.alloc(32, `key ${i}`).toString('base64');
      return { interface: 'w'.repeat(15), address, peer, from, lastSeen: from, to: from, how: 'interrupted' };
    });
    const text = encodeHistory(stays, from);
    expect(decodeHistory(text).stays).toHaveLength(MOST_STAYS);
    expect(text.length).toBeLessThan(2 ** 20);
  });
});

describe('whatever happens', () => {
  interface Known {
    readonly address: string;
    readonly peer: string;
    readonly from: number;
    to?: number;
    how: string;
  }

  type Step =
    | { do: 'packet'; address: string; peer: string }
    | { do: 'pass'; time: number }
    | { do: 'forget'; address: string }
    | { do: 'give'; address: string; peer: string }
    | { do: 'configure'; isOn: boolean; maxAddresses: number }
    | { do: 'flush' | 'setconf' | 'restart' | 'kill' | 'reboot' };

  const address = fc.constantFrom(five, six, '2001:db8:1::7', 'fe80::5', 'fe80::6');
  const peer = fc.constantFrom(alice, bob);
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant('packet' as const), address, peer }) },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('pass' as const),
        time: fc.constantFrom(1_000, 2_500, 61_000, 200_000, 700_000),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('forget' as const), address }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('give' as const), address, peer }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('configure' as const),
        isOn: fc.boolean(),
        maxAddresses: fc.constantFrom(1, 32),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.constantFrom<Step>(
        { do: 'flush' },
        { do: 'setconf' },
        { do: 'restart' },
        { do: 'kill' },
        { do: 'reboot' },
      ),
    },
  );

  /** What a follower of its own knows of what has ended, and of what is present. */
  class Witness implements Follower {
    readonly known: Known[] = [];

    present({ address, peer, learned }: Readonly<Entry>): void {
      const last = this.#lastOf(address);
      if (last && last.how === 'present') return;
      this.known.push({ address, peer, from: wall(learned), how: 'present' });
    }

    gone({ address }: Readonly<Entry>, { event }: { event: string }): void {
      Object.assign(this.#lastOf(address)!, { to: now(), how: event });
    }

    #lastOf(address: string): Known | undefined {
      return this.known.findLast((each) => each.address === address);
    }
  }

  const quick = (maxAddresses: number) => on('wg1', { maxAddresses, lifetime: 10 * MINUTE });
  const wall = (time: number) => Math.round((clock.wall() - clock.now() + time) / SECOND);
  const sorted = (stays: readonly (Known | Stay)[]) =>
    stays
      .map(({ address, peer, from, to, how }) => `${address} ${nameOf(peer)} ${from} ${to ?? ''} ${how}`)
      .sort();

  it.each([
    ['kept in memory', false],
    ['kept in a file', true],
  ])('a history that is %s agrees with the ledger', (_, isInFile) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), (steps) => {
        setUp();
        wanted = config(quick(32));
        if (isInFile) file = new FakeStateFile(PATH);
        let witness = new Witness();
        start(witness);
        const restart = () => {
          const before = witness;
          witness = new Witness();
          start(witness);
          if (!isInFile) return;
          const ended: Known[] = [];
          for (const old of before.known) {
            // What was adopted goes on, though it may have expired at once.
            const adopted = witness.known.find(
              ({ address, peer }) => address === old.address && peer === old.peer,
            );
            if (old.how !== 'present') ended.push(old);
            else if (adopted) Object.assign(adopted, { from: old.from });
            else ended.push({ ...old, to: now(), how: 'interrupted' });
          }
          witness.known.unshift(...ended);
        };
        for (const step of steps) {
          switch (step.do) {
            case 'packet':
              packet(step.address, step.peer);
              break;
            case 'pass':
              clock.advance(step.time);
              break;
            case 'forget':
              engine.forget('wg1', step.address);
              break;
            case 'give':
              engine.give('wg1', step.address, step.peer);
              break;
            case 'flush':
              engine.flush();
              break;
            case 'configure':
              wanted = step.isOn ? config(quick(step.maxAddresses)) : config();
              engine.configure(wanted);
              break;
            case 'setconf':
              kernel.setPeers('wg1', { [alice]: [], [bob]: [] });
              break;
            case 'restart':
              stop();
              restart();
              break;
            case 'kill':
              if (isInFile) keeper!.stop(); // as if it had just been time to write
              kernel.kill();
              restart();
              break;
            case 'reboot':
              stop();
              reboot();
              restart();
          }
          const stays = history.stays();
          expect(sorted(stays)).toEqual(sorted(witness.known));
          expect(
            stays
              .filter(({ how }) => how === 'present')
              .map(({ address, peer }) => `${address} ${peer}`)
              .sort(),
          ).toEqual([...engine.ledger.entries()].map(({ address, peer }) => `${address} ${peer}`).sort());
          for (const { from, lastSeen, to = now() } of stays) {
            expect(from).toBeLessThanOrEqual(lastSeen);
            expect(lastSeen).toBeLessThanOrEqual(to);
          }
        }
      }),
      { numRuns: Number(process.env.RUNS ?? 60) },
    );
  });
});
