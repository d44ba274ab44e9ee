// SPDX-License-Identifier: GPL-2.0-only
// Whether what is printed arrives.

import { exitStatus } from './usage.ts';

/**
 * Has the process end with a message and a status of failure if standard output cannot be written: console.log() would not
 * tell. Who reads a pipe may close it at any time, and misses nothing.
 */
export function watchOutput(): void {
  let failure: NodeJS.ErrnoException | undefined;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    failure ??= error;
  });
  process.once('exit', () => {
    if (failure === undefined || failure.code === 'EPIPE') return;
    console.error(`wg-slaacer: standard output cannot be written: ${failure.message}`);
    process.exitCode = exitStatus.failed;
  });
}
