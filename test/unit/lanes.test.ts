// SPDX-License-Identifier: GPL-2.0-only
// Where the bars of the page's timeline stand.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bars, placeOf, ticks } from '../../luci/lib/lanes.ts';
import type { Stay } from '../../src/answers.ts';
import { alice } from './bench.ts';

const zone = process.env.TZ;
beforeAll(() => {
  process.env.TZ = 'Europe/Berlin';
});
afterAll(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

const HOUR = 3_600;
const DAY = 24 * HOUR;
const span = { from: 1_800_000_000, to: 1_800_000_000 + DAY };

/** From when to when, in hours from the span's begin. */
function stay(address: string, from: number, to?: number, used = to ?? from): Stay {
  return {
    interface: 'wg1',
    peer: alice,
    address,
    from: span.from + from * HOUR,
    last_seen: span.from + used * HOUR,
    ...(to !== undefined && { to: span.from + to * HOUR }),
    how: to === undefined ? 'present' : 'expired',
  };
}

describe('bars', () => {
  it('stand where their time is, cut off at the edges', () => {
    const { bars: found } = bars([stay('fe80::1', -5, 12, 6)], span);
    expect(found).toMatchObject([{ start: 0, used: 25, end: 50, lane: 0, room: { start: 0, end: 100 } }]);
    expect(bars([stay('fe80::1', 12)], span).bars).toMatchObject([{ start: 50, used: 50, end: 100 }]);
  });

  it('share a lane where one follows the other, and what is between is for both their labels', () => {
    const { bars: found, lanes } = bars(
      [stay('fe80::2', 12), stay('fe80::1', 0, 6), stay('fe80::3', 3)],
      span,
    );
    expect(lanes).toBe(2);
    expect(found.map(({ stay, lane, room }) => [stay.address, lane, room])).toEqual([
      ['fe80::1', 0, { start: 0, end: 37.5 }],
      ['fe80::2', 0, { start: 37.5, end: 100 }],
      ['fe80::3', 1, { start: 0, end: 100 }],
    ]);
  });

  it('of an address that comes back are in the lane that it had', () => {
    const stays = [stay('fe80::1', 0, 6), stay('fe80::2', 1, 6), stay('fe80::2', 8)];
    expect(bars(stays, span).bars.map(({ stay, lane }) => [stay.address, lane])).toEqual([
      ['fe80::1', 0],
      ['fe80::2', 1],
      ['fe80::2', 1],
    ]);
  });

  it('are not there for what was over before', () => {
    expect(bars([stay('fe80::1', -9, -1)], span)).toEqual({ bars: [], lanes: 0 });
  });

  it('never meet in a lane', () => {
    const some = fc.array(
      fc
        .tuple(fc.constantFrom('fe80::1', 'fe80::2', 'fe80::3'), fc.nat(24), fc.option(fc.nat(24)))
        .map(([address, from, length]) =>
          length === null ? stay(address, from) : stay(address, from, from + length),
        ),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(some, (stays) => {
        const { bars: found, lanes } = bars(stays, span);
        expect(found).toHaveLength(stays.length);
        for (let lane = 0; lane < lanes; lane++) {
          const own = found.filter((bar) => bar.lane === lane);
          expect(own.length).toBeGreaterThan(0);
          own.reduce((before, bar) => {
            expect(bar.start).toBeGreaterThanOrEqual(before.end);
            return bar;
          });
        }
        for (const { start, used, end } of found) {
          expect(start).toBeLessThanOrEqual(used);
          expect(used).toBeLessThanOrEqual(end);
        }
      }),
    );
  });
});

describe('the marks of the axis', () => {
  const at = (text: string) => Date.parse(text) / 1_000;
  const inWords = (from: string, to: string) =>
    ticks({ from: at(from), to: at(to) }).map(({ time, isDay, isMajor }) => {
      const [day, hour] = [new Date(time * 1_000).getDate(), new Date(time * 1_000).getHours()];
      return `${day} ${hour}${isDay ? ' day' : ''}${isMajor ? ' major' : ''}`;
    });

  it('are every second hour of a day, here', () => {
    expect(inWords('2026-11-28T20:30Z', '2026-11-29T05:00Z')).toEqual([
      '28 22',
      '29 0 day major',
      '29 2',
      '29 4',
      '29 6 major',
    ]);
  });

  it('are the midnights of a week, also when the clocks change', () => {
    expect(inWords('2026-10-22T12:00Z', '2026-10-29T12:00Z')).toEqual(
      [23, 24, 25, 26, 27, 28, 29].map((day) => `${day} 0 day major`),
    );
  });

  it('stand where their time is', () => {
    for (const { place, time } of ticks(span)) expect(placeOf(time, span)).toBe(place);
  });
});
