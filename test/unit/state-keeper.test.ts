// SPDX-License-Identifier: GPL-2.0-only
// When what has to be known after a reboot is written, and what is in the way of it.

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeState, type State } from '../../src/engine/state.ts';
import { StateKeeper } from '../../src/engine/state-keeper.ts';
import type { Problem } from '../../src/problem.ts';
import { alice } from './bench.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeStateFile } from './fake-state-file.ts';

const MINUTE = 60_000;

let clock: FakeClock;
let file: FakeStateFile;
let keeper: StateKeeper;
/** The address that the peer uses now; there is nothing to know without. */
let address: string | undefined;
let reported: Problem[];

const state = (): State => ({
  addresses: address === undefined ? [] : [{ device: 'wg1', peer: alice, address }],
  advertised: new Map(),
});
const text = () => encodeState(state());
const codes = () => keeper.problems().map(({ code }) => code);

function create(): void {
  keeper = new StateKeeper(file, clock, state, (problem) => reported.push(problem));
}

function use(next: string | undefined): void {
  address = next;
  keeper.note();
}

beforeEach(() => {
  clock = new FakeClock();
  file = new FakeStateFile();
  reported = [];
  address = undefined;
  create();
  keeper.read();
});

describe('it is written', () => {
  it('a minute after it has changed, and then ten minutes after the last time', () => {
    use('fe80::a');
    clock.advance(MINUTE - 1);
    expect(file.writes).toBe(0);
    clock.advance(1);
    expect(file.text).toBe(text());
    use('fe80::b');
    clock.advance(10 * MINUTE - 1);
    expect(file.writes).toBe(1);
    clock.advance(1);
    expect(file.text).toBe(text());
    use('fe80::c');
    clock.advance(60 * MINUTE);
    expect(file.writes).toBe(3);
    expect(clock.pending()).toEqual([]);
  });

  it('without a wake-up of its own after a look that finds nothing new', () => {
    use('fe80::a');
    clock.advance(MINUTE);
    keeper.note(true);
    expect(clock.pending()).toEqual([]);
    address = 'fe80::b';
    keeper.note(true);
    clock.advance(60 * MINUTE);
    expect(file.text).toBe(text());
  });

  it('not if it has not changed, or is as before again', () => {
    use('fe80::a');
    clock.advance(MINUTE);
    keeper.note();
    clock.advance(60 * MINUTE);
    use('fe80::b');
    use('fe80::a');
    clock.advance(60 * MINUTE);
    keeper.stop();
    expect(file.writes).toBe(1);
  });

  it('not more often than once in ten minutes, whatever peers do, and whatever time it is said to be', () => {
    let wall = 0;
    clock.wall = () => wall;
    const step = fc.record({
      wait: fc.nat(3 * MINUTE),
      jump: fc.integer({ min: -1e12, max: 1e12 }),
      next: fc.constantFrom('fe80::a', 'fe80::b', 'fe80::c', undefined),
      fails: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const attempts: number[] = [];
        file = new FakeStateFile();
        file.write = () => {
          attempts.push(clock.now());
          if (file.failures.write) throw new Error('EIO');
        };
        create();
        keeper.read();
        for (const { wait, jump, next, fails } of steps) {
          if (fails) file.failures.write = 'EIO';
          else delete file.failures.write;
          wall += jump;
          use(next);
          clock.advance(wait);
        }
        for (let n = 1; n < attempts.length; n++)
          expect(attempts[n]! - attempts[n - 1]!).toBeGreaterThanOrEqual(10 * MINUTE);
        clock.dropTimers();
      }),
    );
  });

  it('at the end, if it has changed', () => {
    use('fe80::a');
    keeper.stop();
    expect(file.text).toBe(text());
    expect(clock.pending()).toEqual([]);
  });
});

describe('it is read', () => {
  it('as an earlier process has written it', () => {
    address = 'fe80::a';
    file.text = text();
    create();
    expect(keeper.read()).toEqual(state());
    keeper.stop();
    expect(file.writes).toBe(0);
  });

  it('but for lines that cannot be, which is a problem until it is written anew', () => {
    address = 'fe80::a';
    file.text = `${text()}peer wg1 what\n`;
    create();
    expect(keeper.read()).toEqual(state());
    expect(keeper.problems()).toEqual([{ code: 'state-corrupt', data: { file: file.path, lines: 1 } }]);
    keeper.note();
    clock.advance(MINUTE);
    expect(file.text).toBe(text());
    expect(codes()).toEqual([]);
  });
});

describe('a file', () => {
  it('of another program is neither read nor written', () => {
    file.text = 'root:x:0:0:root:/root:/bin/ash\n';
    create();
    expect(keeper.read()).toEqual({ addresses: [], advertised: new Map() });
    expect(codes()).toEqual(['state-foreign']);
    use('fe80::a');
    clock.advance(60 * MINUTE);
    keeper.stop();
    expect(file.writes).toBe(0);
  });

  it.each(['EROFS', 'ENOSPC', 'EACCES', 'EEXIST'])(
    'that cannot be written for %s is a problem, and tried again later',
    (code) => {
      file.failures.write = code;
      use('fe80::a');
      clock.advance(MINUTE);
      expect(reported).toMatchObject([{ code: 'state-failed', data: { file: file.path, error: code } }]);
      expect(codes()).toEqual(['state-failed']);
      delete file.failures.write;
      clock.advance(10 * MINUTE);
      expect(file.text).toBe(text());
      expect(codes()).toEqual([]);
    },
  );

  it('that cannot be read is a problem, and is not written before it can', () => {
    file.text = 'of another program\n';
    file.failures.read = 'ENOTDIR';
    create();
    expect(keeper.read()).toEqual({ addresses: [], advertised: new Map() });
    expect(codes()).toEqual(['state-failed']);
    use('fe80::a');
    clock.advance(20 * MINUTE);
    expect(file.writes).toBe(0);
    file.text = '';
    delete file.failures.read;
    clock.advance(20 * MINUTE);
    expect(file.text).toBe(text());
    expect(codes()).toEqual([]);
  });
});
