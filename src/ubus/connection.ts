// SPDX-License-Identifier: GPL-2.0-only
// One connection to ubusd, from its HELLO to its end: requests and their answers, and what others want of our objects.

import type { Socket } from 'node:net';
import { MalformedError } from './blob.ts';
import { decodeTable, encodeTable } from './blobmsg.ts';
import { FrameReader } from './frames.ts';
import {
  decodeMessage,
  encodeMessage,
  type Message,
  type MessageAttributes,
  messageType,
} from './message.ts';
import { UbusError, type UbusTable, ubusStatus } from './types.ts';

const statusTexts = [
  'success',
  'invalid command',
  'invalid argument',
  'method not found',
  'not found',
  'no response',
  'permission denied',
  'request timed out',
  'operation not supported',
  'unknown error',
  'connection failed',
];

/** Answers wait in memory when ubusd does not take them. With so many bytes of them nothing more is read … */
const WAITING_LIMIT = 1 << 18;
/** … and of so many requests at once, that take their time, no further one is begun. */
const BUSY_LIMIT = 32;
const SEQUENCES = 1 << 16;
/** For an answer, in milliseconds. */
export const TIMEOUT = 30_000;

/** An object of ours, as ubusd addresses it. */
export interface LocalObject {
  /** A call, a notification or an event. */
  invoke(method: string, data: UbusTable): UbusTable | undefined | Promise<UbusTable | undefined>;
  /** Whether anybody subscribes to the object. */
  subscribed?(active: boolean): void;
  /** A subscription of the object has ended because its target is gone. */
  unsubscribed?(target: number): void;
}

export interface ConnectionEvents {
  onHello(): void;
  /** Called once. There is no more of this connection. */
  onClose(): void;
  onError(error: Error): void;
}

/** What was asked for was refused, by ubusd itself or by the object that it handed the request to. */
export class RefusedError extends UbusError {
  constructor(
    status: number,
    message: string,
    readonly byObject: boolean,
  ) {
    super(status, message);
  }
}

interface Request {
  readonly peer: number;
  onData(attributes: MessageAttributes): void;
  readonly what: string;
  onEnd(error?: UbusError): void;
}

export class Connection {
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  readonly #reader = new FrameReader();
  readonly #requests = new Map<number, Request>();
  readonly #objects = new Map<number, LocalObject>();
  #sequence = 0;
  #greeted = false;
  #closed = false;
  #busy = 0;

  /** Takes the socket over, which may still be connecting; what it reads has to be handed to `receive`. */
  constructor(socket: Socket, events: ConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.on('drain', () => {
      socket.resume();
      this.#read();
    });
    socket.on('error', () => this.close());
    socket.on('close', () => this.close());
  }

  /** What the socket has read; it is copied, and the copies are wiped when they have been decoded. */
  receive(chunk: Buffer): void {
    if (this.#closed) return;
    this.#reader.push(chunk);
    this.#read();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    this.#reader.clear();
    for (const { what, onEnd } of [...this.#requests.values()]) onEnd(disconnected(what));
    this.#events.onClose();
  }

  /**
   * Resolves when ubusd, or the object asked through it, has done it. `onData` sees each answer on the way, before
   * anything that came after it; its buffers are wiped when it returns. Rejects with UbusError; `what` is for its message.
   */
  request(
    what: string,
    type: number,
    peer: number,
    attributes: MessageAttributes,
    timeout = TIMEOUT,
    onData: (attributes: MessageAttributes) => void = () => {},
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw disconnected(what);
      const sequence = this.#freeSequence();
      const timer = setTimeout(
        () => request.onEnd(new UbusError(ubusStatus.timeout, `${what}: no answer within ${timeout} ms`)),
        timeout,
      );
      const request: Request = {
        what,
        peer,
        onData,
        onEnd: (error) => {
          clearTimeout(timer);
          this.#requests.delete(sequence);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.#requests.set(sequence, request);
      try {
        this.#send({ type, sequence, peer, attributes });
      } catch (error) {
        request.onEnd(new UbusError(ubusStatus.invalidArgument, `${what}: ${(error as Error).message}`));
      }
    });
  }

  /** The id of the object with this name. Rejects with notFound if there is none. */
  async lookup(what: string, path: string, timeout = TIMEOUT): Promise<number> {
    let id: number | undefined;
    await this.request(what, messageType.lookup, 0, { path }, timeout, (answer) => {
      if (answer.path === path) id = answer.object;
    });
    if (id === undefined) throw new UbusError(ubusStatus.notFound, `${what}: there is no object ${path}`);
    return id;
  }

  /** Puts an object on the bus, to be addressed by the id that this resolves to. */
  async addObject(what: string, object: LocalObject, attributes: MessageAttributes): Promise<number> {
    let id: number | undefined;
    await this.request(what, messageType.addObject, 0, attributes, TIMEOUT, (answer) => {
      id = answer.object;
      if (id !== undefined) this.#objects.set(id, object);
    });
    if (id === undefined) throw new UbusError(ubusStatus.noData, `${what}: ubusd gave no id`);
    return id;
  }

  /** It is no longer called from now on, whatever ubusd answers. */
  removeObject(id: number): void {
    this.#objects.delete(id);
    this.request('Removing an object', messageType.removeObject, 0, { object: id }).catch(() => {});
  }

  /** To the subscribers of our object. Nobody answers; it is lost if ubusd does not take what is sent. */
  notify(object: number, method: string, data: UbusTable): void {
    if (this.#socket.writableLength > WAITING_LIMIT) return;
    this.#send({
      type: messageType.notify,
      sequence: this.#freeSequence(),
      peer: object,
      attributes: { object, method, data: encodeTable(data), noReply: true },
    });
  }

  #freeSequence(): number {
    if (this.#requests.size === SEQUENCES)
      throw new UbusError(ubusStatus.unknownError, 'too many calls at once');
    do this.#sequence = (this.#sequence + 1) % SEQUENCES;
    while (this.#requests.has(this.#sequence));
    return this.#sequence;
  }

  #send(message: Message): void {
    if (!this.#closed) this.#socket.write(encodeMessage(message));
  }

  #read(): void {
    try {
      while (!this.#closed) {
        if (this.#socket.writableLength > WAITING_LIMIT) {
          this.#socket.pause();
          return;
        }
        const frame = this.#reader.next();
        if (frame === undefined) return;
        try {
          this.#take(decodeMessage(frame));
        } finally {
          frame.fill(0);
        }
      }
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.#events.onError(new MalformedError(`What ubusd sent is no ubus message: ${error.message}`));
      this.close();
    }
  }

  #take(message: Message): void {
    if (!this.#greeted) {
      if (message.type !== messageType.hello) throw new MalformedError('there was no HELLO');
      this.#greeted = true;
      this.#events.onHello();
      return;
    }
    switch (message.type) {
      case messageType.status:
      case messageType.data:
        this.#answered(message);
        break;
      case messageType.invoke:
        this.#invoked(message);
        break;
      case messageType.notify:
        this.#object(message)?.subscribed?.(message.attributes.active === true);
        break;
      case messageType.unsubscribe:
        this.#object(message)?.unsubscribed?.(message.attributes.target ?? 0);
        break;
    }
  }

  #object({ attributes: { object } }: Message): LocalObject | undefined {
    return object === undefined ? undefined : this.#objects.get(object);
  }

