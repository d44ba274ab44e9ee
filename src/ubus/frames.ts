// SPDX-License-Identifier: GPL-2.0-only

import { MAX_LENGTH, WORD } from './blob.ts';
import { frameLength, HEADER } from './message.ts';

const START = HEADER + WORD;
/** ubusd takes messages of MAX_LENGTH and adds the caller's user and group before it hands them on. */
export const RECEIVED_MAX_LENGTH = MAX_LENGTH + 1024;

const LEAST_ROOM = 4096;

/** Cuts what a stream delivers into frames. Of what has been cut nothing is left in it: it may hold others' secrets. */
export class FrameReader {
  #buffer = Buffer.alloc(LEAST_ROOM);
  /** What is there and not cut yet. */
  #start = 0;
  #end = 0;

  /** Copies the chunk. */
  push(chunk: Buffer): void {
    if (this.#end + chunk.length > this.#buffer.length) this.#makeRoom(chunk.length);
    chunk.copy(this.#buffer, this.#end);
    this.#end += chunk.length;
  }

  /** The next whole frame, if it is there, in a buffer of its own. Throws MalformedError if what is there cannot be one. */
  next(): Buffer | undefined {
    const available = this.#buffer.subarray(this.#start, this.#end);
    if (available.length < START) return undefined;
    const length = frameLength(available, RECEIVED_MAX_LENGTH);
    if (available.length < length) return undefined;
    const cut = available.subarray(0, length);
    const frame = Buffer.from(cut);
    cut.fill(0);
    this.#start += length;
    return frame;
  }

  clear(): void {
    this.#buffer.fill(0);
    this.#start = 0;
    this.#end = 0;
  }

  #makeRoom(length: number): void {
    const held = this.#buffer.subarray(this.#start, this.#end);
    const larger = Buffer.alloc(Math.max(LEAST_ROOM, 2 * (held.length + length)));
    held.copy(larger);
    this.#buffer.fill(0);
    this.#buffer = larger;
    this.#end = held.length;
    this.#start = 0;
  }
}
