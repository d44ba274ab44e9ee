// SPDX-License-Identifier: GPL-2.0-only
// What the tests of a kernel share: one guest, as booting takes long.

import { inject } from 'vitest';
import { Guest } from './guest.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The series of the kernel to test on, by vitest.config.ts. */
    kernel: string;
  }
}

/** The series of the kernel to test on: "6.12". */
export const kernel = inject('kernel');

let shared: Promise<Guest> | undefined;

/**
 * The guest of this kernel, booted when first asked for. The test files of a kernel run one after the other in one
 * process, with which the guest ends.
 */
export function sharedGuest(): Promise<Guest> {
  shared ??= Guest.boot({ kernel });
  return shared;
}
