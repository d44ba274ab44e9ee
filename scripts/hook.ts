// SPDX-License-Identifier: GPL-2.0-only
// Compiles the BPF object for a CPU, which decides what registers are called and what may be counted how (bpf/).

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** What bpf/ calls the CPUs, by Node's names of them. */
const targets = { x64: 'x86', arm64: 'arm64', arm: 'arm', riscv64: 'riscv' } as const;

export type Cpu = keyof typeof targets;

/** Writes the object to `file`. */
export function compileHook(cpu: Cpu, file: string): void {
  const cwd = join(import.meta.dirname, '..');
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  const multiarch = run('cc', '-print-multiarch').trim();
  run(
    'clang',
    ...['-target', 'bpf', '-mcpu=v3', `-D__TARGET_ARCH_${targets[cpu]}`, '-g', '-O2', '-Wall', '-Werror'],
    `-ffile-prefix-map=${cwd}=/wg-slaacer`,
    ...['-idirafter', `/usr/include/${multiarch}`, '-c', 'bpf/wg-slaacer.bpf.c', '-o', file],
  );
  run('llvm-strip', '-g', file); // drops DWARF, keeps BTF
}
