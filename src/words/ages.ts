// SPDX-License-Identifier: GPL-2.0-only
// Spans of time in words, of at most 6 columns for less than 1000 days.

const units = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
] as const;

/** The largest unit of which there are at least two (one minute), rounded down: "42 s", "3 min", "23 h", "12 d". */
export function span(seconds: number): string {
  for (const [unit, length] of units)
    if (seconds >= (unit === 'min' ? length : 2 * length)) return `${Math.floor(seconds / length)} ${unit}`;
  return `${Math.max(0, Math.floor(seconds))} s`;
}

/** Of a time that has passed, both in Unix seconds. A clock that was set since makes it "just now". */
export function ago(time: number, now: number): string {
  return now - time < 1 ? 'just now' : `${span(now - time)} ago`;
}

/** Of what is so many seconds ahead. */
export function ahead(seconds: number): string {
  return seconds < 1 ? 'now' : `in ${span(seconds)}`;
}
