// SPDX-License-Identifier: GPL-2.0-only

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_LENGTH, MalformedError } from '../../src/ubus/blob.ts';
import { decodeTable, encodeTable } from '../../src/ubus/blobmsg.ts';
import { FrameReader, RECEIVED_MAX_LENGTH } from '../../src/ubus/frames.ts';
import { decodeMessage, encodeMessage, messageType } from '../../src/ubus/message.ts';
import type { UbusTable, UbusValue } from '../../src/ubus/types.ts';
import { bytes, recording, recordings } from './ubus-wire.ts';

const hex = (table: UbusTable) => encodeTable(table).toString('hex');
const decoded = (text: string) => decodeTable(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const nestedTo = (depth: number): UbusTable => (depth === 1 ? {} : { t: nestedTo(depth - 1) });

describe('recorded frames', () => {
  it('are there', () => {
    expect(recordings.length).toBe(10);
  });

  it.each(recordings)('of %s come out again as they were, values and all', (name) => {
    for (const frame of recording(name)) {
      const message = decodeMessage(bytes(frame));
      const { data, signature } = message.attributes;
      const attributes = {
        ...message.attributes,
        ...(data && { data: encodeTable(decodeTable(data)) }),
        ...(signature && { signature: encodeTable(decodeTable(signature)) }),
      };
      expect(encodeMessage({ ...message, attributes }).toString('hex')).toBe(frame.hex);
    }
  });

  it('mean what was said', () => {
    const said = recording('publish_call_subscribe_notify').find(
      ({ from, type, connection }) => from === 'ubusd' && type === 'DATA' && connection === 3,
    )!;
    expect(decodeMessage(bytes(said))).toMatchObject({
      type: messageType.data,
      sequence: 1,
      attributes: { path: 'demo', object: 0xcd2ce269, objectType: 0x15896451 },
    });
    const answer = recording('publish_call_subscribe_notify').filter(
      ({ from, type }) => from === 'client' && type === 'DATA',
    )[0]!;
    expect(decodeTable(decodeMessage(bytes(answer)).attributes.data!)).toEqual({
      s: 'héllo',
      i: -5,
      b: true,
      a: ['x', 2, { z: null }],
      o: { k: 'v' },
      big: 2 ** 40,
      neg: -7,
      dbl: 0.5,
      nul: null,
      nested: { list: ['x', 1, { y: false }] },
    });
  });
});

describe('values', () => {
  it.each<[string, UbusValue, string]>([
    ['null', null, '80000008 0001 7600'],
    ['a truth', true, '87000009 0001 7600 01000000'],
    ['the largest INT32', 2 ** 31 - 1, '8500000c 0001 7600 7fffffff'],
    ['the smallest INT32', -(2 ** 31), '8500000c 0001 7600 80000000'],
    ['what is one more', 2 ** 31, '84000010 0001 7600 0000000080000000'],
    ['what is one less', -(2 ** 31) - 1, '84000010 0001 7600 ffffffff7fffffff'],
    ['the largest whole number', Number.MAX_SAFE_INTEGER, '84000010 0001 7600 001fffffffffffff'],
    ['what no number holds', 2n ** 53n + 1n, '84000010 0001 7600 0020000000000001'],
    ['the smallest INT64', -(2n ** 63n), '84000010 0001 7600 8000000000000000'],
    ['a fraction', 0.5, '88000010 0001 7600 3fe0000000000000'],
    ['what exceeds 64 bits', 2 ** 63, '88000010 0001 7600 43e0000000000000'],
    ['a text', 'é', '8300000b 0001 7600 c3a90000'],
    ['nothing in a list', [], '81000008 0001 7600'],
    ['nothing in a table', {}, '82000008 0001 7600'],
  ])('%s is these bytes', (_what, value, expected) => {
    expect(hex({ v: value })).toBe(expected.replaceAll(' ', ''));
    expect(decoded(expected)).toEqual({ v: value });
  });

  it('are read in widths that are not written', () => {
    expect(decoded('8600000a 0001 7600 fffe0000')).toEqual({ v: -2 });
    expect(decoded('84000010 0001 7600 0000000000000005')).toEqual({ v: 5 });
    expect(decoded('81000010 0001 7600 05000008 00000007')).toEqual({ v: [7] });
  });

  it('of any kind come back as they were', () => {
    const name = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
    const value = fc.letrec<{ value: UbusValue }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constant(null),
        fc.boolean(),
        fc.integer(),
        fc.maxSafeInteger(),
        fc.double({ noNaN: true }).map((number) => number + 0),
        fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
        name,
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: false }),
      ),
    })).value;
    // A whole double beyond the safe integers comes back as the bigint that it is.
    const plain = (data: unknown) =>
      JSON.stringify(data, (_key, part) => {
        if (typeof part === 'bigint') return `${part}`;
        return Number.isInteger(part) && !Number.isSafeInteger(part) && Math.abs(part) < 2 ** 63
          ? `${BigInt(part)}`
          : part;
      });
    fc.assert(
      fc.property(fc.dictionary(name, value, { noNullPrototype: false }), (table) => {
        const again = decodeTable(encodeTable(table as UbusTable));
        expect(plain(again)).toBe(plain(table));
      }),
    );
  });

  it('may be called __proto__ and change nothing but the table', () => {
    const table = decodeTable(encodeTable(JSON.parse('{"__proto__":{"polluted":true},"constructor":1}')));
    expect(Object.keys(table)).toEqual(['__proto__', 'constructor']);
    expect(table.polluted).toBeUndefined();
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('nest 32 levels deep and no further', () => {
    expect(decodeTable(encodeTable(nestedTo(32)))).toEqual(nestedTo(32));
    expect(() => encodeTable(nestedTo(33))).toThrow(RangeError);
    let deep = Buffer.alloc(0);
    for (let level = 1; level < 33; level++) {
      const header = Buffer.from('8200000000017400', 'hex');
      header.writeUInt32BE(0x82000000 + deep.length + 8, 0);
      deep = Buffer.concat([header, deep]);
      if (level < 32) expect(() => decodeTable(deep)).not.toThrow();
      else expect(() => decodeTable(deep)).toThrow(MalformedError);
    }
  });

  it('that ubus cannot carry are refused', () => {
    const loop: Record<string, UbusValue> = {};
    loop.loop = loop;
    expect(() => encodeTable(loop)).toThrow(RangeError);
    expect(() => encodeTable({ v: 2n ** 63n })).toThrow(RangeError);
    expect(() => encodeTable({ v: 'a\0b' })).toThrow(TypeError);
    expect(() => encodeTable({ 'a\0b': 1 })).toThrow(TypeError);
    expect(() => encodeTable({ v: undefined as unknown as null })).toThrow(TypeError);
    expect(() => encodeTable({ ['n'.repeat(65536)]: 1 })).toThrow(RangeError);
    expect(() => encodeTable({ v: 'x'.repeat(MAX_LENGTH) })).toThrow(RangeError);
  });

  it.each([
    ['a length beyond the end', '8500000d 0001 7600 00000000'],
    ['a length below the header', '85000003 0001 7600 00000000'],
    ['left over bytes', '80000008 0001 7600 0000'],
    ['a value without name', '05000008 00000007'],
    ['a name without end', '8000000c 0008 7600 00000000'],
    ['no room for a name', '80000004'],
    ['an INT32 of 8 bytes', '85000010 0001 7600 0000000000000000'],
    ['an INT8 of no bytes', '87000008 0001 7600'],
    ['a text without end', '8300000c 0001 7600 61616161'],
    ['an unknown type', '8900000c 0001 7600 00000000'],
  ])('are malformed if there is %s', (_what, text) => {
    expect(() => decoded(text)).toThrow(MalformedError);
  });
});

