// SPDX-License-Identifier: GPL-2.0-only
// Where the bars of a timeline stand, and the marks of its axis. Times are Unix seconds, places are percents.

import type { Stay } from '../../src/answers.ts';

/** What a timeline shows. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** A stay that has its place in a lane, with no other beside it. */
export interface Bar {
  readonly stay: Stay;
  readonly lane: number;
  readonly start: number;
  /** The end of its use. */
  readonly used: number;
  readonly end: number;
  /** From where to where there is room for its label. */
  readonly room: { readonly start: number; readonly end: number };
}

export interface Tick {
  readonly place: number;
  /** Seconds. */
  readonly time: number;
  /** Midnight. */
  readonly isDay: boolean;
  /** Has to stay where there is little room. */
  readonly isMajor: boolean;
}

const DAY = 86_400;

/** Where a time stands, cut off at the edges. */
export function placeOf(time: number, { from, to }: Span): number {
  return Math.min(100, Math.max(0, ((time - from) / (to - from)) * 100));
}

/** The stays of a peer: addresses of which one follows the other share a lane. The longest is in the first. */
export function bars(stays: readonly Stay[], span: Span): { bars: Bar[]; lanes: number } {
  const lanes: Stay[][] = [];
  const endOf = ({ to = span.to }: Stay) => to;
  const begun = stays.filter((stay) => endOf(stay) >= span.from && stay.from <= span.to);
  for (const stay of begun.sort((one, other) => one.from - other.from || endOf(other) - endOf(one))) {
    // As an address of a peer that has several keeps its lane, where it had one.
    const free = lanes.filter((lane) => endOf(lane[lane.length - 1]!) <= stay.from);
    const own = free.find((lane) => lane[lane.length - 1]!.address === stay.address) ?? free[0];
    if (own) own.push(stay);
    else lanes.push([stay]);
  }
  return {
    lanes: lanes.length,
    bars: lanes.flatMap((lane, index) =>
      lane.map((stay, place) => {
        const [before, after] = [lane[place - 1], lane[place + 1]];
        const between = (one: Stay, other: Stay) => placeOf((endOf(one) + other.from) / 2, span);
        return {
          stay,
          lane: index,
          start: placeOf(stay.from, span),
          used: placeOf(Math.min(stay.last_seen, endOf(stay)), span),
          end: placeOf(endOf(stay), span),
          room: {
            start: before ? between(before, stay) : 0,
            end: after ? between(stay, after) : 100,
          },
        };
      }),
    ),
  };
}

/** Full hours of a day, or midnights of a longer time, by the clock of the reader. */
export function ticks(span: Span): Tick[] {
  const isLong = span.to - span.from > 2 * DAY;
  const time = new Date(span.from * 1_000);
  time.setMinutes(0, 0, 0);
  if (isLong) time.setHours(0);
  const found: Tick[] = [];
  for (;;) {
    // By the calendar, as a day may have 23 or 25 hours.
    if (isLong) time.setDate(time.getDate() + 1);
    else time.setHours(time.getHours() + 1);
    const seconds = time.getTime() / 1_000;
    if (seconds > span.to) return found;
    const hour = time.getHours();
    if (hour % 2 === 1) continue;
    const place = placeOf(seconds, span);
    found.push({ place, time: seconds, isDay: hour === 0, isMajor: isLong || hour % 6 === 0 });
  }
}
