// SPDX-License-Identifier: GPL-2.0-only
// The router of a lab with an eye on what its programs take: each runs in a control group, which tells its processes
// and what they have used, whoever wrote it.

import { Host } from '../bed/client.ts';
import type { Guest } from '../bed/guest.ts';
import type { Process } from '../bed/process.ts';

const GROUP = '/sys/fs/cgroup/learner';

/** The CPU time that the programs have used, in the guest. */
export const CPU_STAT = `${GROUP}/cpu.stat`;

/** What the program that was spawned last has printed after its first line, in the guest. */
export const OUTPUT = '/run/learner.log';

/** Kilobytes. */
export interface Memory {
  resident: number;
  anonymous: number;
  /** Its share of what is shared. */
  proportional: number;
  /** The most that was ever resident. */
  peak: number;
  /** Of the kernel's, in BPF maps and programs. */
  bpf: number;
}

export class WatchedRouter extends Host {
  constructor(guest: Guest) {
    super(guest);
  }

  /** Its first line comes here, and the rest goes to OUTPUT: nothing but the program itself is to cost anything. */
  override spawn(command: string): Process {
    return super.spawn(`mkdir -p ${GROUP}
{ echo 0 >${GROUP}/cgroup.procs; ${command}; } | { read -r line; echo "$line"; exec cat >${OUTPUT}; }`);
  }

  /** Seconds of CPU. */
  async cpu(): Promise<number> {
    const { stdout } = await this.run(`grep usage_usec ${CPU_STAT}`);
    return Number(stdout.split(' ')[1]) / 1e6;
  }

  async signal(name: 'STOP' | 'CONT'): Promise<void> {
    await this.run(`xargs kill -${name} <${GROUP}/cgroup.procs`);
  }

  /** How often its threads have gone to sleep, and so were woken. */
  async wakeUps(): Promise<number> {
    return this.#sum('cat /proc/$pid/task/*/status', /^voluntary_ctxt_switches:\s*(\d+)$/gm);
  }

  async memory(): Promise<Memory> {
    const status = (name: string) =>
      this.#sum('cat /proc/$pid/status', new RegExp(`^${name}:\\s*(\\d+) kB$`, 'gm'));
    return {
      resident: await status('VmRSS'),
      anonymous: await status('RssAnon'),
      peak: await status('VmHWM'),
      proportional: await this.#sum('cat /proc/$pid/smaps_rollup', /^Pss:\s*(\d+) kB$/gm),
      bpf: (await this.#sum('cat /proc/$pid/fdinfo/*', /^memlock:\s*(\d+)$/gm)) / 1024,
    };
  }

  /** Of what a command prints for each process. */
  async #sum(command: string, pattern: RegExp): Promise<number> {
    const { stdout } = await this.run(`for pid in $(cat ${GROUP}/cgroup.procs); do ${command}; done`);
    return [...stdout.matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0);
  }
}
