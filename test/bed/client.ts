// SPDX-License-Identifier: GPL-2.0-only
// A host of a lab: the router, or a WireGuard client in a network namespace of its own.

import { parseAddress } from '../../src/address.ts';
import { formatAddress } from '../../src/address-text.ts';
import type { Guest, Result, RunOptions } from './guest.ts';
import type { KeyPair } from './keys.ts';
import type { Process } from './process.ts';
import { TRAFFIC_PORT, Traffic } from './traffic.ts';

/** The router's address in the tunnel. */
export const ROUTER = '2001:db8:1::1';

export class Host {
  readonly guest: Guest;
  protected readonly netns: string | undefined;

  constructor(guest: Guest, netns?: string) {
    this.guest = guest;
    this.netns = netns;
  }

  /** As guest.run(), in this host's network namespace. */
  run(command: string, options: Omit<RunOptions, 'netns'> = {}): Promise<Result> {
    return this.guest.run(command, { ...options, ...(this.netns && { netns: this.netns }) });
  }

  /** As guest.spawn(), in this host's network namespace. */
  spawn(command: string): Process {
    return this.guest.spawn(command, this.netns ? { netns: this.netns } : {});
  }
}

export interface PingOptions {
  from: string;
  /** The router unless told. */
  to?: string;
  count?: number;
  /** Seconds between two requests. */
  interval?: number;
  /** Seconds to wait for the last answer. */
  timeout?: number;
}

export interface PingResult {
  sent: number;
  received: number;
  /** Milliseconds, in the order of arrival. */
  rtts: number[];
}

export class Client extends Host {
  readonly name: string;
  readonly keys: KeyPair;

  constructor(guest: Guest, name: string, keys: KeyPair) {
    super(guest, name);
    this.name = name;
    this.keys = keys;
  }

  get publicKey(): string {
    return this.keys.publicKey;
  }

  /** Gives wg0 an address, usable at once. */
  async addAddress(address: string): Promise<void> {
    await this.run(`ip address add ${address}/64 dev wg0 nodad`);
  }

  async removeAddress(address: string): Promise<void> {
    await this.run(`ip address delete ${address}/64 dev wg0`);
  }

  /** The addresses of wg0, without prefix length. */
  async addresses(scope: 'global' | 'link' = 'global'): Promise<string[]> {
    const { stdout } = await this.run(`ip -6 -oneline address show dev wg0 scope ${scope}`);
    return [...stdout.matchAll(/inet6 ([0-9a-f:]+)/g)].map((match) => match[1]!);
  }

  /**
   * Lets the kernel choose its addresses from router advertisements, a stable and a temporary one for each prefix. It
   * solicits as soon as wg0 gets this link-local address; the stable addresses end like it.
   */
  async startSlaac(linkLocal: string): Promise<void> {
    const settings = ['accept_ra=2', 'autoconf=1', 'use_tempaddr=2'].map(
      (setting) => `net.ipv6.conf.wg0.${setting}`,
    );
    await this.run(`sysctl -qw ${settings.join(' ')} && ip address add ${linkLocal}/64 dev wg0`);
  }

  /** As startSlaac(); resolves to the milliseconds, by the guest's clock, until it has its first global address. */
  async slaac(linkLocal: string, timeout = 30_000): Promise<number> {
    const traffic = await Traffic.of(this.guest);
    const request = { operation: 'address', netns: this.name, prefix: '2001:db8:1::', timeout } as const;
    const [milliseconds] = await Promise.all([
      traffic.ask<number>(request, timeout + 5_000),
      this.startSlaac(linkLocal),
    ]);
    return Math.round(milliseconds);
  }

  /**
   * Takes wg0 down, and brings it up where a link-local address is all that is configured. Resolves to the milliseconds,
   * by the guest's clock, until it has a stable and a temporary address and an answer from `to`. An address that a link
   * had before it came up would cost 4 s: Linux solicits when it is added, in vain, and then again.
   */
  async comeUp(linkLocal: string, to: string, timeout = 30_000): Promise<number> {
    const settings = ['accept_ra=2', 'autoconf=1', 'use_tempaddr=2'].map(
      (setting) => `net.ipv6.conf.wg0.${setting}`,
    );
    await this.run(`ip link set wg0 down && sysctl -qw ${settings.join(' ')}`);
    const traffic = await Traffic.of(this.guest);
    const request = {
      operation: 'online',
      netns: this.name,
      address: linkLocal,
      prefix: '2001:db8:1::',
      to,
      timeout,
    } as const;
    return Math.round(await traffic.ask<number>(request, timeout + 10_000));
  }

  /** Sends an ICMPv6 message, in hex, through the tunnel to all routers. Its checksum is filled in. */
  async solicit(options: { from: string; message?: string; hops?: number; count?: number }): Promise<void> {
    const { from, message = '8500000000000000', hops = 255, count = 1 } = options;
    const request = { operation: 'solicit', netns: this.name, from, message, hops, count } as const;
    const traffic = await Traffic.of(this.guest);
    await traffic.ask(request, 60_000 + count);
  }

  async ping(options: PingOptions): Promise<PingResult> {
    const { from, to = ROUTER, count = 1, interval = 1, timeout = 2 } = options;
    const traffic = await Traffic.of(this.guest);
    const request = { operation: 'ping', netns: this.name, from, to, count, interval, timeout } as const;
    return traffic.ask(request, 1000 * (count * interval + timeout) + 10_000);
  }

  /** Milliseconds that a new TCP connection takes, by the guest's clock. The router listens at TRAFFIC_PORT. */
  async connect(options: { from: string; to?: string; port?: number; timeout?: number }): Promise<number> {
    const { from, to = ROUTER, port = TRAFFIC_PORT, timeout = 10_000 } = options;
    const traffic = await Traffic.of(this.guest);
    return traffic.ask({ operation: 'connect', netns: this.name, from, to, port, timeout }, timeout + 5_000);
  }

  /** Sends UDP packets through the tunnel from any address, whether it is the client's or not. */
  async sendFrom(
    from: string,
    options: { to?: string; payload?: string; count?: number } = {},
  ): Promise<void> {
    const { to = ROUTER, payload = '', count = 1 } = options;
    const traffic = await Traffic.of(this.guest);
    await traffic.ask({ operation: 'send', netns: this.name, from, to, payload, count }, 30_000);
  }

  /**
   * Sends a UDP packet from each of `count` addresses: floodAddress(prefix, first) and those that follow it. `pps`
   * slows it down. Resolves to the seconds it took.
   */
  async flood(options: {
    prefix: string;
    count: number;
    first?: number;
    pps?: number;
    to?: string;
  }): Promise<number> {
    const { prefix, count, first = 0, pps = 0, to = ROUTER } = options;
    const request = { operation: 'flood', netns: this.name, prefix, to, first, count, pps } as const;
    const traffic = await Traffic.of(this.guest);
    return traffic.ask(request, 30_000 + count * (10 + (pps && 1_000 / pps)));
  }
}

/** The n-th source address of Client.flood(). */
export function floodAddress(prefix: string, n: number): string {
  const bytes = parseAddress(prefix)!;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(8, n);
  view.setUint32(12, ~n);
  return formatAddress(bytes);
}
