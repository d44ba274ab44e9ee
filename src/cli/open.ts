// SPDX-License-Identifier: GPL-2.0-only

import { AlreadyRunning } from '../kernel/instance.ts';
import { openLinux } from '../kernel/linux.ts';
import type { Kernel } from '../kernel/ports.ts';
import { describeProblem, inOneLine } from '../words/problems.ts';
import { UserError } from './usage.ts';

/** Throws UserError if another process has it, or nobody can know whether one does. */
export function openKernel(): Kernel {
  try {
    return openLinux();
  } catch (error) {
    const { code, syscall, message } = error as NodeJS.ErrnoException;
    if (error instanceof AlreadyRunning) throw new UserError(message);
    if (code === 'EACCES' || code === 'EPERM')
      throw new UserError(inOneLine(describeProblem({ code: 'no-permission', data: {} })));
    if (syscall === 'open')
      throw new UserError(`no lock can be held in /var/run, so that only one runs: ${message}`);
    throw error;
  }
}
