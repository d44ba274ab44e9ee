// SPDX-License-Identifier: GPL-2.0-only
// Packages for a guest's router, made as for OpenWrt of what npm run build has left.

import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { foreignCpu } from '../../scripts/cpus.ts';
import { writeIpk } from '../../scripts/ipk.ts';
import { definition, make } from '../../scripts/makefile.ts';
import { kernel } from './bed.ts';
import { INSTALLED } from './daemon.ts';

/** The .ipk of a package for this kernel's CPU, by a version; it is made in a folder of the host's. */
export function packedIpk(folder: string, name: string, version: string): Buffer {
  const machine = foreignCpu(kernel)?.machine;
  const rootfs = machine ? join(INSTALLED, '..', machine) : INSTALLED;
  const build = join(folder, version);
  mkdirSync(join(build, 'tree/build'), { recursive: true });
  cpSync(rootfs, join(build, 'tree/rootfs'), { recursive: true });
  cpSync(join(rootfs, 'lib/bpf/wg-slaacer.o'), join(build, 'tree/wg-slaacer.o'));
  cpSync(join(rootfs, 'usr/lib/wg-slaacer/wg_slaacer.node'), join(build, 'tree/build/wg_slaacer.node'));
  for (const target of ['defined', 'installed']) make(build, target);
  const { control, parts } = definition(build, name);
  const file = writeIpk(
    {
      name,
      definition: { control: { ...control, PKG_VERSION: version }, parts },
      files: join(build, name),
      architecture: 'any',
      epoch: 1_700_000_000,
    },
    folder,
  );
  return readFileSync(file);
}
