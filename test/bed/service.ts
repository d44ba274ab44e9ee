// SPDX-License-Identifier: GPL-2.0-only
// wg-slaacer as OpenWrt runs it: on a lab's router, with a bus, with UCI over the files of a folder, and without procd.

import type { UbusTable } from '../../src/ubus/types.ts';
import type { Host } from './client.ts';
import { PROGRAM } from './daemon.ts';
import type { Result } from './guest.ts';
import type { Process } from './process.ts';
import { UBUS_BROKER } from './programs.ts';

const SOCKET = '/var/run/ubus/ubus.sock';
const CONFIG = '/run/config';
const PATIENCE = 30_000;

/** As files/etc/capabilities/wg-slaacer.json and the init script have it. */
const CAPABILITIES = '-all,+net_admin,+net_raw,+sys_admin';
const JAIL = `setpriv --bounding-set=${CAPABILITIES} --inh-caps=${CAPABILITIES} --ambient-caps=${CAPABILITIES} --no-new-privs`;

interface Reply {
  readonly status: number;
  readonly answer?: unknown;
  readonly error?: string;
}

export class Service {
  readonly #router: Host;
  #bus: Process | undefined;
  #daemon: Process | undefined;
  #caller: Process | undefined;
  readonly #clients: Process[] = [];

  /** Nothing runs yet. `files` are the contents of /etc/config. */
  static async create(router: Host, files: Readonly<Record<string, string>>): Promise<Service> {
    const service = new Service(router);
    await router.run(`mkdir -p ${CONFIG} /run/ubus`);
    for (const [name, text] of Object.entries(files)) await service.write(name, text);
    return service;
  }

  private constructor(router: Host) {
    this.#router = router;
  }

  /** Replaces a file of /etc/config; nobody is told. */
  async write(name: string, text: string): Promise<void> {
    await this.#router.run(`cat >${CONFIG}/${name}`, { input: text });
  }

  async read(name: string): Promise<string> {
    return (await this.#router.run(`cat ${CONFIG}/${name}`)).stdout;
  }

  async startBus(): Promise<void> {
    this.#bus = this.#router.spawn(`exec node ${UBUS_BROKER} ${SOCKET} broker`);
    await this.#bus.waitFor(/^ready$/, PATIENCE);
  }

  async stopBus(): Promise<void> {
    this.#bus?.kill('SIGKILL');
    await this.#bus?.exit;
    await this.#router.run(`rm -f ${SOCKET}`);
  }

  /** rpcd's objects appear on the bus. */
  async startRpcd(): Promise<void> {
    await this.#client(`rpcd ${CONFIG}`);
  }

  /** So does procd's `service`, as far as it signals. */
  async startProcd(): Promise<void> {
    await this.#client('procd');
  }

  /** Resolves as soon as it has said something. `jailed`: with the capabilities that ujail leaves it. */
  async start({ jailed = false } = {}): Promise<void> {
    this.#daemon = this.#router.spawn(`exec ${jailed ? JAIL : ''} ${PROGRAM} run`);
    await this.#daemon.waitFor(/./, PATIENCE);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    this.#daemon!.kill(signal);
    return this.#daemon!.exit;
  }

  async destroy(): Promise<void> {
    const processes = [this.#daemon, this.#bus, ...this.#clients];
    for (const process of processes) process?.kill('SIGKILL');
    await Promise.all(processes.map((process) => process?.exit));
    await this.#router.run(`rm -rf ${CONFIG} ${SOCKET}`);
  }

  /** The lines it has logged. */
  get log(): readonly string[] {
    return this.#daemon?.lines ?? [];
  }

  /** A line of the log, be it there already or still to come; those before the `from`th do not count. */
  logged(match: RegExp, from = 0): Promise<string> {
    return this.#daemon!.waitFor(match, PATIENCE, from);
  }

  /** Has it read the configuration again, as SIGHUP does; resolves when that is in force. Needs log_level debug. */
  async reload(): Promise<void> {
    const from = this.log.length;
    this.#daemon!.kill('SIGHUP');
    await this.logged(/configuration has been read again/, from);
  }

  /** Calls a method of wg-slaacer. Rejects with what ubus says if that fails. */
  async call<Answer = UbusTable>(method: string, args: UbusTable = {}): Promise<Answer> {
    const { status, answer, error } = await this.#ask(method, args);
    if (status !== 0) throw new Error(error);
    return answer as Answer;
  }

  /** The status of a call. */
  async status(method: string, args: UbusTable): Promise<number> {
    return (await this.#ask(method, args)).status;
  }

  async #ask(method: string, args: UbusTable): Promise<Reply> {
    this.#caller ??= await this.#client('call');
    const from = this.#caller.lines.length;
    this.#caller.write(`${JSON.stringify(['wg-slaacer', method, args])}\n`);
    return JSON.parse(await this.#caller.waitFor(/^\{"status":/, PATIENCE, from));
  }

  /** Prints a line of JSON for each notification. */
  subscribe(): Promise<Process> {
    return this.#client('subscribe wg-slaacer');
  }

  async #client(command: string): Promise<Process> {
    const process = this.#router.spawn(`exec node ${UBUS_BROKER} ${SOCKET} ${command}`);
    this.#clients.push(process);
    await process.waitFor(/^ready$/, PATIENCE);
    return process;
  }

  /** Whether each of these is anywhere in the daemon's memory. */
  async inMemory(searched: readonly Buffer[]): Promise<boolean[]> {
    const input = `import os, re
[pid] = [n for n in os.listdir('/proc') if n.isdigit() and b'wg-slaacer.js\\0run' in open(f'/proc/{n}/cmdline', 'rb').read()]
searched = [bytes.fromhex(each) for each in ${JSON.stringify(searched.map((each) => each.toString('hex')))}]
found = [False] * len(searched)
memory = open(f'/proc/{pid}/mem', 'rb', 0)
for line in open(f'/proc/{pid}/maps'):
  first, last, mode = re.match('(\\w+)-(\\w+) (\\S+)', line).groups()
  if not mode.startswith('rw'): continue
  memory.seek(int(first, 16))
  data = memory.read(int(last, 16) - int(first, 16))
  found = [was or each in data for was, each in zip(found, searched)]
print(*map(int, found))
`;
    const { stdout } = await this.#router.run('python3 -', { input });
    return stdout
      .trim()
      .split(' ')
      .map((bit) => bit === '1');
  }

  /** The command line. */
  command(args: string): Promise<Result> {
    return this.#router.run(`${PROGRAM} ${args}`, { check: false });
  }
}
