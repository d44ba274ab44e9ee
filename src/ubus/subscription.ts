// SPDX-License-Identifier: GPL-2.0-only

import type { Connection, LocalObject } from './connection.ts';
import { messageType } from './message.ts';
import type { Registration } from './registration.ts';
import { UbusError, type UbusTable, ubusStatus } from './types.ts';

/** To the notifications of an object: ubusd hands them to an object of ours without name. */
export class Subscription implements Registration, LocalObject {
  readonly name: string;
  readonly #listener: (type: string, data: UbusTable) => void;
  readonly #onError: (error: Error) => void;
  #place: { connection: Connection; id: number } | undefined;
  /** The id of the object subscribed to. */
  #target: number | undefined;
  #ended = false;

  constructor(
    name: string,
    listener: (type: string, data: UbusTable) => void,
    onError: (error: Error) => void,
  ) {
    this.name = name;
    this.#listener = listener;
    this.#onError = onError;
  }

  async register(connection: Connection): Promise<void> {
    const what = `Subscribing to ${this.name}`;
    if (this.#place?.connection !== connection)
      this.#place = { connection, id: await connection.addObject(what, this, {}) };
    if (this.#ended) return connection.removeObject(this.#place.id);
    try {
      await this.#attach(connection, await connection.lookup(what, this.name));
    } catch (error) {
      // `appeared` tells when it is there.
      if (!(error instanceof UbusError) || error.status !== ubusStatus.notFound) throw error;
    }
  }

  forget(): void {
    this.#place = undefined;
    this.#target = undefined;
  }

  /** The object has come to the bus, with this id. */
  appeared(target: number): void {
    if (this.#place !== undefined) this.#attach(this.#place.connection, target).catch(this.#onError);
  }

  async #attach(connection: Connection, target: number): Promise<void> {
    // ubusd would count a second subscription to the same and notify twice.
    if (this.#ended || this.#place === undefined || this.#target === target) return;
    this.#target = target;
    const attributes = { object: this.#place.id, target };
    try {
      await connection.request(`Subscribing to ${this.name}`, messageType.subscribe, 0, attributes);
    } catch (error) {
      if (this.#target === target) this.#target = undefined;
      throw error;
    }
  }

  unsubscribed(target: number): void {
    if (this.#target === target) this.#target = undefined;
  }

  invoke(type: string, data: UbusTable): undefined {
    if (!this.#ended) this.#listener(type, data);
  }

  end(): void {
    this.#ended = true;
    this.#place?.connection.removeObject(this.#place.id);
  }
}
