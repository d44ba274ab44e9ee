// SPDX-License-Identifier: GPL-2.0-only
// Sets of nftables, by netlink itself (<linux/netfilter/nf_tables.h>, <linux/netfilter/nfnetlink.h>): an element is in
// force when the system call returns, without a process for each change. Attributes are in network byte order.

import { constants } from 'node:os';
import { type AddressBytes, parseAddress } from '../address.ts';
import { formatAddress } from '../address-text.ts';
import type { NativeSocket } from './native.ts';
import {
  attribute,
  decodeMessages,
  encodeMessage,
  findValue,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  nested,
  readS32,
  readText,
  text,
  visitAttributes,
} from './netlink.ts';
import {
  hasErrno,
  NetlinkError,
  NetlinkSocket,
  NLMSG_ERROR,
  openNetlink,
  type Sockets,
} from './netlink-socket.ts';
import { type Flood, followFlood } from './notifications.ts';
import type { NftSets } from './ports.ts';

const NETLINK_NETFILTER = 12;
const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
/** NFNLGRP_NFTABLES, as bind(2) takes it. */
const NFNLGRP_NFTABLES = 1 << 6;
/** struct nfgenmsg */
const NFGENMSG_SIZE = 4;

const NFT_MSG_NEWTABLE = 0;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_NEWSET = 9;
const NFT_MSG_GETSET = 10;
const NFT_MSG_DELSET = 11;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_GETSETELEM = 13;
const NFT_MSG_DELSETELEM = 14;
/** After which an element may be missing. NFT_MSG_NEWSETELEM takes nothing away. */
const telling = [NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_NEWSET, NFT_MSG_DELSET, NFT_MSG_DELSETELEM];

const families: Readonly<Record<string, number>> = { inet: 1, netdev: 5, bridge: 7, ip6: 10 };

const familyNames = Object.fromEntries(Object.entries(families).map(([name, number]) => [number, name]));

/** NFTA_TABLE_NAME, NFTA_SET_TABLE, NFTA_SET_ELEM_LIST_TABLE; NFTA_SET_NAME, NFTA_SET_ELEM_LIST_SET */
const TABLE = 1;
const NAME = 2;
const NFTA_SET_FLAGS = 3;
const NFTA_SET_KEY_TYPE = 4;
const NFTA_SET_KEY_LEN = 5;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_FLAGS = 3;
const NFTA_SET_ELEM_TIMEOUT = 4;
const NFTA_SET_ELEM_USERDATA = 6;
const NFTA_DATA_VALUE = 1;

const NFT_SET_CONSTANT = 0x2;
const NFT_SET_INTERVAL = 0x4;
const NFT_SET_MAP = 0x8;
const NFT_SET_TIMEOUT = 0x10;
const NFT_SET_ELEM_INTERVAL_END = 1;
/** nft's own number of "ipv6_addr" (include/datatype.h). */
const TYPE_IP6ADDR = 8;

/** nft shows it as a comment (NFTNL_UDATA_SET_ELEM_COMMENT, with its length): by this an element is known for ours. */
const COMMENT = Buffer.from('\0\x0bwg-slaacer\0', 'latin1');

/** Elements that fit into an attribute, an interval's end being another. */
const MOST_ELEMENTS = 256;
/** Addresses that fit into a socket's send buffer (net.core.wmem_default). */
const MOST_AT_A_TIME = 4 * MOST_ELEMENTS;
const ANSWER_SIZE = 65_536;

/** A transaction of others is told in many datagrams. */
const TRANSACTIONS: Flood = {
  protocol: NETLINK_NETFILTER,
  groups: NFNLGRP_NFTABLES,
  size: 16_384,
  most: 64,
  rest: 300,
};
const COALESCE_MS = 20;

/** The numbers of messages that change elements, and their flags. */
const changes = {
  NFT_MSG_NEWSETELEM: [NFT_MSG_NEWSETELEM, NLM_F_CREATE],
  NFT_MSG_DELSETELEM: [NFT_MSG_DELSETELEM, 0],
} as const;
type Change = keyof typeof changes;

interface Place {
  readonly family: number;
  readonly table: string;
  readonly name: string;
}

/** Errors are those of NetlinkSocket.request. */
export class NetlinkNftSets implements NftSets {
  readonly #sockets: Sockets;
  readonly #netlink: NetlinkSocket;
  #batches: NativeSocket | undefined;
  #sequence = 0;
  /** The sets that have been asked for. */
  readonly #known = new Set<string>();
  #stopListening: (() => void) | undefined;

