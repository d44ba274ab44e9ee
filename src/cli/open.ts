// SPDX-License-Identifier: GPL-2.0-only

import { AlreadyRunning } from '../kernel/instance.ts';
import { openLinux } from '../kernel/linux.ts';
import type { Kernel } from '../kernel/ports.ts';
import { UserError } from './usage.ts';

/** Throws UserError if another process has it. */
export function openKernel(): Kernel {
  try {
    return openLinux();
  } catch (error) {
    if (error instanceof AlreadyRunning) throw new UserError(error.message);
    throw error;
  }
}
