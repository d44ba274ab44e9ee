// SPDX-License-Identifier: GPL-2.0-only

import { blobmsgType, encodeTable } from './blobmsg.ts';
import {
  type ArgumentType,
  type Method,
  UbusError,
  type UbusTable,
  type UbusValue,
  ubusStatus,
} from './types.ts';

const argumentTypes: Readonly<Record<ArgumentType, { id: number; matches(value: UbusValue): boolean }>> = {
  String: { id: blobmsgType.string, matches: (value) => typeof value === 'string' },
  Integer: {
    id: blobmsgType.int32,
    matches: (value) => typeof value === 'bigint' || Number.isInteger(value),
  },
  Boolean: { id: blobmsgType.int8, matches: (value) => typeof value === 'boolean' },
  Array: { id: blobmsgType.array, matches: (value) => Array.isArray(value) },
  Table: {
    id: blobmsgType.table,
    matches: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  },
};

/** What `ubus -v list` shows of an object: per method, the arguments' types. */
export function encodeSignature(methods: Readonly<Record<string, Method>>): Buffer {
  const signature = Object.entries(methods).map(([name, method]) => [
    name,
    Object.fromEntries(
      Object.entries(method.arguments).map(([argument, type]) => [argument, argumentTypes[type].id]),
    ),
  ]);
  return encodeTable(Object.fromEntries(signature));
}

/** Throws UbusError, or what the method throws. */
export function invokeMethod(
  methods: Readonly<Record<string, Method>>,
  name: string,
  data: UbusTable,
): UbusTable | undefined | Promise<UbusTable | undefined> {
  if (!Object.hasOwn(methods, name)) throw new UbusError(ubusStatus.methodNotFound, `no method ${name}`);
  const method = methods[name]!;
  const args: Record<string, UbusValue> = Object.create(null);
  for (const [argument, type] of Object.entries(method.arguments)) {
    const value = data[argument];
    if (value === undefined) continue;
    if (!argumentTypes[type].matches(value))
      throw new UbusError(ubusStatus.invalidArgument, `${name}: ${argument} is not of type ${type}`);
    args[argument] = value;
  }
  return method.call(args);
}
