// SPDX-License-Identifier: GPL-2.0-only
// Which addresses of peers hosts on shared links can reach: a host route for each, and a proxy entry. All that has to be known
// of them is in the kernel, so that what one process has added the next one goes on with.

import type { ProxyEntry, Reach } from '../kernel/ports.ts';
import type { Link } from '../model.ts';
import type { Share } from './share.ts';

type Place = Pick<Link, 'ifindex' | 'table'>;

export class Reachability {
  /** By ifindex: the link, and the addresses that are routed to it. */
  readonly #routes = new Map<number, { readonly place: Place; readonly addresses: Set<string> }>();
  readonly #proxies = new Map<string, ProxyEntry>();
  /** Whether proxying may be on for us: the kernel forgets the entries of a link that goes down. */
  #mayProxy = true;

  readonly #reach: Reach;

  constructor(reach: Reach) {
    this.#reach = reach;
  }

  /** Takes up what an earlier process has left on these links. */
  adopt(links: readonly Link[]): void {
    for (const link of links) {
      const addresses = this.#reach.routes(link);
      if (addresses.length > 0)
        this.#routes.set(link.ifindex, { place: link, addresses: new Set(addresses) });
    }
    for (const entry of this.#reach.proxies()) this.#proxies.set(keyOf(entry), entry);
  }

  get isEmpty(): boolean {
    return this.#routes.size === 0 && this.#proxies.size === 0 && !this.#mayProxy;
  }

  /** One of these links to which addresses are routed, or where they have proxy entries; undefined if there is none. */
  findLink(links: readonly Link[]): Link | undefined {
    const proxying = new Set([...this.#proxies.values()].map(({ ifindex }) => ifindex));
    return (
      links.find(({ ifindex }) => this.#routes.has(ifindex)) ??
      links.find(({ ifindex }) => proxying.has(ifindex))
    );
  }

  /** On a link. */
  addresses(ifindex: number): ReadonlySet<string> {
    return this.#routes.get(ifindex)?.addresses ?? none;
  }

  /** By which link an address is reached. */
  linkOf(address: string): number | undefined {
    for (const [ifindex, { addresses }] of this.#routes) if (addresses.has(address)) return ifindex;
    return undefined;
  }

  /** Adds what is missing, be it because something else has removed it. */
  add({ link, shared }: Share, addresses: Iterable<string>): void {
    if (!link.up) return; // the kernel takes no route there, and will be given all when it is up
    const { place, addresses: routed } = this.#routes.get(link.ifindex) ?? {
      place: link,
      addresses: new Set(),
    };
    for (const address of addresses) {
      this.#routes.set(link.ifindex, { place, addresses: routed });
      routed.add(address);
      this.#reach.addRoute(link, address);
      if (!shared) continue;
      const entry = { ifindex: shared.ifindex, address };
      this.#proxies.set(keyOf(entry), entry);
      this.#reach.addProxy(entry);
    }
    if (this.#proxies.size === 0) return;
    this.#mayProxy = true;
    this.#reach.startProxying();
  }

  remove(ifindex: number, addresses: Iterable<string>): void {
    const { place, addresses: routed } = this.#routes.get(ifindex) ?? { addresses: new Set<string>() };
    for (const address of addresses) {
      for (const entry of [...this.#proxies.values()])
        if (entry.address === address && this.#linksOf(address).every((other) => other === ifindex))
          this.#removeProxy(entry);
      if (!place || !routed.has(address)) continue;
      this.#reach.removeRoute(place, address);
      routed.delete(address);
    }
    if (routed.size === 0) this.#routes.delete(ifindex);
  }

  /** Leaves what these need; nothing on links that are no more. */
  keep(shares: readonly Share[], links: readonly Link[]): void {
    const present = new Set(links.map(({ ifindex }) => ifindex));
    const sharing = new Map(shares.map((share) => [share.link.ifindex, share]));
    for (const [ifindex, { addresses }] of [...this.#routes]) {
      if (!present.has(ifindex)) this.#routes.delete(ifindex);
      else if (!sharing.has(ifindex)) this.remove(ifindex, [...addresses]);
    }
    const isNeeded = (entry: ProxyEntry) =>
      this.#linksOf(entry.address).some((link) => sharing.get(link)?.shared?.ifindex === entry.ifindex);
    for (const entry of [...this.#proxies.values()]) if (!isNeeded(entry)) this.#removeProxy(entry);
    this.#stopUnused();
  }

  #linksOf(address: string): number[] {
    return [...this.#routes]
      .filter(([, { addresses }]) => addresses.has(address))
      .map(([ifindex]) => ifindex);
  }

  #removeProxy(entry: ProxyEntry): void {
    this.#reach.removeProxy(entry);
    this.#proxies.delete(keyOf(entry));
    this.#stopUnused();
  }

  #stopUnused(): void {
    if (this.#proxies.size > 0 || !this.#mayProxy) return;
    this.#reach.stopProxying();
    this.#mayProxy = false;
  }
}

const none: ReadonlySet<string> = new Set();

function keyOf({ ifindex, address }: ProxyEntry): string {
  return `${ifindex} ${address}`;
}
