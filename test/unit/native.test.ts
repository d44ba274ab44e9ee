// SPDX-License-Identifier: GPL-2.0-only

import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { endianness, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { AlreadyRunning, lockInstance } from '../../src/kernel/instance.ts';
import { type BpfObject, loadNative, type NativeSocket, type SystemError } from '../../src/kernel/native.ts';
import { canLoadPrograms, compile } from './native/programs.ts';

const ADDON = fileURLToPath(new URL('../../dist/rootfs/usr/lib/wg-slaacer/wg_slaacer.node', import.meta.url));
const native = loadNative(ADDON);
const HOOK = fileURLToPath(new URL('../../dist/rootfs/lib/bpf/wg-slaacer.o', import.meta.url));

const AF_UNIX = 1;
const AF_INET = 2;
const AF_NETLINK = 16;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;

const little = endianness() === 'LE';
const u16 = (buffer: Buffer, offset: number) =>
  little ? buffer.readUInt16LE(offset) : buffer.readUInt16BE(offset);
const u32 = (buffer: Buffer, offset: number) =>
  little ? buffer.readUInt32LE(offset) : buffer.readUInt32BE(offset);
const int = (value: number) => Buffer.from(new Int32Array([value]).buffer);

// Processes of their own take their time on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

function socket(domain: number, type: number, protocol = 0): NativeSocket {
  const opened = new native.Socket(domain, type, protocol);
  open.push(opened);
  return opened;
}

/** An abstract AF_UNIX address. */
function unixAddress(name: string): Buffer {
  return Buffer.concat([
    Buffer.from(new Uint16Array([AF_UNIX]).buffer),
    Buffer.from(`\0wg-slaacer-test-${process.pid}-${name}`),
  ]);
}

function loopback(port: number): Buffer {
  const address = Buffer.alloc(16);
  Buffer.from(new Uint16Array([AF_INET]).buffer).copy(address);
  address.writeUInt16BE(port, 2);
  address.writeUInt32BE(0x7f000001, 4);
  return address;
}

/** Binds to a free port, and returns it. */
function bindSomewhere(unbound: NativeSocket): number {
  for (;;) {
    const port = 1024 + Math.floor(Math.random() * 60_000);
    try {
      unbound.bind(loopback(port));
      return port;
    } catch (error) {
      if ((error as SystemError).code !== 'EADDRINUSE') throw error;
    }
  }
}

/** What `action` throws. */
function failure(action: () => unknown): SystemError {
  try {
    action();
  } catch (error) {
    return error as SystemError;
  }
  throw new Error('nothing was thrown');
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i > 1000) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Runs a script in a process of its own, where `native`, `fds()` and `gc()` are known. */
function child(script: string, ...args: string[]) {
  const prelude = `
    const module_ = { exports: {} };
    process.dlopen(module_, ${JSON.stringify(ADDON)});
    const native = module_.exports;
    const fds = () => require('node:fs').readdirSync('/proc/self/fd').length;
    const turn = () => new Promise((resolve) => setTimeout(resolve, 20));
    const address = (name) =>
      Buffer.concat([Buffer.from(new Uint16Array([1]).buffer), Buffer.from('\\0wg-slaacer-' + process.pid + name)]);
  `;
  const result = spawnSync(process.execPath, ['--expose-gc', '-e', prelude + script, ...args], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status: result.status, signal: result.signal, stdout: result.stdout, stderr: result.stderr };
}

const clean = (stdout = '') => ({ status: 0, signal: null, stdout, stderr: '' });

describe('a socket', () => {
  test('sends and receives datagrams', () => {
    const server = socket(AF_UNIX, SOCK_DGRAM);
    const client = socket(AF_UNIX, SOCK_DGRAM);
    server.bind(unixAddress('a'));
    expect(server.receive(100)).toBeUndefined();
    expect(client.send(Buffer.from('hello'), unixAddress('a'))).toBe(5);
    expect(client.send(new Uint8Array(0), unixAddress('a'))).toBe(0);
    expect(server.receive(100)?.toString()).toBe('hello');
    expect(server.receive(100)?.length).toBe(0);
    expect(server.receive(100)).toBeUndefined();
  });

  test('tells what came with a datagram', () => {
    const [IPPROTO_IP, IP_TTL, IP_RECVTTL] = [0, 2, 12];
    const server = socket(AF_INET, SOCK_DGRAM);
    const client = socket(AF_INET, SOCK_DGRAM);
    const [to, from] = [loopback(bindSomewhere(server)), loopback(bindSomewhere(client))];
    client.setOption(IPPROTO_IP, IP_TTL, int(77));
    client.send(Buffer.from('first'), to);
    expect(server.receiveMessage(100)).toEqual({ data: Buffer.from('first'), sender: from, control: [] });
    server.setOption(IPPROTO_IP, IP_RECVTTL, int(1));
    client.send(Buffer.from('second'), to);
    expect(server.receiveMessage(100)).toEqual({
      data: Buffer.from('second'),
      sender: from,
      control: [{ level: IPPROTO_IP, type: IP_TTL, data: int(77) }],
    });
    expect(server.receiveMessage(100)).toBeUndefined();
    client.send(Buffer.alloc(11), to);
    expect(failure(() => server.receiveMessage(10))).toMatchObject({ code: 'EMSGSIZE' });
  });

  test('says that a datagram did not fit, and goes on with the next', () => {
    const server = socket(AF_UNIX, SOCK_DGRAM);
    const client = socket(AF_UNIX, SOCK_DGRAM);
    server.bind(unixAddress('a'));
    client.send(Buffer.alloc(11), unixAddress('a'));
    client.send(Buffer.alloc(10), unixAddress('a'));
    expect(failure(() => server.receive(10))).toMatchObject({
      code: 'EMSGSIZE',
      operation: 'recvmsg',
      detail: 'the datagram is longer than 10 bytes',
    });
    expect(server.receive(10)?.length).toBe(10);
  });

  test('hands out a copy that the next datagram leaves alone', () => {
    const server = socket(AF_UNIX, SOCK_DGRAM);
    const client = socket(AF_UNIX, SOCK_DGRAM);
    server.bind(unixAddress('a'));
    client.send(Buffer.from('one'), unixAddress('a'));
    client.send(Buffer.from('two'), unixAddress('a'));
    const first = server.receive(100);
    const second = server.receive(3);
    expect([first?.toString(), second?.toString()]).toEqual(['one', 'two']);
  });

  test('calls back when a datagram is waiting', async () => {
    const server = socket(AF_UNIX, SOCK_DGRAM);
    const client = socket(AF_UNIX, SOCK_DGRAM);
    const received: (string | undefined)[] = [];
    server.bind(unixAddress('a'));
    server.onReadable(() => received.push(`old ${server.receive(100)}`));
    server.onReadable(() => received.push(`new ${server.receive(100)}`));
    client.send(Buffer.from('1'), unixAddress('a'));
    client.send(Buffer.from('2'), unixAddress('a'));
    await until(() => received.length === 2);
    expect(received).toEqual(['new 1', 'new 2']);
  });

  test('may be closed in its own callback, with more waiting', async () => {
    const server = socket(AF_UNIX, SOCK_DGRAM);
    const client = socket(AF_UNIX, SOCK_DGRAM);
    let calls = 0;
    server.bind(unixAddress('a'));
    server.onReadable(() => {
      calls++;
      server.close();
    });
    client.send(Buffer.from('1'), unixAddress('a'));
    client.send(Buffer.from('2'), unixAddress('a'));
    await until(() => calls > 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(calls).toBe(1);
    expect(failure(() => client.send(Buffer.from('3'), unixAddress('a'))).code).toBe('ECONNREFUSED');
  });

  test('goes on calling back after an error that waited on it', async () => {
    const IP_RECVERR = 11;
    const socket_ = socket(AF_INET, SOCK_DGRAM);
    const seen: string[] = [];
    const port = bindSomewhere(socket_);
    socket_.setOption(0, IP_RECVERR, int(1));
    socket_.onReadable(() => {
      try {
        seen.push(`${socket_.receive(100)}`);
      } catch (error) {
        seen.push((error as SystemError).code);
        socket_.setOption(0, IP_RECVERR, int(0)); // empties the error queue
      }
    });
    socket_.send(Buffer.from('to nobody'), loopback(1));
    await until(() => seen.length === 1);
    socket_.send(Buffer.from('to myself'), loopback(port));
    await until(() => seen.length === 2);
    expect(seen).toEqual(['ECONNREFUSED', 'to myself']);
  });

  test('speaks netlink: a dump of the links names lo', () => {
    const RTM_NEWLINK = 16;
    const RTM_GETLINK = 18;
    const NLMSG_DONE = 3;
    const netlink = socket(AF_NETLINK, SOCK_RAW);
    const request = Buffer.concat([
      Buffer.from(new Uint32Array([32]).buffer),
      Buffer.from(new Uint16Array([RTM_GETLINK, 0x301]).buffer), // NLM_F_REQUEST | NLM_F_DUMP
      Buffer.alloc(24),
    ]);
    expect(netlink.send(request)).toBe(32);
    const types = new Set<number>();
    let all = Buffer.alloc(0);
    for (let answer = netlink.receive(65_536); answer; answer = netlink.receive(65_536)) {
      all = Buffer.concat([all, answer]);
      for (let at = 0; at < answer.length; at += (u32(answer, at) + 3) & ~3) types.add(u16(answer, at + 4));
    }
    expect(types).toEqual(new Set([RTM_NEWLINK, NLMSG_DONE]));
    expect(all.includes('lo\0')).toBe(true);
  });

  test('says which call failed, and why', () => {
    const netlink = socket(AF_NETLINK, SOCK_RAW);
    const error = failure(() => netlink.bind(new Uint8Array(3)));
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      errno: 22,
      code: 'EINVAL',
      operation: 'bind',
      message: 'bind: Invalid argument (EINVAL)',
    });
    expect(error).not.toHaveProperty('detail');
    expect(failure(() => socket(255, SOCK_RAW))).toMatchObject({ operation: 'socket', code: 'EAFNOSUPPORT' });
    expect(failure(() => netlink.setOption(270, 9999, int(0)))).toMatchObject({
      operation: 'setsockopt',
      code: 'ENOPROTOOPT',
    });
    expect(failure(() => socket(AF_UNIX, SOCK_STREAM).receive(1))).toMatchObject({ operation: 'recvmsg' });
  });

  test('closes twice, and is of no use then', () => {
    const closed = socket(AF_UNIX, SOCK_DGRAM);
    closed.onReadable(() => {});
    closed.close();
    closed.close();
    for (const use of [
      () => closed.bind(unixAddress('a')),
      () => closed.setOption(1, 1, int(0)),
      () => closed.send(new Uint8Array(1)),
      () => closed.receive(1),
      () => closed.onReadable(() => {}),
    ]) {
      expect(failure(use)).toMatchObject({ code: 'EBADF', detail: 'the socket is closed' });
    }
  });

  test('refuses arguments of a wrong type or range', () => {
    // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
    const Socket = native.Socket as any;
    // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
    const any = socket(AF_UNIX, SOCK_DGRAM) as any;
    for (const wrong of [
      () => Socket(AF_UNIX, SOCK_DGRAM, 0),
      () => new Socket(),
      () => new Socket('1', SOCK_DGRAM, 0),
      () => any.bind(),
      () => any.bind('path'),
      () => any.bind(new Uint16Array(1)),
      () => any.bind(new DataView(new ArrayBuffer(8))),
      () => any.setOption(1, 1),
      () => any.setOption(1, 1, 1),
      () => any.send({}),
      () => any.send(new Uint8Array(1), null),
      () => any.receive(),
      () => any.receive(1n),
      () => any.onReadable(),
      () => any.onReadable({}),
      () => native.Socket.prototype.receive.call({} as NativeSocket, 1),
      () => native.Socket.prototype.receive.call(native.BpfObject.prototype as never, 1),
    ]) {
      expect(failure(wrong), String(wrong)).toBeInstanceOf(TypeError);
    }
    for (const wrong of [
      () => new Socket(-1, SOCK_DGRAM, 0),
      () => new Socket(1.5, SOCK_DGRAM, 0),
      () => new Socket(2 ** 31, SOCK_DGRAM, 0),
      () => any.receive(0),
      () => any.receive(Number.NaN),
      () => any.receive(Number.POSITIVE_INFINITY),
    ]) {
      expect(failure(wrong), String(wrong)).toBeInstanceOf(RangeError);
    }
  });
});

