// SPDX-License-Identifier: GPL-2.0-only
// Configurations for clients: brings together what the configuration, the kernel and the network say of a peer.

import { type AddressBytes, contains, type Prefix, parseAddress, prefixOf } from '../address.ts';
import { formatAddress, formatPrefix } from '../address-text.ts';
import type { ClientAnswer, ClientSystem, InterfacePeer } from '../answers.ts';
import { addressInNetwork, chooseAddress, singleAddress } from '../clients/addresses.ts';
import { ALL_IPV4, type Client, endpointOf, isIpv4, type RouterSide } from '../clients/facts.ts';
import { missingIn } from '../clients/placeholders.ts';
import { setupOf, textOf } from '../clients/setup.ts';
import type { Engine } from '../engine/engine.ts';
import type { InterfaceFacts } from '../engine/view.ts';
import type { Device, Peer } from '../model.ts';
import { inScope, isLinkLocal, linkLocal } from '../scope.ts';
import { UbusError, ubusStatus } from '../ubus/types.ts';
import type { InterfaceSection } from './config.ts';
import type { PeerSection } from './peers.ts';
import type { Reach } from './reachable.ts';

export interface ClientSubject {
  readonly engine: Engine;
  /** What the configuration says of the peers of a device that are not disabled. */
  peersOf(device: string): readonly PeerSection[];
  /** What the configuration calls a peer of an interface. */
  describePeer(name: string, peer: string): string | undefined;
  /** Whether the interface gets another port whenever it is made anew. */
  hasRandomPort(device: string): boolean;
  /** The networks of IPv4 that the interface has, as far as they are known. */
  ipv4Of(device: string): readonly string[];
  /** Its name in DNS, if it has one. */
  namePeer(name: string, peer: string): string | undefined;
  /** Under what the router can be reached, the best first. */
  hosts(): Promise<readonly string[]>;
}

/** Those of an interface that are not disabled: configured ones, in their order, and what else the kernel has. */
export function listPeers(subject: ClientSubject, { name, device }: InterfaceSection): InterfacePeer[] {
  const configured = subject.peersOf(device).map(({ key }) => key);
  const present = subject.engine.view.facts(name)?.device.peers.map(({ key }) => key) ?? [];
  return [...new Set([...configured, ...present])].map((peer) => ({ interface: name, peer }));
}

/** What `reach` does not give is found out. Throws UbusError: notFound if there is no such peer, noData while nothing is known of its interface. */
export async function configureClient(
  subject: ClientSubject,
  section: InterfaceSection,
  peer: string,
  system: ClientSystem,
  reach: Reach,
): Promise<Omit<ClientAnswer, 'description' | 'name'>> {
  if (!listPeers(subject, section).some((each) => each.peer === peer))
    throw new UbusError(ubusStatus.notFound, `${section.name}: there is no peer ${peer}`);
  const hosts = await subject.hosts();
  const facts = subject.engine.view.facts(section.name);
  if (!facts) throw new UbusError(ubusStatus.noData, `${section.name}: nothing is learned on it now`);
  const configured = subject.peersOf(section.device).filter(({ key }) => key === peer);
  const client = clientOf(peer, subject.describePeer(section.name, peer), configured, facts);
  // Whoever has the router be no default router wants a split tunnel.
  const networks = section.settings.raDefault === '0' ? subject.ipv4Of(section.device) : [];
  const ipv4 = networks.length > 0 ? networks : [ALL_IPV4];
  const host = reach.host ?? hosts.find((each) => !isInTunnel(each, facts));
  const router = routerOf(facts, { ...reach, host }, subject.hasRandomPort(section.device), ipv4);
  const setup = setupOf(client, router, system);
  const configuration = textOf(client, setup);
  return {
    interface: section.name,
    peer,
    for: system,
    endpoint: endpointOf(router),
    configuration,
    missing: missingIn(configuration),
  };
}

