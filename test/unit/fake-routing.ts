// SPDX-License-Identifier: GPL-2.0-only
// A router without a kernel, and what was done to it.

import { type AddressBytes, parseAddress } from '../../src/address.ts';
import { formatAddress, formatPrefix } from '../../src/address-text.ts';
import type { AdvertisementSocket, KeptRoute, Routing } from '../../src/kernel/ports.ts';

export class FakeRouting implements Routing {
  forwarding = true;
  defaultRoute = true;
  /** From where the default route may be used; anywhere if undefined. */
  sources: readonly string[] | undefined;
  /** What does not go to any interface by its routes. */
  readonly astray = new Set<string>();
  /** Where DNS servers listen. */
  readonly listeners: string[] = [];
  /** As "2 fe80::1/64". */
  readonly addresses = new Set<string>();
  readonly routes: KeptRoute[] = [];
  /** What was sent, as text of ifindex and receiver, and whatever was sent. */
  readonly sent: { readonly ifindex: number; readonly to: string; readonly message: Buffer }[] = [];
  /** By ifindex. */
  readonly sockets = new Map<number, (from: AddressBytes) => void>();
  /** Where somebody has made sure that solicitations come, by ifindex. */
  readonly listening = new Set<number>();
  /** Whether a firewall keeps solicitations out. */
  keepsOut = false;
  /** Where nothing can be sent to. */
  readonly unreachable = new Set<string>();
  /** What all that changes something is to fail with. */
  failure: Error | undefined;

  isForwarding(): boolean {
    return this.forwarding;
  }

  leadsOn(_: number, from: AddressBytes): boolean {
    return this.defaultRoute && (this.sources?.includes(formatAddress(from)) ?? true);
  }

  leadsBack(_: number, to: AddressBytes): boolean {
    return !this.astray.has(formatAddress(to));
  }

  dnsListeners(): AddressBytes[] {
    return this.listeners.map((address) => parseAddress(address)!);
  }

  addAddress(ifindex: number, address: AddressBytes, prefixLength: number): void {
    this.#check();
    this.addresses.add(`${ifindex} ${formatAddress(address)}/${prefixLength}`);
  }

  removeAddress(ifindex: number, address: AddressBytes, prefixLength: number): void {
    this.#check();
    this.addresses.delete(`${ifindex} ${formatAddress(address)}/${prefixLength}`);
  }

  keptRoutes({ ifindex }: Pick<KeptRoute, 'ifindex'>): KeptRoute[] {
    return this.routes.filter((route) => route.ifindex === ifindex);
  }

  keepRoute(route: KeptRoute): void {
    this.#check();
    this.dropRoute(route);
    this.routes.push(route);
  }

  dropRoute({ ifindex, prefix }: Pick<KeptRoute, 'ifindex' | 'prefix'>): void {
    this.#check();
    const isIt = (route: KeptRoute) =>
      route.ifindex === ifindex && formatPrefix(route.prefix) === formatPrefix(prefix);
    const at = this.routes.findIndex(isIt);
    if (at >= 0) this.routes.splice(at, 1);
  }

  openAdvertisements(
    { ifindex }: { readonly ifindex: number },
    onSolicitation: (from: AddressBytes) => void,
  ): AdvertisementSocket {
    this.#check();
    this.sockets.set(ifindex, onSolicitation);
    return {
      send: (message, to) => {
        this.#check();
        if (this.unreachable.has(formatAddress(to))) throw new Error('EDESTADDRREQ: sendto');
        this.sent.push({ ifindex, to: formatAddress(to), message });
      },
      listen: () => this.listening.add(ifindex),
      close: () => this.sockets.delete(ifindex),
    };
  }

  close(): void {}

  #check(): void {
    if (this.failure) throw this.failure;
  }
}
