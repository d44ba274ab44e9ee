// SPDX-License-Identifier: GPL-2.0-only
// Mutated frames through codec and client. FUZZ_FRAMES says how many (1,000,000 unless told), FUZZ_SEED which.

import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it, onTestFinished, vi } from 'vitest';
import { MalformedError } from '../../src/ubus/blob.ts';
import { decodeTable, encodeTable } from '../../src/ubus/blobmsg.ts';
import { UbusClient } from '../../src/ubus/client.ts';
import { Connection } from '../../src/ubus/connection.ts';
import { FrameReader } from '../../src/ubus/frames.ts';
import { decodeMessage, encodeMessage, messageType } from '../../src/ubus/message.ts';
import { bytes, recording, recordings, ScriptedUbusd } from './ubus-wire.ts';

const FRAMES = Number(process.env.FUZZ_FRAMES ?? 1_000_000);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
/** What may be left on the heap afterwards, in bytes, whatever the number of frames. */
const HEAP_GROWTH = 16 << 20;

const OBJECT = 0xcd2ce269;
const seeds = recordings.flatMap((name) => recording(name).map(bytes)).filter(({ length }) => length < 400);
const hello = encodeMessage({ type: messageType.hello, sequence: 0, peer: 7, attributes: {} });

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** mulberry32 */
function randomFrom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

type Random = ReturnType<typeof randomFrom>;
type Mutation = (frame: Buffer, random: Random) => Buffer;

const somewhere = (frame: Buffer, random: Random) => random(frame.length);
const aligned = (frame: Buffer, random: Random) => 4 * random(frame.length >> 2);

const mutations: Mutation[] = [
  function flipBits(frame, random) {
    for (let flips = 1 + random(4); flips > 0; flips--) frame[somewhere(frame, random)]! ^= 1 << random(8);
    return frame;
  },
  function truncate(frame, random) {
    return frame.subarray(0, somewhere(frame, random));
  },
  function truncateAndSaySo(frame, random) {
    if (frame.length <= 16) return frame;
    const length = 12 + random(frame.length - 12);
    frame.writeUIntBE(length - 8, 9, 3);
    return frame.subarray(0, length);
  },
  function changeLength(frame, random) {
    const lengths = [0, 3, 4, 5, random(64), frame.length, 0xffff, 0xffffff];
    const offset = Math.min(8 + aligned(frame, random), frame.length - 4);
    frame.writeUIntBE(lengths[random(lengths.length)]!, offset + 1, 3);
    return frame;
  },
  function changeNameLength(frame, random) {
    frame.writeUInt16BE(
      random(2) ? random(16) : random(0x10000),
      Math.min(aligned(frame, random), frame.length - 2),
    );
    return frame;
  },
  function changeIdOrType(frame, random) {
    frame[random(2) ? 1 : aligned(frame, random)] = random(2) ? random(16) : 0x80 | random(10);
    return frame;
  },
  function splice(frame, random) {
    const other = seeds[random(seeds.length)]!;
    return Buffer.concat([frame.subarray(0, aligned(frame, random)), other.subarray(aligned(other, random))]);
  },
  function randomBytes(frame, random) {
    for (let offset = somewhere(frame, random); offset < frame.length; offset++) frame[offset] = random(256);
    return frame;
  },
];

function mutated(random: Random): Buffer {
  let frame: Buffer = Buffer.from(seeds[random(seeds.length)]!);
  for (let count = 1 + random(2); count > 0; count--)
    if (frame.length >= 12) frame = mutations[random(mutations.length)]!(frame, random);
  return frame;
}

