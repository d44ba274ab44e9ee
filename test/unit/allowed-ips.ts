// SPDX-License-Identifier: GPL-2.0-only
// A peer's allowed IPs as texts, as people write them, and as the engine has them.

import { type Prefix, parsePrefix } from '../../src/address.ts';
import { formatAddress, formatPrefix } from '../../src/address-text.ts';
import type { Peer } from '../../src/model.ts';

type AllowedIps = Pick<Peer, 'addresses' | 'prefixes'>;

export function allowedIpsOf(all: Iterable<Prefix>): AllowedIps {
  const [addresses, prefixes]: [string[], Prefix[]] = [[], []];
  for (const prefix of all) {
    if (prefix.length === 128) addresses.push(formatAddress(prefix.bytes));
    else prefixes.push(prefix);
  }
  return { addresses, prefixes };
}

export function parseAllowedIps(texts: Iterable<string>): AllowedIps {
  return allowedIpsOf(Array.from(texts, (text) => parsePrefix(text)!));
}

export function formatAllowedIps({ addresses, prefixes }: AllowedIps): string[] {
  return [...prefixes.map(formatPrefix), ...addresses.map((address) => `${address}/128`)];
}
