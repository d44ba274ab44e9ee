// SPDX-License-Identifier: GPL-2.0-only
// netifd deletes a link, and makes it again, at any change of its peers, and gives it its prefix only then: what is wrong
// with an interface that has just gone or come is worth telling only if it lasts.

/** … for so many milliseconds. */
const BRIEF = 10_000;

export class Presence {
  readonly #isThere = new Map<string, boolean>();
  /** By device: when it was last found to have gone, or to have come. */
  readonly #changed = new Map<string, number>();

  /** Whether a device that is to be there is, now. */
  note(device: string, isThere: boolean, now: number): void {
    const before = this.#isThere.get(device);
    this.#isThere.set(device, isThere);
    if (before !== undefined && before !== isThere) this.#changed.set(device, now);
  }

  /** Whether a device went or came a moment ago. */
  hasJustChanged(device: string, now: number): boolean {
    return now < (this.#changed.get(device) ?? Number.NEGATIVE_INFINITY) + BRIEF;
  }

  /** When the next moment is over; Infinity if there is none. */
  nextEnd(now: number): number {
    const ends = [...this.#changed.values()].map((changed) => changed + BRIEF);
    return Math.min(Number.POSITIVE_INFINITY, ...ends.filter((end) => end > now));
  }
}
