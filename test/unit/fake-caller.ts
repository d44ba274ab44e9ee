// SPDX-License-Identifier: GPL-2.0-only
// The bus as a command sees it, which calls and listens. Tests say what is on it and what happens there.

import { type Ubus, UbusError, type UbusTable, ubusStatus } from '../../src/ubus/types.ts';

export type Answer = (args: UbusTable) => UbusTable;

export class FakeCaller implements Ubus {
  connected = true;
  closed = false;
  readonly calls: { object: string; method: string; args: UbusTable }[] = [];
  readonly #connectedListeners: ((connected: boolean) => void)[] = [];
  readonly #subscribers: { object: string; listener: (type: string, data: UbusTable) => void }[] = [];
  readonly #eventListeners: { pattern: string; listener: (event: string, data: UbusTable) => void }[] = [];

  /** The methods of each object that is there. */
  constructor(readonly objects: Record<string, Record<string, Answer>>) {}

  setConnected(connected: boolean): void {
    this.connected = connected;
    for (const listener of this.#connectedListeners) listener(connected);
  }

  notify(object: string, type: string, data: UbusTable): void {
    for (const each of this.#subscribers) if (each.object === object) each.listener(type, data);
  }

  /** As ubusd tells that an object was added or removed. */
  objectEvent(what: 'add' | 'remove', path: string): void {
    const event = `ubus.object.${what}`;
    for (const { pattern, listener } of this.#eventListeners)
      if (event.startsWith(pattern.replace('*', ''))) listener(event, { id: 1, path });
  }

  onConnected(listener: (connected: boolean) => void): void {
    this.#connectedListeners.push(listener);
  }

  async call(object: string, method: string, args: UbusTable = {}): Promise<UbusTable> {
    this.calls.push({ object, method, args });
    if (!this.connected) throw new UbusError(ubusStatus.connectionFailed, 'no connection');
    const methods = this.objects[object];
    if (!methods) throw new UbusError(ubusStatus.notFound, `no object ${object}`);
    const answer = methods[method];
    if (!answer) throw new UbusError(ubusStatus.methodNotFound, `no method ${method}`);
    return answer(args);
  }

  subscribe(object: string, listener: (type: string, data: UbusTable) => void): () => void {
    this.#subscribers.push({ object, listener });
    return () => {};
  }

  listen(pattern: string, listener: (event: string, data: UbusTable) => void): () => void {
    this.#eventListeners.push({ pattern, listener });
    return () => {};
  }

  publish(): never {
    throw new Error('commands publish nothing');
  }

  send(): never {
    throw new Error('commands send no events');
  }

  close(): void {
    this.closed = true;
  }
}
