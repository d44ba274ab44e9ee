// SPDX-License-Identifier: GPL-2.0-only

import type { Connection, LocalObject } from './connection.ts';
import { encodeSignature, invokeMethod } from './method.ts';
import type { Registration } from './registration.ts';
import type { Method, PublishedObject, UbusTable } from './types.ts';

/** An object of ours with a name and methods. */
export class Publication implements Registration, LocalObject, PublishedObject {
  readonly #name: string;
  readonly #methods: Readonly<Record<string, Method>>;
  readonly #signature: Buffer;
  readonly #onError: (error: Error) => void;
  #place: { connection: Connection; id: number } | undefined;
  #subscribed = false;

  constructor(name: string, methods: Readonly<Record<string, Method>>, onError: (error: Error) => void) {
    this.#name = name;
    this.#methods = methods;
    this.#signature = encodeSignature(methods);
    this.#onError = onError;
  }

  async register(connection: Connection): Promise<void> {
    const attributes = { path: this.#name, signature: this.#signature };
    const id = await connection.addObject(`Publishing ${this.#name}`, this, attributes);
    this.#place = { connection, id };
  }

  forget(): void {
    this.#place = undefined;
    this.#subscribed = false;
  }

  invoke(method: string, data: UbusTable): UbusTable | undefined | Promise<UbusTable | undefined> {
    return invokeMethod(this.#methods, method, data);
  }

  subscribed(active: boolean): void {
    this.#subscribed = active;
  }

  get isFollowed(): boolean {
    return this.#place !== undefined && this.#subscribed;
  }

  notify(type: string, data: UbusTable): void {
    if (this.#place === undefined || !this.#subscribed) return;
    try {
      this.#place.connection.notify(this.#place.id, type, data);
    } catch (error) {
      this.#onError(new Error(`Notifying of ${type} failed: ${(error as Error).message}`, { cause: error }));
    }
  }
}
