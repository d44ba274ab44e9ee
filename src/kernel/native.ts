// SPDX-License-Identifier: GPL-2.0-only
// The native addon (native/): mechanism only. Everything here maps one-to-one to libbpf or a system call.

/** What every call below throws when the system refuses. */
export interface SystemError extends Error {
  /** As <errno.h> numbers it, positive. */
  errno: number;
  /** The errno's name, "EPERM"; "ELIBBPF" for libbpf's own errors. */
  code: string;
  /** The call that failed, "bpf_object__load". */
  operation: string;
  /** What libbpf, or the addon, said of that call: its last lines, about a thousand characters; absent if nothing. */
  detail?: string;
}

/** A map of a loaded object. Keys and values are the raw bytes that the BPF program sees. */
export interface BpfMap {
  readonly keySize: number;
  /** For per-CPU maps, of one CPU's slot rounded up to 8 times the number of possible CPUs. */
  readonly valueSize: number;
  /** A copy of the value, or undefined where there is none. */
  lookup(key: Uint8Array): Buffer | undefined;
  /** BPF_ANY: creates or replaces. */
  update(key: Uint8Array, value: Uint8Array): void;
  /** False if there was no such key. */
  delete(key: Uint8Array): boolean;
  /** Every entry, key and value, one after the other without padding. */
  dump(): Buffer;
}

/** One BPF object file. The order of calls is: constructor, enable, pin, load, then the rest. */
export interface BpfObject {
  /** Chooses a program to be loaded; the others are not. */
  enable(program: string): void;
  /** Keeps a map at a path in a BPF file system: takes over what is pinned there, else pins the new map. */
  pin(map: string, path: string): void;
  load(): void;
  /**
   * Attaches where the program's section says; where that names several functions, to the one that there is. Attaching again replaces the earlier attachment, which is gone even if
   * that fails.
   */
  attach(program: string): void;
  /** No error if it is not attached. */
  detach(program: string): void;
  map(name: string): BpfMap;
  /** The descriptor of an enabled program, for SO_ATTACH_BPF; valid until the object is closed. */
  programFd(program: string): number;
  /**
   * Calls back with the records of a ring buffer as they come, several at once: each is a u32 length in host byte
   * order, 4 bytes of padding, and the data padded to 8 bytes. The buffer is the callee's own. An exception in the
   * callback is an uncaught exception of the process. Keeps the object, and the process, alive until it is closed.
   */
  onRecords(map: string, callback: (records: Buffer) => void): void;
  /**
   * BPF_PROG_TEST_RUN of a program that takes an skb. `data` begins with an Ethernet header; `cb0` becomes
   * skb->cb[0]. Returns the program's return value, which may be a negative errno.
   */
  testRun(program: string, data: Uint8Array, cb0: number): number;
  /** Detaches and frees everything. Pinned maps stay. Safe to call twice; every other call then throws EBADF. */
  close(): void;
}

/** A datagram with what recvmsg(2) tells of it besides. */
export interface ReceivedMessage {
  readonly data: Buffer;
  /** Raw struct sockaddr_*; empty if the socket has no addresses. */
  readonly sender: Buffer;
  /** Ancillary data (cmsg(3)), of which there is room for 256 bytes. */
  readonly control: readonly { readonly level: number; readonly type: number; readonly data: Buffer }[];
}

/** A non-blocking, close-on-exec socket. Addresses are raw struct sockaddr_*. */
export interface NativeSocket {
  bind(address: Uint8Array): void;
  setOption(level: number, name: number, value: Uint8Array): void;
  /** The number of bytes sent. */
  send(data: Uint8Array, address?: Uint8Array): number;
  /** One datagram, or undefined if none is waiting. One longer than `size` throws EMSGSIZE. */
  receive(size: number): Buffer | undefined;
  /** As receive(). */
  receiveMessage(size: number): ReceivedMessage | undefined;
  /**
   * Calls back whenever a datagram or an error is waiting, again and again until it is received. Keeps the socket, and
   * the process, alive until it is closed.
   */
  onReadable(callback: () => void): void;
  /** Safe to call twice. */
  close(): void;
}

export interface Native {
  /**
   * `types` are to relocate against: a file of BTF, or what kernelTypes() has found. Without them libbpf reads the kernel's,
   * and nothing can be traced.
   */
  BpfObject: new (
    file: string,
    types?: string | Uint8Array,
  ) => BpfObject;
  /**
   * What there is to know of the types of the running kernel and of one of its modules, to load an object. The same for as
   * long as kernel and module are. Undefined if the kernel does not tell its types.
   */
  kernelTypes(file: string, module: string): Buffer | undefined;
  Socket: new (domain: number, type: number, protocol: number) => NativeSocket;
  /** Locks an open file for as long as that is open; throws EAGAIN if it is locked already, by this process or another. */
  flock(fd: number): void;
}

declare const addon: Native | undefined; // by start.ts, if it could be loaded

/** Loads the addon. Its file is named by an absolute path, since it lies outside of any node_modules. */
export function loadNative(file: string): Native {
  if (typeof addon !== 'undefined' && addon) return addon;
  const module: { exports: unknown } = { exports: {} };
  process.dlopen(module, file);
  return module.exports as Native;
}
