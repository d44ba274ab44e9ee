// SPDX-License-Identifier: GPL-2.0-only
// The native addon without a kernel: a BPF object with its maps, and packet sockets.

import type { BpfMap, BpfObject, Native, NativeSocket } from '../../src/kernel/native.ts';

export class FakeMap implements BpfMap {
  readonly content = new Map<string, Buffer>();
  updates = 0;
  failing = false;

  constructor(
    readonly keySize: number,
    readonly valueSize: number,
  ) {}

  lookup(key: Uint8Array): Buffer | undefined {
    return this.content.get(this.#checked(key, this.keySize).toString('hex'));
  }
  update(key: Uint8Array, value: Uint8Array): void {
    if (this.failing) throw new Error('ENOMEM: bpf_map_update_elem');
    this.updates++;
    this.content.set(this.#checked(key, this.keySize).toString('hex'), this.#checked(value, this.valueSize));
  }
  delete(key: Uint8Array): boolean {
    return this.content.delete(this.#checked(key, this.keySize).toString('hex'));
  }
  dump(): Buffer {
    return Buffer.concat([...this.content].flatMap(([key, value]) => [Buffer.from(key, 'hex'), value]));
  }
  #checked(bytes: Uint8Array, size: number): Buffer {
    if (bytes.length !== size) throw new Error(`EINVAL: ${bytes.length} bytes for ${size}`);
    return Buffer.from(bytes);
  }
}

/** Zeros until something else is written. */
export class FakeArray extends FakeMap {
  override lookup(key: Uint8Array): Buffer {
    return super.lookup(key) ?? Buffer.alloc(this.valueSize);
  }
}

/** The object file, and what was done with it. */
export class FakeObject implements BpfObject {
  readonly log: string[] = [];
  readonly maps: Record<string, FakeMap> = {
    learned: new FakeMap(20, 72),
    '.data.enabled': new FakeMap(4, 136),
    interfaces: new FakeMap(4, 24),
    counters: new FakeMap(4, 48),
    scope: new FakeMap(24, 1),
    lent: new FakeMap(24, 48),
    borrowers: new FakeMap(4, 32),
    endpoints: new FakeMap(20, 8),
    budgets: new FakeMap(16, 16),
    armed: new FakeMap(4, 4),
    changes: new FakeArray(4, 8),
    ours: new FakeMap(4, 8),
    claims: new FakeMap(20, 36),
  };
  /** What the ring buffers' readers do. */
  records: (batch: Buffer) => void = () => {};
  handshakes: (batch: Buffer) => void = () => {};
  failing: string | undefined;
  runAnswer = 0;
  readonly #programs: string[] = [];

  enable(program: string): void {
    this.log.push(`enable ${program}`);
    this.#programs.push(program);
  }
  pin(map: string, path: string): void {
    this.log.push(`pin ${map} ${path}`);
  }
  load(): void {
    this.#step('load');
  }
  attach(program: string): void {
    this.#step(`attach ${program}`);
  }
  detach(program: string): void {
    if (this.log.includes(`attach ${program}`)) this.log.push(`detach ${program}`);
  }
  map(name: string): FakeMap {
    return this.maps[name]!;
  }
  /** 100 for the first one that was enabled, 101 … */
  programFd(program: string): number {
    if (!this.#programs.includes(program)) throw new Error(`EINVAL: program '${program}' was not enabled`);
    return 100 + this.#programs.indexOf(program);
  }
  onRecords(map: string, callback: (records: Buffer) => void): void {
    this.log.push(`records ${map}`);
    if (map === 'sightings') this.records = callback;
    else this.handshakes = callback;
  }
  testRun(program: string, data: Uint8Array, cb0: number): number {
    this.log.push(`run ${program} ${Buffer.from(data).toString('hex')} ${cb0}`);
    return this.runAnswer;
  }
  close(): void {
    this.log.push('close');
  }
  #step(text: string): void {
    this.log.push(text);
    if (this.failing === text) throw new Error(`EPERM: ${text}`);
  }
}

/** A socket of any kind, and what was done with it. */
export class FakeTap implements NativeSocket {
  readonly log: string[] = [];
  readonly waiting: Buffer[] = [];
  isOpen = true;
  #readable: () => void = () => {};

  readonly #around: FakeTaps;

  constructor(around: FakeTaps, ...socket: number[]) {
    this.#around = around;
    this.#step(`socket ${socket.join(' ')}`);
  }

  bind(address: Uint8Array): void {
    this.#step(`bind ${Buffer.from(address).toString('hex')}`);
  }
  setOption(level: number, name: number, value: Uint8Array): void {
    this.#step(`option ${level} ${name} ${Buffer.from(value).toString('hex')}`);
  }
  send(data: Uint8Array, address?: Uint8Array): number {
    this.#step(
      `send ${Buffer.from(data).toString('hex')} ${address && Buffer.from(address).toString('hex')}`,
    );
    return data.length;
  }
  receive(): Buffer | undefined {
    return this.waiting.shift();
  }
  receiveMessage(): undefined {}
  onReadable(callback: () => void): void {
    this.#readable = callback;
  }
  close(): void {
    this.isOpen = false;
  }

  arrive(...packets: Buffer[]): void {
    this.waiting.push(...packets);
    this.#readable();
  }

  #step(text: string): void {
    this.log.push(text);
    if (this.#around.failing?.test(text)) throw new Error(`EPERM: ${text.split(' ')[0]}`);
  }
}

/** All sockets that were ever opened. */
export class FakeTaps {
  readonly all: FakeTap[] = [];
  /** The calls that fail. */
  failing: RegExp | undefined;

  open(...socket: number[]): FakeTap {
    const tap = new FakeTap(this, ...socket);
    this.all.push(tap);
    return tap;
  }

  get left(): FakeTap[] {
    return this.all.filter(({ isOpen }) => isOpen);
  }
}

/** `opened`: what each BPF object was opened with. */
export function fakeNative(object: FakeObject, taps = new FakeTaps(), opened: unknown[][] = []): Native {
  return {
    flock: () => {},
    kernelTypes: () => undefined,
    // biome-ignore lint/complexity/useArrowFunction: it is called with new
    BpfObject: function (...args: unknown[]): BpfObject {
      opened.push(args);
      return object;
    } as unknown as Native['BpfObject'],
    // biome-ignore lint/complexity/useArrowFunction: it is called with new
    Socket: function (...socket: number[]): NativeSocket {
      return taps.open(...socket);
    } as unknown as Native['Socket'],
  };
}
