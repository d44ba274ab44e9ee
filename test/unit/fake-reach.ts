// SPDX-License-Identifier: GPL-2.0-only
// Host routes, proxy entries and neighbours without a kernel.

import type { ProxyEntry, Reach } from '../../src/kernel/ports.ts';
import type { Link } from '../../src/model.ts';

type Place = Pick<Link, 'ifindex' | 'table'>;

export class FakeReach implements Reach {
  /** As "7 2001:db8::5", by the ifindex. */
  readonly hostRoutes = new Set<string>();
  readonly entries = new Map<string, ProxyEntry>();
  isOn = false;
  /** startProxying() has switched it on. */
  isOursOn = false;
  /** Hosts on links, which answer. */
  readonly hosts = new Set<string>();
  /** What the kernel has heard of: true if that is confirmed. */
  readonly known = new Map<string, boolean>();
  readonly solicited: string[] = [];
  otherPrograms: string[] = [];
  /** What all that changes something is to fail with. */
  failure: Error | undefined;
  /** What it is to fail with whenever it is asked what is known. */
  refusal: Error | undefined;
  closed = 0;

  routes({ ifindex }: Place): string[] {
    return withIfindex(this.hostRoutes, ifindex);
  }

  addRoute({ ifindex }: Place, address: string): void {
    this.#check();
    this.hostRoutes.add(`${ifindex} ${address}`);
  }

  removeRoute({ ifindex }: Place, address: string): void {
    this.#check();
    this.hostRoutes.delete(`${ifindex} ${address}`);
  }

  proxies(): ProxyEntry[] {
    return [...this.entries.values()];
  }

  addProxy(entry: ProxyEntry): void {
    this.#check();
    this.entries.set(`${entry.ifindex} ${entry.address}`, entry);
  }

  removeProxy({ ifindex, address }: ProxyEntry): void {
    this.#check();
    this.entries.delete(`${ifindex} ${address}`);
  }

  startProxying(): void {
    if (this.isOn) return;
    this.#check();
    this.isOn = true;
    this.isOursOn = true;
  }

  stopProxying(): void {
    if (!this.isOursOn) return;
    this.#check();
    this.isOn = false;
    this.isOursOn = false;
  }

  neighbours(ifindex: number): string[] {
    return withIfindex(this.known.keys(), ifindex);
  }

  isNeighbour(ifindex: number, address: string, isConfirmed: boolean): boolean {
    if (this.refusal) throw this.refusal;
    const known = this.known.get(`${ifindex} ${address}`);
    return isConfirmed ? known === true : known !== undefined;
  }

  solicit(ifindex: number, address: string): void {
    this.#check();
    const key = `${ifindex} ${address}`;
    this.solicited.push(address);
    if (this.hosts.has(key)) this.known.set(key, true);
    else this.known.delete(key);
  }

  forgetNeighbour(ifindex: number, address: string): void {
    this.known.delete(`${ifindex} ${address}`);
  }

  rivals(): string[] {
    return this.otherPrograms;
  }

  close(): void {
    this.closed++;
  }

  #check(): void {
    if (this.failure) throw this.failure;
  }
}

function withIfindex(keys: Iterable<string>, ifindex: number): string[] {
  return [...keys].flatMap((key) => (key.startsWith(`${ifindex} `) ? [key.split(' ')[1]!] : []));
}
