// SPDX-License-Identifier: GPL-2.0-only
// Netlink messages and attributes as bytes (<linux/netlink.h>). All numbers are in host byte order.

import { endianness } from 'node:os';

export const NLM_F_REQUEST = 0x01;
export const NLM_F_ACK = 0x04;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
/** Of requests that make something new. */
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
/** Of an ack: the request is not repeated in it. */
export const NLM_F_CAPPED = 0x100;
/** Of an ack or the end of a dump: attributes (NLMSGERR_ATTR_*) follow. */
export const NLM_F_ACK_TLVS = 0x200;

export const NLMSG_HDRLEN = 16;
/** NLA_HDRLEN: of an attribute, what comes before its value. */
export const NLA_HDRLEN = 4;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

const LITTLE_ENDIAN = endianness() === 'LE';

export interface Message {
  /** nlmsg_type */
  readonly type: number;
  /** nlmsg_flags */
  readonly flags: number;
  /** nlmsg_seq */
  readonly sequence: number;
  /** What follows struct nlmsghdr: a view, not a copy. */
  readonly payload: Buffer;
}

/** One byte. */
export function u8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

/** Two bytes. */
export function u16(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(2);
  writeU16(bytes, value, 0);
  return bytes;
}

/**
 * Throws RangeError for a number of more than two bytes. By hand, like the next ones and those that read: Node's own call
 * several others, each of which has to be compiled, and take several times as long until they are.
 */
export function writeU16(bytes: Uint8Array, value: number, offset: number): void {
  if (value > 0xffff) throw new RangeError(`${value} does not fit into two bytes`);
  bytes[LITTLE_ENDIAN ? offset : offset + 1] = value;
  bytes[LITTLE_ENDIAN ? offset + 1 : offset] = value >>> 8;
}

/** Four bytes. */
export function u32(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4);
  writeU32(bytes, value, 0);
  return bytes;
}

export function writeU32(bytes: Uint8Array, value: number, offset: number): void {
  for (let i = 0; i < 4; i++) bytes[offset + i] = value >>> (LITTLE_ENDIAN ? 8 * i : 24 - 8 * i);
}

/** Eight bytes, exact up to 2^53. */
export function writeU64(bytes: Uint8Array, value: number, offset: number): void {
  writeU32(bytes, value % 2 ** 32, LITTLE_ENDIAN ? offset : offset + 4);
  writeU32(bytes, Math.floor(value / 2 ** 32), LITTLE_ENDIAN ? offset + 4 : offset);
}

/** UTF-8 with the NUL at its end. */
export function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`);
}

/** Throws RangeError where there are no two bytes, and so do the next ones for theirs. */
export function readU16(bytes: Uint8Array, offset = 0): number {
  if (offset + 2 > bytes.length) throw new RangeError(`no two bytes at byte ${offset}`);
  return LITTLE_ENDIAN
    ? bytes[offset]! | (bytes[offset + 1]! << 8)
    : (bytes[offset]! << 8) | bytes[offset + 1]!;
}

export function readU32(bytes: Uint8Array, offset = 0): number {
  return readS32(bytes, offset) >>> 0;
}

export function readS32(bytes: Uint8Array, offset = 0): number {
  if (offset + 4 > bytes.length) throw new RangeError(`no four bytes at byte ${offset}`);
  return LITTLE_ENDIAN
    ? bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)
    : (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
}

/** Exact up to 2^53. No BigInt, which is slow. */
export function readS64(bytes: Uint8Array, offset = 0): number {
  const low = readU32(bytes, LITTLE_ENDIAN ? offset : offset + 4);
  return readS32(bytes, LITTLE_ENDIAN ? offset + 4 : offset) * 2 ** 32 + low;
}

/** Up to the first NUL. */
export function readText(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

/** struct nlattr, the value and its padding. Throws RangeError if the value is longer than 65,531 bytes. */
export function attribute(type: number, value: Uint8Array): Buffer {
  const length = NLA_HDRLEN + value.length;
  const bytes = Buffer.allocUnsafe(align(length)); // of a pool: many are made
  writeU16(bytes, length, 0);
  writeU16(bytes, type, 2);
  bytes.set(value, NLA_HDRLEN);
  return bytes.fill(0, length);
}

/** An attribute made of attributes, marked NLA_F_NESTED as strictly validating families demand. */
export function nested(type: number, attributes: readonly Uint8Array[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(attributes));
}

/** struct nlmsghdr (from port 0) and the payload, which must be padded already. */
export function encodeMessage(type: number, flags: number, sequence: number, payload: Uint8Array): Buffer {
  return Buffer.concat([
    u32(NLMSG_HDRLEN + payload.length),
    u16(type),
    u16(flags),
    u32(sequence),
    u32(0),
    payload,
  ]);
}

/** The messages in a datagram. Throws where it ends within one. */
export function decodeMessages(datagram: Buffer): Message[] {
  const messages: Message[] = [];
  for (let offset = 0; offset < datagram.length; ) {
    const left = datagram.length - offset;
    const length = left < NLMSG_HDRLEN ? 0 : readU32(datagram, offset);
    if (length < NLMSG_HDRLEN || length > left) throw new Error(`netlink: bad message at byte ${offset}`);
    messages.push({
      type: readU16(datagram, offset + 4),
      flags: readU16(datagram, offset + 6),
      sequence: readU32(datagram, offset + 8),
      payload: datagram.subarray(offset + NLMSG_HDRLEN, offset + length),
    });
    offset += align(length);
  }
  return messages;
}

/**
 * Calls back with the type of each attribute from `start` to `end` (nla_type without NLA_F_NESTED and
 * NLA_F_NET_BYTEORDER), and where its value begins and ends, without padding: a Buffer for each would cost more than all
 * else. Throws where the bytes end within one.
 */
export function visitAttributes(
  bytes: Buffer,
  start: number,
  end: number,
  visit: (type: number, from: number, to: number) => void,
): void {
  for (let offset = start; offset < end; ) {
    const length = attributeLength(bytes, offset, end);
    visit(readU16(bytes, offset + 2) & NLA_TYPE_MASK, offset + NLA_HDRLEN, offset + length);
    offset += align(length);
  }
}

/** Where the value of the first attribute of a type begins. As visitAttributes(), but for attributes that are few. */
export function findAttribute(bytes: Buffer, start: number, end: number, type: number): number | undefined {
  for (let offset = start; offset < end; ) {
    const length = attributeLength(bytes, offset, end);
    if ((readU16(bytes, offset + 2) & NLA_TYPE_MASK) === type) return offset + NLA_HDRLEN;
    offset += align(length);
  }
  return undefined;
}

/** The value of the first attribute of a type from `start` on: a view, not a copy. As visitAttributes(). */
export function findValue(bytes: Buffer, start: number, wanted: number): Buffer | undefined {
  let value: Buffer | undefined;
  visitAttributes(bytes, start, bytes.length, (type, from, to) => {
    if (type === wanted) value ??= bytes.subarray(from, to);
  });
  return value;
}

/** nla_len of the attribute at `offset`; throws if it is none. */
function attributeLength(bytes: Buffer, offset: number, end: number): number {
  const left = end - offset;
  const length = left < NLA_HDRLEN ? 0 : readU16(bytes, offset);
  if (length < NLA_HDRLEN || length > left) throw new Error(`netlink: bad attribute at byte ${offset}`);
  return length;
}

/** NLMSG_ALIGN, NLA_ALIGN */
function align(length: number): number {
  return (length + 3) & ~3;
}
