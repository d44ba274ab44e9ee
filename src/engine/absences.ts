// SPDX-License-Identifier: GPL-2.0-only
// netifd deletes a link, and makes it again, at any change of its peers: only an absence that lasts is worth telling.

/** … for so many milliseconds. */
const BRIEF = 10_000;

export class Absences {
  readonly #present = new Set<string>();
  /** By device that was there before: when it was missed first. */
  readonly #since = new Map<string, number>();

  /** Whether a device that is to be there is, now. */
  note(device: string, isThere: boolean, now: number): void {
    if (isThere) {
      this.#present.add(device);
      this.#since.delete(device);
    } else if (this.#present.delete(device)) this.#since.set(device, now);
  }

  /** Whether it was there until a moment ago. */
  isBrief(device: string, now: number): boolean {
    return now < (this.#since.get(device) ?? Number.NEGATIVE_INFINITY) + BRIEF;
  }

  /** When the next one that is brief will not be any more; Infinity if there is none. */
  nextEnd(now: number): number {
    const ends = [...this.#since.values()].map((since) => since + BRIEF);
    return Math.min(Number.POSITIVE_INFINITY, ...ends.filter((end) => end > now));
  }
}
