// SPDX-License-Identifier: GPL-2.0-only
// What the host and the agent in the guest say to each other, as agent.c has it.

import type { Duplex } from 'node:stream';

/** Asked of the agent; the numbers of the kinds are agent.c's. */
export type Request = { readonly id: number } & (
  | { readonly start: readonly string[] }
  | { readonly input: Uint8Array }
  | { readonly end: true }
  /** The number of a signal, for a program's whole process group. */
  | { readonly kill: number }
  /** Milliseconds until a report is wanted; negative: no longer. */
  | { readonly wait: number }
);

const kinds = { start: 1, input: 2, end: 3, kill: 4, wait: 5 } as const;

/** What the agent tells. `now` is the guest's date in milliseconds. */
export interface Report {
  readonly id: number;
  readonly now: number;
  readonly kind: 'ready' | 'stdout' | 'stderr' | 'exit' | 'waited' | 'stopped';
  /** Of ready: 8 bytes, the address of the mailbox, and the kernel's release. Output. Of exit: a byte, the code. */
  readonly data: Buffer;
}

const reports: Readonly<Record<number, Report['kind']>> = {
  16: 'ready',
  17: 'stdout',
  18: 'stderr',
  19: 'exit',
  20: 'waited',
  21: 'stopped',
};

const HEADER = 24;

export function encode(request: Request): Buffer {
  const kind = (Object.keys(kinds) as (keyof typeof kinds)[]).find((each) => each in request)!;
  let data: Uint8Array = Buffer.alloc(0);
  let value = 0;
  if ('start' in request) data = Buffer.from(request.start.map((argument) => `${argument}\0`).join(''));
  else if ('input' in request) data = request.input;
  else if ('kill' in request) value = request.kill;
  else if ('wait' in request) value = Math.round(request.wait);
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(data.length, 0);
  header.writeInt32LE(request.id, 4);
  header.writeUInt32LE(kinds[kind], 8);
  header.writeBigInt64LE(BigInt(value), 16);
  return Buffer.concat([header, data]);
}

/** Calls back with each report that comes. */
export function onReport(port: Duplex, listener: (report: Report) => void): void {
  let rest = Buffer.alloc(0);
  port.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= HEADER && rest.length >= HEADER + rest.readUInt32LE(0)) {
      const size = HEADER + rest.readUInt32LE(0);
      listener({
        id: rest.readInt32LE(4),
        now: Number(rest.readBigInt64LE(16)),
        kind: reports[rest.readUInt32LE(8)]!,
        data: rest.subarray(HEADER, size),
      });
      rest = rest.subarray(size);
    }
  });
}
