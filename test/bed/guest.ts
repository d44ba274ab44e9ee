// SPDX-License-Identifier: GPL-2.0-only
// A Linux guest in QEMU that has the host's files (read-only underneath, its own writes stay in RAM) and runs commands
// as root.

import { existsSync, readFileSync } from 'node:fs';
import { foreignCpu } from '../../scripts/cpus.ts';
import { HostTime, OwnTime, type Time, type Timer } from './guest-time.ts';
import { type BootOptions, boot, type Machine } from './machine.ts';
import { onReport, type Report } from './messages.ts';
import { Process } from './process.ts';

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

/** Milliseconds of the host's. */
const BOOT_TIMEOUT = 300_000;

/** Foreign CPUs are emulated slowly: riscv64 takes half a minute to unload a module, of whose functions it patches each. */
const FOREIGN_PATIENCE = 5;

/** All that run now, so that whoever reports a failure can show what they said. */
export const guests = new Set<Guest>();

export class Guest {
  /** The guest's `uname -r`. */
  release = '';
  /** All programs started so far by spawn(). */
  readonly processes: Process[] = [];
  readonly #machine: Machine;
  readonly #time: Time;
  readonly #running = new Map<number, Process>();
  #nextId = 1;
  #stopped = false;
  /** QEMU's. */
  #complaints = '';
  #lastWords: string | undefined;

  /** Resolves as soon as the guest can run commands. */
  static async boot(options: BootOptions): Promise<Guest> {
    const guest = new Guest(await boot(options), options);
    await guest.#ready();
    if (options.locked) await guest.run('[ ! -d /sys/kernel/btf ] || mount -t tmpfs tmpfs /sys/kernel/btf');
    return guest;
  }

  private constructor(machine: Machine, { time, kernel }: BootOptions) {
    this.#machine = machine;
    guests.add(this);
    const { qemu, port } = machine;
    this.#time =
      time === 'own'
        ? new OwnTime(machine, () => qemu.kill('SIGKILL'))
        : new HostTime(port, foreignCpu(kernel) ? FOREIGN_PATIENCE : 1);
    // A broken port shows in QEMU's exit.
    port.on('error', () => {});
    const complain = (text: string) => {
      this.#complaints += text;
    };
    qemu.stderr?.on('data', (data: Buffer) => complain(data.toString()));
    qemu.on('error', (error) => complain(`${error.message}\n`));
    qemu.on('exit', () => {
      this.#lastWords = this.log;
    });
    qemu.on('close', () => {
      guests.delete(this);
      this.#stopped = true;
      this.#time.ended();
      for (const process of this.#running.values()) process.lost();
    });
  }

  async #ready(): Promise<void> {
    const { qemu, port } = this.#machine;
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = (why: string) => {
          qemu.kill('SIGKILL');
          reject(new Error(`the guest ${why}; its console ends:\n${this.tail()}`));
        };
        const onClose = () => fail('did not boot');
        const timer = setTimeout(() => fail(`did not boot within ${BOOT_TIMEOUT / 1000} s`), BOOT_TIMEOUT);
        qemu.once('close', onClose);
        onReport(port, (report) => {
          this.#time.reported(report);
          if (report.kind !== 'ready') return this.#deliver(report);
          clearTimeout(timer);
          qemu.off('close', onClose);
          this.release = report.data.subarray(8).toString();
          resolve();
        });
      });
    } finally {
      await this.#machine.booted();
    }
  }

  #deliver({ id, kind, data }: Report): void {
    const process = this.#running.get(id);
    if (kind === 'stdout' || kind === 'stderr') process?.addOutput(kind, data);
    if (kind !== 'exit') return;
    this.#running.delete(id);
    process?.ended(data[0]!);
  }

  /** Milliseconds since 1970, by the guest's clock if that is its own. */
  get now(): number {
    return this.#time.now();
  }

  /** For whoever waits for something else, too. */
  timer(milliseconds: number): Timer {
    return this.#time.after(milliseconds);
  }

  /**
   * Milliseconds since it was booted, by its own clock: where the host was busy while the guest found out how fast its CPUs
   * count, that clock may be several times too fast.
   */
  async uptime(): Promise<number> {
    return 1_000 * Number((await this.run('cut -d " " -f 1 /proc/uptime')).stdout);
  }

  /** Lets so many milliseconds pass. */
  sleep(milliseconds: number): Promise<void> {
    return this.#time.during(this.#time.after(milliseconds).over);
  }

  /** Tries again and again until nothing is thrown; after `timeout` milliseconds it rejects with what was thrown last. */
  async until<T>(attempt: () => T | Promise<T>, timeout = 10_000, interval = 50): Promise<T> {
    const timer = this.#time.within(timeout);
    let late = false;
    void timer.over.then(() => {
      late = true;
    });
    try {
      for (;;) {
        try {
          return await attempt();
        } catch (error) {
          if (late) throw error;
        }
        await this.sleep(interval);
      }
    } finally {
      timer.cancel();
    }
  }

  #start(command: string, { netns }: SpawnOptions): Process {
    const id = this.#nextId++;
    const process = new Process(command, this.#time, (request) => this.#time.send({ id, ...request }));
    this.#running.set(id, process);
    this.#time.send({
      id,
      start: [...(netns ? ['ip', 'netns', 'exec', netns] : []), 'sh', '-c', command],
    });
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
    const timer = this.#time.within(timeout);
    void timer.over.then(() => {
      late = true;
      process.kill('SIGKILL');
    });
    const code = await process.exit.finally(() => timer.cancel());
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

  /** What the console has shown so far. */
  get log(): string {
    if (this.#lastWords !== undefined) return this.#lastWords;
    const shown = existsSync(this.#machine.console) ? readFileSync(this.#machine.console, 'utf8') : '';
    return shown.replaceAll('\r', '') + this.#complaints;
  }

  /** The last lines of the console. */
  tail(lines = 40): string {
    return this.log.trimEnd().split('\n').slice(-lines).join('\n');
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    await new Promise((resolve) => {
      this.#machine.qemu.once('close', resolve);
      this.#machine.qemu.kill('SIGKILL');
    });
  }
}
