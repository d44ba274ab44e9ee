// SPDX-License-Identifier: GPL-2.0-only
// Where what is learned outlives the process: maps that are pinned in the BPF file system, by root and for root alone.

import { accessSync, constants, lstatSync, readFileSync, type Stats, statfsSync } from 'node:fs';
import type { ProblemData } from '../problem.ts';

const MOUNT = '/sys/fs/bpf';
export const FOLDER = `${MOUNT}/wg-slaacer`;

/** By map; versioned by the layout of their keys and values. */
export const pinned = {
  learned: `${FOLDER}/learned-v1`,
  lent: `${FOLDER}/lent-v1`,
} as const;

// <linux/magic.h>
const BPF_FS_MAGIC = 0xcafe4a11;
const SYSFS_MAGIC = 0x62656572;
const WRITABLE_BY_OTHERS = 0o022;

export type PinTrouble = ProblemData['not-pinned'];

/** What can be seen to be in the way of pinning. Mounts the file system where there is nothing. */
export function pinTrouble(): PinTrouble | undefined {
  if (fileSystem() === SYSFS_MAGIC) mount();
  return seenTrouble();
}

/** The same, but changes nothing: a file system that could be mounted is none that is missing. */
export function expectedPinTrouble(): PinTrouble | undefined {
  return fileSystem() === SYSFS_MAGIC && isMountable() ? undefined : seenTrouble();
}

function seenTrouble(): PinTrouble | undefined {
  if (fileSystem() !== BPF_FS_MAGIC) return { reason: 'unmounted' };
  const folder = status(FOLDER);
  if (folder && !folder.isDirectory()) return { reason: 'occupied', file: FOLDER };
  if (folder && !isOurs(folder)) return { reason: 'foreign', file: FOLDER };
  for (const file of Object.values(pinned)) {
    const map = status(file);
    if (map && !map.isFile()) return { reason: 'occupied', file };
    if (map && !isOurs(map)) return { reason: 'foreign', file };
  }
  try {
    accessSync(MOUNT, constants.W_OK);
  } catch {
    return { reason: 'read-only', file: MOUNT };
  }
  return undefined;
}

/** What libbpf says of a pin that it cannot use, or make, is trouble with that file; anything else is not. */
export function troubleOf(error: unknown): PinTrouble | undefined {
  const file = /\/sys\/fs\/bpf\/wg-slaacer[\w/-]*/.exec((error as Error).message)?.[0];
  return file === undefined ? undefined : { reason: 'layout', file };
}

/** Not with the sign that Node gives it on 32-bit systems. */
function fileSystem(): number | undefined {
  try {
    return Number(statfsSync(MOUNT, { bigint: true }).type & 0xffffffffn);
  } catch {
    return undefined;
  }
}

/** As OpenWrt's procd does. If it fails, or there is no such program, fileSystem() shows it. */
function mount(): void {
  // Not imported: it is hardly ever needed.
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  spawnSync('mount', ['-t', 'bpf', '-o', 'nosuid,nodev,noexec,mode=0700', 'bpf', MOUNT]);
}

function isMountable(): boolean {
  return process.geteuid!() === 0 && /^nodev\tbpf$/m.test(readFileSync('/proc/filesystems', 'utf8'));
}

function status(file: string): Stats | undefined {
  return lstatSync(file, { throwIfNoEntry: false });
}

function isOurs({ uid, mode }: Stats): boolean {
  return uid === process.geteuid!() && (mode & WRITABLE_BY_OTHERS) === 0;
}
