// SPDX-License-Identifier: GPL-2.0-only
// An engine whose hook tells of whatever others change.

import { beforeEach, describe, expect, it } from 'vitest';
import { alice, Bench, bob, config, on } from './bench.ts';
import { FakeStateFile } from './fake-state-file.ts';

const [five, linkLocal] = ['2001:db8:1::5', 'fe80::5'];

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  bench.kernel.tells = true;
  bench.kernel.addLink('wg1', { addresses: ['2001:db8:1::1/64'] });
  bench.kernel.setPeers('wg1', { [alice]: [], [bob]: [] });
  bench.start(config(on('wg1')));
  bench.packet('wg1', alice, five);
  bench.told();
});

const looks = () => bench.kernel.calls.splice(0).filter((call) => call === 'list').length;
const hour = 3_600_000;

/** From now on; the answer tells how many there have been. */
function countWakeUps(): () => number {
  let count = 0;
  const after = bench.clock.after.bind(bench.clock);
  bench.clock.after = (milliseconds, callback) =>
    after(milliseconds, () => {
      count++;
      callback();
    });
  return () => count;
}

it('puts right at once what others have changed', () => {
  bench.kernel.setPeers('wg1', { [alice]: [], [bob]: [] });
  bench.kernel.tellChanges();
  expect(bench.told()).toEqual([`restored ${five} alice`]);
  bench.kernel.allow('wg1', bob, `${five}/128`);
  bench.kernel.tellChanges();
  expect(bench.told()).toEqual([`forgotten ${five} alice (owned)`]);
});

it('wakes no more than once in five minutes for many addresses that expire one after the other', () => {
  const day = 24 * hour;
  bench.start(config(on('wg1', { lifetime: day, maxAddresses: 1_000, rate: 0 })));
  for (let n = 0; n < 500; n++) {
    bench.packet('wg1', alice, `2001:db8:1::f:${n.toString(16)}`);
    bench.clock.advance(day / 500);
  }
  bench.kernel.calls.length = 0;
  const wakeUps = countWakeUps();
  bench.clock.advance(day + day / 30);
  expect(bench.ledger('wg1')).toEqual([]);
  expect(wakeUps()).toBeLessThanOrEqual(day / 300_000);
});

it('wakes at most six times an hour at rest, although it keeps a state for after a reboot', () => {
  bench.stateFile = new FakeStateFile();
  bench.start(config(on('wg1')));
  bench.packet('wg1', alice, linkLocal);
  bench.clock.advance(hour);
  expect(bench.stateFile.text).toContain(linkLocal);
  const wakeUps = countWakeUps();
  bench.clock.advance(hour);
  expect(wakeUps()).toBeLessThanOrEqual(6);
});

describe('looks', () => {
  it('become rare when nothing happens, but go on', () => {
    looks();
    bench.clock.advance(25_000);
    expect(looks()).toBe(1);
    bench.clock.advance(hour);
    expect(looks()).toBeLessThan(10);
    bench.clock.advance(600_000);
    expect(looks()).toBe(1);
    bench.kernel.tellChanges();
    looks();
    bench.clock.advance(25_000);
    expect(looks()).toBe(1);
  });

  it.each([
    [
      'handshakes are not told',
      () => {
        bench.kernel.seesHandshakes = false;
      },
    ],
    [
      'what is learned has to be saved now and then',
      () => {
        bench.kernel.saves = true;
      },
    ],
    [
      'a peer has no address',
      () => {
        bench.packet('wg1', bob, '::1');
        bench.clock.advance(6_000);
        bench.packet('wg1', bob, '::1');
      },
    ],
  ])('go on every 25 s where %s', (_, act) => {
    act();
    bench.kernel.tellChanges();
    looks();
    bench.clock.advance(100_000);
    expect(looks()).toBeGreaterThanOrEqual(4);
  });

  it('that find what was not told of say so, and it counts', () => {
    const { wireguard } = bench.kernel;
    const { dump } = wireguard;
    wireguard.dump = (device, isFresh) => {
      if (isFresh) wireguard.missed++;
      return dump(device);
    };
    bench.clock.advance(25_000);
    expect(bench.told()).toEqual(['problem change-missed']);
    expect(bench.engine.view.status().totals.missed).toBe(1);
    wireguard.dump = dump;
    bench.clock.advance(50_000);
    expect(bench.told()).toEqual(['solved change-missed']);
  });
});

it('frees the addresses of a peer that is gone after a minute', () => {
  bench.kernel.setPeers('wg1', { [bob]: [] });
  bench.kernel.tellChanges();
  bench.clock.advance(59_000);
  expect(bench.told()).toEqual([]);
  bench.clock.advance(1_500);
  expect(bench.told()).toEqual([`forgotten ${five} alice (peer)`]);
});

it('a link-local address is in use for as long as its peer shakes hands, without a look', () => {
  bench.packet('wg1', alice, linkLocal);
  bench.clock.advance(23 * hour);
  const before = bench.kernel.calls.length;
  bench.kernel.shakeHands('wg1', alice);
  expect(bench.kernel.calls.slice(before)).not.toContain('dump');
  bench.clock.advance(2 * hour);
  expect(bench.ledger('wg1')).toEqual([`${linkLocal} alice`]);
});

it('who has just shaken hands keeps its address, though nobody has looked', () => {
  bench.clock.advance(hour);
  bench.kernel.shakeHands('wg1', alice);
  expect(bench.engine.give('wg1', five, bob)).toMatchObject({ code: 'session' });
  bench.clock.advance(180_000);
  expect(bench.engine.give('wg1', five, bob)).toBeUndefined();
});
