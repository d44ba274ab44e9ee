// SPDX-License-Identifier: GPL-2.0-only

import { beforeEach, expect, it } from 'vitest';
import { Sessions } from '../../src/engine/sessions.ts';
import { SESSION } from '../../src/model.ts';
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

it('counts from when a handshake was found, whatever the wall clock says', () => {
  sessions.note('wg1', shaken(1_000_000), 0);
  expect(sessions.mayBe('wg1', alice, SESSION - 1)).toBe(true);
  expect(sessions.mayBe('wg1', alice, SESSION)).toBe(false);
  sessions.note('wg1', shaken(1), SESSION); // the clock has been set back by years
  expect(sessions.mayBe('wg1', alice, SESSION)).toBe(true);
  sessions.note('wg1', shaken(1), SESSION + 1_000);
  expect(sessions.mayBe('wg1', alice, 2 * SESSION)).toBe(false);
  expect(sessions.latest('wg1', alice)).toBe(1);
});

it('keeps in mind who was there before the interface was made anew', () => {
  sessions.note('wg1', shaken(1_000), 0);
  sessions.note('wg1', shaken(0), 1_000);
  sessions.note('wg1', deviceOf({}), 2_000);
  expect(sessions.mayBe('wg1', alice, SESSION - 1)).toBe(true);
  expect(sessions.mayBe('wg1', alice, SESSION)).toBe(false);
  sessions.note('wg1', shaken(0), SESSION);
  expect(sessions.latest('wg1', alice)).toBeUndefined();
});

it('knows of no session of a peer that has never shaken hands', () => {
  sessions.note('wg1', shaken(0), 0);
  expect(sessions.mayBe('wg1', alice, 0)).toBe(false);
  expect(sessions.mayBe('wg1', bob, 0)).toBe(false);
  expect(sessions.mayBe('wg2', alice, 0)).toBe(false);
});