  #answered({ type, sequence, peer, attributes }: Message): void {
    const request = this.#requests.get(sequence);
    if (request?.peer !== peer) return;
    if (type === messageType.data) request.onData(attributes);
    else if (attributes.status === ubusStatus.ok) request.onEnd();
    else request.onEnd(refusal(request.what, attributes));
  }

  #invoked(message: Message): void {
    try {
      const result = this.#invoke(message);
      if (!(result instanceof Promise)) {
        this.#succeed(message, result);
        return;
      }
      this.#busy++;
      result
        .then((table) => this.#succeed(message, table))
        .catch((error) => this.#fail(message, error))
        .finally(() => this.#busy--);
    } catch (error) {
      this.#fail(message, error);
    }
  }

  #invoke(message: Message): UbusTable | undefined | Promise<UbusTable | undefined> {
    const object = this.#object(message);
    const { method, data } = message.attributes;
    if (object === undefined) throw new UbusError(ubusStatus.notFound, 'no such object');
    if (method === undefined || data === undefined)
      throw new UbusError(ubusStatus.invalidArgument, 'the method or its arguments are missing');
    // Reading no further would not do: a request that is being answered may wait for what comes next.
    if (this.#busy === BUSY_LIMIT) throw new UbusError(ubusStatus.unknownError, 'too many calls at once');
    return object.invoke(method, decodeTable(data));
  }

  #succeed(message: Message, result: UbusTable | undefined): void {
    const { object, noReply } = message.attributes;
    if (object !== undefined && result !== undefined && noReply !== true)
      this.#send({ ...message, type: messageType.data, attributes: { object, data: encodeTable(result) } });
    this.#answer(message, ubusStatus.ok);
  }

  #fail(message: Message, error: unknown): void {
    if (error instanceof UbusError) {
      this.#answer(message, error.status);
    } else if (error instanceof MalformedError) {
      // Anybody may have written it, so it is no reason to end the connection.
      this.#answer(message, ubusStatus.invalidArgument);
    } else {
      this.#answer(message, ubusStatus.unknownError);
      const what = `Answering ${message.attributes.method} over ubus failed`;
      this.#events.onError(new Error(`${what}: ${error}`, { cause: error }));
    }
  }

  #answer(message: Message, status: number): void {
    const { object, noReply } = message.attributes;
    if (object === undefined || noReply === true) return;
    this.#send({ ...message, type: messageType.status, attributes: { status, object } });
  }
}

const disconnected = (what: string) =>
  new UbusError(ubusStatus.connectionFailed, `${what}: the connection to ubusd is gone`);

function refusal(
  what: string,
  { status = ubusStatus.unknownError, object }: MessageAttributes,
): RefusedError {
  const text = `${what}: ${statusTexts[status] ?? 'unknown status'} (status ${status})`;
  return new RefusedError(status, text, object !== undefined);
}
