// SPDX-License-Identifier: GPL-2.0-only
// Router Advertisements on all interfaces: what there is to announce, and what the system has to be like for that.

import { type AddressBytes, contains, type Prefix, parseAddress, parsePrefix } from '../address.ts';
import { formatAddress, formatPrefix } from '../address-text.ts';
import type { Clock } from '../clock.ts';
import { ALL_NODES } from '../kernel/all-nodes.ts';
import type { AdvertisementSocket, Routing, WireGuard } from '../kernel/ports.ts';
import type { Device, Limits, Link, LinkAddress, Peer, PeerAddress } from '../model.ts';
import { solicitorOf } from '../packets/advertisement.ts';
import { routerSolicitation } from '../packets/solicitation.ts';
import { failureOf, type Problem } from '../problem.ts';
import {
  isLinkLocal,
  linkLocal,
  onLinkPrefixes,
  sharedPrefixes,
  slaacPrefix,
  uniqueLocal,
} from '../scope.ts';
import type { InterfaceSettings } from '../settings.ts';
import { Advertiser, type Recipient } from './advertiser.ts';
import type { AnnouncedPrefix, Announcement, Departed } from './announcement.ts';
import type { Advertised } from './beliefs.ts';

/** An interface on which addresses are learned. */
export interface Enabled {
  readonly settings: Omit<InterfaceSettings, keyof Limits | 'maxAddresses' | 'lifetime' | 'takeover'>;
  /** Who else is configured to advertise there, in words. */
  readonly otherAdvertiser?: string;
  /** DNS domains to search in. */
  readonly search?: readonly string[];
  readonly link: Link;
  /** The link whose prefixes peers have addresses in, besides. */
  readonly shared?: Link | undefined;
}

type SendToAllNodes = (link: Pick<Link, 'name' | 'ifindex'>, peer: string, act: () => void) => void;

interface Active {
  readonly device: string;
  readonly advertiser: Advertiser;
  readonly socket: AdvertisementSocket;
  /** ff02::1 is somebody's by configuration: nobody else can be reached there. */
  isAllNodesTaken: boolean;
  announced: readonly Prefix[];
  /** The routes that are kept, until when. */
  readonly routes: Map<string, number>;
}

/** Lifetimes are given in whole seconds, rounded up. */
const ROUNDING = 1_000;
/** A change of so many milliseconds in how long a route is kept is none. */
const SLACK = 2_000;

const anyAddress = parseAddress('::')!;

export class Advertising {
  readonly #active = new Map<number, Active>();
  /** What hosts believe of devices on which nothing is advertised just now, by device. */
  readonly #earlier = new Map<string, Advertised>();

  readonly #routing: Routing;
  readonly #wireguard: WireGuard;
  readonly #clock: Clock;
  readonly #sendToAllNodes: SendToAllNodes;
  readonly #onChange: () => void;

  /**
   * `sendToAllNodes`: calls back while ff02::1 of an interface is a peer's; throws if that cannot be. `onChange`: align()
   * is to be called again.
   */
  constructor(
    routing: Routing,
    wireguard: WireGuard,
    clock: Clock,
    sendToAllNodes: SendToAllNodes,
    onChange: () => void,
  ) {
    this.#routing = routing;
    this.#wireguard = wireguard;
    this.#clock = clock;
    this.#sendToAllNodes = sendToAllNodes;
    this.#onChange = onChange;
  }

  /** What hosts have believed since before the system was started, by device. */
  recall(advertised: ReadonlyMap<string, Advertised>): void {
    for (const [device, each] of advertised) this.#earlier.set(device, each);
  }

