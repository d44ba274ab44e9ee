// SPDX-License-Identifier: GPL-2.0-only
// Catalogues as LuCI reads them on the router (*.lmo): the translations one after the other, an index that is sorted by
// the hash of each text, and where the index begins. The same bytes as LuCI's po2lmo makes.

import type { Catalogue } from './po.ts';

/** One of the index, four numbers of 32 bits. */
interface Indexed {
  readonly key: number;
  readonly forms: number;
  readonly offset: number;
  readonly length: number;
}

export function encodeLmo({ header, entries }: Catalogue): Buffer {
  const index: Indexed[] = [];
  const parts: Buffer[] = [];
  let offset = 0;
  const add = (key: number, forms: number, text: string) => {
    const bytes = Buffer.from(text);
    index.push({ key, forms, offset, length: bytes.length });
    parts.push(bytes, Buffer.alloc(-bytes.length & 3));
    offset += bytes.length + (-bytes.length & 3);
  };
  const [, plural] = /^Plural-Forms: (.*)$/m.exec(header) ?? [];
  if (plural !== undefined) add(0, 0, plural);
  for (const { id, text } of entries) {
    // What reads the same needs no entry.
    if (text !== '' && hashOf(id) !== hashOf(text)) add(hashOf(id), 1, text);
  }
  const numbers = index
    .sort((a, b) => a.key - b.key)
    .flatMap(({ key, forms, offset, length }) => [key, forms, offset, length]);
  const tail = Buffer.alloc(4 * (numbers.length + 1));
  for (const [i, number] of [...numbers, offset].entries()) tail.writeUInt32BE(number, 4 * i);
  return Buffer.concat([...parts, tail]);
}

/** The translations by their hashes. */
export function decodeLmo(file: Buffer): Map<number, string> {
  const begin = file.readUInt32BE(file.length - 4);
  const texts = new Map<number, string>();
  for (let at = begin; at < file.length - 4; at += 16) {
    const offset = file.readUInt32BE(at + 8);
    texts.set(file.readUInt32BE(at), file.toString('utf8', offset, offset + file.readUInt32BE(at + 12)));
  }
  return texts;
}

/** Paul Hsieh's SuperFastHash with the length as its beginning, as sfh_hash() of LuCI has it. */
export function hashOf(text: string): number {
  const bytes = Buffer.from(text);
  const whole = bytes.length & ~3;
  let hash = bytes.length;
  for (let at = 0; at < whole; at += 4) {
    hash = (hash + bytes.readUInt16LE(at)) | 0;
    hash = (hash << 16) ^ ((bytes.readUInt16LE(at + 2) << 11) ^ hash);
    hash = (hash + (hash >>> 11)) | 0;
  }
  switch (bytes.length - whole) {
    case 3:
      hash = (hash + bytes.readUInt16LE(whole)) | 0;
      hash ^= hash << 16;
      hash ^= bytes.readInt8(whole + 2) << 18;
      hash = (hash + (hash >>> 11)) | 0;
      break;
    case 2:
      hash = (hash + bytes.readUInt16LE(whole)) | 0;
      hash ^= hash << 11;
      hash = (hash + (hash >>> 17)) | 0;
      break;
    case 1:
      hash = (hash + bytes.readInt8(whole)) | 0;
      hash ^= hash << 10;
      hash = (hash + (hash >>> 1)) | 0;
  }
  hash ^= hash << 3;
  hash = (hash + (hash >>> 5)) | 0;
  hash ^= hash << 4;
  hash = (hash + (hash >>> 17)) | 0;
  hash ^= hash << 25;
  hash = (hash + (hash >>> 6)) | 0;
  return hash >>> 0;
}
