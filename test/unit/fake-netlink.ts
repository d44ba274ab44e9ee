// SPDX-License-Identifier: GPL-2.0-only
// Netlink sockets without a kernel, and a WireGuard that answers on them.

import { constants } from 'node:os';
import { parseAddress } from '../../src/address.ts';
import { formatPrefix } from '../../src/address-text.ts';
import type { NativeSocket, ReceivedMessage } from '../../src/kernel/native.ts';
import {
  attribute,
  decodeMessages,
  encodeMessage,
  findValue,
  type Message,
  NLM_F_CAPPED,
  NLM_F_DUMP_INTR,
  nested,
  readS32,
  readText,
  readU16,
  readU32,
  text,
  u8,
  u16,
  u32,
} from '../../src/kernel/netlink.ts';
import { NetlinkError, type Sockets } from '../../src/kernel/netlink-socket.ts';
import { decodeAttributes } from './attributes.ts';

const { EINVAL, EMSGSIZE, ENODEV, ENOENT, ENOMEM, EOPNOTSUPP } = constants.errno;

/** What waits in a socket: a datagram, or the error that receiving it gives. */
export type Arrival = Buffer | Error;

export class FakeSocket implements NativeSocket {
  /** To whom all answers go. */
  static port = 4_242;
  readonly arguments: readonly number[];
  readonly options: string[] = [];
  readonly set: { readonly level: number; readonly name: number; readonly value: Buffer }[] = [];
  readonly waiting: Arrival[] = [];
  readonly messages: (ReceivedMessage | Error)[] = [];
  bound: Uint8Array | undefined;
  closed = false;
  readonly #peer: FakeSockets;
  #readable: () => void = () => {};

  constructor(peer: FakeSockets, ...args: number[]) {
    this.#peer = peer;
    this.arguments = args;
  }

  bind(address: Uint8Array): void {
    this.bound = address;
  }

  setOption(level: number, name: number, value: Uint8Array): void {
    this.options.push(`${level} ${name} ${readS32(Buffer.from(value))}`);
    this.set.push({ level, name, value: Buffer.from(value) });
  }

  send(data: Uint8Array, _address?: Uint8Array): number {
    if (this.closed) throw new Error('the socket is closed');
    const bytes = Buffer.from(data);
    this.#peer.sent.push(bytes);
    for (const message of decodeMessages(bytes)) this.waiting.push(...this.#peer.answer(message));
    return data.length;
  }

  receive(size: number): Buffer | undefined {
    if (this.closed) throw new Error('the socket is closed');
    const arrival = this.waiting.shift();
    if (!arrival) return undefined;
    if (arrival instanceof Error) throw arrival;
    if (arrival.length > size) throw new NetlinkError(EMSGSIZE, 'recv');
    const datagram = Buffer.from(arrival);
    if (datagram.length >= 16) datagram.set(u32(FakeSocket.port), 12);
    this.#peer.received.push(datagram);
    return datagram;
  }

  receiveMessage(): ReceivedMessage | undefined {
    const message = this.messages.shift();
    if (message instanceof Error) throw message;
    return message;
  }

  onReadable(callback: () => void): void {
    this.#readable = callback;
  }

  arrive(...arrivals: Arrival[]): void {
    this.waiting.push(...arrivals);
    this.#readable();
  }

  close(): void {
    this.closed = true;
  }
}

/** A source of sockets, and what went through all of them. */
export class FakeSockets implements Sockets {
  Socket: Sockets['Socket'];
  readonly opened: FakeSocket[] = [];
  readonly sent: Buffer[] = [];
  /** The very buffers that the code under test was given. */
  readonly received: Buffer[] = [];
  answer: (request: Message) => Arrival[];