describe('the lock of an instance', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const hold = `
    const fd = require('node:fs').openSync(process.argv[1], 'r+');
    try { native.flock(fd); console.log('locked'); } catch (error) { console.log(error.code, error.operation); }
  `;

  test('is held by one process, and by one in a process, until it is let go of', () => {
    const unlock = lockInstance(native, folder);
    expect(() => lockInstance(native, folder)).toThrow(AlreadyRunning);
    const [file] = readdirSync(folder);
    expect(child(hold, join(folder, file!))).toEqual(clean('EAGAIN flock\n'));
    unlock();
    expect(child(hold, join(folder, file!))).toEqual(clean('locked\n'));
    lockInstance(native, folder)(); // that process has ended
  });

  test("is nobody else's to take: neither by a name nor by the file", () => {
    const squatter = socket(AF_UNIX, SOCK_DGRAM);
    squatter.bind(
      Buffer.concat([Buffer.from(new Uint16Array([AF_UNIX]).buffer), Buffer.from('\0wg-slaacer')]),
    );
    lockInstance(native, folder)();
    const [file] = readdirSync(folder);
    expect(statSync(join(folder, file!)).mode & 0o777).toBe(0o600);
  });

  test('follows no link, and tells what keeps it from its file', () => {
    const [file] = readdirSync(folder);
    rmSync(join(folder, file!));
    symlinkSync('/dev/null', join(folder, file!));
    expect(failure(() => lockInstance(native, folder))).toMatchObject({ code: 'ELOOP', syscall: 'open' });
    expect(failure(() => lockInstance(native, join(folder, 'none')))).toMatchObject({ code: 'ENOENT' });
  });

  test.each([-1, 1.5, '1', undefined])('takes no descriptor %s', (fd) => {
    expect(() => native.flock(fd as number)).toThrow(/^fd must be/);
  });
});

