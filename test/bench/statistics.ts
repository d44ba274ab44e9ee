// SPDX-License-Identifier: GPL-2.0-only

/** Undefined without any. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined || sorted.length % 2 === 1) return upper;
  return (sorted[middle - 1]! + upper) / 2;
}

/** Undefined without any. */
export function worst(values: readonly number[]): number | undefined {
  return values.length > 0 ? Math.max(...values) : undefined;
}
