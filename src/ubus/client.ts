// SPDX-License-Identifier: GPL-2.0-only
// The connection that comes back: after each connect it publishes, listens and subscribes again.

import { MalformedError } from './blob.ts';
import { decodeTable, encodeTable } from './blobmsg.ts';
import { Connection, RefusedError, TIMEOUT } from './connection.ts';
import { Listening } from './listening.ts';
import { messageType } from './message.ts';
import { Publication } from './publication.ts';
import type { Registration } from './registration.ts';
import { Subscription } from './subscription.ts';
import {
  type IsWanted,
  type Method,
  type PublishedObject,
  type Ubus,
  UbusError,
  type UbusTable,
  ubusStatus,
} from './types.ts';

const SOCKET = '/var/run/ubus/ubus.sock';
/** Bytes that are read at once. */
const READ_SIZE = 1 << 16;
const GREETING_TIMEOUT = 5_000;
const FIRST_DELAY = 100;
const LAST_DELAY = 5_000;
const REGISTRATION_DELAY = 5_000;

export class UbusClient implements Ubus {
  readonly #path: string;
  readonly #onError: (error: Error) => void;
  readonly #registrations = new Set<Registration>();
  readonly #listeners: ((connected: boolean) => void)[] = [];
  readonly #ids = new Map<string, number>();
  readonly #retries = new Set<NodeJS.Timeout>();
  #subscriptions: Set<Subscription> | undefined;
  #connection: Connection | undefined;
  #connected = false;
  #timer: NodeJS.Timeout | undefined;
  #delay = FIRST_DELAY;
  #connectedSince = 0;
  #closed = false;

  /**
   * Connects to ubusd's socket, at once and again whenever the connection ends: after 100 ms at first, after 5 s at
   * most. `onError` is told what went wrong where nobody waits for an answer: a handler or listener that throws, what
   * ubusd refuses to register (tried again after 5 s), a connection closed because of malformed data.
   */
  constructor(path = SOCKET, onError: (error: Error) => void = () => {}) {
    this.#path = path;
    this.#onError = onError;
    this.#connect();
  }

  get connected(): boolean {
    return this.#connected;
  }

  onConnected(listener: (connected: boolean) => void): void {
    this.#listeners.push(listener);
  }

