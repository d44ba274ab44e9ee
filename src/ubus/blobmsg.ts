// SPDX-License-Identifier: GPL-2.0-only
// Named and typed values as blobmsg.h of libubox lays them out: attributes whose payload starts with the name (16-bit
// length, the name, a zero, padding), tables and arrays nested. All numbers are big-endian.

import {
  type Attribute,
  attributes,
  BlobWriter,
  MalformedError,
  padded,
  readText,
  text,
  u32,
} from './blob.ts';
import type { IsWanted, UbusTable, UbusValue } from './types.ts';

/** enum blobmsg_type. */
export const blobmsgType = {
  unspecified: 0,
  array: 1,
  table: 2,
  string: 3,
  int64: 4,
  int32: 5,
  int16: 6,
  int8: 7,
  double: 8,
} as const;

/** As deep as json-c, with which OpenWrt's programs read and write the same data, goes. */
const MAX_DEPTH = 32;

const EMPTY = Buffer.alloc(0);
const INT32_LIMIT = 2 ** 31;
const INT64_LIMIT = 2 ** 63;

/**
 * The payload that carries the table. Throws RangeError if it nests deeper than 32 levels, exceeds 1 MiB or has an
 * integer of more than 64 bits (signed), TypeError if something in it is no UbusValue.
 */
export function encodeTable(table: UbusTable): Buffer {
  const writer = new BlobWriter();
  putEntries(writer, table, 1);
  return writer.finish();
}

function putEntries(writer: BlobWriter, table: UbusTable, depth: number): void {
  for (const [name, value] of Object.entries(table)) {
    if (name.includes('\0')) throw new TypeError('ubus cannot carry a name with a zero character');
    putValue(writer, name, value, depth);
  }
}

function putValue(writer: BlobWriter, name: string, value: UbusValue, depth: number): void {
  switch (typeof value) {
    case 'string':
      writer.put(blobmsgType.string, text(value), name);
      break;
    case 'boolean':
      writer.put(blobmsgType.int8, Buffer.of(Number(value)), name);
      break;
    case 'bigint':
      writer.put(blobmsgType.int64, int64(value), name);
      break;
    case 'number':
      putNumber(writer, name, value);
      break;
    case 'object':
      if (value === null) writer.put(blobmsgType.unspecified, EMPTY, name);
      else putNested(writer, name, value, depth + 1);
      break;
    default:
      throw new TypeError(`ubus cannot carry a value of type ${typeof value} (${name})`);
  }
}

function putNumber(writer: BlobWriter, name: string, value: number): void {
  if (Number.isInteger(value) && -INT32_LIMIT <= value && value < INT32_LIMIT)
    writer.put(blobmsgType.int32, u32(value), name);
  else if (Number.isInteger(value) && -INT64_LIMIT <= value && value < INT64_LIMIT)
    writer.put(blobmsgType.int64, int64(BigInt(value)), name);
  else writer.put(blobmsgType.double, double(value), name);
}

function putNested(
  writer: BlobWriter,
  name: string,
  value: UbusTable | readonly UbusValue[],
  depth: number,
): void {
  if (depth > MAX_DEPTH) throw new RangeError(`ubus data nests deeper than ${MAX_DEPTH} levels`);
  const start = writer.open(Array.isArray(value) ? blobmsgType.array : blobmsgType.table, name);
  if (Array.isArray(value)) for (const element of value) putValue(writer, '', element, depth);
  else putEntries(writer, value as UbusTable, depth);
  writer.close(start);
}

function int64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64BE(value);
  return buffer;
}

function double(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeDoubleBE(value);
  return buffer;
}

/**
 * The table that the payload carries, as far as it is wanted; it has no prototype, so that any name is just a name. Of
 * equal names the last counts. Throws MalformedError.
 */
export const decodeTable = (payload: Buffer, isWanted: IsWanted = () => true): UbusTable =>
  readTable(payload, 1, isWanted);

function readTable(payload: Buffer, depth: number, isWanted: IsWanted): UbusTable {
  const table: Record<string, UbusValue> = Object.create(null);
  for (const attribute of attributes(payload)) {
    if (!attribute.named) throw new MalformedError('a value in a table has no name');
    const [name, data] = splitName(attribute.payload);
    if (isWanted(name, depth)) table[name] = readValue(attribute.id, data, depth, isWanted);
  }
  return table;
}

function readArray(payload: Buffer, depth: number, isWanted: IsWanted): UbusValue[] {
  const array: UbusValue[] = [];
  for (const attribute of attributes(payload))
    array.push(readValue(attribute.id, unnamed(attribute), depth, isWanted));
  return array;
}

function unnamed(attribute: Attribute): Buffer {
  return attribute.named ? splitName(attribute.payload)[1] : attribute.payload;
}

function splitName(payload: Buffer): [string, Buffer] {
  const length = payload.length < 2 ? 0 : payload.readUInt16BE(0);
  const end = padded(2 + length + 1);
  if (end > payload.length || payload[2 + length] !== 0) throw new MalformedError('a name has no end');
  return [readText(payload.subarray(2)), payload.subarray(end)];
}

function readValue(type: number, data: Buffer, depth: number, isWanted: IsWanted): UbusValue {
  switch (type) {
    case blobmsgType.unspecified:
      return null;
    case blobmsgType.array:
    case blobmsgType.table:
      if (depth === MAX_DEPTH) throw new MalformedError(`data nests deeper than ${MAX_DEPTH} levels`);
      return (type === blobmsgType.array ? readArray : readTable)(data, depth + 1, isWanted);
    case blobmsgType.string:
      return readText(data);
    case blobmsgType.int64:
      return readInt64(sized(data, 8));
    case blobmsgType.int32:
      return sized(data, 4).readInt32BE(0);
    case blobmsgType.int16:
      return sized(data, 2).readInt16BE(0);
    case blobmsgType.int8:
      return sized(data, 1)[0] !== 0;
    case blobmsgType.double:
      return sized(data, 8).readDoubleBE(0);
    default:
      throw new MalformedError(`there is no data type ${type}`);
  }
}

function readInt64(data: Buffer): number | bigint {
  const value = data.readBigInt64BE(0);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function sized(data: Buffer, length: number): Buffer {
  if (data.length !== length) throw new MalformedError(`a value of ${length} bytes has ${data.length}`);
  return data;
}
