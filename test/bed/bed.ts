// SPDX-License-Identifier: GPL-2.0-only
// What the tests of a kernel share: a few guests, as booting takes long.

import { inject } from 'vitest';
import { foreignCpu } from '../../scripts/cpus.ts';
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

export type Way = 'fexit' | 'kprobe' | 'lending';

/** Hooks that a kernel does not have: 32-bit arm has no BPF trampolines, and on riscv64 ftrace owns what a kprobe needs. */
const missing: Readonly<Record<string, Way>> = { armv7: 'fexit', riscv64: 'kprobe' };

/** The ways to learn that this kernel has: what one promises, all are tested for. */
export const ways = (['fexit', 'kprobe', 'lending'] as const).filter((way) => way !== missing[kernel]);

/** For tests of what all ways share. */
export const anyHook = ways[0]!;

/** A guest of this kernel whose time passes only while a test waits for it. QEMU cannot stop a foreign one's like that. */
export function bootOwn(options: Omit<BootOptions, 'kernel'> = {}): Promise<Guest> {
  return Guest.boot({ kernel, time: foreignCpu(kernel) ? 'host' : 'own', ...options });
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
