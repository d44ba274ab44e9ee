// SPDX-License-Identifier: GPL-2.0-only

import { constants } from 'node:os';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  attribute,
  decodeMessages,
  encodeMessage,
  findValue,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  nested,
  readText,
  text,
  u8,
  u16,
  u32,
} from '../../src/kernel/netlink.ts';
import { type NetlinkError, NetlinkSocket } from '../../src/kernel/netlink-socket.ts';
import { decodeAttributes } from './attributes.ts';
import { ack, done, FakeSockets } from './fake-netlink.ts';

const { EBUSY, EINTR, ENOBUFS, EPERM } = constants.errno;

describe('attributes', () => {
  it('come out as they went in', () => {
    const type = fc.integer({ min: 0, max: 0x3fff });
    const value = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(fc.array(fc.record({ type, value })), (list) => {
        const bytes = Buffer.concat(list.map(({ type, value }) => attribute(type, value)));
        const back = Array.from(decodeAttributes(bytes), ({ type, value }) => ({
          type,
          value: new Uint8Array(value),
        }));
        expect(back).toEqual(list);
        const [outer, ...others] = decodeAttributes(nested(9, [bytes]));
        expect(others).toEqual([]);
        expect(outer).toEqual({ type: 9, value: bytes });
      }),
    );
  });

  it('are found by their type, the first one where there are several', () => {
    const bytes = Buffer.concat([attribute(1, u8(1)), attribute(2, u8(2)), attribute(2, u16(3))]);
    expect(findValue(bytes, 0, 2)).toEqual(Buffer.of(2));
    expect(findValue(bytes, 16, 2)).toEqual(Buffer.from(u16(3)));
    expect(findValue(bytes, 0, 3)).toBeUndefined();
    for (const type of [1, 3])
      expect(() => findValue(bytes.subarray(0, 18), 0, type)).toThrow('bad attribute at byte 16');
  });

  it('either decode or throw, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          for (const { value } of decodeAttributes(Buffer.from(bytes))) expect(value.length).toBeLessThan(61);
        } catch (error) {
          expect((error as Error).message).toMatch(/^netlink: bad attribute at byte \d+$/);
        }
      }),
    );
  });

  it.each([
    ['a header cut short', '040001'],
    ['a length below the header', '03000100'],
    ['a length of zero', '00000100'],
    ['a length beyond the end', '0600010041'],
  ])('are refused with %s', (_, hex) => {
    expect(() => decodeAttributes(Buffer.from(hex, 'hex'))).toThrow('bad attribute at byte 0');
  });

  it('may lack the padding of the last one', () => {
    expect(decodeAttributes(Buffer.from('0500010041', 'hex'))).toEqual([
      { type: 1, value: Buffer.from('A') },
    ]);
  });

  it('cannot be longer than 16 bits say', () => {
    expect(attribute(1, new Uint8Array(65531))).toHaveLength(65536);
    expect(() => attribute(1, new Uint8Array(65532))).toThrow(RangeError);
  });

  it('hold text up to its NUL', () => {
    expect(text('wg1')).toEqual(Buffer.from('wg1\0'));
    expect(readText(Buffer.from('wg1\0\0'))).toBe('wg1');
    expect(readText(Buffer.from('wg1'))).toBe('wg1');
  });
});

describe('byte order', () => {
  afterEach(() => {
    vi.doUnmock('node:os');
    vi.resetModules();
  });

  it.each([
    ['LE', '10000000 1200 0103 2a000000 00000000 0600 0780 0100 0000 05000300ff000000 0800040004030201'],
    ['BE', '00000010 0012 0301 0000002a 00000000 0006 8007 0001 0000 00050003ff000000 0008000401020304'],
  ])('is the host’s: %s', async (order, expected) => {
    vi.resetModules();
    vi.doMock('node:os', () => ({ endianness: () => order }));
    const codec = await import('../../src/kernel/netlink.ts');
    const bytes = Buffer.concat([
      codec.encodeMessage(0x12, 0x301, 42, new Uint8Array()),
      codec.attribute(0x8007, codec.u16(1)),
      codec.attribute(3, codec.u8(255)),
      codec.attribute(4, codec.u32(0x01020304)),
    ]);
    expect(bytes.toString('hex')).toBe(expected.replaceAll(' ', ''));
    expect(codec.readS32(bytes, 8)).toBe(42);
    const types: number[] = [];
    codec.visitAttributes(bytes, 16, bytes.length, (type) => types.push(type));
    expect(types).toEqual([7, 3, 4]);
  });
});

