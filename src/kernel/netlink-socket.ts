// SPDX-License-Identifier: GPL-2.0-only
// Asking the kernel over netlink (net/netlink/af_netlink.c).

import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import type { Native, NativeSocket, SystemError } from './native.ts';
import {
  decodeMessages,
  encodeMessage,
  findValue,
  type Message,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_HDRLEN,
  readS32,
  readText,
  readU32,
  u32,
} from './netlink.ts';

export const NETLINK_ROUTE = 0;
export const NETLINK_GENERIC = 16;

export const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

/** struct nlmsghdr: to whom it goes. */
const NLMSG_PID = 12;
export const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSG_MIN_TYPE = 16;
const NLMSGERR_ATTR_MSG = 1;

/** The kernel fills dumps' datagrams up to 32 KB if the reader has room for that. */
const RECEIVE_SIZE = 65536;
const ATTEMPTS = 10;

/** The part of the addon that netlink needs. */
export type Sockets = Pick<Native, 'Socket'>;

/** The kernel refused a request. */
export class NetlinkError extends Error implements SystemError {
  errno: number;
  code: string;
  operation: string;
  detail?: string;

  /** `errno` is positive; `detail` says more: mostly the kernel's own extended ack. */
  constructor(errno: number, operation: string, detail?: string) {
    const code = getSystemErrorName(-errno);
    super(`${operation}: ${code}${detail ? `: ${detail}` : ''}`);
    this.name = 'NetlinkError';
    this.errno = errno;
    this.code = code;
    this.operation = operation;
    if (detail) this.detail = detail;
  }
}

/** Whether an error, the addon's or a NetlinkError, has one of these numbers (os.constants.errno). */
export function hasErrno(error: unknown, ...errnos: number[]): boolean {
  return error instanceof Error && 'errno' in error && errnos.some((errno) => errno === error.errno);
}

/** A new socket of a netlink family (NETLINK_*). */
export function openNetlink(sockets: Sockets, protocol: number): NativeSocket {
  return new sockets.Socket(AF_NETLINK, SOCK_RAW, protocol);
}

/** Requests to one netlink family, one at a time. Opens its socket when first used. */
export class NetlinkSocket {
  readonly #sockets: Sockets;
  readonly #protocol: number;
  #socket: NativeSocket | undefined;
  #port: number | undefined;
  #sequence = 0;

  constructor(sockets: Sockets, protocol: number) {
    this.#sockets = sockets;
    this.#protocol = protocol;
  }

  /**
   * Sends a request and returns what `decode` makes of the payloads of its answer. These are zeroed as soon as
   * `decode` returns, since they may hold secrets: it must copy what it keeps. `flags` is NLM_F_ACK or NLM_F_DUMP;
   * dumps that changes interrupt are repeated. `operation` names the request in errors.
   *
   * Synchronous: the kernel answers while it takes the request, and goes on with a dump while one reads it.
   * Throws NetlinkError where the kernel says no, with EINTR if a dump cannot be finished; SystemError if the socket
   * fails; Error for an answer that is none.
   */
  request<T>(
    operation: string,
    type: number,
    flags: number,
    payload: Uint8Array,
    decode: (payloads: Buffer[]) => T,
  ): T {
    for (let attempt = 1; ; attempt++) {
      try {
        return this.#exchange(operation, type, flags, payload, decode);
      } catch (error) {
        if (attempt === ATTEMPTS || !hasErrno(error, constants.errno.EINTR)) throw error;
      }
    }
  }

  /** By what the kernel knows the socket; undefined until it has answered. */
  get port(): number | undefined {
    return this.#port;
  }

  /** Safe to call twice. A later request would open another socket. */
  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
    this.#port = undefined;
  }

  #exchange<T>(
    operation: string,
    type: number,
    flags: number,
    payload: Uint8Array,
    decode: (payloads: Buffer[]) => T,
  ): T {
    this.#socket ??= this.#open();
    this.#sequence = (this.#sequence + 1) >>> 0;
    const datagrams: Buffer[] = [];
    try {
      this.#socket.send(encodeMessage(type, NLM_F_REQUEST | flags, this.#sequence, payload));
      const answer = receiveAnswer(this.#socket, this.#sequence, operation, datagrams);
      this.#port ??= readU32(datagrams[0]!, NLMSG_PID);
      return decode(answer);
    } catch (error) {
      // A dump broken off would keep the socket busy (EBUSY) for ever.
      if (!(error instanceof NetlinkError)) this.close();
      throw error;
    } finally {
      for (const datagram of datagrams) datagram.fill(0);
    }
  }

  #open(): NativeSocket {
    const socket = openNetlink(this.#sockets, this.#protocol);
    // Strict: the kernel dumps no more than what a request names.
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK])
      socket.setOption(SOL_NETLINK, option, u32(1));
    return socket;
  }
}

/** The payloads of an answer up to its ack or NLMSG_DONE. Leaves every datagram in `datagrams`, come what may. */
function receiveAnswer(
  socket: NativeSocket,
  sequence: number,
  operation: string,
  datagrams: Buffer[],
): Buffer[] {
  const payloads: Buffer[] = [];
  let interrupted = false;
  for (;;) {
    const datagram = socket.receive(RECEIVE_SIZE);
    if (!datagram) throw new Error(`${operation}: the kernel's answer is missing or incomplete`);
    datagrams.push(datagram);
    for (const message of decodeMessages(datagram)) {
      if (message.sequence !== sequence) continue;
      interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0;
      if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
        checkStatus(message, operation);
        if (interrupted)
          throw new NetlinkError(constants.errno.EINTR, operation, 'changes interrupt the dump');
        return payloads;
      }
      if (message.type >= NLMSG_MIN_TYPE) payloads.push(message.payload);
    }
  }
}

/** NLMSG_ERROR holds struct nlmsgerr, NLMSG_DONE an int; both begin with zero or a negative errno. */
function checkStatus(message: Message, operation: string): void {
  const status = readS32(message.payload);
  if (status < 0) throw new NetlinkError(-status, operation, extendedAck(message));
}

function extendedAck({ type, flags, payload }: Message): string | undefined {
  const there = flags & NLM_F_ACK_TLVS && (type === NLMSG_DONE || flags & NLM_F_CAPPED);
  if (!there) return undefined;
  const start = type === NLMSG_DONE ? 4 : 4 + NLMSG_HDRLEN;
  const message = findValue(payload, start, NLMSGERR_ATTR_MSG);
  return message && readText(message);
}
