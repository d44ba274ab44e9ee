// SPDX-License-Identifier: GPL-2.0-only
// A small ubusd, for tests where there is no OpenWrt:
//
//   const broker = await Broker.start(`${folder}/ubus.sock`);
//   const rpcd = new UbusClient(broker.path);
//   uciObject(rpcd, configFolder);      // uci-object.ts: rpcd's `uci` over files; gone with rpcd.close()
//   …
//   rpcd.close();
//   await broker.stop();                // ends all connections, as a killed ubusd does; start it again on the same path
//
// As a program of its own: main.ts. Everybody is root here, and there are no access lists.

import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { BlobWriter, MalformedError, u32 } from '../../../src/ubus/blob.ts';
import { decodeTable, encodeTable } from '../../../src/ubus/blobmsg.ts';
import { FrameReader, RECEIVED_MAX_LENGTH } from '../../../src/ubus/frames.ts';
import {
  decodeMessage,
  EVENT_OBJECT,
  encodeMessage,
  type Message,
  type MessageAttributes,
  messageType,
} from '../../../src/ubus/message.ts';
import { UbusError, type UbusTable, ubusStatus } from '../../../src/ubus/types.ts';

const FIRST_ID = 1024;
const USER = { user: 'root', group: 'root' };

interface BusObject {
  readonly id: number;
  readonly owner: Peer;
  readonly path: string | undefined;
  readonly type: number | undefined;
  readonly patterns: string[];
  /** Objects that want this one's notifications, the latest first. */
  readonly subscribers: BusObject[];
  sequence: number;
}

interface Peer {
  readonly id: number;
  readonly socket: Socket;
}

const refuse = (status: number): never => {
  throw new UbusError(status, 'refused');
};

export class Broker {
  readonly path: string;
  readonly #server: Server;
  readonly #peers = new Map<number, Peer>();
  readonly #objects = new Map<number, BusObject>();
  readonly #signatures = new Map<number, Buffer>();
  #eventSequence = 0;

  private constructor(path: string) {
    this.path = path;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Takes the place of a socket that an earlier one may have left there. */
  static async start(path: string): Promise<Broker> {
    const broker = new Broker(path);
    await rm(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      broker.#server.once('error', reject).listen(path, resolve);
    });
    return broker;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const { socket } of this.#peers.values()) socket.destroy();
    await closed;
  }

