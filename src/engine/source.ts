// SPDX-License-Identifier: GPL-2.0-only
// The hook, opened when it is needed and let go of when it is not.

import type { Clock } from '../clock.ts';
import { HookError, type Kernel, type Observer, type Sightings } from '../kernel/ports.ts';
import type { Hook, Link } from '../model.ts';
import type { Problem } from '../problem.ts';

/** How long the hook stays when the last interface has gone: netifd recreates links. Then the module can be unloaded. */
const LINGER = 5_000;

export class Source {
  #sightings: Sightings | undefined;
  /** The choice with which it was last opened, or tried to be. */
  #choice: Hook | 'auto' | undefined;
  /** Why that failed, and the WireGuard links of that time: others may be worth another try. */
  #failure: { readonly problems: readonly Problem[]; readonly links: string } | undefined;
  #cancelLinger: (() => void) | undefined;

  readonly #kernel: Kernel;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #onClosed: () => void;

  /** `onClosed` is called when there are none any more, or others. */
  constructor(kernel: Kernel, clock: Clock, observer: Observer, onClosed: () => void) {
    this.#kernel = kernel;
    this.#clock = clock;
    this.#observer = observer;
    this.#onClosed = onClosed;
  }

  get current(): Sightings | undefined {
    return this.#sightings;
  }

  problems(): Problem[] {
    return [...(this.#failure?.problems ?? []), ...(this.#sightings?.warnings ?? [])];
  }

  /** Opens what is chosen, unless it is open. If that fails, what was open before goes on. */
  need(choice: Hook | 'auto', links: readonly Link[]): void {
    this.#cancelLinger?.();
    this.#cancelLinger = undefined;
    const key = links.map(({ ifindex }) => ifindex).join(' ');
    if (choice === this.#choice && (this.#sightings || this.#failure?.links === key)) return;
    this.#choice = choice;
    this.#failure = undefined;
    try {
      const sightings = this.#kernel.openSightings(choice, this.#observer);
      this.close();
      this.#sightings = sightings;
    } catch (error) {
      if (!(error instanceof HookError)) throw error;
      this.#failure = { problems: error.problems, links: key };
    }
  }

  /** Nothing needs it now, but something may soon. */
  release(): void {
    this.#failure = undefined;
    if (this.#sightings) this.#cancelLinger ??= this.#clock.after(LINGER, () => this.close());
  }

  close(): void {
    this.#cancelLinger?.();
    this.#cancelLinger = undefined;
    this.#sightings?.close();
    this.#sightings = undefined;
    this.#onClosed();
  }
}
