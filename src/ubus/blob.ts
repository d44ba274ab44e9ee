// SPDX-License-Identifier: GPL-2.0-only
// Attributes as blob.h of libubox lays them out: a big-endian word of flag (1 bit), id (7) and length (24, with this
// word, without padding), the payload, and zeroes up to a multiple of four.

/** The largest message of ubus without its header (UBUS_MAX_MSGLEN), in bytes. */
export const MAX_LENGTH = 1 << 20;

export const WORD = 4;

/** What was received does not follow the format. */
export class MalformedError extends Error {}

export interface Attribute {
  readonly id: number;
  /** BLOB_ATTR_EXTENDED: the payload starts with a name (blobmsg.ts). */
  readonly named: boolean;
  readonly payload: Buffer;
}

export const padded = (length: number): number => (length + WORD - 1) & -WORD;

/** The length that an attribute's first word tells, in bytes, that word included. */
export const attributeLength = (word: number): number => word & 0xffffff;

/** The attributes that fill the buffer. Throws MalformedError at the first that does not fit. */
export function* attributes(buffer: Buffer): Generator<Attribute> {
  for (let offset = 0; offset < buffer.length; ) {
    if (buffer.length - offset < WORD) throw new MalformedError('bytes are left after the last attribute');
    const word = buffer.readUInt32BE(offset);
    const length = attributeLength(word);
    if (length < WORD || padded(length) > buffer.length - offset)
      throw new MalformedError(`an attribute claims ${length} of ${buffer.length - offset} bytes`);
    yield {
      id: (word >>> 24) & 0x7f,
      named: word >>> 31 === 1,
      payload: buffer.subarray(offset + WORD, offset + length),
    };
    offset += padded(length);
  }
}

/** Puts attributes one after the other, nested between `open` and `close`. */
export class BlobWriter {
  readonly #limit: number;
  #buffer = Buffer.alloc(256);
  #length = 0;

  /** Of all that is put, in bytes. */
  constructor(limit = MAX_LENGTH) {
    this.#limit = limit;
  }

  /** Adds bytes for the caller to fill: they are zero. Throws RangeError if the message gets too long. */
  #extend(length: number): number {
    const start = this.#length;
    const end = start + padded(length);
    if (end > this.#limit) throw new RangeError(`the message exceeds ${this.#limit} bytes`);
    if (end > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(end, 2 * this.#buffer.length));
      this.#buffer.copy(larger);
      this.#buffer = larger;
    }
    this.#length = end;
    return start;
  }

  #name(name: string | undefined): void {
    if (name === undefined) return;
    const length = Buffer.byteLength(name);
    if (length > 0xffff) throw new RangeError(`a name has ${length} bytes`);
    const start = this.#extend(2 + length + 1);
    this.#buffer.writeUInt16BE(length, start);
    this.#buffer.write(name, start + 2);
  }

  open(id: number, name?: string): number {
    const start = this.#extend(WORD);
    this.#buffer.writeUInt32BE((((name === undefined ? id : id | 0x80) << 24) >>> 0) + WORD, start);
    this.#name(name);
    return start;
  }

  close(start: number, length = this.#length - start): void {
    this.#buffer.writeUInt32BE(((this.#buffer.readUInt32BE(start) & 0xff000000) | length) >>> 0, start);
  }

  put(id: number, payload: Buffer, name?: string): void {
    const start = this.open(id, name);
    const offset = this.#extend(payload.length);
    payload.copy(this.#buffer, offset);
    this.close(start, offset + payload.length - start);
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}

export function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value >>> 0);
  return buffer;
}

/** Zero-terminated, as C has it. Throws TypeError if there is a zero inside, which no reader would look behind. */
export function text(value: string): Buffer {
  if (value.includes('\0')) throw new TypeError('ubus cannot carry a text with a zero character');
  return Buffer.from(`${value}\0`);
}

/** Up to the first zero, as C reads it. */
export function readText(payload: Buffer): string {
  const end = payload.indexOf(0);
  if (end < 0) throw new MalformedError('a text has no end');
  return payload.toString('utf8', 0, end);
}
