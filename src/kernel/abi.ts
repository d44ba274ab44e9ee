// SPDX-License-Identifier: GPL-2.0-only
// bpf/wg-slaacer.h in TypeScript: maps' keys and values and the ring buffer's records. Host byte order, except
// addresses; the kernel's nanoseconds are milliseconds here.

import { endianness } from 'node:os';
import { formatAddress, type Prefix, parseAddress } from '../address.ts';
import type { Counters, LearnedRecord, Limits, Sighting, Verdict } from './kernel.ts';

const little = endianness() === 'LE';
const verdicts = ['candidate', 'restore', 'owned', 'scope', 'reserved', 'rate'] as const satisfies Verdict[];

/** Sizes and offsets in bytes, checked against the header by a test and against the object's maps when it is loaded. */
export const layout = {
  source: { size: 20, ifindex: 0, address: 4 },
  learned: { size: 72, peer: 0, interface: 32, learned: 48, last_seen: 56, last_seen_jiffies: 64 },
  interface: { size: 24, interval: 0, burst: 8, netns: 16 },
  scope_key: { size: 24, prefix_length: 0, ifindex: 4, address: 8 },
  counters: { size: 48, packets: 0 },
  sighting: {
    size: 104,
    time: 0,
    ifindex: 8,
    count: 12,
    packet_length: 16,
    verdict: 18,
    repeat: 19,
    address: 24,
    sender: 40,
    owner: 72,
    packet: 104,
  },
} as const;

const KEY = 32;

function view(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function readTime(buffer: Buffer, offset: number): number {
  return Number(view(buffer).getBigUint64(offset, little)) / 1e6;
}

function writeTime(buffer: Buffer, offset: number, milliseconds: number): void {
  view(buffer).setBigUint64(offset, BigInt(Math.round(milliseconds * 1e6)), little);
}

export function encodeIfindex(ifindex: number): Buffer {
  const buffer = Buffer.alloc(4);
  view(buffer).setUint32(0, ifindex, little);
  return buffer;
}

export function encodeSource(ifindex: number, address: string): Buffer {
  const buffer = Buffer.alloc(layout.source.size);
  view(buffer).setUint32(layout.source.ifindex, ifindex, little);
  buffer.set(parseAddress(address)!, layout.source.address);
  return buffer;
}

export function encodeLearned(record: LearnedRecord): Buffer {
  const at = layout.learned;
  const buffer = Buffer.alloc(at.size);
  buffer.write(record.peer, at.peer, 'base64');
  buffer.write(record.interface, at.interface, at.learned - at.interface - 1, 'latin1');
  writeTime(buffer, at.learned, record.learned);
  writeTime(buffer, at.last_seen, record.lastSeen);
  return buffer;
}

/** The records in a dump of the learned map. */
export function decodeRecords(dump: Buffer): LearnedRecord[] {
  const { source, learned } = layout;
  const records: LearnedRecord[] = [];
  for (let at = 0; at < dump.length; at += source.size + learned.size) {
    const key = dump.subarray(at, at + source.size);
    const value = dump.subarray(at + source.size, at + source.size + learned.size);
    records.push({
      ifindex: view(key).getUint32(source.ifindex, little),
      interface: value.toString('latin1', learned.interface, learned.learned).replace(/\0.*$/s, ''),
      address: formatAddress(key.subarray(source.address)),
      peer: value.toString('base64', learned.peer, learned.peer + KEY),
      learned: readTime(value, learned.learned),
      lastSeen: decodeLastSeen(value),
    });
  }
  return records;
}

export function decodeLastSeen(value: Buffer): number {
  return readTime(value, layout.learned.last_seen);
}

/** `netns`: the inode number of the network namespace. */
export function encodeInterface(limits: Limits, netns: number): Buffer {
  const buffer = Buffer.alloc(layout.interface.size);
  writeTime(buffer, layout.interface.interval, limits.rate === 0 ? 0 : 60_000 / limits.rate);
  view(buffer).setBigUint64(layout.interface.burst, BigInt(limits.burst), little);
  view(buffer).setUint32(layout.interface.netns, netns, little);
  return buffer;
}

/** The answer of the scope trie: learn what matches, or refuse it as reserved. */
export function encodeScopeValue(kind: 'learn' | 'reserved'): Buffer {
  return Buffer.from([kind === 'learn' ? 1 : 2]);
}

export function encodeScopeKey(ifindex: number, prefix: Prefix): Buffer {
  const at = layout.scope_key;
  const buffer = Buffer.alloc(at.size);
  view(buffer).setUint32(at.prefix_length, 32 + prefix.length, little);
  view(buffer).setUint32(at.ifindex, ifindex, little);
  buffer.set(prefix.bytes, at.address);
  return buffer;
}

export function decodeCounters(value: Buffer): Counters {
  const counts = verdicts.map((verdict, i) => [verdict, Number(view(value).getBigUint64(8 * i, little))]);
  return Object.fromEntries(counts) as Record<Verdict, number>;
}

/** The sightings in a batch of ring buffer records (BpfObject.onRecords). Packets are views of the batch. */
export function decodeSightings(batch: Buffer): Sighting[] {
  const sightings: Sighting[] = [];
  for (let at = 0; at < batch.length; ) {
    const length = view(batch).getUint32(at, little);
    sightings.push(decodeSighting(batch.subarray(at + 8, at + 8 + length)));
    at += 8 + ((length + 7) & ~7);
  }
  return sightings;
}

function decodeSighting(record: Buffer): Sighting {
  const at = layout.sighting;
  const verdict = verdicts[record[at.verdict]!]!;
  const packetLength = view(record).getUint16(at.packet_length, little);
  return {
    time: readTime(record, at.time),
    ifindex: view(record).getUint32(at.ifindex, little),
    verdict,
    count: view(record).getUint32(at.count, little),
    address: formatAddress(record.subarray(at.address, at.address + 16)),
    sender: record.toString('base64', at.sender, at.sender + KEY),
    ...(record[at.repeat] === 1 && { repeat: true as const }),
    ...(verdict === 'owned' && { owner: record.toString('base64', at.owner, at.owner + KEY) }),
    ...(packetLength > 0 && { packet: record.subarray(at.packet, at.packet + packetLength) }),
  };
}