function clientOf(
  peer: string,
  description: string | undefined,
  configured: readonly PeerSection[],
  facts: InterfaceFacts,
): Client {
  const allowedIps = configured.flatMap(({ allowedIps }) => allowedIps);
  const singles = allowedIps.flatMap((text) => singleAddress(text) ?? []);
  const inNetworks = allowedIps
    .flatMap((text) => addressInNetwork(text) ?? [])
    .filter((address) => !singles.some((single) => isIpv4(single) === isIpv4(address)));
  const addresses = [...new Set([...singles, ...inNetworks])];
  const isFree = (address: AddressBytes) =>
    inScope(facts.scope, address) && [undefined, peer].includes(ownerOf(facts.device, address));
  const has = (prefix: Prefix) =>
    addresses.some((text) => text.includes(':') && contains(prefix, parseAddress(text)!));
  const fixedAddresses = prefixesOf(facts)
    .flatMap((prefix) => routedIn(prefix, facts))
    .filter((prefix) => !has(prefix))
    .flatMap((prefix) => chooseAddress(prefix, peer, isFree) ?? []);
  const hasPresharedKey = facts.device.peers.some((each) => each.key === peer && each.hasPresharedKey);
  return { peer, description, hasPresharedKey, addresses, fixedAddresses };
}

function routerOf(
  facts: InterfaceFacts,
  { host, port }: Reach,
  isPortRandom: boolean,
  ipv4: readonly string[],
): RouterSide {
  const { device, link, announcement } = facts;
  return {
    publicKey: device.publicKey,
    host,
    port: port ?? device.listenPort,
    hasRandomPort: port === undefined && isPortRandom,
    mtu: link.mtu,
    prefixes: [...prefixesOf(facts), ...aloneOf(facts)],
    // A link-local one would need a zone, which no configuration can have.
    servers: announcement.servers.map(formatAddress).filter((server) => !isLinkLocal(server)),
    routes: announcement.routes,
    isDefaultRouter: announcement.isDefaultRouter,
    ipv4,
  };
}

/** Whether clients have a route into the tunnel for an address: WireGuard's own packets would go there, too. */
function isInTunnel(host: string, facts: InterfaceFacts): boolean {
  const bytes = parseAddress(host);
  const routed = [...prefixesOf(facts), ...facts.announcement.routes];
  return bytes !== undefined && routed.some((prefix) => contains(prefix, bytes));
}

/** Where peers may have addresses, without what is deprecated: each once. */
function prefixesOf({ scope, link }: InterfaceFacts): Prefix[] {
  const isDeprecated = (prefix: Prefix) => {
    const own = link.addresses.filter(({ bytes }) => contains(prefix, bytes));
    return own.length > 0 && own.every(({ preferred }) => preferred === 0);
  };
  const usable = scope.learn.filter((prefix) => prefix !== linkLocal && !isDeprecated(prefix));
  return [...new Map(usable.map((prefix) => [formatPrefix(prefix), prefix])).values()];
}

/** The router's own addresses in no such prefix, as where each address stands by itself: peers may look for its DNS server there. */
function aloneOf({ scope, link }: InterfaceFacts): Prefix[] {
  const outside = link.addresses.filter(
    ({ bytes, preferred }) => preferred > 0 && !scope.learn.some((prefix) => contains(prefix, bytes)),
  );
  return outside.map(({ bytes }) => prefixOf(bytes, 128));
}

/** Of a prefix that is wider than what is advertised in it, only that is sure to lead back to peers. */
function routedIn(prefix: Prefix, { announcement }: InterfaceFacts): Prefix[] {
  const announced = announcement.prefixes.map((each) => each.prefix);
  const inside = announced.filter(({ bytes }) => prefix.length < 64 && contains(prefix, bytes));
  return inside.length > 0 ? inside : [prefix];
}

/** The peer whose allowed IP is the longest that holds an address. */
function ownerOf({ peers }: Device, address: AddressBytes): string | undefined {
  const text = formatAddress(address);
  const length = ({ addresses, prefixes }: Peer) =>
    addresses.includes(text)
      ? 128
      : Math.max(-1, ...prefixes.filter((prefix) => contains(prefix, address)).map(({ length }) => length));
  const [owner] = peers
    .map((peer) => ({ key: peer.key, length: length(peer) }))
    .filter(({ length }) => length >= 0)
    .sort((a, b) => b.length - a.length);
  return owner?.key;
}