  constructor(answer: (request: Message) => Arrival[] = () => []) {
    this.answer = answer;
    const { opened } = this;
    const sockets = this;
    this.Socket = class extends FakeSocket {
      constructor(...args: [number, number, number]) {
        super(sockets, ...args);
        opened.push(this);
      }
    };
  }
}

/** NLMSG_ERROR, as it comes with NETLINK_CAP_ACK: `errno` 0 is an ack. */
export function ack(request: Message, errno = 0, attributes: Buffer[] = [], flags = NLM_F_CAPPED): Buffer {
  return encodeMessage(
    2,
    flags,
    request.sequence,
    Buffer.concat([u32(-errno >>> 0), Buffer.alloc(16), ...attributes]),
  );
}

/** NLMSG_DONE */
export function done(request: Message, errno = 0, attributes: Buffer[] = [], flags = 2): Buffer {
  return encodeMessage(3, flags, request.sequence, Buffer.concat([u32(-errno >>> 0), ...attributes]));
}

interface FakeDevice {
  readonly ifindex: number;
  /** Public keys in base64. */
  readonly peers: Set<string>;
  /** By prefix, as text. */
  readonly owners: Map<string, string>;
}

/** What a dump tells of a peer besides. */
export interface PeerFacts {
  /** struct sockaddr_in or sockaddr_in6. */
  readonly endpoint?: Buffer;
  /** Seconds since 1970. */
  readonly presharedKey?: Buffer;
  readonly latestHandshake?: number;
  readonly rxBytes?: number;
}

/** As many allowed IPs as a dump gives of a peer before it goes on in the next message. */
const PER_MESSAGE = 100;

/** Follows drivers/net/wireguard/netlink.c in what it does to peers and their allowed IPs. */
export class FakeWireGuard extends FakeSockets {
  static readonly PRIVATE_KEY = Buffer.alloc(32, 'private!');
  static readonly PRESHARED_KEY = Buffer.alloc(32, 'preshare');
  readonly devices = new Map<string, FakeDevice>();
  /** undefined: the module is not loaded and cannot be. */
  family: number | undefined = 30;
  familyLookups = 0;
  dumps = 0;
  sets = 0;
  /** Something that happens just before the kernel begins with a request. */
  meanwhile: () => void = () => {};
  /** So many of the next dumps are interrupted. */
  interruptions = 0;
  /** ENOMEM once so many allowed IPs have been set, then never again. */
  failAfter: number | undefined;
  listenPort = 51820;
  readonly facts = new Map<string, PeerFacts>();
  /** Every peer that a message has created, gone or not. */
  readonly created: string[] = [];
  readonly #removesSingly: boolean;

  /** `removesSingly`: Linux 6.16 or later. */
  constructor(removesSingly: boolean) {
    super((request) => this.#answer(request));
    this.#removesSingly = removesSingly;
  }

  device(name: string, peers: Record<string, string[]>): FakeDevice {
    const owners = new Map(
      Object.entries(peers).flatMap(([peer, ips]) => ips.map((ip) => [ip, peer] as const)),
    );
    const device = { ifindex: 7, peers: new Set(Object.keys(peers)), owners };
    this.devices.set(name, device);
    return device;
  }

  /** The allowed IPs of each peer, as `device` takes them. */
  state(name: string): Record<string, string[]> {
    const { peers, owners } = this.devices.get(name)!;
    const ipsOf = (peer: string) => [...owners].flatMap(([ip, owner]) => (owner === peer ? [ip] : [])).sort();
    return Object.fromEntries([...peers].map((peer) => [peer, ipsOf(peer)]));
  }

  #answer(request: Message): Arrival[] {
    this.meanwhile();
    try {
      if (request.type === 16) return [this.#getFamily(request), ack(request)];
      if (request.type !== this.family) throw new NetlinkError(ENOENT, 'genl');
      if (request.payload[0] === 0) return this.#getDevice(request);
      this.#setDevice(request);
      return [ack(request)];
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      return [ack(request, error.errno)];
    }
  }

  #getFamily(request: Message): Buffer {
    this.familyLookups++;
    if (this.family === undefined) throw new NetlinkError(ENOENT, 'genl');
    const attributes = [attribute(2, text('wireguard')), attribute(1, u16(this.family))];
    return encodeMessage(16, 0, request.sequence, Buffer.concat([Buffer.of(1, 2, 0, 0), ...attributes]));
  }

  #deviceOf(request: Message): { name: string; device: FakeDevice } {
    const name = readText(findValue(request.payload, 4, 2)!);
    const device = this.devices.get(name);
    if (name === 'lo') throw new NetlinkError(EOPNOTSUPP, 'genl');
    if (!device) throw new NetlinkError(ENODEV, 'genl');
    return { name, device };
  }

