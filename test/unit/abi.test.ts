// SPDX-License-Identifier: GPL-2.0-only

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { endianness, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePrefix } from '../../src/address.ts';
import * as abi from '../../src/kernel/abi.ts';
import { alice, bob } from './bench.ts';

const header = new URL('../../bpf/wg-slaacer.h', import.meta.url).pathname;
const { layout } = abi;

const u16 = (value: number) => Buffer.from(new Uint16Array([value]).buffer);
const u32 = (value: number) => Buffer.from(new Uint32Array([value]).buffer);
const u64 = (value: number | bigint) => Buffer.from(new BigUint64Array([BigInt(value)]).buffer);

/** What a C compiler makes of these expressions. */
function evaluate(expressions: string[]): number[] {
  const directory = mkdtempSync(join(tmpdir(), 'abi-'));
  try {
    const program = join(directory, 'abi');
    const prints = expressions.map((expression) => `printf("%zu\\n", (size_t)(${expression}));`);
    execFileSync('cc', ['-std=c11', '-Wall', '-Werror', '-include', header, '-x', 'c', '-', '-o', program], {
      input: `#include <stddef.h>\n#include <stdio.h>\nint main(void)\n{\n${prints.join('\n')}\n}\n`,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    return execFileSync(program, { encoding: 'utf8' }).trim().split('\n').map(Number);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe('the header', () => {
  it('has every structure as it is laid out here', () => {
    const members = Object.entries(layout).flatMap(([structure, { size, ...offsets }]) => [
      { expression: `sizeof(struct ${structure})`, expected: size },
      ...Object.entries(offsets).map(([member, expected]) => ({
        expression: `offsetof(struct ${structure}, ${member})`,
        expected,
      })),
    ]);
    expect(evaluate(members.map(({ expression }) => expression))).toEqual(
      members.map(({ expected }) => expected),
    );
  });

  it('counts the verdicts in the order in which they are decoded', () => {
    const names = ['CANDIDATE', 'RESTORE', 'OWNED', 'SCOPE', 'RESERVED', 'RATE'];
    const numbers = evaluate([...names.map((name) => `VERDICT_${name}`), 'VERDICTS']);
    expect(numbers).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const counters = abi.decodeCounters(Buffer.concat(numbers.slice(0, 6).map((number) => u64(10 + number))));
    expect(counters).toEqual(Object.fromEntries(names.map((name, i) => [name.toLowerCase(), 10 + i])));
  });

  it('has these values in the scope trie', () => {
    const kinds = ['learn', 'reserved', 'configured'] as const;
    const names = kinds.map((kind) => `SCOPE_${kind.toUpperCase()}`);
    expect(evaluate(names)).toEqual(kinds.map((kind) => abi.encodeScopeValue(kind)[0]));
  });
});

describe('what is learned', () => {
  const record = fc.record({
    ifindex: fc.nat(0xffffffff),
    device: fc.stringMatching(/^[a-z0-9._-]{1,15}$/),
    address: fc.constantFrom('2001:db8::5', 'fe80::1:2:3:4', '::ffff:192.0.2.1'),
    peer: fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => Buffer.from(bytes).toString('base64')),
    learned: fc.nat(2 ** 31).map((milliseconds) => milliseconds / 8),
    lastSeen: fc.nat(2 ** 31).map((milliseconds) => milliseconds / 8),
  });

  it('reads back as it was written', () => {
    fc.assert(
      fc.property(fc.array(record), (records) => {
        const dump = records.flatMap((each) => [
          abi.encodeSource(each.ifindex, each.address),
          abi.encodeLearned(each),
        ]);
        expect(abi.decodeRecords(Buffer.concat(dump))).toEqual(records);
      }),
    );
  });

  it('is these bytes', () => {
    const value = abi.encodeLearned({
      ifindex: 7,
      device: 'wg1',
      address: '2001:db8::5',
      peer: alice,
      learned: 1.5,
      lastSeen: 2,
    });
    const name = Buffer.from('wg1'.padEnd(16, '\0'));
    expect(value).toEqual(
      Buffer.concat([Buffer.alloc(32, 0xa1), name, u64(1_500_000), u64(2_000_000), u64(0)]),
    );
    expect(abi.decodeLastSeen(value)).toBe(2);
    expect(abi.encodeSource(7, '2001:db8::5')).toEqual(
      Buffer.concat([u32(7), Buffer.from('20010db8000000000000000000000005', 'hex')]),
    );
  });

  it('keeps the NUL at the end of a name', () => {
    const value = abi.encodeLearned({
      ifindex: 7,
      device: 'longer-than-fifteen',
      address: '2001:db8::5',
      peer: alice,
      learned: 1,
      lastSeen: 1,
    });
    expect(value.toString('latin1', 32, 48)).toBe('longer-than-fif\0');
    expect(value.subarray(48, 56)).toEqual(u64(1_000_000));
  });
});

describe('what is lent', () => {
  const record = fc.record({
    ifindex: fc.nat(0xffffffff),
    device: fc.stringMatching(/^[a-z0-9._-]{1,15}$/),
    peer: fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => Buffer.from(bytes).toString('base64')),
    prefix: fc.record({
      bytes: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      length: fc.integer({ min: 0, max: 128 }),
    }),
  });

  it('reads back as it was written', () => {
    fc.assert(
      fc.property(fc.array(record), (records) => {
        const dump = records.flatMap((each) => Object.values(abi.encodeLent(each)));
        expect(abi.decodeLent(Buffer.concat(dump))).toEqual(records);
      }),
    );
  });

  it('is these bytes', () => {
    const prefix = parsePrefix('2001:db8:1:0:8000::/65')!;
    expect(abi.encodeLent({ ifindex: 7, device: 'wg1', peer: alice, prefix })).toEqual({
      key: Buffer.concat([u32(97), u32(7), Buffer.from('20010db8000100008000000000000000', 'hex')]),
      value: Buffer.concat([Buffer.alloc(32, 0xa1), Buffer.from('wg1'.padEnd(16, '\0'))]),
    });
  });

  it('is not changed by what becomes of the dump', () => {
    const prefix = parsePrefix('2001:db8:1::/65')!;
    const { key, value } = abi.encodeLent({ ifindex: 7, device: 'wg1', peer: alice, prefix });
    const dump = Buffer.concat([key, value]);
    const [decoded] = abi.decodeLent(dump);
    dump.fill(0);
    expect(decoded!.prefix).toEqual(prefix);
  });
});

describe('a borrower', () => {
  const key = Buffer.from(Array.from({ length: 32 }, (_, i) => 200 + i)).toString('base64');

  it('is its key', () => {
    expect(abi.encodeBorrower(key)).toEqual(Buffer.from(key, 'base64'));
  });

  it('has its budget by the first eight bytes of it', () => {
    const id = Buffer.from(key, 'base64').subarray(0, 8);
    expect(abi.encodeBorrowerId(7, key)).toEqual(Buffer.concat([u32(7), u32(0), id]));
  });

  it('has its next token when its budget to learn says so', () => {
    expect(abi.decodeNextToken(Buffer.concat([u64(1_500_000), u64(9_000_000)]))).toBe(1.5);
    expect(abi.decodeNextToken(Buffer.alloc(16))).toBe(0);
  });
});

describe('endpoints', () => {
  const endpoints = fc.record({
    address: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    port: fc.nat(0xffff),
  });

  it.each([
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
    ['2001:db8::5', '20010db8000000000000000000000005'],
  ])('are address and ports as on the wire: %s', (address, hex) => {
    const bytes = abi.encodeEndpoint({ address: parsePrefix(`${address}/128`)!.bytes, port: 0x1234 }, 51_820);
    expect(bytes.toString('hex')).toBe(`${hex}1234ca6c`);
  });

  it('count bytes, each for itself', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(endpoints, fc.nat(0xffff), fc.maxSafeNat()), {
          selector: ([endpoint, local]) => abi.encodeEndpoint(endpoint, local).toString('hex'),
        }),
        (entries) => {
          const dump = entries.flatMap(([endpoint, local, bytes]) => [
            abi.encodeEndpoint(endpoint, local),
            u64(bytes),
          ]);
          expect([...abi.decodeTraffic(Buffer.concat(dump))]).toEqual(
            entries.map(([endpoint, local, bytes]) => [
              abi.encodeEndpoint(endpoint, local).toString('hex'),
              bytes,
            ]),
          );
        },
      ),
    );
  });
});