/** Throws what is no MalformedError. Tells whether the bytes were a whole frame in order. */
function wellFormed(data: Buffer): boolean {
  try {
    const reader = new FrameReader();
    reader.push(data);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      const { attributes } = decodeMessage(frame);
      for (const payload of [attributes.data, attributes.signature]) {
        if (payload === undefined) continue;
        const encoded = encodeTable(decodeTable(payload));
        if (!encodeTable(decodeTable(encoded)).equals(encoded))
          throw new Error(`unstable: ${data.toString('hex')}`);
      }
    }
    return true;
  } catch (error) {
    if (error instanceof MalformedError) return false;
    throw new Error(`${error} at ${data.toString('hex')}`, { cause: error });
  }
}

/** A socket that takes all and keeps nothing. */
class Sink extends EventEmitter {
  receive: (chunk: Buffer) => void = () => {};
  writableLength = 0;
  destroyed = false;
  write = () => true;
  pause = () => this;
  resume = () => this;
  destroy(): void {
    this.destroyed = true;
  }
}

function connection(onError: (error: Error) => void): Sink {
  const socket = new Sink();
  const answer = (type: number, sequence: number, attributes: object) =>
    socket.receive(encodeMessage({ type, sequence, peer: 0, attributes }));
  const made = new Connection(socket as unknown as Socket, { onHello: () => {}, onClose: () => {}, onError });
  socket.receive = (chunk) => made.receive(chunk);
  socket.receive(hello);
  const object = { invoke: () => ({ answered: true }), subscribed: () => {}, unsubscribed: () => {} };
  made.addObject('Trying', object, {}).catch(() => {});
  answer(messageType.data, 1, { object: OBJECT });
  answer(messageType.status, 1, { status: 0 });
  // One that a mutated answer may meet.
  const data = encodeTable({});
  made.request('Trying', messageType.invoke, OBJECT, { object: OBJECT, method: 'x', data }).catch(() => {});
  return socket;
}

it(`${FRAMES} mutated frames crash nothing and leave nothing behind`, { timeout: 3_600_000 }, async () => {
  // Most of the time would go into stacks of errors that are expected.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  onTestFinished(() => {
    Error.stackTraceLimit = stackTraceLimit;
  });
  const random = randomFrom(SEED);
  const unexpected: Error[] = [];
  const onError = (error: Error) => {
    if (!(error instanceof MalformedError)) unexpected.push(error);
  };
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  let socket = connection(onError);
  let [good, closed] = [0, 0];
  for (let i = 0; i < FRAMES; i++) {
    const frame = mutated(random);
    if (wellFormed(frame)) good++;
    socket.receive(frame);
    if (socket.destroyed || i % 50 === 49) {
      closed += Number(socket.destroyed);
      socket.emit('close');
      socket = connection(onError);
      // Promises of what was asked on the old one.
      if (closed % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }
  socket.emit('close');
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  expect(unexpected).toEqual([]);
  // Both ends of the scale are reached.
  expect(good).toBeGreaterThan(FRAMES / 20);
  expect(closed).toBeGreaterThan(FRAMES / 20);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(HEAP_GROWTH);
});

it('a client that is told mutated frames closes, comes back and goes on', { timeout: 60_000 }, async () => {
  const random = randomFrom(SEED);
  const ubusd = await ScriptedUbusd.start();
  const client = new UbusClient(ubusd.path);
  onTestFinished(() => client.close());
  client.publish('demo', { echo: { arguments: { s: 'String' }, call: (args) => args } });
  client.subscribe('other', () => {});
  client.listen('*', () => {});
  for (let round = 0; round < 4; round++) {
    const socket = await ubusd.accept();
    const closed = socket.closed;
    socket.write(Buffer.concat([hello, ...Array.from({ length: 1000 }, () => mutated(random))]));
    // Nonsense for sure, should all have been in order so far.
    socket.write(Buffer.alloc(2 << 20, 0xff));
    await closed;
  }
  const socket = await ubusd.accept();
  socket.write(hello);
  await vi.waitFor(() => expect(client.connected).toBe(true), 30_000);
  expect(decodeMessage(await socket.next()).attributes.path).toBe('demo');
});
