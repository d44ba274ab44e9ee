// SPDX-License-Identifier: GPL-2.0-only
// Bundles the programs of ours that run in guests: starting them is much quicker in emulation than compiling them there.
// Vitest runs this before the tests of a kernel; those of several kernels do so side by side.

import { mkdir, rename, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const folder = path('../../build/test');

export const ENGINE_DRIVER = `${folder}/engine-driver.mjs`;
export const UBUS_BROKER = `${folder}/ubus-broker.mjs`;
export const OPENWRT = `${folder}/openwrt.mjs`;
export const GUEST_BUS = `${folder}/guest-bus.mjs`;

const sources = {
  [ENGINE_DRIVER]: path('engine-driver.ts'),
  [UBUS_BROKER]: path('ubus-broker/main.ts'),
  [OPENWRT]: path('openwrt/main.ts'),
  [GUEST_BUS]: path('../luci/guest-bus.ts'),
};

export default async function buildPrograms(): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [file, source] of Object.entries(sources)) {
    const { outputFiles } = await build({
      entryPoints: [source],
      write: false,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
    });
    // In one step, for whoever reads it meanwhile.
    await writeFile(`${file}.${process.pid}`, outputFiles[0]!.contents);
    await rename(`${file}.${process.pid}`, file);
  }
}
