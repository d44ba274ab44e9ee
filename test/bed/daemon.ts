// SPDX-License-Identifier: GPL-2.0-only
// wg-slaacer on a lab's router, and what it tells.

import { fileURLToPath } from 'node:url';
import type { EngineEvent } from '../../src/engine/events.ts';
import type { ProblemWords } from '../../src/words/problems.ts';
import type { Way } from './bed.ts';
import type { Host } from './client.ts';
import type { Process } from './process.ts';

/** The tree that is installed on routers, as npm run build leaves it. */
export const INSTALLED = fileURLToPath(new URL('../../dist/rootfs', import.meta.url));
export const PROGRAM = `${INSTALLED}/usr/sbin/wg-slaacer`;

/** In a shell on the router: the one that runs there. */
const PID = "$(pgrep -f '^node.*/wg-slaacer.js run')";

/** As --json tells it: problems in words, too. */
type Named<Name extends EngineEvent['event']> = Extract<EngineEvent, { event: Name }> &
  (Name extends 'problem' | 'solved' ? ProblemWords : unknown);

export interface DaemonOptions {
  /** The one it is to use. Lending it has to choose by itself. */
  hook?: Way | 'auto';
  /** wg1 unless told. */
  interfaces?: readonly string[];
  /** As for --set. No Router Advertisements unless told: they would be among the packets that tests count. */
  set?: Readonly<Record<string, string | number>>;
  /** The file for what is to be known after a reboot. */
  state?: string;
}

export class Daemon {
  readonly process: Process;
  /** How it learns. */
  readonly way: Way;

  /** Resolves when it is ready. */
  static async start(router: Host, options: DaemonOptions = {}): Promise<Daemon> {
    const { hook = 'auto', interfaces = ['wg1'], set = {}, state } = options;
    const asked = hook === 'lending' ? 'auto' : hook;
    const settings = Object.entries({ hook: asked, ra: 0, ...set }).map(
      ([name, value]) => `--set ${name}=${value}`,
    );
    const names = interfaces.map((name) => `--interface ${name}`);
    const kept = state === undefined ? [] : [`--state ${state}`];
    const command = [`exec ${PROGRAM} run --json`, ...names, ...settings, ...kept].join(' ');
    const process = router.spawn(command);
    const ready = await process.waitFor(/^\{"event":"ready"/, 120_000);
    const way: Way = JSON.parse(ready).hook;
    if (hook !== 'auto' && way !== hook) throw new Error(`${command}: it uses ${way}`);
    return new Daemon(process, way);
  }

  protected constructor(process: Process, way: Way) {
    this.process = process;
    this.way = way;
  }

  get events(): EngineEvent[] {
    return this.process.lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }

  all<Name extends EngineEvent['event']>(name: Name): Named<Name>[] {
    return this.events.filter((event): event is Named<Name> => event.event === name);
  }

  /** The first event of that name with these members, be it there already or still to come. */
  async event<Name extends EngineEvent['event']>(
    name: Name,
    members: Partial<Named<Name>> = {},
    timeout = 10_000,
    from = 0,
  ): Promise<Named<Name>> {
    const line = await this.process.waitFor(matching({ event: name, ...members }), timeout, from);
    return JSON.parse(line);
  }

  /** Whether it has told such an event since `from`. */
  has<Name extends EngineEvent['event']>(name: Name, members: Partial<Named<Name>>, from = 0): boolean {
    return this.process.lines.slice(from).some(matching({ event: name, ...members }));
  }

  /** What becomes of an address. */
  async outcome(
    use: { address: string; peer: string },
    timeout: number,
    from: number,
  ): Promise<Named<'learned'> | Named<'denied'>> {
    const [learned, denied] = [matching({ event: 'learned', ...use }), matching({ event: 'denied', ...use })];
    return JSON.parse(await this.process.waitFor((line) => learned(line) || denied(line), timeout, from));
  }

  /** How many lines it has printed: `from` of an event that is still to come. */
  get mark(): number {
    return this.process.lines.length;
  }

  /** Kilobytes of resident memory, in all and anonymous. */
  async memory(router: Host): Promise<{ resident: number; anonymous: number }> {
    const { stdout } = await router.run(`cat /proc/${PID}/status`);
    const field = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(stdout)?.[1]);
    return { resident: field('VmRSS'), anonymous: field('RssAnon') };
  }

  /** Kilobytes that its BPF maps and programs take of the kernel's memory. */
  async mapMemory(router: Host): Promise<number> {
    const { stdout } = await router.run(`cat /proc/${PID}/fdinfo/*`);
    const bytes = [...stdout.matchAll(/^memlock:\s*(\d+)$/gm)].map(([, size]) => Number(size));
    return bytes.reduce((sum, size) => sum + size, 0) / 1024;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    this.process.kill(signal);
    return this.process.exit;
  }
}

/** Tells the lines that have an event with these members. */
function matching(members: object): (line: string) => boolean {
  const wanted = Object.entries(members);
  return (line) => {
    if (!line.startsWith('{')) return false;
    const event: Record<string, unknown> = JSON.parse(line);
    return wanted.every(([key, value]) => event[key] === value);
  };
}