describe('a process', () => {
  test('ends by itself once its sockets are closed', () => {
    expect(
      child(`
        const sockets = [];
        for (let i = 0; i < 50; i++) {
          const socket = new native.Socket(1, 2, 0);
          socket.onReadable(() => {});
          sockets.push(socket);
        }
        new native.Socket(16, 3, 0); // never closed, never read
        setTimeout(() => sockets.forEach((socket) => socket.close()), 50);
      `),
    ).toEqual(clean());
  });

  test('is kept alive by a socket that calls back, even one that nothing else refers to', () => {
    expect(
      child(`
        new native.Socket(1, 2, 0).onReadable(() => {});
        (() => {
          const socket = new native.Socket(1, 2, 0);
          socket.bind(address('a'));
          socket.onReadable(() => {
            console.log('called');
            process.exit();
          });
        })();
        (async () => {
          await turn();
          gc();
          await turn();
          gc();
          new native.Socket(1, 2, 0).send(Buffer.from('x'), address('a'));
        })();
      `),
    ).toEqual(clean('called\n'));
  });

  test('dies of an exception in a callback', () => {
    const { status, stderr } = child(`
      const socket = new native.Socket(1, 2, 0);
      socket.bind(address('a'));
      socket.onReadable(() => { throw new Error('thrown in the callback'); });
      socket.send(Buffer.from('x'), address('a'));
    `);
    expect(status).toBe(1);
    expect(stderr).toContain('thrown in the callback');
  });

  test('may catch an exception in a callback, and promises go on', () => {
    expect(
      child(`
        const socket = new native.Socket(1, 2, 0);
        socket.bind(address('a'));
        socket.onReadable(() => {
          socket.close();
          Promise.resolve().then(() => console.log('promise'));
          throw new Error('thrown');
        });
        process.on('uncaughtException', (error) => console.log(error.message));
        socket.send(Buffer.from('x'), address('a'));
      `),
    ).toEqual(clean('thrown\npromise\n'));
  });

  test('gets back what it did not close', () => {
    expect(
      child(`
        (async () => {
          const before = fds();
          for (let i = 0; i < 500; i++) new native.Socket(1, 2, 0);
          const most = fds();
          for (let i = 0; i < 20 && fds() > before; i++) {
            gc();
            await turn();
          }
          console.log(most - before > 400, fds() - before);
        })();
      `),
    ).toEqual(clean('true 0\n'));
  });

  test('may use it in workers, which clean up however they end', () => {
    expect(
      child(`
        const { Worker } = require('node:worker_threads');
        const script = (end) => \`
          const module_ = { exports: {} };
          process.dlopen(module_, ${JSON.stringify(ADDON)});
          globalThis.kept = [];
          const name = Buffer.concat([Buffer.from(new Uint16Array([1]).buffer), Buffer.from('\\\\0wg-slaacer-' + Math.random())]);
          for (let i = 0; i < 10; i++) {
            const socket = new module_.exports.Socket(1, 2, 0);
            if (i === 0) socket.bind(name);
            socket.onReadable(() => {});
            if (i % 3 === 1) socket.close();
            kept.push(socket);
          }
          kept[9].send(Buffer.from('x'), name);
          \${end}
        \`;
        (async () => {
          let before;
          for (let i = 0; i < 6; i++) {
            const worker = new Worker(script(i % 2 ? 'process.exit()' : ''), { eval: true });
            const ended = new Promise((resolve) => worker.once('exit', resolve));
            if (i % 2 === 0) {
              await turn();
              await turn();
              worker.terminate();
            }
            await ended;
            await turn();
            before ??= fds();
          }
          console.log(fds() - before);
        })();
      `),
    ).toEqual(clean('0\n'));
  });
});

