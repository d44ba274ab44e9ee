// SPDX-License-Identifier: GPL-2.0-only

import { constants } from 'node:os';
import type { Native, NativeSocket, SystemError } from './native.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;

/** Two daemons would withdraw each other's addresses. */
export class AlreadyRunning extends Error {
  constructor() {
    super('another wg-slaacer is already running here: stop it first');
  }
}

/**
 * Held for as long as the answer is not closed or the process lives: a name in the abstract namespace of Unix sockets
 * (unix(7)), which every network namespace has of its own. Throws AlreadyRunning.
 */
export function lockInstance(native: Native): NativeSocket {
  const address = Buffer.alloc(2);
  new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF_UNIX;
  const socket = new native.Socket(AF_UNIX, SOCK_DGRAM, 0);
  try {
    socket.bind(Buffer.concat([address, Buffer.from('\0wg-slaacer')]));
    return socket;
  } catch (error) {
    socket.close();
    if ((error as SystemError).errno === constants.errno.EADDRINUSE) throw new AlreadyRunning();
    throw error;
  }
}
