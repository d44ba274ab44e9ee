// SPDX-License-Identifier: GPL-2.0-only
// bpf/wg-slaacer.h in TypeScript: maps' keys and values and the ring buffer's records. Host byte order, except
// addresses; the kernel's nanoseconds are milliseconds here.

import { type Prefix, writeAddress } from '../address.ts';
import { formatAddressAt } from '../address-text.ts';
import type { Counters, Endpoint, LearnedRecord, Limits, Sighting, Verdict } from '../model.ts';
import type { BpfMap } from './native.ts';
import { readS64, readU16, readU32, writeU32, writeU64 } from './netlink.ts';

const verdicts = ['candidate', 'restore', 'owned', 'scope', 'reserved', 'rate'] as const satisfies Verdict[];

/** Sizes and offsets in bytes, checked against the header by a test and against the object's maps when it is loaded. */
export const layout = {
  source: { size: 20, ifindex: 0, address: 4 },
  learned: { size: 72, peer: 0, interface: 32, learned: 48, last_seen: 56, last_seen_jiffies: 64 },
  enabled: { size: 136, interfaces: 0, table: 128 },
  interface: { size: 24, interval: 0, burst: 8, netns: 16 },
  scope_key: { size: 24, prefix_length: 0, ifindex: 4, address: 8 },
  counters: { size: 48, packets: 0 },
  peer_id: { size: 16, ifindex: 0, id: 8 },
  budget: { size: 16, learn: 0, report: 8 },
  lent: { size: 48, peer: 0, interface: 32 },
  borrower: { size: 32, peer: 0 },
  endpoint: { size: 20, address: 0, port: 16, local_port: 18 },
  traffic: { size: 8, bytes: 0 },
  sighting: {
    size: 72,
    time: 0,
    ifindex: 8,
    count: 12,
    length: 16,
    verdict: 18,
    repeat: 19,
    address: 24,
    sender: 40,
    more: 72,
  },
  handshake: { size: 36, ifindex: 0, peer: 4 },
  changes: { size: 8, begun: 0, done: 4 },
  ours: { size: 8, port: 0, netns: 4 },
  claim: { size: 36, change: 0, peer: 4 },
} as const;

const KEY = 32;

function readTime(buffer: Buffer, offset: number): number {
  return readS64(buffer, offset) / 1e6;
}

function writeTime(buffer: Buffer, offset: number, milliseconds: number): void {
  writeU64(buffer, Math.round(milliseconds * 1e6), offset);
}

function zeroed(size: number): Buffer {
  return Buffer.allocUnsafe(size).fill(0);
}

const NAME = 16; // IFNAMSIZ, with the NUL at its end

function readName(buffer: Buffer, offset: number): string {
  let end = offset;
  while (end < offset + NAME && buffer[end] !== 0) end++;
  return buffer.toString('latin1', offset, end);
}

/** By hand, as for so few bytes a call takes longer. */
function writeName(buffer: Buffer, offset: number, name: string): void {
  const length = Math.min(name.length, NAME - 1);
  for (let i = 0; i < NAME; i++) buffer[offset + i] = i < length ? name.charCodeAt(i) : 0;
}

export function encodeIfindex(ifindex: number): Buffer {
  const buffer = zeroed(4);
  writeU32(buffer, ifindex, 0);
  return buffer;
}

/** Into a new buffer, or one of that size that is there. */
export function encodeSource(
  ifindex: number,
  address: string,
  buffer = Buffer.alloc(layout.source.size),
): Buffer {
  writeU32(buffer, ifindex, layout.source.ifindex);
  writeAddress(address, buffer, layout.source.address);
  return buffer;
}

/** Likewise. */
export function encodeLearned(record: LearnedRecord, buffer = Buffer.alloc(layout.learned.size)): Buffer {
  const at = layout.learned;
  buffer.write(record.peer, at.peer, 'base64');
  writeName(buffer, at.interface, record.device);
  writeTime(buffer, at.learned, record.learned);
  writeTime(buffer, at.last_seen, record.lastSeen);
  writeU64(buffer, 0, at.last_seen_jiffies);
  return buffer;
}

/** The records in a dump of the learned map. There may be so many that a Buffer for each would cost more than all else. */
export function decodeRecords(dump: Buffer): LearnedRecord[] {
  const { source, learned } = layout;
  const records: LearnedRecord[] = [];
  for (let key = 0; key < dump.length; key += source.size + learned.size) {
    const value = key + source.size;
    records.push({
      ifindex: readU32(dump, key + source.ifindex),
      device: readName(dump, value + learned.interface),
      address: formatAddressAt(dump, key + source.address),
      peer: dump.toString('base64', value + learned.peer, value + learned.peer + KEY),
      learned: readTime(dump, value + learned.learned),
      lastSeen: readTime(dump, value + learned.last_seen),
    });
  }
  return records;
}

