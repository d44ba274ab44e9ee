// SPDX-License-Identifier: GPL-2.0-only
// Catalogues as LuCI reads them on the router (*.lmo): the translations one after the other, an index that is sorted by
// the hash of each text, and where the index begins. The same bytes as LuCI's po2lmo makes.

import { hashOf } from './lmo-hash.ts';
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
