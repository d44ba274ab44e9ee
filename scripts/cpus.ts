// SPDX-License-Identifier: GPL-2.0-only
// The CPUs that npm run build and test/kernel know, beside this machine's own.

import type { Cpu } from './hook.ts';

export interface Foreign {
  readonly cpu: Cpu;
  /** `uname -m` there. */
  readonly machine: string;
  /** Of Debian's compilers and libraries for it. */
  readonly triplet: string;
}

/** By the name that scripts/kernel.sh has for a kernel of it. */
export const foreignCpus = {
  armv7: { cpu: 'arm', machine: 'armv7l', triplet: 'arm-linux-gnueabihf' },
  arm64: { cpu: 'arm64', machine: 'aarch64', triplet: 'aarch64-linux-gnu' },
  'arm64-16k': { cpu: 'arm64', machine: 'aarch64', triplet: 'aarch64-linux-gnu' },
  riscv64: { cpu: 'riscv64', machine: 'riscv64', triplet: 'riscv64-linux-gnu' },
} as const satisfies Record<string, Foreign>;

/** Undefined for a kernel of this machine's own CPU. */
export const foreignCpu = (kernel: string): Foreign | undefined =>
  foreignCpus[kernel as keyof typeof foreignCpus];