  /** What hosts believe, by device. */
  get advertised(): ReadonlyMap<string, Advertised> {
    const active = [...this.#active.values()].map(
      ({ device, advertiser }) => [device, advertiser.advertised] as const,
    );
    return new Map([...this.#earlier, ...active]);
  }

  /**
   * Advertises on these interfaces and no others. `links` are all WireGuard ones. Answers with what keeps it from
   * working, whether the addresses of a link have been changed, and whether something failed and is to be tried again.
   */
  align(
    enabled: readonly Enabled[],
    links: readonly Link[],
  ): { problems: Problem[]; hasChangedAddresses: boolean; isIncomplete: boolean } {
    const wanted = new Map(enabled.filter(isWanted).map((each) => [each.link.ifindex, each]));
    for (const [ifindex, { device }] of this.#active) {
      if (wanted.get(ifindex)?.link.name === device) continue;
      const isThere = links.some(
        (link) => link.ifindex === ifindex && link.name === device && isUsable(link),
      );
      if (isThere) this.#end(ifindex);
      else this.#leave(ifindex);
    }
    const problems = enabled.flatMap(conflictOf);
    const learningOn = new Set(enabled.map(({ link }) => link.ifindex));
    const isOff = (link: Link) => isUsable(link) && !wanted.has(link.ifindex);
    let hasChangedAddresses = false;
    let isIncomplete = false;
    const attempt = (link: Link, act: () => void) => {
      try {
        act();
      } catch (error) {
        isIncomplete = true;
        problems.push({ code: 'ra-failed', data: { device: link.name, ...failureOf(error) } });
      }
    };
    for (const link of links) {
      attempt(link, () => {
        if (isOff(link) && this.#earlier.has(link.name)) this.#dismiss(link);
        if (!learningOn.has(link.ifindex)) hasChangedAddresses = this.#cleanUp(link) || hasChangedAddresses;
      });
    }
    for (const each of wanted.values()) {
      attempt(each.link, () => {
        hasChangedAddresses = this.#addLinkLocal(each.link) || hasChangedAddresses;
        this.#advertise(each);
        problems.push(...this.#problemsOf(each));
      });
    }
    return { problems, hasChangedAddresses, isIncomplete };
  }

  /** Whether there is anybody to tell that something has changed. */
  get hasRecipients(): boolean {
    return [...this.#active.values()].some(({ advertiser }) => advertiser.hasRecipients);
  }

  get isOnAny(): boolean {
    return this.#active.size > 0;
  }

  /** Whether there are advertisements on an interface. */
  isOn(ifindex: number): boolean {
    return this.#active.has(ifindex);
  }

  /** Prefixes that an interface has lost and whose addresses are to work on. */
  departed(ifindex: number): Prefix[] {
    return this.#active.get(ifindex)?.advertiser.departed.map(({ prefix }) => prefix) ?? [];
  }

  /** Whom to tell, by the allowed IPs of an interface. */
  setRecipients(ifindex: number, device: Device): void {
    const active = this.#active.get(ifindex);
    if (!active) return;
    active.isAllNodesTaken = isAllNodesTaken(device);
    active.advertiser.setRecipients(recipientsOf(device, !active.isAllNodesTaken));
    for (const peer of device.peers) {
      if (active.advertiser.isUnheeding(peer.key) && usesOneOf(active.announced, peer))
        active.advertiser.heed(peer.key);
    }
  }

  /** An address is now a peer's, which is there. `latestHandshake` is in seconds since 1970. */
  noteAddress(ifindex: number, { peer, address }: PeerAddress, latestHandshake: number): void {
    const active = this.#active.get(ifindex);
    if (!active) return;
    const { advertiser, announced } = active;
    if (isLinkLocal(address)) {
      advertiser.addRecipient({ peer, address, latestHandshake });
    } else if (advertiser.isUnheeding(peer) && isInOneOf(announced, parseAddress(address)!)) {
      advertiser.heed(peer);
    }
  }

  /** A peer has a new session. */
  shakeHands(ifindex: number, peer: string): void {
    const active = this.#active.get(ifindex);
    active?.advertiser.shakeHands(peer, !active.isAllNodesTaken);
  }

  /** Takes back what an earlier process told the peers of an interface. */
  #dismiss(link: Link): void {
    const device = link.up && this.#wireguard.dump(link.name);
    const known = device ? recipientsOf(device, !isAllNodesTaken(device)) : [];
    if (known.length > 0) this.#open(link).advertiser.setRecipients(known);
    this.#earlier.delete(link.name);
    if (known.length === 0) return;
    this.#end(link.ifindex);
  }

  /** The kernel is being given a packet as if it had come from an interface. */
  expect(ifindex: number, packet: Uint8Array): void {
    if (solicitorOf(packet) !== undefined) this.#active.get(ifindex)?.advertiser.expectSolicitation();
  }

  /** Sees whether a firewall lets solicitations in; `deliver` gives the kernel a packet as if it had come from an interface. */
  probe(ifindex: number, deliver: (packet: Buffer) => void): void {
    this.#active.get(ifindex)?.advertiser.probe((from) => deliver(routerSolicitation(from)));
  }

  /** What hosts were told holds, and addresses and routes stay: the next start finds them. */
  stop(): void {
    for (const { advertiser, socket } of this.#active.values()) {
      advertiser.stop();
      socket.close();
    }
    this.#active.clear();
  }

  /** An interface that has gone, is down, or has no IPv6. What hosts were told holds, and there will be another of its name. */
  #leave(ifindex: number): void {
    const { advertiser, socket, device } = this.#active.get(ifindex)!;
    this.#active.delete(ifindex);
    this.#earlier.set(device, advertiser.advertised);
    advertiser.stop();
    socket.close();
  }

  /** With a last advertisement. */
  #end(ifindex: number): void {
    const { advertiser, socket } = this.#active.get(ifindex)!;
    this.#active.delete(ifindex);
    advertiser.end();
    socket.close();
  }

  /** Whether an address was removed from a link on which nothing is learned. Our address tells that we advertised there. */
  #cleanUp(link: Link): boolean {
    const { ifindex, addresses } = link;
    const ours = addresses.filter(({ isOurs }) => isOurs);
    if (ours.length > 0) this.#dismiss(link);
    for (const { bytes, prefixLength } of ours) this.#routing.removeAddress(ifindex, bytes, prefixLength);
    return ours.length > 0;
  }

  /** What advertisements come from, unless there is one that a route comes with, or the link is not up yet. */
  #addLinkLocal({ name, ifindex, up, addresses }: Link): boolean {
    const isRouted = ({ bytes, prefixLength }: LinkAddress) =>
      contains(linkLocal, bytes) && prefixLength <= linkLocal.length;
    if (!up || addresses.some(isRouted)) return false;
    const publicKey = this.#wireguard.dump(name)?.publicKey;
    if (publicKey === undefined) return false;
    this.#routing.addAddress(ifindex, linkLocalOf(publicKey), linkLocal.length);
    return true;
  }