export function decodeLastSeen(value: Buffer): number {
  return readTime(value, layout.learned.last_seen);
}

/** `netns`: the inode number of the network namespace. */
export function encodeInterface(limits: Limits, netns: number): Buffer {
  const buffer = zeroed(layout.interface.size);
  writeTime(buffer, layout.interface.interval, limits.rate === 0 ? 0 : 60_000 / limits.rate);
  writeU64(buffer, limits.burst, layout.interface.burst);
  writeU32(buffer, netns, layout.interface.netns);
  return buffer;
}

/** With no table of allowed IPs: the hook finds one out. */
export function encodeEnabled(ifindexes: Iterable<number>): Buffer {
  const words = new Uint32Array(layout.enabled.size / 4);
  for (const ifindex of ifindexes) words[(ifindex >> 5) & 31]! |= 1 << (ifindex & 31);
  return Buffer.from(words.buffer);
}

/** The answers of the scope trie: learn what matches, refuse it, or know whose it is, be it for now that peer's alone or not. */
const scopeValues = { learn: 1, reserved: 2, configured: 3, offered: 4 } as const;

export type ScopeKind = keyof typeof scopeValues;

export function encodeScopeValue(kind: ScopeKind): Buffer {
  return Buffer.from([scopeValues[kind]]);
}

export function encodeScopeKey(ifindex: number, prefix: Prefix): Buffer {
  const at = layout.scope_key;
  const buffer = zeroed(at.size);
  writeU32(buffer, 32 + prefix.length, at.prefix_length);
  writeU32(buffer, ifindex, at.ifindex);
  buffer.set(prefix.bytes, at.address);
  return buffer;
}

export function decodeCounters(value: Buffer): Counters {
  const counts = verdicts.map((verdict, i) => [verdict, readS64(value, 8 * i)]);
  return Object.fromEntries(counts) as Record<Verdict, number>;
}

/** The kernel knows a borrower by the first bytes of its key. */
export function encodeBorrowerId(ifindex: number, peer: string): Buffer {
  const buffer = zeroed(layout.peer_id.size);
  writeU32(buffer, ifindex, layout.peer_id.ifindex);
  buffer.set(Buffer.from(peer, 'base64').subarray(0, 8), layout.peer_id.id);
  return buffer;
}

/** When the next token to learn an address was, or is, due: the bucket is full if that is past. */
export function decodeNextToken(budget: Buffer): number {
  return readTime(budget, layout.budget.learn);
}

export function encodeBorrower(peer: string): Buffer {
  return Buffer.from(peer, 'base64');
}

/** A prefix that is lent, on which interface and to whom. */
export interface LentRecord {
  readonly ifindex: number;
  readonly device: string;
  readonly peer: string;
  readonly prefix: Prefix;
}

export function encodeLent(record: LentRecord): { key: Buffer; value: Buffer } {
  const at = layout.lent;
  const value = zeroed(at.size);
  value.write(record.peer, at.peer, 'base64');
  writeName(value, at.interface, record.device);
  return { key: encodeScopeKey(record.ifindex, record.prefix), value };
}

/** The records in a dump of the lent map. */
export function decodeLent(dump: Buffer): LentRecord[] {
  const { scope_key: at, lent } = layout;
  return pairsIn(dump, at.size, lent.size).map(([key, value]) => ({
    ifindex: readU32(key, at.ifindex),
    device: readName(value, lent.interface),
    peer: value.toString('base64', lent.peer, lent.peer + KEY),
    prefix: {
      bytes: new Uint8Array(key.subarray(at.address, at.address + 16)),
      length: readU32(key, at.prefix_length) - 32,
    },
  }));
}

/** Ports are in network byte order. */
export function encodeEndpoint({ address, port }: Endpoint, localPort: number): Buffer {
  const at = layout.endpoint;
  const buffer = zeroed(at.size);
  buffer.set(address, at.address);
  buffer.writeUInt16BE(port, at.port);
  buffer.writeUInt16BE(localPort, at.local_port);
  return buffer;
}