// Loading needs privileges and a kernel that lets it be: the kernel tests cover machines that refuse.
const folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-native-'));
afterAll(() => rmSync(folder, { recursive: true }));
const FIXTURE = join(folder, 'fixture.o');
compile('fixture', FIXTURE);

function bpf(...programs: string[]): BpfObject {
  const object = new native.BpfObject(FIXTURE);
  open.push(object);
  for (const program of programs) object.enable(program);
  return object;
}

function loaded(...programs: string[]): BpfObject {
  const object = bpf(...programs);
  object.load();
  return object;
}

const packet = Buffer.alloc(64);

/** The records' numbers; every record is checked on the way. */
function numbers(records: Buffer): number[] {
  const found: number[] = [];
  let at = 0;
  for (; at < records.length; at += 8 + 1008) {
    expect(u32(records, at)).toBe(1001);
    found.push(u32(records, at + 8));
  }
  expect(at).toBe(records.length);
  return found;
}

describe('a BPF object that cannot be opened', () => {
  test('says why', () => {
    expect(failure(() => new native.BpfObject('/nonexistent.o'))).toMatchObject({
      errno: 2,
      code: 'ENOENT',
      operation: 'bpf_object__open_file',
      detail: expect.stringContaining('/nonexistent.o'),
    });
    const garbage = join(folder, 'garbage.o');
    writeFileSync(garbage, 'not an ELF file');
    expect(failure(() => new native.BpfObject(garbage))).toMatchObject({
      operation: 'bpf_object__open_file',
      detail: expect.stringContaining('ELF'),
    });
    expect(failure(() => new native.BpfObject(1 as never))).toBeInstanceOf(TypeError);
    expect(failure(() => new native.BpfObject('a\0b'))).toBeInstanceOf(TypeError);
    expect(failure(() => new native.BpfObject('/nonexistent.o', 1 as never))).toBeInstanceOf(TypeError);
    expect(failure(() => new native.BpfObject('/nonexistent.o', 'a\0b'))).toBeInstanceOf(TypeError);
  });

  test('says it to the caller only', () => {
    const script =
      'try { new native.BpfObject("/nonexistent.o"); } catch (error) { console.log(error.code); }';
    expect(child(script)).toEqual(clean('ENOENT\n'));
  });
});

