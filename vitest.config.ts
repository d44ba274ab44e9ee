// SPDX-License-Identifier: GPL-2.0-only

import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { foreignCpu, foreignCpus } from './scripts/cpus.ts';

/** What is proved on one kernel and on each CPU. */
const alsoIn: Readonly<Record<string, string[]>> = { 'kernel/cpus': ['test/kernel/once/package.test.ts'] };

/** What cannot be proved on a kernel. */
function lacking(kernel: string): string[] {
  if (!foreignCpu(kernel)) return [];
  // Its guests have the host's clock, no dnsmasq, and no client systems.
  const none = ['test/kernel/once/clock.test.ts', 'test/kernel/once/names.test.ts', 'test/clients/**'];
  // Only a kprobe takes types from a file.
  return kernel === 'riscv64' ? [...none, 'test/kernel/laws/types.test.ts'] : none;
}

/**
 * What is proved where: test/kernel/README.md. A project's files share its guests: so they run in one process, one by one.
 */
const onKernel = (kernel: string): TestProjectInlineConfiguration[] =>
  ['kernel/laws', 'kernel/two-cpus', 'kernel/once', 'kernel/cpus', 'clients'].map((folder) => ({
    test: {
      name: `${folder.replace('kernel/', '')}-${kernel}`,
      include: [`test/${folder}/**/*.test.ts`, ...(alsoIn[folder] ?? [])],
      exclude: lacking(kernel),
      globalSetup: ['test/bed/programs.ts'],
      setupFiles: ['test/bed/setup.ts'],
      provide: { kernel },
      isolate: false,
      maxWorkers: 1,
      // Guests have time-outs of their own, in their own time; these are for one that hangs.
      testTimeout: 900_000,
      hookTimeout: 900_000,
    },
  }));

export default defineConfig({
  test: {
    projects: [
      // Properties are tried often, and two kernels may be busy beside them.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 30_000 } },
      // npm run bench:micro
      { test: { name: 'micro', include: [], benchmark: { include: ['test/bench/micro/**/*.bench.ts'] } } },
      // A browser, and a router in the process of each file.
      {
        test: {
          name: 'luci',
          include: ['test/luci/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      ...['6.1', '6.12', '6.18', '7.3', ...Object.keys(foreignCpus)].flatMap(onKernel),
    ],
  },
});