/** Bytes of encrypted messages by endpoint, as encodeEndpoint has it, in hexadecimal. */
export function decodeTraffic(dump: Buffer): Map<string, number> {
  const { endpoint, traffic } = layout;
  return new Map(
    pairsIn(dump, endpoint.size, traffic.size).map(([key, value]) => [
      key.toString('hex'),
      readS64(value, traffic.bytes),
    ]),
  );
}

/** The entries of a map. */
export function pairs(map: Pick<BpfMap, 'dump' | 'keySize' | 'valueSize'>): [key: Buffer, value: Buffer][] {
  return pairsIn(map.dump(), map.keySize, map.valueSize);
}

/** The entries in a dump of a map. */
function pairsIn(dump: Buffer, keySize: number, valueSize: number): [key: Buffer, value: Buffer][] {
  return Array.from({ length: dump.length / (keySize + valueSize) }, (_, i) => {
    const at = i * (keySize + valueSize);
    return [dump.subarray(at, at + keySize), dump.subarray(at + keySize, at + keySize + valueSize)];
  });
}

/**
 * A batch of ring buffer records in parts of some hundred: what is made of one part is gone before the next one takes memory
 * for as much, and not moved about by the garbage collector meanwhile.
 */
export function partsOf(batch: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let from = 0;
  for (const start of starts(batch)) {
    const at = start - 8;
    if (at - from < PART) continue;
    parts.push(batch.subarray(from, at));
    from = at;
  }
  if (from < batch.length) parts.push(batch.subarray(from));
  return parts;
}

/** Bytes. */
const PART = 20_480;

/** The sightings in a batch of ring buffer records (BpfObject.onRecords). Packets are views of the batch. */
export function decodeSightings(batch: Buffer): Sighting[] {
  return starts(batch).map((start) => decodeSighting(batch, start));
}

/** A peer of an interface has a new session. */
export interface Handshake {
  /** 0: it is none, but others have changed WireGuard's configuration. */
  readonly ifindex: number;
  /** The public key in base64. */
  readonly peer: string;
}

/** The handshakes in a batch of ring buffer records. */
export function decodeHandshakes(batch: Buffer): Handshake[] {
  return starts(batch).map((start) => ({
    ifindex: readU32(batch, start + layout.handshake.ifindex),
    peer: batch.toString('base64', start + layout.handshake.peer, start + layout.handshake.peer + KEY),
  }));
}

/** How often others have changed WireGuard's configuration, modulo 2^32. */
export interface ChangeCounts {
  readonly begun: number;
  readonly done: number;
}

export function decodeChanges(value: Buffer): ChangeCounts {
  const at = layout.changes;
  return { begun: readU32(value, at.begun), done: readU32(value, at.done) };
}

/** `netns`: the inode number of the network namespace. */
export function encodeOurs(port: number, netns: number): Buffer {
  const at = layout.ours;
  const buffer = zeroed(at.size);
  writeU32(buffer, port, at.port);
  writeU32(buffer, netns, at.netns);
  return buffer;
}

/** The entries in a dump of the map of claims. */
export function decodeClaims(
  dump: Buffer,
): { ifindex: number; address: string; peer: string; change: number }[] {
  const { source, claim } = layout;
  return pairsIn(dump, source.size, claim.size).map(([key, value]) => ({
    ifindex: readU32(key, source.ifindex),
    address: formatAddressAt(key, source.address),
    peer: value.toString('base64', claim.peer, claim.peer + KEY),
    change: readU32(value, claim.change),
  }));
}

/** Where the records of a batch begin. */
function starts(batch: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at < batch.length; ) {
    found.push(at + 8);
    at += 8 + ((readU32(batch, at) + 7) & ~7);
  }
  return found;
}

/** The one at `start`. */
function decodeSighting(batch: Buffer, start: number): Sighting {
  const at = layout.sighting;
  const verdict = verdicts[batch[start + at.verdict]!]!;
  const sighting: { -readonly [Key in keyof Sighting]: Sighting[Key] } = {
    time: readTime(batch, start + at.time),
    ifindex: readU32(batch, start + at.ifindex),
    verdict,
    count: readU32(batch, start + at.count),
    address: formatAddressAt(batch, start + at.address),
    sender: batch.toString('base64', start + at.sender, start + at.sender + KEY),
  };
  const more = start + at.more;
  const size = readU16(batch, start + at.length);
  if (batch[start + at.repeat] === 1) sighting.repeat = true;
  if (verdict === 'owned') sighting.owner = batch.toString('base64', more, more + size);
  else if (size > 0) sighting.packet = new Uint8Array(batch.buffer, batch.byteOffset + more, size);
  return sighting;
}
