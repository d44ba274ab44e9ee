// SPDX-License-Identifier: GPL-2.0-only

import { encodeTable } from './blobmsg.ts';
import type { Connection, LocalObject } from './connection.ts';
import { EVENT_OBJECT, messageType } from './message.ts';
import type { Registration } from './registration.ts';
import type { UbusTable } from './types.ts';

/** To events: ubusd hands them to an object without name that is registered with its event object. */
export class Listening implements Registration, LocalObject {
  readonly #pattern: string;
  readonly #listener: (event: string, data: UbusTable) => void;
  #place: { connection: Connection; id: number } | undefined;
  #ended = false;

  constructor(pattern: string, listener: (event: string, data: UbusTable) => void) {
    this.#pattern = pattern;
    this.#listener = listener;
  }

  async register(connection: Connection): Promise<void> {
    const what = `Listening to ${this.#pattern}`;
    if (this.#place?.connection !== connection)
      this.#place = { connection, id: await connection.addObject(what, this, {}) };
    if (this.#ended) return connection.removeObject(this.#place.id);
    // ubusd reads the id as an INT32.
    const data = encodeTable({ object: this.#place.id | 0, pattern: this.#pattern });
    const attributes = { object: EVENT_OBJECT, method: 'register', data };
    await connection.request(what, messageType.invoke, EVENT_OBJECT, attributes);
  }

  forget(): void {
    this.#place = undefined;
  }

  invoke(event: string, data: UbusTable): undefined {
    if (!this.#ended) this.#listener(event, data);
  }

  end(): void {
    this.#ended = true;
    this.#place?.connection.removeObject(this.#place.id);
  }
}
