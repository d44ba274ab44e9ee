// SPDX-License-Identifier: GPL-2.0-only
// Addresses for clients: the same each time, as long as nobody else has them.

import { type AddressBytes, type Prefix, parseAddress, prefixOf } from '../address.ts';
import { formatAddress, formatPrefix } from '../address-text.ts';
import { linkLocalOf } from '../advertiser/advertising.ts';
import { isLinkLocal } from '../scope.ts';
import type { Client } from './facts.ts';

/** The next one is tried if the one before is somebody's: hardly ever. */
const ATTEMPTS = 16;

/** One in a prefix for a peer, made of its key; undefined if there seems to be none. */
export function chooseAddress(
  prefix: Prefix,
  peer: string,
  isFree: (address: AddressBytes) => boolean,
): string | undefined {
  const { createHash } = process.getBuiltinModule('node:crypto');
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const seed = `${formatPrefix(prefix)} ${peer} ${attempt}`;
    const hash = new Uint8Array(createHash('sha256').update(seed).digest()).subarray(0, 16);
    const ofPrefix = prefixOf(hash, prefix.length).bytes;
    const address = prefix.bytes.map((byte, i) => byte | (hash[i]! ^ ofPrefix[i]!));
    if (isFree(address)) return formatAddress(address);
  }
  return undefined;
}

/** A client's link-local address: what is configured for it, else one that is made of its key. */
export function linkLocalFor({ addresses, peer }: Client): string {
  return addresses.find(isLinkLocal) ?? formatAddress(linkLocalOf(peer));
}

/** That of the address in "192.0.2.1/24": people write so what a peer has, with the length of the network of the tunnel. */
export function addressInNetwork(text: string): string | undefined {
  const [, address = '', digits] = /^([^/]+)\/(\d+)$/.exec(text) ?? [];
  const single = singleAddress(address);
  if (single === undefined) return undefined;
  const isIpv4 = !single.includes(':');
  const bytes = parseAddress(isIpv4 ? `::ffff:${single}` : single)!;
  const length = Number(digits) + (isIpv4 ? 96 : 0);
  const isHost = length < 128 && prefixOf(bytes, length).bytes.some((byte, i) => byte !== bytes[i]);
  return isHost ? single : undefined;
}

/** The canonical text of an address that stands by itself in a list of allowed IPs, as wg(8) takes it, "+" or not. */
export function singleAddress(text: string): string | undefined {
  const [, address = '', length] = /^\+?([^/]+)(?:\/(\d+))?$/.exec(text) ?? [];
  const bytes = parseAddress(address);
  if (bytes) return length === undefined || length === '128' ? formatAddress(bytes) : undefined;
  const isQuad = /^[\d.]+$/.test(address) && parseAddress(`::ffff:${address}`) !== undefined;
  return isQuad && (length === undefined || length === '32') ? address : undefined;
}