describe('a stream', () => {
  const frames = recording('publish_call_subscribe_notify').map(bytes);
  const stream = Buffer.concat(frames);

  it.each([1, 3, 12, 13, 100, stream.length])('in pieces of %d bytes gives the same frames', (size) => {
    const reader = new FrameReader();
    const read: Buffer[] = [];
    for (let offset = 0; offset < stream.length; offset += size) {
      reader.push(stream.subarray(offset, offset + size));
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) read.push(frame);
    }
    expect(read).toEqual(frames);
  });

  it('carries 1 MiB and what ubusd adds in a frame and not a byte more', () => {
    const reader = new FrameReader();
    const header = (length: number) =>
      Buffer.from(`000200010000000000${length.toString(16).padStart(6, '0')}`, 'hex');
    expect(RECEIVED_MAX_LENGTH).toBeGreaterThan(MAX_LENGTH);
    reader.push(Buffer.concat([header(RECEIVED_MAX_LENGTH), Buffer.alloc(RECEIVED_MAX_LENGTH - 4)]));
    expect(reader.next()?.length).toBe(8 + RECEIVED_MAX_LENGTH);
    reader.push(header(RECEIVED_MAX_LENGTH + 1));
    expect(() => reader.next()).toThrow(MalformedError);
  });

  it.each(['010200010000000000000004', '000200010000000000000003', '000200010000000000ffffff'])(
    'that starts with %s is none',
    (start) => {
      const reader = new FrameReader();
      reader.push(Buffer.from(start, 'hex'));
      expect(() => reader.next()).toThrow(MalformedError);
    },
  );
});
