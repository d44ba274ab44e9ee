// SPDX-License-Identifier: GPL-2.0-only
// Takes back all that was learned, when nothing is to learn it again: before the package is removed.

import { systemClock } from '../clock.ts';
import { Engine } from '../engine/engine.ts';
import type { Kernel, StateFile } from '../kernel/ports.ts';
import { FlashFile } from '../kernel/state-file.ts';
import type { Problem } from '../problem.ts';
import { emptySets, SETS_FILE } from '../service/firewall.ts';
import { describeProblem, inOneLine } from '../words/problems.ts';
import { parseStateFlag } from './arguments.ts';
import { openKernel } from './open.ts';
import { exitStatus, UserError } from './usage.ts';

/** Throws UserError if the service is running, or what went wrong in the kernel. */
export function withdraw(args: string[]): number {
  const state = parseStateFlag(args);
  const kernel = openKernel();
  try {
    withdrawAll(kernel, state === undefined ? undefined : new FlashFile(state));
    emptySets(kernel.openNftSets(), new FlashFile(SETS_FILE));
    return exitStatus.ok;
  } finally {
    kernel.close();
  }
}

/**
 * With no interface to learn on, the engine withdraws what an earlier one has left, and tells hosts that this is no
 * default router any more: what it has told them is in the file. Throws UserError.
 */
export function withdrawAll(kernel: Kernel, stateFile?: StateFile): void {
  const engine = new Engine(kernel, systemClock, () => {}, stateFile);
  engine.start({ hook: 'auto', interfaces: [] });
  // What is wrong with the file keeps nobody from withdrawing.
  const isFailure = ({ code }: Problem) =>
    code === 'remove-failed' ||
    code === 'share-failed' ||
    (engine.view.hook === 'none' && !code.startsWith('state-'));
  const failure = engine.view.problems().find(isFailure);
  engine.stop();
  if (failure) throw new UserError(inOneLine(describeProblem(failure)));
}
