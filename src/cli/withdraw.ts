// SPDX-License-Identifier: GPL-2.0-only
// Takes back all that was learned, when nothing is to learn it again: before the package is removed.

import { systemClock } from '../clock.ts';
import { Engine } from '../engine/engine.ts';
import type { Kernel } from '../kernel/ports.ts';
import { describeProblem, inOneLine } from '../words/problems.ts';
import { openKernel } from './open.ts';
import { exitStatus, UsageError, UserError } from './usage.ts';

/** Throws UserError if the service is running, or what went wrong in the kernel. */
export function withdraw(args: string[]): number {
  if (args.length > 0) throw new UsageError(`unexpected argument "${args[0]}"`);
  const kernel = openKernel();
  try {
    withdrawAll(kernel);
    return exitStatus.ok;
  } finally {
    kernel.close();
  }
}

/** With no interface to learn on, the engine withdraws what an earlier one has left. Throws UserError. */
export function withdrawAll(kernel: Kernel): void {
  const engine = new Engine(kernel, systemClock, () => {});
  engine.start({ hook: 'auto', interfaces: [] });
  const [failure] = engine
    .currentProblems()
    .filter(({ code }) => code === 'remove-failed' || engine.hook === 'none');
  engine.stop();
  if (failure) throw new UserError(inOneLine(describeProblem(failure)));
}