  async call(
    object: string,
    method: string,
    args: UbusTable = {},
    timeout = TIMEOUT,
    isWanted?: IsWanted,
  ): Promise<UbusTable> {
    const what = `Calling ${object} ${method}`;
    const deadline = performance.now() + timeout;
    const data = this.#encode(what, args);
    const cached = this.#ids.get(object);
    if (cached !== undefined) {
      try {
        return await this.#invoke(what, cached, method, data, timeout, isWanted);
      } catch (error) {
        // ubusd itself does not find it: the object has gone, and may have come back under another id.
        if (!(error instanceof RefusedError) || error.byObject || error.status !== ubusStatus.notFound)
          throw error;
        if (this.#ids.get(object) === cached) this.#ids.delete(object);
      }
    }
    const left = () => Math.max(0, Math.round(deadline - performance.now()));
    const id = await this.#lookup(what, object, left());
    return this.#invoke(what, id, method, data, left(), isWanted);
  }

  publish(name: string, methods: Readonly<Record<string, Method>>): PublishedObject {
    const publication = new Publication(name, methods, this.#onError);
    this.#add(publication);
    return publication;
  }

  subscribe(object: string, listener: (type: string, data: UbusTable) => void): () => void {
    const subscriptions = this.#watchObjects();
    const subscription = new Subscription(object, listener, this.#onError);
    subscriptions.add(subscription);
    this.#add(subscription);
    return () => {
      subscriptions.delete(subscription);
      this.#registrations.delete(subscription);
      subscription.end();
    };
  }

  listen(pattern: string, listener: (event: string, data: UbusTable) => void): () => void {
    const listening = new Listening(pattern, listener);
    this.#add(listening);
    return () => {
      this.#registrations.delete(listening);
      listening.end();
    };
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#connection?.close();
  }

  #encode(what: string, table: UbusTable): Buffer {
    try {
      return encodeTable(table);
    } catch (error) {
      throw new UbusError(ubusStatus.invalidArgument, `${what}: ${(error as Error).message}`);
    }
  }

  #current(what: string): Connection {
    if (this.#connection === undefined || !this.#connected)
      throw new UbusError(ubusStatus.connectionFailed, `${what}: no connection to ubusd at ${this.#path}`);
    return this.#connection;
  }

  async #lookup(what: string, path: string, timeout: number): Promise<number> {
    const id = await this.#current(what).lookup(what, path, timeout);
    this.#ids.set(path, id);
    return id;
  }

  async #invoke(
    what: string,
    object: number,
    method: string,
    data: Buffer,
    timeout: number,
    isWanted: IsWanted | undefined,
  ): Promise<UbusTable> {
    let answer: UbusTable | MalformedError = {};
    const attributes = { object, method, data };
    await this.#current(what).request(what, messageType.invoke, object, attributes, timeout, (reply) => {
      answer = decodeAnswer(reply.data, isWanted);
    });
    if (!(answer instanceof MalformedError)) return answer;
    throw new UbusError(ubusStatus.unknownError, `${what}: the answer is malformed: ${answer.message}`);
  }

  #connect(): void {
    // Loaded not before it is needed: it is large.
    const { connect } = process.getBuiltinModule('node:net');
    // Node would copy what it reads, and leave copies unwiped, if it were not told where to.
    const callback = (length: number, buffer: Uint8Array) => {
      const chunk = Buffer.from(buffer.buffer, buffer.byteOffset, length);
      connection.receive(chunk);
      chunk.fill(0);
      return true;
    };
    const socket = connect({ path: this.#path, onread: { buffer: Buffer.alloc(READ_SIZE), callback } });
    const connection: Connection = new Connection(socket, {
      onHello: () => {
        clearTimeout(this.#timer);
        this.#connectedSince = performance.now();
        for (const registration of this.#registrations) this.#register(registration, connection);
        this.#setConnected(true);
      },
      onClose: () => this.#disconnected(),
      onError: this.#onError,
    });
    this.#connection = connection;
    this.#timer = setTimeout(() => connection.close(), GREETING_TIMEOUT);
  }

  #disconnected(): void {
    clearTimeout(this.#timer);
    this.#connection = undefined;
    this.#ids.clear();
    for (const retry of this.#retries) clearTimeout(retry);
    this.#retries.clear();
    for (const registration of this.#registrations) registration.forget();
    if (!this.#closed) {
      // One that did not last is no success: a bus that ends each connection is not asked ten times a second.
      if (this.#connected && performance.now() - this.#connectedSince > LAST_DELAY) this.#delay = FIRST_DELAY;
      this.#timer = setTimeout(() => this.#connect(), this.#delay);
      this.#delay = Math.min(2 * this.#delay, LAST_DELAY);
    }
    this.#setConnected(false);
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    for (const listener of this.#listeners) {
      try {
        listener(connected);
      } catch (error) {
        this.#onError(error as Error);
      }
    }
  }

  #add(registration: Registration): void {
    this.#registrations.add(registration);
    if (this.#connected && this.#connection !== undefined) this.#register(registration, this.#connection);
  }

  #register(registration: Registration, connection: Connection): void {
    registration.register(connection).catch((error: Error) => {
      if (this.#connection !== connection || !this.#registrations.has(registration)) return;
      this.#onError(error);
      const retry = setTimeout(() => {
        this.#retries.delete(retry);
        if (this.#registrations.has(registration)) this.#register(registration, connection);
      }, REGISTRATION_DELAY);
      this.#retries.add(retry);
    });
  }

  /** Subscriptions want to know of objects that appear. */
  #watchObjects(): Set<Subscription> {
    if (this.#subscriptions !== undefined) return this.#subscriptions;
    const subscriptions = new Set<Subscription>();
    this.#subscriptions = subscriptions;
    this.listen('ubus.object.add', (_event, { path, id }) => {
      if (typeof id !== 'number') return;
      for (const subscription of subscriptions)
        if (subscription.name === path) subscription.appeared(id >>> 0);
    });
    return subscriptions;
  }
}

/** At once, as the buffer is going to be wiped. What is malformed is the caller's affair, and none of the connection's. */
function decodeAnswer(data: Buffer | undefined, isWanted?: IsWanted): UbusTable | MalformedError {
  try {
    return decodeTable(data ?? Buffer.alloc(0), isWanted);
  } catch (error) {
    if (error instanceof MalformedError) return error;
    throw error;
  }
}
