// SPDX-License-Identifier: GPL-2.0-only
// A client system in a guest: in the network namespace of a lab's client, on a root of its own over /clients, which
// scripts/clients.sh has made.

import { dirname } from 'node:path';
import type { RouterSide } from '../../src/clients/facts.ts';
import { complete, placeholders } from '../../src/clients/placeholders.ts';
import type { Client } from '../bed/client.ts';
import type { Result, RunOptions } from '../bed/guest.ts';
import { type Reach, Traffic } from '../bed/traffic.ts';
import type { Setup, System } from './systems.ts';

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/** Milliseconds by the guest's clock until … */
export interface Reached {
  /** … it has had an advertisement. */
  readonly advertised: number;
  /** … a host behind the router has answered to an address in the prefix. */
  readonly online: number;
}

export class ClientSystem {
  readonly system: System;
  readonly client: Client;
  readonly #root: string;
  readonly #setup: Setup;

  /** `router` is what the client is to know of it, and `addresses` what is configured for it there. */
  constructor(system: System, client: Client, router: RouterSide, addresses: readonly string[]) {
    this.system = system;
    this.client = client;
    this.#root = `/run/clients/${system.name}`;
    const { publicKey: peer } = client;
    this.#setup = system.setup({ peer, hasPresharedKey: false, addresses, fixedAddresses: [] }, router);
  }

  /** Its programs run then, and there is no tunnel yet. */
  async start(): Promise<void> {
    const { guest, name } = this.client;
    // Programs take a read-only /sys for a sign that there is no udev, and do without.
    await guest.run(`set -e
ip -n ${name} link delete wg0
mkdir -p ${this.#root} ${this.#root}.upper ${this.#root}.work
mount -t overlay -o lowerdir=/clients,upperdir=${this.#root}.upper,workdir=${this.#root}.work overlay ${this.#root}
mount --bind /proc ${this.#root}/proc
mount --bind /dev ${this.#root}/dev
mount -t tmpfs run ${this.#root}/run
nsenter --net=/run/netns/${name} mount -t sysfs -o ro sys ${this.#root}/sys`);
    for (const { command, ready } of this.system.programs ?? []) {
      const program = this.client.spawn(`exec ${this.#inside(command)}`);
      await program.waitFor(ready, 60_000);
    }
  }

  /** As guest.run(), in its namespace and on its root. */
  run(command: string, options: Omit<RunOptions, 'netns'> = {}): Promise<Result> {
    return this.client.run(this.#inside(command), options);
  }

  #inside(command: string): string {
    return `chroot ${this.#root} sh -c ${quote(command)}`;
  }

  async version(): Promise<string> {
    const { stdout, stderr } = await this.run(this.system.version);
    return /\d+(\.\d+)+/.exec(stdout + stderr)?.[0] ?? '?';
  }

  /** Does what the user is told to. */
  async configure(): Promise<void> {
    const privateKey = { [placeholders.privateKey]: this.client.keys.privateKey };
    for (const { path, mode, text } of this.#setup.files)
      await this.run(`mkdir -p ${dirname(path)} && cat >${path} && chmod ${mode} ${path}`, {
        input: complete(text, privateKey),
      });
    await this.run(this.#commands());
  }

  #commands(): string {
    return ['set -e', ...this.#setup.commands].join('\n');
  }

  async switchOff(): Promise<void> {
    await this.run(this.system.down);
  }

  async switchOn(): Promise<void> {
    await this.run(this.system.up ?? this.#commands());
  }

  /** How many advertisements wg0 has had since it is there. */
  async advertisements(): Promise<number> {
    const { stdout } = await this.client.run('cat /proc/net/dev_snmp6/wg0', { check: false });
    return Number(/^Icmp6InRouterAdvertisements\s+(\d+)$/m.exec(stdout)?.[1] ?? 0);
  }

  async reach(what: Reach): Promise<Reached> {
    const { guest, name: netns } = this.client;
    const traffic = await Traffic.of(guest);
    return traffic.ask({ operation: 'reach', netns, ...what }, what.timeout + 10_000);
  }

  /** Seconds that its addresses in a prefix are valid and preferred for. */
  async lifetimes(prefix: string): Promise<{ valid: number; preferred: number }[]> {
    const { stdout } = await this.client.run('ip -6 -oneline address show dev wg0 scope global');
    const lines = stdout.split('\n').filter((line) => line.includes(` ${prefix.replace(/::$/, ':')}`));
    return lines.map((line) => {
      const seconds = (name: string) => Number(new RegExp(`${name}_lft (\\d+)sec`).exec(line)?.[1]);
      return { valid: seconds('valid'), preferred: seconds('preferred') };
    });
  }

  /** By which link it reaches a host, as the kernel says. */
  async wayTo(host: string): Promise<string> {
    return (await this.client.run(`ip -6 route get ${host}`)).stdout;
  }

  /** Whether a host of IPv4 answers. */
  async pingsIpv4(host: string): Promise<boolean> {
    return (await this.client.run(`busybox ping -c 3 ${host}`, { check: false })).code === 0;
  }
}