describe.skipIf(!canLoadPrograms(native))('a BPF object', () => {
  test('runs a program on a packet', () => {
    const object = loaded('answer');
    expect(object.testRun('answer', packet, 7)).toBe(7);
    expect(object.testRun('answer', packet, 0xffff_fffe)).toBe(-2);
    expect(failure(() => object.testRun('answer', Buffer.alloc(3), 7))).toMatchObject({
      code: 'EINVAL',
      operation: 'bpf_prog_test_run_opts',
    });
    expect(failure(() => object.testRun('emit', packet, 7))).toMatchObject({
      code: 'EINVAL',
      detail: "program 'emit' was not enabled",
    });
    expect(failure(() => object.testRun('answer', packet, -1))).toBeInstanceOf(RangeError);
    expect(failure(() => object.testRun('answer', packet, 2 ** 32))).toBeInstanceOf(RangeError);
  });

  test('has programs that sockets take for a filter', () => {
    const SOL_SOCKET = 1;
    const SO_ATTACH_BPF = 50;
    const object = loaded('only_a', 'answer');
    const server = socket(AF_UNIX, SOCK_DGRAM);
    const client = socket(AF_UNIX, SOCK_DGRAM);
    server.bind(unixAddress('a'));
    expect(
      failure(() => server.setOption(SOL_SOCKET, SO_ATTACH_BPF, int(object.programFd('answer')))),
    ).toMatchObject({ code: 'EINVAL', operation: 'setsockopt' });
    server.setOption(SOL_SOCKET, SO_ATTACH_BPF, int(object.programFd('only_a')));
    object.close();
    for (const text of ['b', 'apple', 'banana', 'almond']) {
      try {
        client.send(Buffer.from(text), unixAddress('a'));
      } catch (error) {
        expect((error as SystemError).code).toBe('EPERM'); // this family tells of it
      }
    }
    expect(server.receive(100)?.toString()).toBe('apple');
    expect(server.receive(100)?.toString()).toBe('almond');
    expect(server.receive(100)).toBeUndefined();
  });

  test('has descriptors only of programs that were enabled', () => {
    const object = loaded('only_a', 'answer');
    const fds = [object.programFd('only_a'), object.programFd('answer')];
    expect(new Set(fds).size).toBe(2);
    expect(fds.every((fd) => Number.isInteger(fd) && fd > 2)).toBe(true);
    expect(object.programFd('only_a')).toBe(fds[0]);
    expect(failure(() => object.programFd('emit'))).toMatchObject({
      code: 'EINVAL',
      operation: 'bpf_program__fd',
      detail: "program 'emit' was not enabled",
    });
    expect(failure(() => object.programFd('nothing'))).toMatchObject({ code: 'ENOENT' });
    expect(failure(() => object.programFd(1 as never))).toBeInstanceOf(TypeError);
    expect(failure(() => bpf('answer').programFd('answer'))).toMatchObject({
      code: 'EINVAL',
      detail: 'the object is not loaded',
    });
  });

  test('takes types from a file instead of the kernel', () => {
    const load = (types: string) => {
      const object = new native.BpfObject(HOOK, types);
      open.push(object);
      object.enable('accepted');
      object.load();
      return object.programFd('accepted');
    };
    expect(load(HOOK)).toBeGreaterThan(2);
    expect(failure(() => load('/nonexistent.btf'))).toMatchObject({
      code: 'ENOENT',
      detail: expect.stringContaining('BTF'),
    });
  });

  test('takes no types but those that it has found', () => {
    const tooMany = Buffer.alloc(1_000);
    tooMany.writeInt32LE(-1, 8);
    const endless = Buffer.alloc(1_000, 0xff).fill(0, 0, 76); // the name of a function
    endless.writeInt32LE(1, 8);
    for (const types of [Buffer.alloc(0), Buffer.alloc(75), tooMany, endless])
      expect(failure(() => new native.BpfObject(HOOK, types))).toBeInstanceOf(TypeError);
    expect(failure(() => native.kernelTypes('/nonexistent.o', 'wireguard'))).toMatchObject({
      code: 'ENOENT',
      operation: 'bpf_object__open_file',
    });
    expect(failure(() => native.kernelTypes(HOOK, 1 as never))).toBeInstanceOf(TypeError);
  });

  test("hands on the verifier's last words, bounded", () => {
    const object = bpf('refused');
    const error = failure(() => object.load());
    expect(error).toMatchObject({ code: 'EACCES', operation: 'bpf_object__load' });
    expect(error.detail).toContain('R0 invalid mem access');
    expect(error.detail?.length).toBeLessThanOrEqual(1000);
    expect(error.detail).toBe(error.detail?.trim());
    expect(error.message).toBe(`bpf_object__load: Permission denied (EACCES): ${error.detail}`);
    expect(failure(() => object.load())).toMatchObject({ code: 'EINVAL' });
  });

  test('keeps to its order of calls', () => {
    const object = bpf('answer');
    for (const early of [
      () => object.attach('answer'),
      () => object.detach('answer'),
      () => object.map('hash'),
      () => object.onRecords('ring', () => {}),
      () => object.testRun('answer', packet, 0),
    ]) {
      expect(failure(early)).toMatchObject({ code: 'EINVAL', detail: 'the object is not loaded' });
    }
    expect(failure(() => object.enable('nothing'))).toMatchObject({
      code: 'ENOENT',
      detail: "no program 'nothing'",
    });
    expect(failure(() => object.pin('nothing', '/'))).toMatchObject({
      code: 'ENOENT',
      detail: "no map 'nothing'",
    });
    object.load();
    for (const late of [
      () => object.enable('emit'),
      () => object.pin('hash', '/sys/fs/bpf/x'),
      () => object.load(),
    ]) {
      expect(failure(late)).toMatchObject({ code: 'EINVAL', detail: 'the object is loaded already' });
    }
    expect(failure(() => object.attach('answer'))).toMatchObject({ operation: 'bpf_program__attach' });
    expect(failure(() => object.attach('count'))).toMatchObject({ code: 'EINVAL' });
    expect(failure(() => object.map('nothing'))).toMatchObject({ code: 'ENOENT' });
    expect(failure(() => object.onRecords('hash', () => {}))).toMatchObject({
      operation: 'ring_buffer__new',
    });
  });

  test('closes twice, and is of no use then, nor are its maps', () => {
    const object = loaded('answer');
    const map = object.map('hash');
    object.onRecords('ring', () => {});
    object.close();
    object.close();
    for (const use of [
      () => object.enable('answer'),
      () => object.pin('hash', '/'),
      () => object.load(),
      () => object.attach('answer'),
      () => object.detach('answer'),
      () => object.map('hash'),
      () => object.onRecords('ring', () => {}),
      () => object.testRun('answer', packet, 0),
      () => object.programFd('answer'),
      () => map.lookup(int(0)),
      () => map.update(int(0), new Uint8Array(11)),
      () => map.delete(int(0)),
      () => map.dump(),
    ]) {
      expect(failure(use), String(use)).toMatchObject({ code: 'EBADF', detail: 'the object is closed' });
    }
    expect(map.keySize).toBe(4);
  });

  test('attaches where the section says, until it is detached', () => {
    const object = loaded('count');
    const calls = object.map('calls');
    const total = () => {
      let sum = 0n;
      for (const each of new BigUint64Array(new Uint8Array(calls.lookup(int(0))!).buffer)) sum += each;
      return sum;
    };
    object.detach('count');
    expect(total()).toBe(0n);
    object.attach('count');
    readdirSync('/');
    const once = total();
    expect(once).toBeGreaterThan(0n);
    object.attach('count');
    expect(total()).toBeGreaterThan(once);
    object.detach('count');
    object.detach('count');
    const last = total();
    readdirSync('/');
    expect(total()).toBe(last);
  });

  test('hands out records in order, many at once', async () => {
    const object = loaded('emit');
    const seen: number[] = [];
    const sizes: number[] = [];
    expect(object.testRun('emit', packet, 2)).toBe(0);
    object.onRecords('ring', (records) => {
      sizes.push(records.length);
      seen.push(...numbers(records));
    });
    await until(() => seen.length === 2);
    // More than one callback may be handed.
    expect(object.testRun('emit', packet, 900)).toBe(0);
    await until(() => seen.length === 902);
    expect(seen).toEqual(Array.from({ length: 902 }, (_, i) => i + 1));
    expect(sizes.length).toBe(1 + 4);
    expect(Math.max(...sizes)).toBeLessThan(256 * 1024 + 1016);
    // A full ring loses what does not fit, and works again once it was read.
    expect(object.testRun('emit', packet, 1000)).toBe(0);
    expect(object.testRun('emit', packet, 1000)).toBe(-2);
    const before = seen.length;
    await until(() => seen.length > before + 1000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const after = seen.length;
    expect(object.testRun('emit', packet, 1)).toBe(0);
    await until(() => seen.length === after + 1);
  });

  test('may be used and closed in the callback, with more waiting', async () => {
    const object = loaded('emit', 'answer');
    let calls = 0;
    object.onRecords('ring', () => {
      calls++;
      expect(object.testRun('answer', packet, 5)).toBe(5);
      object.map('hash').update(int(1), new Uint8Array(11));
      object.testRun('emit', packet, 1);
      if (calls === 3) object.close();
    });
    object.testRun('emit', packet, 1);
    await until(() => calls === 3);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(calls).toBe(3);
  });

  test('replaces the callback', async () => {
    const object = loaded('emit');
    const seen: string[] = [];
    object.onRecords('ring', () => seen.push('old'));
    object.onRecords('ring', (records) => seen.push(`new ${numbers(records)}`));
    object.testRun('emit', packet, 2);
    await until(() => seen.length > 0);
    expect(seen).toEqual(['new 1,2']);
  });

  test('leaves nothing behind when it is forgotten, and lets the process end when it is closed', () => {
    const script = `
      (async () => {
        const before = fds();
        const open = () => {
          const object = new native.BpfObject(process.argv[1]);
          object.enable('emit');
          object.enable('count');
          object.load();
          object.attach('count');
          return object;
        };
        for (let i = 0; i < 5; i++) open().map('hash');
        const object = open();
        object.onRecords('ring', () => object.close());
        const most = fds();
        for (let i = 0; i < 20 && fds() > before; i++) {
          gc();
          await turn();
          if (i === 2) object.testRun('emit', Buffer.alloc(64), 1);
        }
        console.log(most - before > 20, fds() - before);
      })();
    `;
    expect(child(script, FIXTURE)).toEqual(clean('true 0\n'));
  });

  test('ends with a worker that is terminated amid a flood of records', () => {
    const script = `
      const { Worker } = require('node:worker_threads');
      const worker = \`
        const { parentPort, workerData } = require('node:worker_threads');
        const module_ = { exports: {} };
        process.dlopen(module_, ${JSON.stringify(ADDON)});
        const object = new module_.exports.BpfObject(workerData);
        object.enable('emit');
        object.load();
        let first = true;
        object.onRecords('ring', () => {
          if (first) parentPort.postMessage('records');
          first = false;
          object.testRun('emit', Buffer.alloc(64), 10);
        });
        object.testRun('emit', Buffer.alloc(64), 10);
      \`;
      (async () => {
        for (let i = 0; i < 3; i++) {
          const thread = new Worker(worker, { eval: true, workerData: process.argv[1] });
          await new Promise((resolve) => thread.once('message', resolve));
          await turn();
          console.log(await thread.terminate());
        }
      })();
    `;
    expect(child(script, FIXTURE)).toEqual(clean('1\n1\n1\n'));
  });

  describe('has maps', () => {
    test('that hold what was put in', () => {
      const map = loaded('answer').map('hash');
      expect([map.keySize, map.valueSize]).toEqual([4, 11]);
      expect(map.lookup(int(1))).toBeUndefined();
      expect(map.delete(int(1))).toBe(false);
      expect(map.dump().length).toBe(0);
      map.update(int(1), Buffer.from('hello world'));
      map.update(int(1), Buffer.from('hallo world'));
      expect(map.lookup(int(1))?.toString()).toBe('hallo world');
      expect(map.dump()).toEqual(Buffer.concat([int(1), Buffer.from('hallo world')]));
      expect(map.delete(int(1))).toBe(true);
      expect(map.lookup(int(1))).toBeUndefined();
    });

    test('that refuse what is of the wrong size or type', () => {
      const map = loaded('answer').map('hash');
      const short = failure(() => map.lookup(new Uint8Array(3)));
      expect(short).toBeInstanceOf(RangeError);
      expect(short.message).toBe('key must have 4 bytes, not 3');
      expect(failure(() => map.delete(new Uint8Array(5)))).toBeInstanceOf(RangeError);
      expect(failure(() => map.update(int(1), new Uint8Array(12))).message).toBe(
        'value must have 11 bytes, not 12',
      );
      expect(failure(() => map.lookup('1234' as never))).toBeInstanceOf(TypeError);
      expect(failure(() => map.lookup(undefined as never))).toBeInstanceOf(TypeError);
    });

    test('that are dumped whole, however many entries', () => {
      const map = loaded('answer').map('hash');
      const value = Buffer.alloc(11);
      for (let key = 0; key < 5000; key++) {
        value.writeUInt32LE(key, 7);
        map.update(int(key), value);
      }
      expect(failure(() => map.update(int(5000), value))).toMatchObject({
        code: 'E2BIG',
        operation: 'bpf_map_update_elem',
      });
      const dump = map.dump();
      const keys = new Set<number>();
      for (let at = 0; at < dump.length; at += 15) {
        expect(dump.readUInt32LE(at + 11)).toBe(u32(dump, at));
        keys.add(u32(dump, at));
      }
      expect(dump.length).toBe(5000 * 15);
      expect(keys.size).toBe(5000);
    });

    test('with a value for each CPU', () => {
      const map = loaded('answer').map('percpu');
      expect(map.valueSize % 16).toBe(0);
      map.update(int(9), Buffer.alloc(map.valueSize, 'x'));
      const value = map.lookup(int(9))!;
      expect(value.length).toBe(map.valueSize);
      expect(value.subarray(0, 11).toString()).toBe('xxxxxxxxxxx');
      expect(map.dump()).toEqual(Buffer.concat([int(9), value]));
    });

    test('that are tries or arrays', () => {
      const object = loaded('answer');
      const trie = object.map('trie');
      for (let i = 0; i < 600; i++) {
        trie.update(Buffer.concat([int(32), Buffer.from([10, 0, i >> 8, i & 255])]), int(i));
      }
      const dump = trie.dump();
      expect(dump.length).toBe(600 * 12);
      expect(new Set(Array.from({ length: 600 }, (_, i) => u32(dump, i * 12 + 8))).size).toBe(600);
      expect(object.map('record').dump().length).toBe(3 * (4 + 1001));
      expect(object.map('record').lookup(int(3))).toBeUndefined();
    });

    test('but a ring buffer is not one to look into', () => {
      const ring = loaded('answer').map('ring');
      expect(failure(() => ring.dump())).toMatchObject({ code: 'ENOTSUP' });
      expect(failure(() => ring.lookup(new Uint8Array(0)))).toMatchObject({
        operation: 'bpf_map_lookup_elem',
      });
    });

    test('that outlive the object if nobody closed it', () => {
      const script = `
        (async () => {
          const map = (() => {
            const object = new native.BpfObject(process.argv[1]);
            object.enable('answer');
            object.load();
            return object.map('hash');
          })();
          for (let i = 0; i < 3; i++) {
            gc();
            await turn();
          }
          map.update(Buffer.alloc(4), Buffer.alloc(11));
          console.log(map.dump().length);
        })();
      `;
      expect(child(script, FIXTURE)).toEqual(clean('15\n'));
    });

    test('that are closed if made by hand', () => {
      const Made = loaded('answer').map('hash').constructor as new () => { dump(): Buffer };
      expect(failure(() => new Made().dump())).toMatchObject({ code: 'EBADF' });
    });
  });

  describe('pins maps', () => {
    const mount = join(folder, 'bpffs');
    const canMount = (() => {
      mkdirSync(mount);
      return spawnSync('mount', ['-t', 'bpf', 'bpf', mount]).status === 0;
    })();
    afterAll(() => {
      if (canMount) execFileSync('umount', [mount]);
    });

    test.skipIf(!canMount)('that the next one takes over', () => {
      const path = join(mount, 'tests', 'hash');
      const first = bpf('answer');
      first.pin('hash', path);
      expect(existsSync(path)).toBe(false);
      first.load();
      first.map('hash').update(int(1), Buffer.from('hello world'));
      first.close();
      expect(existsSync(path)).toBe(true);

      const second = bpf('answer');
      second.pin('hash', path);
      second.load();
      expect(second.map('hash').lookup(int(1))?.toString()).toBe('hello world');

      const third = bpf('answer');
      third.pin('percpu', path);
      expect(failure(() => third.load())).toMatchObject({
        code: 'EINVAL',
        operation: 'bpf_object__load',
        detail: expect.stringContaining('parameter mismatch'),
      });
      expect(existsSync(path)).toBe(true);
    });

    test('only in a BPF file system', () => {
      const object = bpf('answer');
      object.pin('hash', join(folder, 'hash'));
      expect(failure(() => object.load())).toMatchObject({
        operation: 'bpf_object__load',
        detail: expect.stringContaining('is not on BPF FS'),
      });
    });
  });
});
