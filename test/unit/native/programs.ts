// SPDX-License-Identifier: GPL-2.0-only
// BPF programs for unit tests, and whether this machine lets any be loaded.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Native } from '../../../src/kernel/native.ts';

/** Compiles NAME.bpf.c of this folder. */
export function compile(name: 'fixture' | 'trivial', output: string): void {
  const source = fileURLToPath(new URL(`${name}.bpf.c`, import.meta.url));
  execFileSync('clang', ['-O2', '-g', '-target', 'bpf', '-c', source, '-o', output]);
}

/**
 * Loading needs privileges and a kernel that lets it be: the kernel tests cover machines that refuse. False only if a
 * program that does nothing is refused, too; if only ours is, its tests have to fail.
 */
export function canLoadPrograms(native: Native): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-trivial-'));
  try {
    const object = join(folder, 'trivial.o');
    compile('trivial', object);
    const trivial = new native.BpfObject(object);
    try {
      trivial.enable('nothing');
      trivial.load();
      return true;
    } catch {
      return false;
    } finally {
      trivial.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
