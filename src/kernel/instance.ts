// SPDX-License-Identifier: GPL-2.0-only

import { closeSync, constants, openSync, statSync } from 'node:fs';
import type { Native, SystemError } from './native.ts';

/** For what goes with a reboot. Only root may make files in there, so nobody else can keep the service from starting. */
export const RUN = '/var/run';

/** A file for this network namespace alone. */
export function runFile(what: string, folder = RUN): string {
  return `${folder}/wg-slaacer-${statSync('/proc/self/ns/net').ino}.${what}`;
}

/** Two daemons would withdraw each other's addresses. */
export class AlreadyRunning extends Error {
  constructor() {
    super('another wg-slaacer is already running here: stop it first (on OpenWrt: service wg-slaacer stop)');
  }
}

/**
 * Held until the answer is called, or the process ends: the lock on a file, of which each network namespace has one of its
 * own. Throws AlreadyRunning, or the error of a system call.
 */
export function lockInstance(native: Native, folder = RUN): () => void {
  const file = runFile('lock', folder);
  const fd = openSync(file, constants.O_CREAT | constants.O_RDWR | constants.O_NOFOLLOW, 0o600);
  try {
    native.flock(fd);
  } catch (error) {
    closeSync(fd);
    throw (error as SystemError).code === 'EAGAIN' ? new AlreadyRunning() : error;
  }
  // It stays there: another process may have opened it already, and would lock one that is no longer found.
  return () => closeSync(fd);
}