describe('messages', () => {
  it('come out of one datagram as they went in', () => {
    const first = encodeMessage(16, 2, 1, attribute(1, u8(1)));
    const second = encodeMessage(3, 2, 1, u32(0));
    expect(decodeMessages(Buffer.concat([first, second]))).toEqual([
      { type: 16, flags: 2, sequence: 1, payload: attribute(1, u8(1)) },
      { type: 3, flags: 2, sequence: 1, payload: Buffer.from(u32(0)) },
    ]);
  });

  it.each([
    ['cut in its header', (bytes: Buffer) => bytes.subarray(0, 12)],
    ['cut in its payload', (bytes: Buffer) => bytes.subarray(0, 18)],
    ['that claims to be empty', (bytes: Buffer) => Buffer.from(bytes).fill(0, 0, 4)],
  ])('are refused when there is one %s', (_, cut) => {
    expect(() => decodeMessages(cut(encodeMessage(16, 0, 1, u32(7))))).toThrow('bad message at byte 0');
  });
});

describe('a request', () => {
  const count = (payloads: Buffer[]) => payloads.length;

  function request(sockets: FakeSockets, flags = NLM_F_ACK): number {
    return new NetlinkSocket(sockets, 16).request('TRY it', 20, flags, u32(7), count);
  }

  it('goes out with a sequence number of its own, on a socket with extended acks', () => {
    const sockets = new FakeSockets((message) => [ack(message)]);
    const netlink = new NetlinkSocket(sockets, 16);
    netlink.request('TRY', 20, NLM_F_ACK, u32(7), count);
    netlink.request('TRY', 20, NLM_F_DUMP, u32(7), count);
    expect(sockets.sent).toEqual([encodeMessage(20, 0x005, 1, u32(7)), encodeMessage(20, 0x301, 2, u32(7))]);
    expect(sockets.opened).toHaveLength(1);
    expect(sockets.opened[0]!.arguments).toEqual([16, 3, 16]);
    expect(sockets.opened[0]!.options).toEqual(['270 10 1', '270 11 1', '270 12 1']);
  });

  it('collects the payloads of all datagrams but those of another request', () => {
    const sockets = new FakeSockets((message) => [
      encodeMessage(20, 2, message.sequence + 1, u32(0)),
      Buffer.concat([
        encodeMessage(20, 2, message.sequence, u32(1)),
        encodeMessage(20, 2, message.sequence, u32(2)),
        encodeMessage(1, 0, message.sequence, u32(0)),
      ]),
      encodeMessage(20, 2, message.sequence, u32(3)),
      done(message),
    ]);
    const values = new NetlinkSocket(sockets, 0).request('TRY', 20, NLM_F_DUMP, u32(7), (payloads) =>
      payloads.map((payload) => payload[0]),
    );
    expect(values).toEqual([1, 2, 3]);
  });

  it('leaves nothing of the answer in memory', () => {
    const sockets = new FakeSockets((message) => [
      encodeMessage(20, 2, message.sequence, text('secret')),
      done(message),
    ]);
    request(sockets, NLM_F_DUMP);
    const failing = () => {
      throw new Error('cannot decode');
    };
    const netlink = new NetlinkSocket(sockets, 16);
    expect(() => netlink.request('TRY', 20, NLM_F_DUMP, u32(7), failing)).toThrow('cannot decode');
    expect(sockets.received).toHaveLength(4);
    for (const datagram of sockets.received) expect(datagram.every((byte) => byte === 0)).toBe(true);
  });

  it('that is refused says by what, why and what the kernel says', () => {
    const why = attribute(1, text('no luck'));
    const offset = attribute(2, u32(20));
    const attempt = (answer: (message: Parameters<typeof ack>[0]) => Buffer) => {
      try {
        request(new FakeSockets((message) => [answer(message)]));
      } catch (error) {
        const { errno, code, operation, detail, message } = error as NetlinkError;
        return { errno, code, operation, detail, message };
      }
      return undefined;
    };
    const bare = {
      errno: EPERM,
      code: 'EPERM',
      operation: 'TRY it',
      detail: undefined,
      message: 'TRY it: EPERM',
    };
    const full = { ...bare, detail: 'no luck', message: 'TRY it: EPERM: no luck' };
    const tlvs = NLM_F_ACK_TLVS;
    expect(attempt((message) => ack(message, EPERM))).toEqual(bare);
    expect(attempt((message) => ack(message, EPERM, [offset, why], tlvs | NLM_F_CAPPED))).toEqual(full);
    expect(attempt((message) => ack(message, EPERM, [offset], tlvs | NLM_F_CAPPED))).toEqual(bare);
    expect(attempt((message) => ack(message, EPERM, [why], tlvs))).toEqual(bare);
    expect(attempt((message) => done(message, EPERM, [why], tlvs))).toEqual(full);
  });

  it('for a dump is repeated while changes interrupt it', () => {
    let interruptions = 3;
    const sockets = new FakeSockets((message) => [
      encodeMessage(20, interruptions-- > 0 ? 2 | NLM_F_DUMP_INTR : 2, message.sequence, u32(0)),
      done(message),
    ]);
    expect(request(sockets, NLM_F_DUMP)).toBe(1);
    expect(sockets.sent).toHaveLength(4);
    expect(sockets.opened).toHaveLength(1);
  });

  it('for a dump gives up some time', () => {
    const sockets = new FakeSockets((message) => [done(message, 0, [], 2 | NLM_F_DUMP_INTR)]);
    expect(() => request(sockets, NLM_F_DUMP)).toThrow(expect.objectContaining({ errno: EINTR }));
    expect(sockets.sent).toHaveLength(10);
  });

  it.each([
    ['is missing', 'missing or incomplete', () => []],
    ['ends early', 'missing or incomplete', () => [encodeMessage(20, 2, 1, u32(0))]],
    ['is cut', 'bad message', () => [encodeMessage(20, 2, 1, u32(0)).subarray(0, 17)]],
    ['is noise', 'bad message', () => [Buffer.alloc(40, 0xa5)]],
    ['has no status', 'no four bytes at byte 0', () => [encodeMessage(2, 0, 1, new Uint8Array())]],
    ['is a failed receive', 'ENOBUFS', () => [Object.assign(new Error('recv: ENOBUFS'), { errno: ENOBUFS })]],
  ])('whose answer %s throws, and the next one has a fresh socket', (_, message, answer) => {
    const sockets = new FakeSockets(answer);
    const netlink = new NetlinkSocket(sockets, 16);
    expect(() => netlink.request('TRY', 20, NLM_F_ACK, u32(7), count)).toThrow(message);
    sockets.answer = (request) => [ack(request)];
    expect(netlink.request('TRY', 20, NLM_F_ACK, u32(7), count)).toBe(0);
    expect(sockets.opened.map(({ closed }) => closed)).toEqual([true, false]);
    netlink.close();
    netlink.close();
    expect(sockets.opened[1]!.closed).toBe(true);
  });

  it('that is merely refused keeps its socket', () => {
    const sockets = new FakeSockets((message) => [ack(message, EBUSY)]);
    const netlink = new NetlinkSocket(sockets, 16);
    for (let i = 0; i < 2; i++)
      expect(() => netlink.request('TRY', 20, NLM_F_ACK, u16(7), count)).toThrow('EBUSY');
    expect(sockets.opened).toHaveLength(1);
  });
});
