// SPDX-License-Identifier: GPL-2.0-only
// What the tests of a kernel share: a few guests, as booting takes long.

import { inject } from 'vitest';
import { Guest } from './guest.ts';
import type { BootOptions } from './machine.ts';

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

/** A guest of this kernel whose time passes only while a test waits for it. QEMU cannot stop arm64's like that. */
export function bootOwn(options: Omit<BootOptions, 'kernel'> = {}): Promise<Guest> {
  return Guest.boot({ kernel, time: kernel === 'arm64' ? 'host' : 'own', ...options });
}

const booted = new Map<string, Promise<Guest>>();

/** The one that was booted by this name before, in this process. */
function shared(name: string, boot: () => Promise<Guest>): Promise<Guest> {
  const guest = booted.get(name) ?? boot();
  booted.set(name, guest);
  return guest;
}

/**
 * The guest of this kernel, booted when first asked for. The test files of a project run one after the other in one
 * process, with which the guest ends.
 */
export function sharedGuest(): Promise<Guest> {
  return shared('open', () => bootOwn());
}

/** Likewise one of this kernel on which no hook works. */
export function lockedGuest(): Promise<Guest> {
  return shared('locked', () => bootOwn({ locked: true }));
}

/** The guest for tests of a way. */
export function guestFor(way: Way): Promise<Guest> {
  return way === 'lending' ? lockedGuest() : sharedGuest();
}

/** The guest for tests of a way that need two CPUs, or the host's clock. */
export function twoCpuGuest(way: Way): Promise<Guest> {
  const locked = way === 'lending';
  return shared(`two CPUs, ${locked}`, () => Guest.boot({ kernel, locked }));
}