  #advertise(enabled: Enabled): void {
    const { link } = enabled;
    const active = this.#active.get(link.ifindex) ?? this.#open(link);
    const { advertiser, socket, routes } = active;
    socket.listen();
    const announcement = this.announcement(enabled);
    active.announced = announcement.prefixes.map(({ prefix }) => prefix);
    advertiser.announce(announcement);
    // Nothing leads to all of a shared prefix, but to each address in it.
    this.#keepRoutes(link, announcement.isSharing ? [] : advertiser.departed, routes);
  }

  #open(link: Link): Active {
    const { name: device, ifindex } = link;
    const kept = this.#routing.keptRoutes(link);
    const departed = kept.map(({ prefix, remaining }) => ({ prefix, until: this.#clock.now() + remaining }));
    const routes = new Map(departed.map(({ prefix, until }) => [formatPrefix(prefix), until]));
    const socket = this.#routing.openAdvertisements(link, (from) => advertiser.solicited(from));
    const send = (message: Buffer, to: AddressBytes, peer: string) => {
      if (to[0] !== 0xff) socket.send(message, to);
      else if (opened.isAllNodesTaken) throw new Error('ff02::1 is configured for a peer');
      else this.#sendToAllNodes(link, peer, () => socket.send(message, to));
    };
    const onChange = () => {
      if (this.#active.get(ifindex)?.advertiser === advertiser) this.#onChange();
    };
    const advertiser = new Advertiser(this.#clock, send, onChange, departed, this.#earlier.get(device));
    this.#earlier.delete(device);
    const opened: Active = { device, advertiser, socket, isAllNodesTaken: false, announced: [], routes };
    this.#active.set(ifindex, opened);
    return opened;
  }

  /** The kernel's route to a prefix goes with the interface's address in it, but there are hosts that still have one. */
  #keepRoutes(link: Link, departed: readonly Departed[], routes: Map<string, number>): void {
    const now = this.#clock.now();
    const place = { ifindex: link.ifindex, ...(link.table !== undefined && { table: link.table }) };
    for (const { prefix, until } of departed) {
      const text = formatPrefix(prefix);
      if (Math.abs((routes.get(text) ?? 0) - until) <= SLACK) continue;
      this.#routing.keepRoute({ ...place, prefix, remaining: until - now });
      routes.set(text, until);
    }
    const wanted = new Map(departed.map(({ prefix }) => [formatPrefix(prefix), prefix]));
    for (const text of routes.keys()) {
      if (wanted.has(text)) continue;
      this.#routing.dropRoute({ ...place, prefix: parsePrefix(text)! });
      routes.delete(text);
    }
  }

  /** What peers of an interface are told, if there are advertisements. */
  announcement({ link, shared, settings, search = [] }: Enabled): Announcement {
    const { advertiser } = this.#active.get(link.ifindex) ?? {};
    const ofOthers = shared ? sharedPrefixes(shared) : [];
    const inUse = [
      ...onLinkPrefixes(link),
      ...ofOthers,
      ...settings.prefixes,
      ...(advertiser?.advertised.prefixes ?? []),
    ];
    const prefixes = announcedPrefixes(link, shared, this.#clock.now());
    const { raDefault, raPreference, raRoutes, raDns, raSearch, raMtu } = settings;
    const isDefaultRouter =
      raDefault === 'auto'
        ? this.#routing.isForwarding(link.name) && this.#leadsOn(link, inUse)
        : raDefault === '1';
    return {
      isDefaultRouter,
      preference: raPreference,
      mtu: raMtu === 'auto' ? link.mtu : raMtu,
      prefixes,
      ...(settings.share !== undefined && { isSharing: true }),
      // No host on a shared link is on the link of peers.
      routes: [...(isDefaultRouter ? [] : ofOthers), ...raRoutes],
      servers: raDns.flatMap((each) => (each === 'auto' ? this.#servers(link, shared, prefixes) : [each])),
      search: raSearch.flatMap((each) => (each === 'auto' ? search : [each])),
    };
  }

  /** Whether anything from any of these prefixes gets any farther than this router. */
  #leadsOn({ ifindex }: Link, prefixes: readonly Prefix[]): boolean {
    return prefixes.some(
      ({ bytes }) => !contains(uniqueLocal, bytes) && this.#routing.leadsOn(ifindex, bytes),
    );
  }

  /** One address of the router at which a DNS server listens. */
  #servers(link: Link, shared: Link | undefined, prefixes: readonly AnnouncedPrefix[]): AddressBytes[] {
    const listeners = new Set(this.#routing.dnsListeners().map(formatAddress));
    const isServed = ({ bytes }: LinkAddress) =>
      listeners.has(formatAddress(anyAddress)) || listeners.has(formatAddress(bytes));
    const inPrefixes = [...link.addresses, ...(shared?.addresses ?? [])].filter(
      ({ bytes, preferred }) => preferred > 0 && prefixes.some(({ prefix }) => contains(prefix, bytes)),
    );
    const inLink = link.addresses.filter(({ bytes }) => contains(linkLocal, bytes));
    const found = [...inPrefixes, ...inLink].find(isServed);
    return found ? [found.bytes] : [];
  }

  #problemsOf({ link, shared }: Enabled): Problem[] {
    const { name: device, ifindex, addresses } = link;
    const { advertiser, announced = [] } = this.#active.get(ifindex) ?? {};
    const problems: Problem[] = [];
    for (const name of [device, ...(shared ? [shared.name] : [])])
      if (!this.#routing.isForwarding(name)) problems.push({ code: 'no-forwarding', data: { device: name } });
    const hasPrefix = addresses.some(
      ({ bytes, isAutoconfigured }) => !contains(linkLocal, bytes) && !isAutoconfigured,
    );
    if (hasPrefix && announcedPrefixes(link, shared, 0).length === 0)
      problems.push({ code: 'no-64', data: { device } });
    const leftOut = advertiser?.leftOut;
    if (leftOut && Object.values(leftOut).some((count) => count > 0))
      problems.push({ code: 'ra-too-long', data: { device, ...leftOut } });
    if (advertiser?.isBlocked) problems.push({ code: 'ra-blocked', data: { device } });
    const prefix = announced.map(formatPrefix).join(', ');
    for (const peer of (prefix && advertiser?.unheeding) || [])
      problems.push({ code: 'ra-unheeded', data: { device, peer, prefix } });
    if (advertiser?.isDeaf) problems.push({ code: 'solicitations-blocked', data: { device } });
    return problems;
  }
}

function isAllNodesTaken({ peers }: Device): boolean {
  return peers.some(({ addresses }) => addresses.includes(ALL_NODES));
}

/** Each link-local address that peers have; at ff02::1, if that may be, peers without one that have ever had a session. */
function recipientsOf({ peers }: Device, mayUseAllNodes: boolean): Recipient[] {
  return peers.flatMap(({ key: peer, addresses, latestHandshake }) => {
    const known = addresses.filter(isLinkLocal);
    if (mayUseAllNodes && known.length === 0 && latestHandshake > 0) known.push(ALL_NODES);
    return known.map((address) => ({ peer, address, latestHandshake }));
  });
}

function isInOneOf(prefixes: readonly Prefix[], address: AddressBytes): boolean {
  return prefixes.some((prefix) => contains(prefix, address));
}

/** A peer with more than a single address in a prefix is a router, which takes no advertisements. */
function usesOneOf(announced: readonly Prefix[], { addresses, prefixes }: Peer): boolean {
  return (
    addresses.some((address) => isInOneOf(announced, parseAddress(address)!)) ||
    prefixes.some(({ bytes }) => isInOneOf(announced, bytes))
  );
}

function isUsable({ up, noIpv6 }: Link): boolean {
  return up && !noIpv6;
}

function isWanted({ settings: { ra }, otherAdvertiser, link }: Enabled): boolean {
  return isUsable(link) && (ra === '1' || (ra === 'auto' && otherAdvertiser === undefined));
}

function conflictOf({ settings, otherAdvertiser, link: { name: device } }: Enabled): Problem[] {
  if (settings.ra !== 'auto' || otherAdvertiser === undefined) return [];
  return [{ code: 'ra-conflict', data: { device, advertiser: otherAdvertiser } }];
}

/** Each /64 of a link's addresses, and of one that is shared, for as long as the one that lasts longest. */
function announcedPrefixes(link: Link, shared: Link | undefined, now: number): AnnouncedPrefix[] {
  const found = new Map<string, AnnouncedPrefix>();
  // What a peer has advertised is nobody's, but on a shared link it is the router's choice.
  const own = link.addresses.filter(({ isAutoconfigured }) => !isAutoconfigured);
  const addresses = [
    ...own.map((each) => ({ ...each, onLink: true })),
    ...(shared?.addresses ?? []).map((each) => ({ ...each, onLink: false })),
  ];
  for (const { onLink, preferred, valid, ...address } of addresses) {
    const prefix = slaacPrefix(address);
    if (!prefix) continue;
    const text = formatPrefix(prefix);
    const known = found.get(text);
    const preferredUntil = preferred > 0 ? now + preferred - ROUNDING : Number.NEGATIVE_INFINITY;
    found.set(text, {
      prefix,
      onLink: known?.onLink ?? onLink,
      preferredUntil: Math.max(known?.preferredUntil ?? Number.NEGATIVE_INFINITY, preferredUntil),
      validUntil: Math.max(known?.validUntil ?? 0, now + valid - ROUNDING),
    });
  }
  return [...found.values()].sort((a, b) => Buffer.compare(a.prefix.bytes, b.prefix.bytes));
}

/** Always the same for an interface, and nobody else's: its identifier is made of the interface's public key. */
export function linkLocalOf(publicKey: string): AddressBytes {
  const address = linkLocal.bytes.slice();
  // Not imported: most interfaces have such an address, and it takes a tenth of a start to load.
  const { createHash } = process.getBuiltinModule('node:crypto');
  address.set(createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest().subarray(0, 8), 8);
  return address;
}
