// SPDX-License-Identifier: GPL-2.0-only
// What every measurement has in common.

import type { Guest } from '../bed/guest.ts';
import type { Learner } from './learners.ts';

/** What is measured of each learner. */
export interface Figure {
  /** Its name among all, for programs. */
  readonly key: string;
  /** In words, without the unit. */
  readonly title: string;
  /** "ms" */
  readonly unit: string;
  readonly better: 'lower' | 'higher';
}

/** By the figures' keys. Undefined: this learner cannot do it. */
export type Values = Readonly<Record<string, number | undefined>>;

export interface Measurement {
  /** For --only. */
  readonly name: string;
  readonly figures: readonly Figure[];
  /**
   * Whether in a guest where time is a count of instructions, on one CPU: then the values do not depend on the machine.
   * Where it is not, they are emulation's.
   */
  readonly counting: boolean;
  /** Whether in a guest that nothing has run in before. */
  readonly fresh?: boolean;
  /** The series of the kernel that it needs; any unless told. */
  readonly kernel?: string;
  /** Whether it makes sense of a learner. */
  suits(learner: Learner): boolean;
  measure(guest: Guest, learner: Learner): Promise<Values>;
}

export const byHook = (learner: Learner) => learner.learns && !learner.locked;
export const anyLearner = (learner: Learner) => learner.learns;
