// SPDX-License-Identifier: GPL-2.0-only

import { beforeEach, expect, it } from 'vitest';
import { type Device, SESSION } from '../../src/model.ts';
import { Sessions } from '../../src/sessions.ts';
import { alice, bob, deviceOf } from './bench.ts';

let sessions: Sessions;
beforeEach(() => {
  sessions = new Sessions();
});

/** What WireGuard has, with when a peer last shook hands by the wall clock. */
const shaken = (latestHandshake: number) => {
  const device = deviceOf({ [alice]: [] });
  return { ...device, peers: device.peers.map((peer) => ({ ...peer, latestHandshake })) };
};

/** The wall clock is ahead by a million seconds, unless told. */
const note = (device: Device, now: number, wall = 1e9 + now) => sessions.note('wg1', device, now, wall);

it('counts from when a handshake was found, whatever the wall clock says', () => {
  note(shaken(1_000_000), 0);
  expect(sessions.mayBe('wg1', alice, SESSION - 1)).toBe(true);
  expect(sessions.mayBe('wg1', alice, SESSION)).toBe(false);
  note(shaken(1), SESSION); // the clock has been set back by years
  expect(sessions.mayBe('wg1', alice, SESSION)).toBe(true);
  note(shaken(1), SESSION + 1_000);
  expect(sessions.mayBe('wg1', alice, 2 * SESSION)).toBe(false);
  expect(sessions.latest('wg1', alice)).toBe(1);
});

it('keeps in mind who was there before the interface was made anew', () => {
  note(shaken(1_000), 0);
  note(shaken(0), 1_000);
  note(deviceOf({}), 2_000);
  expect(sessions.mayBe('wg1', alice, SESSION - 1)).toBe(true);
  expect(sessions.mayBe('wg1', alice, SESSION)).toBe(false);
  note(shaken(0), SESSION);
  expect(sessions.latest('wg1', alice)).toBeUndefined();
});

it('knows of no session of a peer that has never shaken hands', () => {
  note(shaken(0), 0);
  expect(sessions.mayBe('wg1', alice, 0)).toBe(false);
  expect(sessions.mayBe('wg1', bob, 0)).toBe(false);
  expect(sessions.mayBe('wg2', alice, 0)).toBe(false);
});

it('tells how old the first handshake is that it finds by the wall clock, which is told whole seconds', () => {
  note(shaken(1_000_000 - 180), 0);
  expect(sessions.isLive('wg1', alice, 999)).toBe(true);
  expect(sessions.isLive('wg1', alice, 1_000)).toBe(false);
  expect(sessions.mayBe('wg1', alice, SESSION - 1)).toBe(true);
});

it.each([-1e11, 1e11])('believes no clock that was set by %i since the last look', (by) => {
  note(shaken(0), 0);
  note(shaken(1_000_000), 10_000, 1e9 + by);
  expect(sessions.isLive('wg1', alice, SESSION - 1)).toBe(true);
  note(shaken(1_000_000), 20_000, 1e9 - by);
  expect(sessions.isLive('wg1', alice, 10_000 + SESSION)).toBe(false);
});

it('takes a handshake that was told of, and that WireGuard has noted a second earlier, for one', () => {
  sessions.shake('wg1', alice, 1_000, 5_000);
  sessions.note('wg1', shaken(999), 100_000, 1_095_000);
  expect(sessions.mayBe('wg1', alice, 5_000 + SESSION)).toBe(false);
  sessions.note('wg1', shaken(1_120), 200_000, 1_195_000);
  sessions.note('wg1', shaken(1_121), 300_000, 1_295_000);
  expect(sessions.mayBe('wg1', alice, 300_000 + SESSION - 1)).toBe(true);
});
