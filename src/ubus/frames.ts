// SPDX-License-Identifier: GPL-2.0-only

import { MAX_LENGTH, WORD } from './blob.ts';
import { frameLength, HEADER } from './message.ts';

const START = HEADER + WORD;
/** ubusd takes messages of MAX_LENGTH and adds the caller's user and group before it hands them on. */
export const RECEIVED_MAX_LENGTH = MAX_LENGTH + 1024;

/** Cuts what a stream delivers into frames. It holds one unfinished frame at most, beside what `push` was given. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #available = 0;
  #needed: number | undefined;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#available += chunk.length;
  }

  /** The next whole frame, if it is there. Throws MalformedError if what is there cannot be one. */
  next(): Buffer | undefined {
    if (this.#available < START) return undefined;
    this.#needed ??= frameLength(this.#peek(START), RECEIVED_MAX_LENGTH);
    if (this.#available < this.#needed) return undefined;
    const frame = this.#peek(this.#needed);
    this.#chunks[0] = this.#chunks[0]!.subarray(this.#needed);
    this.#available -= this.#needed;
    this.#needed = undefined;
    return frame;
  }

  /** So many bytes from the start, which are then in one piece. */
  #peek(length: number): Buffer {
    if (this.#chunks[0]!.length < length) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!.subarray(0, length);
  }
}
