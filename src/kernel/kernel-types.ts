// SPDX-License-Identifier: GPL-2.0-only
// What an object has to know of the running kernel's types. To find it is a tenth of a start, so it is kept for the next one.

import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { RUN } from './instance.ts';
import type { Native } from './native.ts';
import { moduleInstance } from './requirements.ts';
import { kernelTellsTypes } from './types.ts';

const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** Undefined if the kernel does not tell. `file` is the object; `folder` one that goes with a reboot. */
export function kernelTypes(
  native: Pick<Native, 'kernelTypes'>,
  file: string,
  folder = RUN,
): Uint8Array | undefined {
  if (!kernelTellsTypes()) return undefined;
  const path = `${folder}/wg-slaacer.types`;
  const key = keyOf(file);
  const kept = key && read(path, key);
  if (kept) return kept;
  const types = native.kernelTypes(file, 'wireguard');
  if (types && key) keep(path, headOf(key, types.length), types);
  return types;
}

/** What they hold for: with other offsets the hook would read something else. Undefined if that cannot be told. */
function keyOf(file: string): string | undefined {
  try {
    const { dev, ino, size, mtimeMs } = statSync(file);
    const boot = readFileSync(BOOT_ID, 'latin1').trim();
    return `${boot} ${moduleInstance()} ${dev} ${ino} ${size} ${mtimeMs}`;
  } catch {
    return undefined;
  }
}

/** The line that comes before so many bytes. */
function headOf(key: string, length: number): string {
  return `${key} ${length}\n`;
}

function read(path: string, key: string): Uint8Array | undefined {
  try {
    const content = readFileSync(path);
    const start = content.indexOf('\n') + 1;
    const isIt = content.toString('latin1', 0, start) === headOf(key, content.length - start);
    return isIt ? content.subarray(start) : undefined;
  } catch {
    return undefined;
  }
}

/** If that fails, the next start takes its time. */
function keep(path: string, head: string, types: Uint8Array): void {
  const draft = `${path}.new`;
  try {
    writeFileSync(draft, Buffer.concat([Buffer.from(head), types]), { mode: 0o600 });
    renameSync(draft, path);
  } catch {
    rmSync(draft, { force: true });
  }
}
