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
import { type Foreign, foreignCpu } from '../../scripts/cpus.ts';
import type { Cpu } from '../../scripts/hook.ts';
import { buildAgent } from './agent.ts';

export interface BootOptions {
  /** A series that scripts/kernel.sh knows: "6.12", or "armv7". */
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
  /** Whether it has the client systems of scripts/clients.sh in /clients. Its time must be its own. */
  clients?: boolean;
  /** `host` unless told. */
  time?: GuestTime;
}

/**
 * What a guest's clock goes by.
 * - `host`: the host's clock. There are two CPUs.
 * - `instructions`: on its one CPU each takes INSTRUCTION nanoseconds, and waiting costs no time of the host's.
 * - `own`: as `instructions`, and it stands still while nobody waits for the guest. Its files are copies in its memory
 *   (scripts/root.sh): a guest that waits for QEMU to read a file has nothing else to do and leaps from one of its timers
 *   to the next.
 */
export type GuestTime = 'host' | 'instructions' | 'own';

/** Nanoseconds of guest time that an instruction takes where instructions are counted. */
export const INSTRUCTION = 2;

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const bed = fileURLToPath(new URL('.', import.meta.url));

/** What depends on the CPU. `root` is the folder that becomes the guest's root; `kernel` that of scripts/kernel.sh. */
interface Hardware {
  readonly qemu: string;
  readonly args: readonly string[];
  readonly terminal: string;
  readonly root: string;
  readonly node: string;
}

/**
 * One thread for both CPUs: with one each, a busy host makes them trip over code that the kernel patches, and it is no
 * faster.
 */
const emulation = ['-accel', 'tcg,thread=single'];

/** The machines that QEMU has for the CPUs of kernels. */
const machines: Readonly<Record<Cpu, Pick<Hardware, 'qemu' | 'args' | 'terminal'>>> = {
  // Others have vector instructions, which are slower in emulation than what they replace.
  x64: { qemu: 'x86_64', args: ['-M', 'q35', '-cpu', 'qemu64', ...emulation], terminal: 'ttyS0' },
  // With one thread, its kernel waits for ever for the other CPU while it protects its code.
  arm: {
    qemu: 'arm',
    args: ['-M', 'virt', '-cpu', 'cortex-a7', '-accel', 'tcg,thread=multi'],
    terminal: 'ttyAMA0',
  },
  // An older one has no pages of 16 KB.
  arm64: { qemu: 'aarch64', args: ['-M', 'virt', '-cpu', 'cortex-a76', ...emulation], terminal: 'ttyAMA0' },
  riscv64: { qemu: 'riscv64', args: ['-M', 'virt', ...emulation], terminal: 'ttyS0' },
};

function hardwareOf(foreign: Foreign | undefined, kernel: string): Hardware {
  const { qemu, ...machine } = machines[foreign?.cpu ?? 'x64'];
  const own = foreign
    ? { root: `${kernel}/system`, node: '/usr/bin/node' }
    : { root: '/', node: process.execPath };
  return { qemu: `qemu-system-${qemu}`, ...machine, ...own };
}

/** A folder of the host, read-only, which the guest mounts by its tag. */
function share(folder: string, tag: string): string[] {
  return ['-virtfs', `local,path=${folder},mount_tag=${tag},security_model=none,readonly=on,multidevs=remap`];
}

const counting = ['-smp', '1', '-icount', `shift=${Math.log2(INSTRUCTION)},sleep=off`];

const timeArguments: Readonly<Record<GuestTime, readonly string[]>> = {
  host: ['-smp', '2'],
  instructions: counting,
  // The random numbers and the date are the same each time, so that instructions are. What the guest writes to
  // isa-debugcon goes to standard output, and the machine stands still until that takes it (at-gate.py).
  own: [
    ...[...counting, '-seed', '1', '-rtc', 'base=2026-01-01T00:00:00,clock=vm'],
    ...['-chardev', 'stdio,id=gate,signal=off', '-device', 'isa-debugcon,chardev=gate'],
  ],
};

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
  const { time = 'host', memory = 2048, locked = false } = options;
  const kernel = (await run(`${checkout}scripts/kernel.sh`, [options.kernel])).stdout.trim();
  const foreign = foreignCpu(options.kernel);
  const hardware = hardwareOf(foreign, kernel);
  const agent = await buildAgent(foreign);
  const folder = await mkdtemp(join(tmpdir(), 'wg-slaacer-guest-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  const console = join(folder, 'console');
  const root = join(folder, 'initramfs');
  // A root that is not this machine's lacks the checkout and the kernel.
  const shares = hardware.root === '/' ? {} : { checkout, kernel };
  const append = [
    // QEMU translates a program once if it always lies at the same addresses: without norandmaps, again at each start.
    `console=${hardware.terminal} panic=-1 mitigations=off cryptomgr.notests norandmaps`,
    `"bed_init=${bed}guest-init" "bed_node=${hardware.node}" "bed_agent=${agent}" "bed_kernel=${kernel}"`,
    `bed_files=${time === 'own' ? 'memory' : 'host'}`,
    ...Object.entries(shares).map(([tag, path]) => `"bed_share_${tag}=${path}"`),
    locked ? 'bed_lockdown=confidentiality' : '',
    options.append ?? '',
  ].join(' ');
  let files: string[];
  if (time === 'own') {
    const archives = options.clients ? [(await run(`${checkout}scripts/clients.sh`)).stdout.trim()] : [];
    await run(`${checkout}scripts/root.sh`, [options.kernel, root, ...archives]);
    // The host writes to this memory, to the agent's mailbox.
    const ram = `memory-backend-memfd,id=ram,size=${memory}M`;
    files = ['-initrd', root, '-object', ram, '-machine', 'memory-backend=ram'];
  } else {
    const shared = Object.entries({ host: hardware.root, ...shares });
    files = ['-initrd', `${kernel}/initramfs`, ...shared.flatMap(([tag, path]) => share(path, tag))];
  }
  // biome-ignore format: one option a line
  const args = [
    '-nodefaults', '-display', 'none', '-no-reboot', '-nic', 'none',
    ...hardware.args, ...timeArguments[time], '-m', `${memory}`,
    '-kernel', `${kernel}/vmlinux`, '-append', append, ...files,
    // A socket takes few writes of single bytes, and the guest would wait until it takes more.
    '-serial', `file:${console}`,
    '-chardev', 'socket,id=agent,fd=3',
    '-device', 'virtio-serial,ioeventfd=off', '-device', 'virtserialport,chardev=agent,nr=1',
  ];
  const gate = time === 'own' ? ['/usr/bin/python3', '-IBS', `${bed}at-gate.py`] : [];
  // Whatever happens to this process, QEMU ends with it.
  const qemu = spawn('setpriv', ['--pdeathsig', 'KILL', ...gate, hardware.qemu, ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  qemu.on('close', remove);
  return {
    qemu,
    console,
    port: qemu.stdio[3] as Duplex,
    booted: () => rm(root, { force: true }),
  };
}
