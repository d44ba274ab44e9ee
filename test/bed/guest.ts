// SPDX-License-Identifier: GPL-2.0-only
// A Linux guest in QEMU that has the host's files (read-only underneath, its own writes stay in RAM) and runs commands
// as root.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Process } from './process.ts';

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
  /** Makes time deterministic: every instruction takes INSTRUCTION nanoseconds, on one CPU, and waiting none at all. */
  icount?: boolean;
}

export interface SpawnOptions {
  /** The name of a network namespace of the guest. */
  netns?: string;
}

export interface RunOptions extends SpawnOptions {
  /** The command's standard input. */
  input?: string | Uint8Array;
  /** Milliseconds until the command is killed and the promise rejected; 60 s unless told. */
  timeout?: number;
  /** Reject if the exit code is not 0. True unless told. */
  check?: boolean;
}

export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

type Report = { id: number; stdout?: string; stderr?: string; exit?: number } | { release: string };

/** Nanoseconds of guest time that an instruction takes where instructions are counted. */
export const INSTRUCTION = 2;

const BOOT_TIMEOUT = 120_000;
const checkout = fileURLToPath(new URL('../..', import.meta.url));
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** All that run now, so that whoever reports a failure can show what they said. */
export const guests = new Set<Guest>();

/** What depends on the CPU. `root` is the folder that becomes the guest's root; `kernel` that of scripts/kernel.sh. */
interface Machine {
  readonly qemu: string;
  readonly args: readonly string[];
  readonly console: string;
  readonly root: string;
  readonly node: string;
}

function machineOf(series: string, kernel: string): Machine {
  if (series !== 'arm64')
    return {
      qemu: 'qemu-system-x86_64',
      args: ['-M', 'q35', '-cpu', 'max'],
      console: 'ttyS0',
      root: '/',
      node: process.execPath,
    };
  return {
    qemu: 'qemu-system-aarch64',
    args: ['-M', 'virt', '-cpu', 'cortex-a72'],
    console: 'ttyAMA0',
    root: `${kernel}/system`,
    node: '/usr/bin/node',
  };
}

/** A folder of the host, read-only, which the guest mounts by its tag. */
function share(folder: string, tag: string): string[] {
  return ['-virtfs', `local,path=${folder},mount_tag=${tag},security_model=none,readonly=on,multidevs=remap`];
}

export class Guest {
  /** The guest's `uname -r`. */
  release = '';
  /** What the console has shown so far. */
  log = '';
  /** All programs started so far by spawn(). */
  readonly processes: Process[] = [];
  readonly #qemu: ChildProcess;
  readonly #port: Duplex;
  readonly #running = new Map<number, Process>();
  #nextId = 1;
  #stopped = false;

  /** Resolves as soon as the guest can run commands. */
  static async boot(options: BootOptions): Promise<Guest> {
    const { stdout } = await promisify(execFile)(path('../../scripts/kernel.sh'), [options.kernel]);
    const guest = new Guest(options, stdout.trim());
    await guest.#ready();
    if (options.locked) await guest.run('mount -t tmpfs tmpfs /sys/kernel/btf');
    return guest;
  }

