// SPDX-License-Identifier: GPL-2.0-only
// QEMU, and what it needs to be one of the guests.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildAgent } from './agent.ts';

export interface BootOptions {
  /** A series that scripts/kernel.sh knows: "6.12", or "arm64". */
  kernel: string;
  /** Added to the kernel command line. */
  append?: string;
  /**
   * As the kernels of stock OpenWrt images are: there is neither a kprobe nor BTF, and BPF may not read the kernel, so no
   * hook works.
   */
  locked?: boolean;
  /** MiB. */
  memory?: number;
  /**
   * `instructions`: on its one CPU every instruction takes INSTRUCTION nanoseconds, and waiting costs no time of the
   * host's. `host` unless told: there are two CPUs.
   */
  clock?: 'host' | 'instructions';
  /**
   * Where its files are. `host`, unless told: the host's, which QEMU reads for it. `memory`: copies of what the tests
   * use (scripts/root.sh). With a clock that counts instructions a guest that waits for QEMU leaps from one of its timers
   * to the next, as nothing else is to be done; one whose files are in its memory never waits for QEMU.
   */
  files?: 'host' | 'memory';
}

/** Nanoseconds of guest time that an instruction takes where instructions are counted. */
export const INSTRUCTION = 2;

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const bed = fileURLToPath(new URL('.', import.meta.url));

/** What depends on the CPU. `root` is the folder that becomes the guest's root; `kernel` that of scripts/kernel.sh. */
interface Hardware {
  readonly cpu: 'x64' | 'arm64';
  readonly qemu: string;
  readonly args: readonly string[];
  readonly terminal: string;
  readonly root: string;
  readonly node: string;
}

function hardwareOf(series: string, kernel: string): Hardware {
  if (series !== 'arm64')
    return {
      cpu: 'x64',
      qemu: 'qemu-system-x86_64',
      // Others have vector instructions, which are slower in emulation than what they replace.
      args: ['-M', 'q35', '-cpu', 'qemu64'],
      terminal: 'ttyS0',
      root: '/',
      node: process.execPath,
    };
  return {
    cpu: 'arm64',
    qemu: 'qemu-system-aarch64',
    args: ['-M', 'virt', '-cpu', 'cortex-a72'],
    terminal: 'ttyAMA0',
    root: `${kernel}/system`,
    node: '/usr/bin/node',
  };
}

/** A folder of the host, read-only, which the guest mounts by its tag. */
function share(folder: string, tag: string): string[] {
  return ['-virtfs', `local,path=${folder},mount_tag=${tag},security_model=none,readonly=on,multidevs=remap`];
}

/**
 * The same run of instructions again, whenever it is booted: the guest's random numbers and its date are always the same.
 * What is written to isa-debugcon stops the machine, at that very instruction, until the gate takes it.
 */
const repeatable = [
  ...['-smp', '1', '-icount', `shift=${Math.log2(INSTRUCTION)},sleep=off`],
  ...['-seed', '1', '-rtc', 'base=2026-01-01T00:00:00,clock=vm'],
  ...['-chardev', 'stdio,id=gate,signal=off'],
  ...['-device', 'isa-debugcon,chardev=gate'],
];

/** With the host's files, for which QEMU has to be waited. */
const counting = ['-smp', '1', '-icount', `shift=${Math.log2(INSTRUCTION)},sleep=off`];

/** A machine that is booting. */
export interface Machine {
  readonly qemu: ChildProcess;
  /** The file that the guest's console writes to, as long as QEMU runs. */
  readonly console: string;
  /** To the agent. */
  readonly port: Duplex;
  /** Deletes what is needed for booting only. */
  booted(): Promise<void>;
}

const run = promisify(execFile);

export async function boot(options: BootOptions): Promise<Machine> {
  const { clock = 'host', files = 'host', memory = 2048, locked = false } = options;
  const kernel = (await run(`${checkout}/scripts/kernel.sh`, [options.kernel])).stdout.trim();
  const hardware = hardwareOf(options.kernel, kernel);
  const folder = await mkdtemp(join(tmpdir(), 'wg-slaacer-guest-'));
  const agent = await buildAgent(hardware.cpu);
  const inMemory = files === 'memory';
  const console = join(folder, 'console');
  const root = join(folder, 'initramfs');
  if (inMemory) await run(`${checkout}/scripts/root.sh`, [options.kernel, root]);
  // A root that is not this machine's lacks the checkout and the kernel.
  const shares = hardware.root === '/' ? {} : { checkout, kernel };
  const append = [
    // QEMU translates a program once if it always lies at the same addresses: without norandmaps, again at each start.
    `console=${hardware.terminal} panic=-1 mitigations=off cryptomgr.notests norandmaps`,
    `"bed_init=${bed}guest-init" "bed_node=${hardware.node}" "bed_agent=${agent}" "bed_kernel=${kernel}" bed_files=${files}`,
    ...Object.entries(shares).map(([tag, path]) => `"bed_share_${tag}=${path}"`),
    locked ? 'bed_lockdown=confidentiality' : '',
    options.append ?? '',
  ].join(' ');
  // One thread for both CPUs: with one each, a busy host makes them trip over code that the kernel patches, and it is
  // no faster.
  const time = clock === 'host' ? ['-smp', '2'] : inMemory ? repeatable : counting;
  const served = [
    ...share(hardware.root, 'host'),
    ...Object.entries(shares).flatMap(([tag, path]) => share(path, tag)),
  ];
  // The host writes to it, to the agent's mailbox.
  const ram = ['-object', `memory-backend-memfd,id=ram,size=${memory}M`, '-machine', 'memory-backend=ram'];
  // biome-ignore format: one option a line
  const args = [
    '-nodefaults', '-display', 'none', '-no-reboot',
    ...hardware.args, '-accel', 'tcg,thread=single', ...time, '-m', `${memory}`, ...(inMemory ? ram : []), '-nic', 'none',
    '-kernel', `${kernel}/vmlinux`, '-initrd', inMemory ? root : `${kernel}/initramfs`, '-append', append,
    ...(inMemory ? [] : served),
    // A socket takes few writes of single bytes, and the guest would wait until it takes more.
    '-serial', `file:${console}`,
    '-chardev', 'socket,id=agent,fd=3',
    '-device', 'virtio-serial,ioeventfd=off', '-device', 'virtserialport,chardev=agent,nr=1',
  ];
  // Whatever happens to this process, QEMU ends with it.
  const gate = inMemory ? ['/usr/bin/python3', '-IBS', `${bed}at-gate.py`] : [];
  const qemu = spawn('setpriv', ['--pdeathsig', 'KILL', ...gate, hardware.qemu, ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  qemu.on('close', () => rmSync(folder, { recursive: true, force: true }));
  return {
    qemu,
    console,
    port: qemu.stdio[3] as Duplex,
    booted: () => rm(root, { force: true }),
  };
}