  #newId(taken: { has(id: number): boolean }): number {
    for (;;) {
      const id = Math.floor(Math.random() * 2 ** 32);
      if (id >= FIRST_ID && !taken.has(id)) return id;
    }
  }

  #accept(socket: Socket): void {
    const peer: Peer = { id: this.#newId(this.#peers), socket };
    this.#peers.set(peer.id, peer);
    const reader = new FrameReader();
    socket.on('error', () => {});
    socket.on('close', () => this.#left(peer));
    socket.on('data', (chunk) => {
      try {
        reader.push(chunk);
        for (let frame = reader.next(); frame !== undefined; frame = reader.next())
          this.#receive(peer, decodeMessage(frame));
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error;
        socket.destroy();
      }
    });
    this.#send(peer, { type: messageType.hello, sequence: 0, peer: peer.id, attributes: {} });
  }

  #left(peer: Peer): void {
    this.#peers.delete(peer.id);
    for (const object of [...this.#objects.values()]) if (object.owner === peer) this.#remove(object);
  }

  #send(peer: Peer, message: Message): void {
    if (peer.socket.writable) peer.socket.write(encodeMessage(message, RECEIVED_MAX_LENGTH));
  }

  #receive(peer: Peer, message: Message): void {
    try {
      if (this.#handle(peer, message)) return;
      this.#answer(peer, message, messageType.status, { status: ubusStatus.ok });
    } catch (error) {
      if (!(error instanceof UbusError)) throw error;
      this.#answer(peer, message, messageType.status, { status: error.status });
    }
  }

  #answer(peer: Peer, message: Message, type: number, attributes: MessageAttributes): void {
    this.#send(peer, { ...message, type, attributes });
  }

  /** Whether no status is due, since another will answer or nobody. Throws UbusError. */
  #handle(peer: Peer, message: Message): boolean {
    switch (message.type) {
      case messageType.status:
      case messageType.data:
        this.#forwardAnswer(peer, message);
        return true;
      case messageType.lookup:
        this.#lookup(peer, message);
        return false;
      case messageType.invoke:
        return this.#invoke(peer, message);
      case messageType.addObject:
        this.#addObject(peer, message);
        return false;
      case messageType.removeObject:
        this.#removeObject(peer, message);
        return false;
      case messageType.subscribe:
        this.#subscribe(peer, message.attributes);
        return false;
      case messageType.unsubscribe:
        this.#unsubscribe(peer, message.attributes);
        return false;
      case messageType.notify:
        this.#notify(peer, message);
        return true;
      default:
        return refuse(ubusStatus.invalidCommand);
    }
  }

  #lookup(peer: Peer, message: Message): void {
    const { path } = message.attributes;
    if (path === '') refuse(ubusStatus.invalidArgument);
    const matches = (name: string) =>
      path === undefined || (path.endsWith('*') ? name.startsWith(path.slice(0, -1)) : name === path);
    const found = [...this.#objects.values()]
      .filter((object) => object.path !== undefined && matches(object.path))
      .sort((a, b) => (a.path! < b.path! ? -1 : 1));
    if (path !== undefined && found.length === 0) refuse(ubusStatus.notFound);
    for (const { path, id, type } of found) {
      if (path === undefined || type === undefined) continue;
      const attributes = { path, object: id, objectType: type, signature: this.#signatures.get(type)! };
      this.#answer(peer, message, messageType.data, attributes);
    }
  }

  #addObject(peer: Peer, message: Message): void {
    const { path, signature, objectType } = message.attributes;
    const named = [...this.#objects.values()].some((object) => path !== undefined && object.path === path);
    if (named) refuse(ubusStatus.invalidArgument);
    const type = objectType ?? (signature && this.#newId(this.#signatures));
    if (type !== undefined && signature !== undefined) this.#signatures.set(type, signature);
    const id = this.#newId(this.#objects);
    const object = { id, owner: peer, path, type, patterns: [], subscribers: [], sequence: 0 };
    this.#objects.set(id, object);
    if (path !== undefined) this.#event(undefined, 'ubus.object.add', { id: id | 0, path });
    const objectTypeTold = type !== undefined && signature !== undefined ? { objectType: type } : {};
    this.#answer(peer, message, messageType.data, { object: id, ...objectTypeTold });
  }

  #removeObject(peer: Peer, message: Message): void {
    const object = this.#find(message.attributes.object);
    if (object.owner !== peer) refuse(ubusStatus.permissionDenied);
    this.#answer(peer, message, messageType.data, { object: object.id });
    this.#remove(object);
  }

  #remove(object: BusObject): void {
    this.#objects.delete(object.id);
    for (const target of this.#objects.values()) this.#drop(target, object);
    for (const subscriber of object.subscribers) {
      this.#send(subscriber.owner, {
        type: messageType.unsubscribe,
        sequence: ++subscriber.sequence & 0xffff,
        peer: 0,
        attributes: { object: subscriber.id, target: object.id },
      });
    }
    if (object.path !== undefined)
      this.#event(undefined, 'ubus.object.remove', { id: object.id | 0, path: object.path });
  }

  #find(id: number | undefined): BusObject {
    if (id === undefined) return refuse(ubusStatus.invalidArgument);
    return this.#objects.get(id) ?? refuse(ubusStatus.notFound);
  }

  #invoke(peer: Peer, message: Message): boolean {
    const { object: id, method, data } = message.attributes;
    if (id === undefined || method === undefined) return refuse(ubusStatus.invalidArgument);
    if (id === EVENT_OBJECT) {
      this.#eventMethod(peer, method, decodeTable(data ?? refuse(ubusStatus.invalidArgument)));
      return false;
    }
    const object = this.#find(id);
    this.#send(object.owner, {
      ...message,
      peer: peer.id,
      attributes: { object: id, method, ...USER, ...(data && { data }) },
    });
    return true;
  }

  #forwardAnswer(peer: Peer, message: Message): void {
    const { object: id } = message.attributes;
    const caller = this.#peers.get(message.peer);
    if (id === undefined || caller === undefined || this.#objects.get(id)?.owner !== peer) return;
    this.#send(caller, { ...message, peer: id });
  }

  #subscribe(peer: Peer, attributes: MessageAttributes): void {
    const subscriber = this.#find(attributes.object);
    if (subscriber.owner !== peer) refuse(ubusStatus.invalidArgument);
    const target = this.#find(attributes.target);
    if (target.owner === peer) refuse(ubusStatus.invalidArgument);
    target.subscribers.unshift(subscriber);
    if (target.subscribers.length === 1) this.#tellSubscribed(target);
  }

  #unsubscribe(peer: Peer, attributes: MessageAttributes): void {
    const subscriber = this.#find(attributes.object);
    if (subscriber.owner !== peer) refuse(ubusStatus.invalidArgument);
    const target = this.#objects.get(attributes.target ?? 0);
    if (target === undefined || !this.#drop(target, subscriber)) refuse(ubusStatus.notFound);
  }

  #drop(target: BusObject, subscriber: BusObject): boolean {
    const index = target.subscribers.indexOf(subscriber);
    if (index < 0) return false;
    target.subscribers.splice(index, 1);
    if (target.subscribers.length === 0) this.#tellSubscribed(target);
    return true;
  }

  #tellSubscribed(object: BusObject): void {
    this.#send(object.owner, {
      type: messageType.notify,
      sequence: ++object.sequence & 0xffff,
      peer: 0,
      attributes: { object: object.id, active: object.subscribers.length > 0 },
    });
  }

  #notify(peer: Peer, message: Message): void {
    const { object: id, method, data, noReply } = message.attributes;
    if (method === undefined) refuse(ubusStatus.invalidArgument);
    const object = this.#find(id);
    if (object.owner !== peer) refuse(ubusStatus.permissionDenied);
    if (noReply !== true) {
      const subscribers = new BlobWriter();
      for (const subscriber of object.subscribers) subscribers.put(0, u32(subscriber.id));
      const attributes = { object: object.id, subscribers: subscribers.finish(), status: ubusStatus.ok };
      this.#answer(peer, message, messageType.status, attributes);
    }
    for (const subscriber of object.subscribers) {
      this.#send(subscriber.owner, {
        ...message,
        type: messageType.invoke,
        peer: peer.id,
        attributes: {
          ...(noReply === true && { noReply }),
          object: subscriber.id,
          method: method!,
          ...USER,
          ...(data && { data }),
        },
      });
    }
  }

  /** To all clients that listen, as if another client had sent it. */
  sendEvent(event: string, data: UbusTable): void {
    this.#event(undefined, event, data);
  }

  #eventMethod(peer: Peer, method: string, { object: id, pattern, id: event, data }: UbusTable): void {
    if (method === 'register') {
      const object = this.#find(typeof id === 'number' ? id >>> 0 : undefined);
      if (object.owner !== peer) refuse(ubusStatus.permissionDenied);
      object.patterns.push(typeof pattern === 'string' ? pattern : refuse(ubusStatus.invalidArgument));
    } else if (method === 'send') {
      const name = typeof event === 'string' ? event : refuse(ubusStatus.invalidArgument);
      if (typeof data !== 'object' || data === null || Array.isArray(data))
        refuse(ubusStatus.invalidArgument);
      if (name.startsWith('ubus.')) refuse(ubusStatus.permissionDenied);
      this.#event(peer, name, data as UbusTable);
    } else {
      refuse(ubusStatus.invalidCommand);
    }
  }

  #event(sender: Peer | undefined, event: string, data: UbusTable): void {
    const matches = (pattern: string) =>
      pattern.endsWith('*') ? event.startsWith(pattern.slice(0, -1)) : pattern === event;
    for (const { id, owner, patterns } of this.#objects.values()) {
      if (owner === sender || !patterns.some(matches)) continue;
      this.#eventSequence = (this.#eventSequence + 1) & 0xffff;
      this.#send(owner, {
        type: messageType.invoke,
        sequence: this.#eventSequence,
        peer: 0,
        attributes: { object: id, method: event, data: encodeTable(data) },
      });
    }
  }
}
