// SPDX-License-Identifier: GPL-2.0-only
// ubus messages (ubusmsg.h): a header of 8 bytes (version 0, type, 16-bit sequence, 32-bit peer; big-endian), then one
// attribute that holds all others.

import {
  attributeLength,
  attributes,
  BlobWriter,
  MAX_LENGTH,
  MalformedError,
  readText,
  text,
  u32,
  WORD,
} from './blob.ts';

/** enum ubus_msg_type. */
export const messageType = {
  hello: 0,
  status: 1,
  data: 2,
  lookup: 4,
  invoke: 5,
  addObject: 6,
  removeObject: 7,
  subscribe: 8,
  unsubscribe: 9,
  notify: 10,
} as const;

/** The object of ubusd itself that takes and hands out events (UBUS_SYSTEM_OBJECT_EVENT). */
export const EVENT_OBJECT = 1;

export const HEADER = 8;

/** enum ubus_msg_attr, each as it is used. */
export interface MessageAttributes {
  readonly status?: number;
  readonly path?: string;
  readonly object?: number;
  readonly method?: string;
  readonly objectType?: number;
  /** Of blobmsg: per method a table of argument types. */
  readonly signature?: Buffer;
  /** Of blobmsg. Whoever wrote it, ubusd has not looked at it. */
  readonly data?: Buffer;
  readonly target?: number;
  readonly active?: boolean;
  readonly noReply?: boolean;
  readonly subscribers?: Buffer;
  readonly user?: string;
  readonly group?: string;
}

export interface Message {
  readonly type: number;
  readonly sequence: number;
  readonly peer: number;
  readonly attributes: MessageAttributes;
}

interface Kind<T> {
  encode(value: T): Buffer;
  decode(payload: Buffer): T;
}

const word: Kind<number> = {
  encode: u32,
  decode(payload) {
    if (payload.length !== 4) throw new MalformedError(`a number of 4 bytes has ${payload.length}`);
    return payload.readUInt32BE(0);
  },
};
const flag: Kind<boolean> = {
  encode: (value) => Buffer.of(Number(value)),
  decode(payload) {
    if (payload.length !== 1) throw new MalformedError(`a flag of 1 byte has ${payload.length}`);
    return payload[0] !== 0;
  },
};
const string: Kind<string> = { encode: text, decode: readText };
const nested: Kind<Buffer> = { encode: (value) => value, decode: (payload) => payload };

const kinds: { [K in keyof MessageAttributes]-?: [id: number, Kind<NonNullable<MessageAttributes[K]>>] } = {
  status: [1, word],
  path: [2, string],
  object: [3, word],
  method: [4, string],
  objectType: [5, word],
  signature: [6, nested],
  data: [7, nested],
  target: [8, word],
  active: [9, flag],
  noReply: [10, flag],
  subscribers: [11, nested],
  user: [12, string],
  group: [13, string],
};

const kindOf = kinds as Readonly<Record<string, [id: number, Kind<unknown>]>>;
const byId = new Map(Object.entries(kindOf).map(([name, [id, kind]]) => [id, { name, kind }]));

/** With the attributes in the order in which they are given. Throws RangeError if it exceeds the limit, 1 MiB. */
export function encodeMessage({ type, sequence, peer, attributes }: Message, limit = MAX_LENGTH): Buffer {
  const writer = new BlobWriter(limit);
  const start = writer.open(0);
  for (const [name, value] of Object.entries(attributes)) {
    const [id, kind] = kindOf[name]!;
    if (value !== undefined) writer.put(id, kind.encode(value));
  }
  writer.close(start);
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(type, 1);
  header.writeUInt16BE(sequence, 2);
  header.writeUInt32BE(peer, 4);
  return Buffer.concat([header, writer.finish()]);
}

/** Of a whole frame. Attributes that are not known are left out. Throws MalformedError. */
export function decodeMessage(frame: Buffer): Message {
  const decoded: Record<string, unknown> = {};
  for (const { id, payload } of attributes(frame.subarray(HEADER + WORD))) {
    const known = byId.get(id);
    if (known !== undefined) decoded[known.name] = known.kind.decode(payload);
  }
  return {
    type: frame.readUInt8(1),
    sequence: frame.readUInt16BE(2),
    peer: frame.readUInt32BE(4),
    attributes: decoded,
  };
}

/** How long a frame is whose first 12 bytes are these. Throws MalformedError if they cannot start one. */
export function frameLength(start: Buffer, limit: number): number {
  if (start[0] !== 0) throw new MalformedError(`a message has version ${start[0]}`);
  const length = attributeLength(start.readUInt32BE(HEADER));
  if (length < WORD || length > limit) throw new MalformedError(`a message claims ${length} bytes`);
  return HEADER + length;
}
