// SPDX-License-Identifier: GPL-2.0-only
// An engine on a lab's router whose configuration can change while it runs.

import type { Refusal } from '../../src/engine/moving.ts';
import type { Way } from './bed.ts';
import type { Host } from './client.ts';
import { Daemon, INSTALLED } from './daemon.ts';
import type { Command, Interfaces } from './engine-driver.ts';
import { ENGINE_DRIVER } from './programs.ts';

export class LiveEngine extends Daemon {
  /** Resolves when it is ready. No interface is enabled yet. */
  static async launch(router: Host, hook: Way): Promise<LiveEngine> {
    const engine = new LiveEngine(router.spawn(`exec node '${ENGINE_DRIVER}' '${INSTALLED}' ${hook}`), hook);
    await engine.event('ready', {}, 60_000);
    return engine;
  }

  /** Everything that follows from it at once is done, and told, when this resolves. */
  async configure(interfaces: Interfaces): Promise<void> {
    await this.#order({ configure: interfaces });
  }

  async forget(name: string, address: string): Promise<boolean> {
    return (await this.#order({ forget: [name, address] })) as boolean;
  }

  async flush(name?: string, peer?: string): Promise<number> {
    return (await this.#order({
      flush: [...(name ? [name] : []), ...(peer ? [peer] : [])] as [string?, string?],
    })) as number;
  }

  /** Why it was refused; null if it was not. */
  async give(name: string, address: string, peer: string): Promise<Refusal | null> {
    return (await this.#order({ give: [name, address, peer] })) as Refusal | null;
  }

  /** Runs a command in a child of the engine's process. */
  async shell(command: string): Promise<void> {
    await this.#order({ shell: command });
  }

  /** Ends its input, upon which it stops. */
  async finish(): Promise<number> {
    this.process.end();
    return this.process.exit;
  }

  async #order(command: Command): Promise<unknown> {
    const from = this.mark;
    this.process.write(`${JSON.stringify(command)}\n`);
    const line = await this.process.waitFor(/^\{"answer":/, 30_000, from);
    return (JSON.parse(line) as { answer: unknown }).answer;
  }
}
