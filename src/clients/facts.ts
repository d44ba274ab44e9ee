// SPDX-License-Identifier: GPL-2.0-only
// What a configuration for a client is made of.

import type { Prefix } from '../address.ts';
import { placeholders } from './placeholders.ts';

/** A peer, as the router has it. */
export interface Client {
  /** The public key in base64. */
  readonly peer: string;
  readonly description?: string | undefined;
  readonly hasPresharedKey: boolean;
  /** Canonical texts of what its configured allowed IPs name by itself, IPv4 addresses too. */
  readonly addresses: readonly string[];
  /** One that it may use in each prefix of the router: for clients that have no SLAAC. */
  readonly fixedAddresses: readonly string[];
}

/** The router, as its peers have to know it. */
export interface RouterSide {
  /** Undefined while it has no private key. */
  readonly publicKey?: string | undefined;
  /** A name or an address; undefined if it is not known under which the router can be reached. */
  readonly host?: string | undefined;
  /** The UDP port. */
  readonly port: number;
  /** Whether it is another whenever the router's interface is made anew. */
  readonly hasRandomPort: boolean;
  /** Bytes. */
  readonly mtu: number;
  /** Where it and its peers may have addresses, but for fe80::/64. */
  readonly prefixes: readonly Prefix[];
  /** Canonical texts of the addresses at which its DNS server can be asked. */
  readonly servers: readonly string[];
  /** Where else it leads to. */
  readonly routes: readonly Prefix[];
  /** Whether all of IPv6 can be reached by it. */
  readonly isDefaultRouter: boolean;
  /** What of IPv4 is to be reached by it, as prefixes: all of it, unless the tunnel is for some networks only. */
  readonly ipv4: readonly string[];
}

export interface ClientFile {
  readonly path: string;
  /** As chmod takes it. */
  readonly mode: '600' | '640' | '755';
  readonly text: string;
}

/** What is to be done on the client. */
export interface ClientSetup {
  readonly files: readonly ClientFile[];
  /** For root's shell, when the files are there. */
  readonly commands: readonly string[];
  /** What the user has to know, besides: lines. */
  readonly notes: readonly string[];
}

/** The name of the interface on the client. */
export const DEVICE = 'wg0';

/** Seconds: less than what a NAT keeps a UDP mapping for; and with it a client shakes hands as soon as it is up. */
export const KEEPALIVE = 25;

/**
 * By which a client keeps the tunnel's own packets out of the tunnel: they have this mark, and the default route that leads
 * into the tunnel is in the table of this number, which all others are looked up in, as wg-quick has it. A default route in
 * the main table would be no better than that of the client's uplink, and might lead WireGuard into itself.
 */
export const MARK = 51_820;
/** In which rules of routing are asked, just before that for the main table. */
export const PRIORITY = { mainButDefault: 32_764, tunnel: 32_765 } as const;

/** All of IPv4. */
export const ALL_IPV4 = '0.0.0.0/0';

/** WireGuard's own, for an Ethernet of 1500 bytes. */
const USUAL_MTU = 1420;

/** Undefined if the client's own choice is right. */
export function mtuOf({ mtu }: RouterSide): number | undefined {
  return mtu === USUAL_MTU ? undefined : mtu;
}

export const isIpv4 = (address: string) => !address.includes(':');

/** What of IPv4 a client is to send through the tunnel: nothing, if it has no address for that. */
export function ipv4Of({ addresses }: Client, { ipv4 }: RouterSide): readonly string[] {
  return addresses.some(isIpv4) ? ipv4 : [];
}

/** The families of which everything goes through the tunnel, as ip(8) and networkd call them: 4, 6. */
export function fullFamiliesOf(client: Client, router: RouterSide): readonly (4 | 6)[] {
  return [
    ...(ipv4Of(client, router).includes(ALL_IPV4) ? [4 as const] : []),
    ...(router.isDefaultRouter ? [6 as const] : []),
  ];
}

/** With the length of the prefix: none but the address itself is the client's. */
export function withLength(address: string): string {
  return `${address}/${isIpv4(address) ? 32 : 128}`;
}

/** As wg(8) takes it. */
export function endpointOf({ host = placeholders.host, port }: RouterSide): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export function publicKeyOf({ publicKey = placeholders.publicKey }: RouterSide): string {
  return publicKey;
}

/** The lines that say it, below a comment that is indented as they are; none if the peer has no preshared key. */
export function presharedKeyOf({ hasPresharedKey }: Client, ...lines: readonly string[]): readonly string[] {
  if (!hasPresharedKey) return [];
  const indent = lines[0]?.startsWith('\t') ? '\t' : '';
  return [`${indent}# The one that is set for this peer on the router:`, ...lines];
}