  constructor(sockets: Sockets) {
    this.#sockets = sockets;
    this.#netlink = new NetlinkSocket(sockets, NETLINK_NETFILTER);
  }

  read(set: string): ReadonlySet<string> | 'missing' | 'unfit' {
    const place = placeOf(set);
    this.#known.add(set);
    try {
      if (this.#readFlags(place) === undefined) return 'unfit';
      return this.#netlink.request(
        'NFT_MSG_GETSETELEM',
        typeOf(NFT_MSG_GETSETELEM),
        NLM_F_DUMP,
        Buffer.concat([
          header(place.family),
          attribute(TABLE, text(place.table)),
          attribute(NAME, text(place.name)),
        ]),
        (payloads) => new Set(payloads.flatMap(ownElements)),
      );
    } catch (error) {
      if (hasErrno(error, constants.errno.ENOENT)) return 'missing';
      throw error;
    }
  }

  add(set: string, addresses: readonly string[]): void {
    const change = (some: readonly string[]) => this.#change(set, 'NFT_MSG_NEWSETELEM', some);
    try {
      change(addresses);
    } catch (error) {
      // In a set of intervals another element may have one of them in it, and then nothing has been added.
      if (!isOverlap(error)) throw error;
      for (const address of addresses) {
        try {
          change([address]);
        } catch (error) {
          if (!isOverlap(error)) throw error;
        }
      }
    }
  }

  remove(set: string, addresses: readonly string[]): void {
    this.#change(set, 'NFT_MSG_DELSETELEM', addresses);
  }

  /** Undefined if it is no set of IPv6 addresses that elements can be added to. */
  #readFlags({ family, table, name }: Place): number | undefined {
    const request = Buffer.concat([
      header(family),
      attribute(TABLE, text(table)),
      attribute(NAME, text(name)),
    ]);
    return this.#netlink.request(
      'NFT_MSG_GETSET',
      typeOf(NFT_MSG_GETSET),
      NLM_F_ACK,
      request,
      ([payload]) => {
        if (!payload) throw new Error('netlink: NFT_MSG_GETSET gave no set');
        const number = (type: number) => findValue(payload, NFGENMSG_SIZE, type)?.readUInt32BE() ?? 0;
        const flags = number(NFTA_SET_FLAGS);
        const isFit = number(NFTA_SET_KEY_TYPE) === TYPE_IP6ADDR && number(NFTA_SET_KEY_LEN) === 16;
        return isFit && !(flags & (NFT_SET_MAP | NFT_SET_CONSTANT)) ? flags : undefined;
      },
    );
  }

  #change(set: string, command: Change, addresses: readonly string[]): void {
    for (let from = 0; from < addresses.length; from += MOST_AT_A_TIME)
      this.#changeAtOnce(set, command, addresses.slice(from, from + MOST_AT_A_TIME));
  }

  /** One transaction: all of it, or nothing. */
  #changeAtOnce(set: string, command: Change, addresses: readonly string[]): void {
    const place = placeOf(set);
    const flags = this.#readFlags(place) ?? 0; // a firewall that has begun anew may have another set of that name
    const messages = [batch(NFNL_MSG_BATCH_BEGIN)];
    for (let from = 0; from < addresses.length; from += MOST_ELEMENTS) {
      const elements = addresses
        .slice(from, from + MOST_ELEMENTS)
        .flatMap((address) => elementsOf(parseAddress(address)!, flags));
      const payload = Buffer.concat([
        header(place.family),
        attribute(TABLE, text(place.table)),
        attribute(NAME, text(place.name)),
        nested(NFTA_SET_ELEM_LIST_ELEMENTS, elements),
      ]);
      const [type, create] = changes[command];
      this.#sequence = (this.#sequence + 1) >>> 0;
      messages.push(encodeMessage(typeOf(type), NLM_F_REQUEST | NLM_F_ACK | create, this.#sequence, payload));
    }
    const transaction = Buffer.concat([...messages, batch(NFNL_MSG_BATCH_END)]);
    this.#transact(command, transaction, messages.length - 1);
  }

  /** The kernel answers each message that asks for it while it takes the whole. */
  #transact(operation: Change, transaction: Buffer, answers: number): void {
    this.#batches ??= openNetlink(this.#sockets, NETLINK_NETFILTER);
    let failure: NetlinkError | undefined;
    try {
      this.#batches.send(transaction);
      for (let answered = 0; answered < answers; ) {
        const datagram = this.#batches.receive(ANSWER_SIZE);
        if (!datagram) break; // of a transaction that has failed not each message is answered
        for (const { type, payload } of decodeMessages(datagram)) {
          if (type !== NLMSG_ERROR) continue;
          const status = readS32(payload);
          if (status === 0) answered++;
          else failure ??= new NetlinkError(-status, operation);
        }
      }
      while (failure && this.#batches.receive(ANSWER_SIZE));
    } catch (error) {
      this.#batches.close();
      this.#batches = undefined;
      throw error;
    }
    if (failure) throw failure;
  }

  onChange(callback: () => void): void {
    this.#stopListening?.();
    let timer: NodeJS.Timeout | undefined;
    const note = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        callback();
      }, COALESCE_MS);
    };
    const stop = followFlood(this.#sockets, TRANSACTIONS, (datagram) => this.#isTelling(datagram), note);
    this.#stopListening = () => {
      clearTimeout(timer);
      stop();
    };
  }

  /** Whether elements of a known set may be missing since. Whose doing it is does not matter: that happens seldom. */
  #isTelling(datagram: Buffer): boolean {
    try {
      return decodeMessages(datagram).some(({ type, payload }) => {
        const command = type & 0xff;
        if (!telling.includes(command)) return false;
        const family = familyNames[payload[0]!];
        const table = readText(findValue(payload, NFGENMSG_SIZE, TABLE)!);
        if (command === NFT_MSG_NEWTABLE || command === NFT_MSG_DELTABLE)
          return [...this.#known].some((set) => set.startsWith(`${family}#${table}#`));
        return this.#known.has(`${family}#${table}#${readText(findValue(payload, NFGENMSG_SIZE, NAME)!)}`);
      });
    } catch {
      return true;
    }
  }

  close(): void {
    this.#stopListening?.();
    this.#netlink.close();
    this.#batches?.close();
  }
}

