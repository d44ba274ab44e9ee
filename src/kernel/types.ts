// SPDX-License-Identifier: GPL-2.0-only
// Where the types (BTF) come from that the hook is relocated against.

import { existsSync } from 'node:fs';
import { release } from 'node:os';

/** For a kernel that has kprobes, but does not tell these types itself: docs/kernel.md says how to make it. */
export const typesFile = `/usr/lib/wg-slaacer/btf/${release()}.btf`;

/** Whether the wireguard module's types are told. A built-in one has no initstate; its types are the kernel's. */
export function moduleTellsTypes(): boolean {
  return existsSync('/sys/kernel/btf/wireguard') || !existsSync('/sys/module/wireguard/initstate');
}

export function kernelTellsTypes(): boolean {
  return existsSync('/sys/kernel/btf/vmlinux');
}

/** The file to take the types from, of the kernel and its wireguard module; undefined if they tell, or it is not there. */
export function shippedTypes(): string | undefined {
  if (kernelTellsTypes() && moduleTellsTypes()) return undefined;
  return existsSync(typesFile) ? typesFile : undefined;
}
