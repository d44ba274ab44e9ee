// SPDX-License-Identifier: GPL-2.0-only

import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

/** Tests on a real kernel, in a guest which all test files share: so they run in one process, one by one. */
const onKernel = (kernel: string, index: number): TestProjectInlineConfiguration => ({
  test: {
    name: `kernel-${kernel}`,
    include: ['test/kernel/**/*.test.ts'],
    setupFiles: ['test/bed/setup.ts'],
    provide: { kernel },
    isolate: false,
    maxWorkers: 1,
    // Emulation is slow, of another CPU more so, and a first test boots the guest.
    testTimeout: kernel === 'arm64' ? 180_000 : 60_000,
    hookTimeout: 180_000,
    // After the unit tests, one kernel after the other.
    sequence: { groupOrder: index + 2 },
  },
});

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
      ...['6.1', '6.12', '6.18', '7.3', 'arm64'].map(onKernel),
    ],
  },
});