  private constructor(options: BootOptions, kernel: string) {
    const machine = machineOf(options.kernel, kernel);
    // A root that is not this machine's lacks the checkout and the kernel.
    const shares = machine.root === '/' ? {} : { checkout, kernel };
    const append = [
      `console=${machine.console} panic=-1 mitigations=off cryptomgr.notests`,
      `"bed_init=${path('guest-init')}" "bed_node=${machine.node}" "bed_kernel=${kernel}"`,
      ...Object.entries(shares).map(([tag, folder]) => `"bed_share_${tag}=${folder}"`),
      options.locked ? 'lockdown=confidentiality' : '',
      options.append ?? '',
    ].join(' ');
    // One thread for both CPUs: with one each, a busy host makes them trip over code that the kernel patches, and it is
    // no faster.
    const cpus = options.icount
      ? ['-smp', '1', '-icount', `shift=${Math.log2(INSTRUCTION)},sleep=off`]
      : ['-smp', '2'];
    // biome-ignore format: one option a line
    const args = [
      '-nodefaults', '-display', 'none', '-no-reboot',
      ...machine.args, '-accel', 'tcg,thread=single', ...cpus, '-m', `${options.memory ?? 2048}`, '-nic', 'none',
      '-kernel', `${kernel}/vmlinux`, '-initrd', `${kernel}/initramfs`, '-append', append,
      ...share(machine.root, 'host'), ...Object.entries(shares).flatMap(([tag, folder]) => share(folder, tag)),
      '-serial', 'stdio',
      '-device', 'virtio-serial', '-chardev', 'socket,id=agent,fd=3', '-device', 'virtserialport,chardev=agent,nr=1',
    ];
    // Whatever happens to this process, QEMU ends with it.
    this.#qemu = spawn('setpriv', ['--pdeathsig', 'KILL', machine.qemu, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    guests.add(this);
    this.#port = this.#qemu.stdio[3] as Duplex;
    // A broken port shows in QEMU's exit.
    this.#port.on('error', () => {});
    const addToLog = (data: Buffer) => {
      this.log += data.toString().replaceAll('\r', '');
    };
    this.#qemu.stdout?.on('data', addToLog);
    this.#qemu.stderr?.on('data', addToLog);
    this.#qemu.on('error', (error) => addToLog(Buffer.from(`${error.message}\n`)));
    this.#qemu.on('close', () => {
      guests.delete(this);
      this.#stopped = true;
      for (const process of this.#running.values()) process.lost();
    });
  }

  #ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        this.#qemu.kill('SIGKILL');
        reject(new Error(`the guest ${why}; its console ends:\n${this.tail()}`));
      };
      const onClose = () => fail('did not boot');
      const timer = setTimeout(() => fail(`did not boot within ${BOOT_TIMEOUT / 1000} s`), BOOT_TIMEOUT);
      this.#qemu.once('close', onClose);
      createInterface({ input: this.#port }).on('line', (line) => {
        const report = JSON.parse(line) as Report;
        if ('id' in report) return this.#deliver(report);
        clearTimeout(timer);
        this.#qemu.off('close', onClose);
        this.release = report.release;
        resolve();
      });
    });
  }

  #deliver({ id, stdout, stderr, exit }: Extract<Report, { id: number }>): void {
    const process = this.#running.get(id);
    if (stdout !== undefined) process?.addOutput('stdout', Buffer.from(stdout, 'base64'));
    if (stderr !== undefined) process?.addOutput('stderr', Buffer.from(stderr, 'base64'));
    if (exit !== undefined) {
      this.#running.delete(id);
      process?.ended(exit);
    }
  }

  #start(command: string, { netns }: SpawnOptions): Process {
    const id = this.#nextId++;
    const send = (request: object) => this.#port.write(`${JSON.stringify({ id, ...request })}\n`);
    const process = new Process(command, send);
    this.#running.set(id, process);
    send({ start: [...(netns ? ['ip', 'netns', 'exec', netns] : []), 'sh', '-c', command] });
    if (this.#stopped) process.lost();
    return process;
  }

  /** Starts a shell command line that goes on by itself. */
  spawn(command: string, options: SpawnOptions = {}): Process {
    const process = this.#start(command, options);
    this.processes.push(process);
    return process;
  }

  /** Runs a shell command line to its end. */
  async run(command: string, options: RunOptions = {}): Promise<Result> {
    const { input, timeout = 60_000, check = true } = options;
    const process = this.#start(command, options);
    if (input !== undefined) process.write(input);
    process.end();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      process.kill('SIGKILL');
    }, timeout);
    const code = await process.exit.finally(() => clearTimeout(timer));
    const result = { code, stdout: process.stdout.toString(), stderr: process.stderr.toString() };
    if (late || (check && code !== 0)) {
      const why = late ? `took over ${timeout} ms` : `exited with ${code}`;
      const shown = command.length > 500 ? `${command.slice(0, 500)}…` : command;
      throw new Error(`${shown}: ${why}\n${result.stdout}${result.stderr}`);
    }
    return result;
  }

  /** A file of the guest. */
  async readFile(file: string): Promise<Buffer> {
    const process = this.#start(`exec cat '${file.replaceAll("'", "'\\''")}'`, {});
    if ((await process.exit) !== 0) throw new Error(process.stderr.toString());
    return process.stdout;
  }

  /** The last lines of the console. */
  tail(lines = 40): string {
    return this.log.trimEnd().split('\n').slice(-lines).join('\n');
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    await new Promise((resolve) => {
      this.#qemu.once('close', resolve);
      this.#qemu.kill('SIGKILL');
    });
  }
}