describe('limits', () => {
  it.each([
    ['five a minute are one in 12 s', { rate: 5, burst: 16 }, 12_000_000_000n, 16n],
    ['none is an interval of 0', { rate: 0, burst: 1 }, 0n, 1n],
    ['the highest is not taken for none', { rate: 6_000, burst: 1_000 }, 10_000_000n, 1_000n],
  ])('%s', (_, limits, interval, burst) => {
    expect(abi.encodeInterface(limits, 4026531840)).toEqual(
      Buffer.concat([u64(interval), u64(burst), u64(4026531840)]),
    );
  });
});

it('has a bit for each ifindex that is enabled, modulo 1024, and no table', () => {
  const words = new Uint32Array(34);
  words.set([0x8000_0001, 1], 0);
  words[6] = 1 << 8;
  words[31] = 0x8000_0000;
  expect(abi.encodeEnabled([0, 31, 32, 1024 + 200, 1023])).toEqual(Buffer.from(words.buffer));
});

it('a key of the scope trie counts the bits of the ifindex', () => {
  expect(abi.encodeScopeKey(7, parsePrefix('2001:db8::/32')!)).toEqual(
    Buffer.concat([u32(64), u32(7), Buffer.from('20010db8000000000000000000000000', 'hex')]),
  );
});

