// SPDX-License-Identifier: GPL-2.0-only
// What the tests of a kernel share: two guests, as booting takes long.

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

/** The ways to learn: what one promises, all are tested for. */
export const ways = ['fexit', 'kprobe', 'lending'] as const;
export type Way = (typeof ways)[number];

/** Their time is their own: it passes while a test waits for them, whatever else the host has to do. */
const own = { clock: 'instructions', files: 'memory' } as const;

let open: Promise<Guest> | undefined;
let locked: Promise<Guest> | undefined;

/**
 * The guest of this kernel, booted when first asked for. The test files of a kernel run one after the other in one
 * process, with which the guest ends.
 */
export function sharedGuest(): Promise<Guest> {
  open ??= Guest.boot({ kernel, ...own });
  return open;
}

/** Likewise one of this kernel on which no hook works. */
export function lockedGuest(): Promise<Guest> {
  locked ??= Guest.boot({ kernel, locked: true, ...own });
  return locked;
}

/** The guest for tests of a way. */
export function guestFor(way: Way): Promise<Guest> {
  return way === 'lending' ? lockedGuest() : sharedGuest();
}
