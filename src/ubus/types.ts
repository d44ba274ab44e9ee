// SPDX-License-Identifier: GPL-2.0-only
// What a program sees of ubus, OpenWrt's bus. Made by client.ts; tests may make another.

/**
 * What a message can carry (blobmsg). Integers of 64 bits are a bigint only where a number would lose some of them. A
 * number is sent as INT32 or INT64 if it is whole and fits, else as a double.
 */
export type UbusValue = null | boolean | number | bigint | string | readonly UbusValue[] | UbusTable;

export interface UbusTable {
  readonly [name: string]: UbusValue;
}

/** enum ubus_msg_status of ubusmsg.h. */
export const ubusStatus = {
  ok: 0,
  invalidCommand: 1,
  invalidArgument: 2,
  methodNotFound: 3,
  notFound: 4,
  noData: 5,
  permissionDenied: 6,
  timeout: 7,
  notSupported: 8,
  unknownError: 9,
  connectionFailed: 10,
} as const;

/** A call that did not succeed, be it ours or one that we answer. */
export class UbusError extends Error {
  constructor(
    /** One of ubusStatus. */
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** As `ubus -v list` shows an argument. */
export type ArgumentType = 'String' | 'Integer' | 'Boolean' | 'Array' | 'Table';

export interface Method {
  /** All are optional. One of another type is answered with invalidArgument, one that is not listed is left out. */
  readonly arguments: Readonly<Record<string, ArgumentType>>;
  /** What it throws is the answer's status: a UbusError's own, else unknownError. */
  call(args: UbusTable): UbusTable | undefined | Promise<UbusTable | undefined>;
}

export interface PublishedObject {
  /** Whether there are subscribers: if there are none, it is no use to make up what they would be told. */
  readonly isFollowed: boolean;
  /** To all subscribers; lost if there is no connection. */
  notify(type: string, data: UbusTable): void;
}

/**
 * Whether a value of an answer is wanted, by its name and by how many tables it stands in (1: the answer itself). No value
 * is ever made of what is not: neither of it nor of what it holds.
 */
export type IsWanted = (name: string, depth: number) => boolean;

/** A connection that comes back by itself, with all that was published, subscribed and listened to. */
export interface Ubus {
  readonly connected: boolean;
  /** Called at each change of `connected`. */
  onConnected(listener: (connected: boolean) => void): void;
  /**
   * Rejects with UbusError: the answer's status; connectionFailed at once if there is no connection, or when it breaks;
   * timeout after so many milliseconds (30,000 unless told). All of the answer is wanted unless told.
   */
  call(
    object: string,
    method: string,
    args?: UbusTable,
    timeout?: number,
    isWanted?: IsWanted,
  ): Promise<UbusTable>;
  publish(name: string, methods: Readonly<Record<string, Method>>): PublishedObject;
  /** To the notifications of an object, whenever it is there; the answer ends it. */
  subscribe(object: string, listener: (type: string, data: UbusTable) => void): () => void;
  /** To events whose name matches: all of it, or what stands before a "*" at its end; the answer ends it. */
  listen(pattern: string, listener: (event: string, data: UbusTable) => void): () => void;
  close(): void;
}

export function isTable(value: UbusValue | undefined): value is UbusTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The tables in a list; none if it is no list. */
export function tablesIn(list: UbusValue | undefined): UbusTable[] {
  return Array.isArray(list) ? list.filter(isTable) : [];
}