describe('sightings', () => {
  const seen = (verdict: number, more: Buffer) =>
    Buffer.concat([
      u64(1_500_000),
      u32(7),
      u32(3),
      u16(more.length),
      Buffer.from([verdict, 0xee, 0xee, 0xee, 0xee, 0xee]),
      Buffer.from('20010db8000000000000000000000005', 'hex'),
      Buffer.from(alice, 'base64'),
      more,
    ]);
  const inBatch = (record: Buffer) =>
    Buffer.concat([
      u32(record.length),
      Buffer.alloc(4, 0xee),
      record,
      Buffer.alloc(-record.length & 7, 0xee),
    ]);
  const common = { time: 1.5, ifindex: 7, count: 3, address: '2001:db8::5', sender: alice };

  it('are decoded one after the other, whatever their lengths', () => {
    const packets = ['', 'x', 'packet!!', 'longer packet'].map((text) => Buffer.from(text));
    const batch = Buffer.concat(packets.map((packet) => inBatch(seen(0, packet))));
    expect(abi.decodeSightings(batch)).toEqual(
      packets.map((packet) => ({
        ...common,
        verdict: 'candidate',
        ...(packet.length > 0 && { packet: new Uint8Array(packet) }),
      })),
    );
    expect(abi.decodeSightings(Buffer.alloc(0))).toEqual([]);
  });

  it('come in parts if they are many, none twice and none left out', () => {
    const records = Array.from({ length: 1_000 }, (_, n) => inBatch(seen(0, Buffer.alloc(n % 100))));
    const parts = abi.partsOf(Buffer.concat(records));
    expect(Buffer.concat(parts)).toEqual(Buffer.concat(records));
    expect(parts.length).toBeGreaterThan(3);
    for (const part of parts) expect(part.length).toBeLessThan(40_000);
    expect(parts.flatMap(abi.decodeSightings)).toHaveLength(1_000);
    expect(abi.partsOf(Buffer.alloc(0))).toEqual([]);
  });

  it('name an owner only where there is one', () => {
    const [owned, scope] = abi.decodeSightings(
      Buffer.concat([inBatch(seen(2, Buffer.from(bob, 'base64'))), inBatch(seen(3, Buffer.alloc(0)))]),
    );
    expect(owned).toEqual({ ...common, verdict: 'owned', owner: bob });
    expect(scope).toEqual({ ...common, verdict: 'scope' });
  });
});

it('host byte order is that of the machine', () => {
  expect(abi.encodeIfindex(1)).toEqual(Buffer.from(endianness() === 'LE' ? [1, 0, 0, 0] : [0, 0, 0, 1]));
});
