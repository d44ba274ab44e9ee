// SPDX-License-Identifier: GPL-2.0-only
// Has the scripts in /etc/hotplug.d/wg-slaacer called for what becomes of addresses, as netifd does for its interfaces: one
// after the other, in the order of the events.

import { readdirSync } from 'node:fs';
import type { Arrival, Departure, Entry, Follower } from '../engine/ledger.ts';

const FOLDER = '/etc/hotplug.d/wg-slaacer';
const CALLER = '/sbin/hotplug-call';

/** Events that may wait: of a storm that scripts cannot keep up with, the rest is left out. */
const MOST_WAITING = 256;
/** Milliseconds until scripts that do not end are ended. */
const TIMEOUT = 60_000;

/** What a script finds in its environment. */
export type Environment = Readonly<Record<'ACTION' | 'INTERFACE' | 'PEER' | 'NAME' | 'ADDRESS', string>>;

export interface Scripts {
  /** Whether there is any. */
  exist(): boolean;
  /** Calls all of them; resolves when they have ended, however they have. */
  call(environment: Environment): Promise<void>;
}

export class Hotplug implements Follower {
  readonly #waiting: Environment[] = [];
  #isCalling = false;
  #omitted = 0;

  readonly #scripts: Scripts;
  /** The name of a peer of an interface; empty if it has none. */
  readonly #nameOf: (name: string, peer: string) => string;
  /** So many events were left out. */
  readonly #onOmitted: (count: number) => void;

  constructor(
    scripts: Scripts,
    nameOf: (name: string, peer: string) => string,
    onOmitted: (count: number) => void,
  ) {
    this.#scripts = scripts;
    this.#nameOf = nameOf;
    this.#onOmitted = onOmitted;
  }

  /** What was there before is no news. */
  present(entry: Entry, { event }: Arrival): void {
    if (event === 'learned' || event === 'given') this.#note('learned', entry);
  }

  gone(entry: Entry, { event }: Departure): void {
    this.#note(event, entry);
  }

  #note(action: string, { interface: name, peer, address }: Entry): void {
    if (!this.#scripts.exist()) return;
    if (this.#waiting.length >= MOST_WAITING) {
      this.#omitted++;
      return;
    }
    const own = this.#nameOf(name, peer);
    this.#waiting.push({ ACTION: action, INTERFACE: name, PEER: peer, NAME: own, ADDRESS: address });
    if (!this.#isCalling) void this.#call();
  }

  async #call(): Promise<void> {
    this.#isCalling = true;
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift())
      await this.#scripts.call(next).catch(() => {}); // there may be no memory for a process: the next one is due
    this.#isCalling = false;
    if (this.#omitted > 0) this.#onOmitted(this.#omitted);
    this.#omitted = 0;
  }
}

/** Those of the system. They have the capabilities of this process, no more. */
export class SystemScripts implements Scripts {
  readonly #folder: string;
  readonly #caller: string;
  readonly #timeout: number;

  /** `timeout` is the milliseconds after which what runs is ended. */
  constructor(folder = FOLDER, caller = CALLER, timeout = TIMEOUT) {
    this.#folder = folder;
    this.#caller = caller;
    this.#timeout = timeout;
  }

  exist(): boolean {
    try {
      return readdirSync(this.#folder).length > 0;
    } catch {
      return false; // there is no such folder
    }
  }

  async call(environment: Environment): Promise<void> {
    const { spawn } = process.getBuiltinModule('node:child_process'); // not imported: that takes long
    await new Promise<void>((resolve) => {
      const caller = spawn(this.#caller, ['wg-slaacer'], {
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...environment },
        stdio: ['ignore', 'ignore', 'inherit'],
        detached: true, // leads a group, in which all that a script has begun is ended with it
      });
      const end = () => {
        try {
          process.kill(-caller.pid!, 'SIGKILL');
        } catch {
          // it has just ended by itself
        }
      };
      const timer = setTimeout(end, this.#timeout).unref();
      const resume = () => {
        clearTimeout(timer);
        resolve();
      };
      caller.once('error', resume).once('close', resume);
      caller.unref(); // this process need not wait for it when it ends
    });
  }
}