function placeOf(set: string): Place {
  const [family = '', table = '', name = ''] = set.split('#');
  return { family: families[family]!, table, name };
}

function isOverlap(error: unknown): boolean {
  return hasErrno(error, constants.errno.EEXIST, constants.errno.ENOTEMPTY);
}

function typeOf(command: number): number {
  return (NFNL_SUBSYS_NFTABLES << 8) | command;
}

/** struct nfgenmsg, its res_id in network byte order. */
function header(family: number, resource = 0): Buffer {
  return Buffer.from([family, 0, resource >> 8, resource & 0xff]);
}

function batch(type: number): Buffer {
  return encodeMessage(type, NLM_F_REQUEST, 0, header(0, NFNL_SUBSYS_NFTABLES));
}

function be32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** An address as an element, as two if the set is one of intervals; it has no timeout even if others have. */
function elementsOf(address: AddressBytes, flags: number): Buffer[] {
  const key = (bytes: Uint8Array) => nested(NFTA_SET_ELEM_KEY, [attribute(NFTA_DATA_VALUE, bytes)]);
  const start = nested(NFTA_LIST_ELEM, [
    key(address),
    ...(flags & NFT_SET_TIMEOUT ? [attribute(NFTA_SET_ELEM_TIMEOUT, Buffer.alloc(8))] : []),
    attribute(NFTA_SET_ELEM_USERDATA, COMMENT),
  ]);
  if (!(flags & NFT_SET_INTERVAL)) return [start];
  const end = nested(NFTA_LIST_ELEM, [
    key(next(address)),
    attribute(NFTA_SET_ELEM_FLAGS, be32(NFT_SET_ELEM_INTERVAL_END)),
  ]);
  return [start, end];
}

/** The address after a unicast one. */
function next(address: AddressBytes): AddressBytes {
  const bytes = new Uint8Array(address);
  for (let i = 15; i >= 0; i--) if (++bytes[i]! & 0xff) break;
  return bytes;
}

/** The addresses that were added here, of a part of a dump. */
function ownElements(payload: Buffer): string[] {
  const list = findValue(payload, NFGENMSG_SIZE, NFTA_SET_ELEM_LIST_ELEMENTS);
  const found: string[] = [];
  if (list)
    visitAttributes(list, 0, list.length, (_, from, to) => {
      const element = list.subarray(from, to);
      if (!findValue(element, 0, NFTA_SET_ELEM_USERDATA)?.equals(COMMENT)) return;
      const key = findValue(element, 0, NFTA_SET_ELEM_KEY);
      const value = key && findValue(key, 0, NFTA_DATA_VALUE);
      if (value?.length === 16) found.push(formatAddress(value));
    });
  return found;
}
