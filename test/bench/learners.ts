// SPDX-License-Identifier: GPL-2.0-only
// What is compared: no hook at all, hooks that do nothing, wg-slaacer in its ways, and a rival.

import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Way } from '../bed/bed.ts';
import { Daemon, INSTALLED } from '../bed/daemon.ts';
import type { Lab } from '../bed/lab.ts';
import type { Process } from '../bed/process.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const FLOOR = path('../../build/bench/floor.o');
const ADDON = `${INSTALLED}/usr/lib/wg-slaacer/wg_slaacer.node`;

/** A run of a learner. */
export interface Running {
  stop(): Promise<unknown>;
}

/** A router to run on. */
export type Site = Pick<Lab, 'guest' | 'router'>;

export interface Learner {
  readonly name: string;
  /** Ours alone. */
  readonly way?: Way;
  /** Whether anything gets learned. */
  readonly learns: boolean;
  /** Whether it is for kernels that let no hook be set. */
  readonly locked: boolean;
  /** Resolves when it does its work on a lab's router, for this interface, with our settings. */
  start(site: Site, device: string, set?: Readonly<Record<string, string | number>>): Promise<Running>;
}

/** Compiles what none of them brings along. */
export function buildFloor(): void {
  mkdirSync(path('../../build/bench'), { recursive: true });
  const multiarch = execFileSync('cc', ['-print-multiarch'], { encoding: 'utf8' }).trim();
  const includes = ['-idirafter', `/usr/include/${multiarch}`];
  execFileSync(
    'clang',
    ['-target', 'bpf', '-g', '-O2', ...includes, '-c', path('floor.bpf.c'), '-o', FLOOR],
    {
      stdio: 'inherit',
    },
  );
}

const ended = (process: Process) => async () => {
  process.kill('SIGTERM');
  await process.exit;
};

const none: Learner = {
  name: 'no hook',
  learns: false,
  locked: false,
  start: async () => ({ stop: async () => {} }),
};

function empty(hook: string, ...programs: string[]): Learner {
  return {
    name: `empty ${hook}`,
    learns: false,
    locked: false,
    async start({ router }) {
      const process = router.spawn(['exec node', path('attach.js'), ADDON, FLOOR, ...programs].join(' '));
      await process.waitFor(/^ready$/, 60_000);
      return { stop: ended(process) };
    },
  };
}

function ours(way: Way): Learner {
  return {
    name: way,
    way,
    learns: true,
    locked: way === 'lending',
    async start({ router }, device, set) {
      const daemon = await Daemon.start(router, { hook: way, interfaces: [device], ...(set && { set }) });
      return { stop: () => daemon.stop() };
    },
  };
}

/** A command that learns in the foreground on wg1. It is given a while, as it need not say when it is ready. */
export function rival(command: string): Learner {
  return {
    name: 'rival',
    learns: true,
    locked: false,
    async start({ guest, router }) {
      const process = router.spawn(`exec ${command}`);
      const gone = process.exit.then((code) => {
        throw new Error(`${command}: it ended with ${code}\n${process.lines.join('\n')}`);
      });
      await Promise.race([gone, guest.run('sleep 5')]);
      gone.catch(() => {});
      return { stop: ended(process) };
    },
  };
}

export const learners: readonly Learner[] = [
  none,
  empty('fexit', 'empty_fexit'),
  empty('kprobe', 'empty_kprobe', 'empty_kretprobe'),
  ours('fexit'),
  ours('kprobe'),
  ours('lending'),
];
