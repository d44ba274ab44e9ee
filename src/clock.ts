// SPDX-License-Identifier: GPL-2.0-only

/** Time, so that tests can turn it. */
export interface Clock {
  /** Milliseconds of CLOCK_MONOTONIC, as the kernel's records have it. */
  now(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  /** Calls back once, after so many milliseconds; the answer cancels it. */
  after(milliseconds: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Number(process.hrtime.bigint()) / 1e6,
  wall: () => Date.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
};