  #getDevice(request: Message): Buffer[] {
    const { name, device } = this.#deviceOf(request);
    this.dumps++;
    const messages: Buffer[][] = [
      [
        attribute(6, u16(this.listenPort)),
        attribute(1, u32(device.ifindex)),
        attribute(2, text(name)),
        attribute(3, FakeWireGuard.PRIVATE_KEY),
      ],
    ];
    for (const [peer, ips] of Object.entries(this.state(name))) {
      const key = attribute(1, Buffer.from(peer, 'base64'));
      const facts = this.facts.get(peer) ?? {};
      const {
        endpoint,
        presharedKey = FakeWireGuard.PRESHARED_KEY,
        latestHandshake = 0,
        rxBytes = 0,
      } = facts;
      let start = [
        key,
        attribute(2, presharedKey),
        attribute(6, Buffer.concat([s64(latestHandshake), s64(123_456_789)])),
        attribute(5, u16(25)),
        attribute(8, s64(0xbad)),
        attribute(7, s64(rxBytes)),
        attribute(10, u32(1)),
        ...(endpoint ? [attribute(4, endpoint)] : []),
      ];
      for (let i = 0; i === 0 || i < ips.length; i += PER_MESSAGE) {
        if (i > 0) messages.push([]);
        const allowedIps = ips.slice(i, i + PER_MESSAGE).map(encodeAllowedIp);
        messages.at(-1)!.push(nested(8, [nested(0, [...start, nested(9, allowedIps)])]));
        start = [key];
      }
    }
    const flags = this.interruptions-- > 0 ? 2 | NLM_F_DUMP_INTR : 2;
    return [
      ...messages.map((attributes, i) =>
        encodeMessage(
          request.type,
          i === messages.length - 1 ? flags : 2,
          request.sequence,
          Buffer.concat([Buffer.of(0, 1, 0, 0), ...attributes]),
        ),
      ),
      done(request),
    ];
  }

  #setDevice(request: Message): void {
    const { device } = this.#deviceOf(request);
    this.sets++;
    for (const peer of decodeAttributes(findValue(request.payload, 4, 8)!)) {
      mustBeNested(peer.value);
      this.#setPeer(device, peer.value);
    }
  }

  #setPeer(device: FakeDevice, attributes: Buffer): void {
    const key = findValue(attributes, 0, 1)!.toString('base64');
    const flags = readU32(findValue(attributes, 0, 3)!);
    if (flags & 2) throw new Error('REPLACE_ALLOWEDIPS');
    if (!device.peers.has(key)) {
      if (flags & (1 | 4)) return;
      device.peers.add(key);
      this.created.push(key);
    }
    if (flags & 1) {
      device.peers.delete(key);
      for (const [ip, owner] of device.owners) if (owner === key) device.owners.delete(ip);
      return;
    }
    for (const { value } of decodeAttributes(findValue(attributes, 0, 9)!)) {
      mustBeNested(value);
      this.#setAllowedIp(device, key, value);
    }
  }

  #setAllowedIp(device: FakeDevice, key: string, attributes: Buffer): void {
    for (const { type } of decodeAttributes(attributes)) {
      if (type > (this.#removesSingly ? 4 : 3)) throw new NetlinkError(EINVAL, 'genl');
    }
    if (this.failAfter !== undefined && this.failAfter-- === 0) {
      this.failAfter = undefined;
      throw new NetlinkError(ENOMEM, 'genl');
    }
    const ip = formatPrefix({
      bytes: findValue(attributes, 0, 2)!,
      length: findValue(attributes, 0, 3)![0]!,
    });
    const flags = findValue(attributes, 0, 4);
    if (!flags) device.owners.set(ip, key);
    else if (device.owners.get(ip) === key) device.owners.delete(ip);
  }
}

/** nla_parse_nested() refuses what is not marked so. */
function mustBeNested(value: Buffer): void {
  const type = readU16(Buffer.from(value.buffer, value.byteOffset - 2, 2));
  if ((type & 0x8000) === 0) throw new NetlinkError(EINVAL, 'genl');
}

function encodeAllowedIp(prefix: string): Buffer {
  const [address, length] = prefix.split('/') as [string, string];
  const family = address.includes(':') ? 10 : 2;
  const bytes = family === 2 ? Buffer.from(address.split('.').map(Number)) : parseAddress(address)!;
  return nested(0, [attribute(3, u8(Number(length))), attribute(1, u16(family)), attribute(2, bytes)]);
}

function s64(value: number): Uint8Array {
  return Buffer.from(new BigInt64Array([BigInt(value)]).buffer);
}
