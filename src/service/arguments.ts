// SPDX-License-Identifier: GPL-2.0-only
// Arguments of our methods. Types have been checked by the client.

import { parseAddress } from '../address.ts';
import { formatAddress } from '../address-text.ts';
import { type ClientSystem, clientSystems } from '../answers.ts';
import { isPublicKey, parseDevice } from '../settings.ts';
import { UbusError, type UbusTable, ubusStatus } from '../ubus/types.ts';
import { parseReach, type Reach } from './reachable.ts';

function invalid(name: string, expected: string): UbusError {
  return new UbusError(ubusStatus.invalidArgument, `argument ${name}: ${expected}`);
}

/** Undefined if it is not there. */
export function text(args: UbusTable, name: string): string | undefined {
  const value = args[name];
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(name, 'a text that is not empty');
}

export function required(args: UbusTable, name: string): string {
  const value = text(args, name);
  if (value === undefined) throw invalid(name, 'it is missing');
  return value;
}

/** In canonical form. */
export function address(args: UbusTable): string {
  const bytes = parseAddress(required(args, 'address'));
  if (!bytes) throw invalid('address', 'an IPv6 address');
  return formatAddress(bytes);
}

/** Undefined if it is not there. */
export function seconds(args: UbusTable, name: string): number | undefined {
  const value = args[name];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && value >= 0) return value;
  throw invalid(name, 'a number of seconds, 0 or more');
}

/** An interface by its name, be it known here or not. */
export function device(args: UbusTable): string {
  const name = parseDevice(required(args, 'interface'));
  if (name === undefined) throw invalid('interface', 'the name of a network interface');
  return name;
}

/** A public key in base64. */
export function peer(args: UbusTable): string | undefined {
  const key = text(args, 'peer');
  if (key !== undefined && !isPublicKey(key)) throw invalid('peer', 'a public key in base64');
  return key;
}

export function system(args: UbusTable): ClientSystem {
  const named = required(args, 'for');
  const found = clientSystems.find((system) => system === named);
  if (!found) throw invalid('for', `one of ${clientSystems.join(', ')}`);
  return found;
}

export function endpoint(args: UbusTable): Reach {
  const given = text(args, 'endpoint');
  if (given === undefined) return {};
  const reach = parseReach(given);
  if (!reach) throw invalid('endpoint', 'a host name or an address, and a port if need be');
  return reach;
}
