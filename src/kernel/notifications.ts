// SPDX-License-Identifier: GPL-2.0-only
// Being told by the kernel over netlink: datagrams to groups, some of which may be lost (net/netlink/af_netlink.c).

import { constants } from 'node:os';
import type { NativeSocket } from './native.ts';
import { u16, u32 } from './netlink.ts';
import { AF_NETLINK, hasErrno, openNetlink, type Sockets } from './netlink-socket.ts';

/** A socket that is told what goes to these groups, a mask as bind(2) takes it. Throws SystemError. */
export function listenTo(sockets: Sockets, protocol: number, groups: number): NativeSocket {
  const socket = openNetlink(sockets, protocol);
  try {
    // struct sockaddr_nl with a port of the kernel's choice
    socket.bind(Buffer.concat([u16(AF_NETLINK), u16(0), u32(0), u32(groups)]));
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** The next notification of `size` bytes at most, or that some were lost; undefined if there is none. */
export function nextNotification(socket: NativeSocket, size: number): Buffer | 'lost' | undefined {
  try {
    return socket.receive(size);
  } catch (error) {
    if (!hasErrno(error, constants.errno.ENOBUFS, constants.errno.EMSGSIZE)) throw error;
    return 'lost';
  }
}

/** What may come in very great numbers at once. */
export interface Flood {
  readonly protocol: number;
  readonly groups: number;
  /** Bytes of a notification. */
  readonly size: number;
  /** So many are read at a time; of more the rest is not. */
  readonly most: number;
  /** … and listening goes on so many milliseconds later. */
  readonly rest: number;
}

/**
 * Calls `note` for notifications that are of interest, and after a flood that was not read to its end. Answers with what ends
 * that. Throws SystemError if nothing can be listened to.
 */
export function followFlood(
  sockets: Sockets,
  { protocol, groups, size, most, rest }: Flood,
  isOfInterest: (datagram: Buffer) => boolean,
  note: () => void,
): () => void {
  let socket: NativeSocket;
  let timer: NodeJS.Timeout | undefined;
  const listen = () => {
    socket = listenTo(sockets, protocol, groups);
    socket.onReadable(() => {
      for (let i = 0; i < most; i++) {
        const datagram = nextNotification(socket, size);
        if (!datagram) return;
        if (datagram === 'lost') break;
        if (isOfInterest(datagram)) note();
      }
      socket.close();
      listenLater();
    });
  };
  const listenLater = () => {
    timer = setTimeout(() => {
      try {
        listen();
        note();
      } catch {
        listenLater(); // there may be too many files open
      }
    }, rest);
  };
  listen();
  return () => {
    clearTimeout(timer);
    socket.close();
  };
}
