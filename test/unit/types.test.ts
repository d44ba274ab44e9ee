// SPDX-License-Identifier: GPL-2.0-only

import { release } from 'node:os';
import { beforeEach, expect, it, vi } from 'vitest';
import { shippedTypes, typesFile } from '../../src/kernel/types.ts';

const present = vi.hoisted(() => new Set<string>());
vi.mock('node:fs', () => ({ existsSync: (file: string) => present.has(file) }));

const kernel = '/sys/kernel/btf/vmlinux';
const module = '/sys/kernel/btf/wireguard';
/** Of a module that is not built in. */
const loaded = '/sys/module/wireguard/initstate';

beforeEach(() => present.clear());

it('is a file for one build of the kernel', () => {
  expect(typesFile).toBe(`/usr/lib/wg-slaacer/btf/${release()}.btf`);
});

it.each([
  ['neither the kernel nor the module tells', [loaded], true],
  ['the module does not tell', [kernel, loaded], true],
  ['the kernel does not tell', [module, loaded], true],
  ['both tell', [kernel, module, loaded], false],
  ['the kernel tells, and the module is built in', [kernel], false],
])('where %s', (_, files, expected) => {
  for (const file of files) present.add(file);
  expect(shippedTypes()).toBeUndefined();
  present.add(typesFile);
  expect(shippedTypes()).toBe(expected ? typesFile : undefined);
});
