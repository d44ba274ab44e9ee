// SPDX-License-Identifier: GPL-2.0-only
// The recorded exchanges of test/ubus-wire, and a server that plays ubusd's side of one.

import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { FrameReader } from '../../src/ubus/frames.ts';

export interface Frame {
  readonly connection: number;
  readonly from: 'ubusd' | 'client';
  readonly type: string;
  readonly hex: string;
}

const folder = new URL('../ubus-wire/', import.meta.url);

export const recordings = readdirSync(folder).map((file) => file.replace('.json', ''));

export const recording = (name: string): Frame[] =>
  JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'));

export const bytes = (frame: Frame): Buffer => Buffer.from(frame.hex, 'hex');

export const newFolder = (): string => mkdtempSync(join(tmpdir(), 'ubus-'));

/** One end of a connection, frame by frame. */
export class FrameSocket {
  readonly #socket: Socket;
  readonly #frames: Buffer[] = [];
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new FrameReader();
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      reader.push(chunk);
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) this.#frames.push(frame);
      this.#wake?.();
    });
  }

  write(data: Buffer): void {
    this.#socket.write(data);
  }

  async next(): Promise<Buffer> {
    while (this.#frames.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#frames.shift()!;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  get closed(): Promise<void> {
    return new Promise((resolve) => this.#socket.once('close', () => resolve()));
  }
}

/** Stands where ubusd would, and leaves it to the test what to say. */
export class ScriptedUbusd {
  readonly path = join(newFolder(), 'ubus.sock');
  readonly #waiting: FrameSocket[] = [];
  readonly #all: FrameSocket[] = [];
  #wake: (() => void) | undefined;

  static async start(): Promise<ScriptedUbusd> {
    const scripted = new ScriptedUbusd();
    const server = createServer((socket) => {
      const connection = new FrameSocket(socket);
      scripted.#waiting.push(connection);
      scripted.#all.push(connection);
      scripted.#wake?.();
    });
    await new Promise<void>((resolve) => server.listen(scripted.path, resolve));
    onTestFinished(async () => {
      for (const connection of scripted.#all) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    return scripted;
  }

  async accept(): Promise<FrameSocket> {
    while (this.#waiting.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#waiting.shift()!;
  }
}

/** Says what ubusd said on that connection and expects what the client said, byte for byte unless told otherwise. */
export async function replay(
  socket: FrameSocket,
  frames: readonly Frame[],
  check: (actual: Buffer, expected: Frame) => void = (actual, expected) =>
    expect(actual.toString('hex')).toBe(expected.hex),
): Promise<void> {
  for (const frame of frames) {
    if (frame.from === 'ubusd') socket.write(bytes(frame));
    else check(await socket.next(), frame);
  }
}
