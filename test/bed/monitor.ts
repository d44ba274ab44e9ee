// SPDX-License-Identifier: GPL-2.0-only
// QEMU's machine protocol (QMP): one JSON object a line.

import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';

type Message = { return: object } | { error: { desc: string } } | { event: string } | { QMP: object };

export class Monitor {
  readonly #socket: Duplex;
  readonly #answers: ((message: Message) => void)[] = [];
  readonly #onStop: () => void;

  /** `onStop` is called whenever the machine has stopped. */
  constructor(socket: Duplex, onStop: () => void) {
    this.#socket = socket;
    this.#onStop = onStop;
    // A broken connection shows in QEMU's exit.
    socket.on('error', () => {});
    createInterface({ input: socket })
      .on('error', () => {})
      .on('line', (line) => this.#receive(JSON.parse(line)));
    void this.execute('qmp_capabilities');
  }

  #receive(message: Message): void {
    if ('return' in message || 'error' in message) this.#answers.shift()?.(message);
    else if ('event' in message && message.event === 'STOP') this.#onStop();
  }

  /** Has QEMU carry out a command without arguments, after those before. */
  execute(command: 'qmp_capabilities' | 'cont'): Promise<void> {
    this.#socket.write(`${JSON.stringify({ execute: command })}\n`);
    return new Promise((resolve, reject) => {
      this.#answers.push((message) => {
        if ('error' in message) reject(new Error(`${command}: ${message.error.desc}`));
        else resolve();
      });
    });
  }
}
