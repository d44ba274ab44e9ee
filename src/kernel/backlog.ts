// SPDX-License-Identifier: GPL-2.0-only
// What has been taken out of a ring buffer and has not had its turn yet. The kernel tells of many addresses at once faster
// than they can be learned, and what does not fit into its buffer is lost: so that is emptied between one part and the next.

/** Bytes. With more than that waiting, what comes is lost, as if the kernel's buffer were full. */
const MOST = 1 << 22;

export class Backlog {
  readonly #parts: Buffer[] = [];
  #size = 0;
  #next: NodeJS.Immediate | undefined;
  readonly #handle: (part: Buffer) => void;

  constructor(handle: (part: Buffer) => void) {
    this.#handle = handle;
  }

  /** The first one is handled at once, the others in their turn, with whatever else there is to do in between. */
  add(parts: readonly Buffer[]): void {
    for (const part of parts) {
      if (this.#size >= MOST) break;
      this.#size += part.length;
      this.#parts.push(part);
    }
    if (!this.#next) this.#handleNext();
  }

  close(): void {
    clearImmediate(this.#next);
    this.#next = undefined;
    this.#parts.length = 0;
    this.#size = 0;
  }

  #handleNext(): void {
    const part = this.#parts.shift();
    if (!part) return;
    this.#size -= part.length;
    // Before it is handled, which may end all this.
    this.#next = this.#parts.length > 0 ? setImmediate(() => this.#turn()) : undefined;
    this.#handle(part);
  }

  #turn(): void {
    this.#next = undefined;
    this.#handleNext();
  }
}
