// SPDX-License-Identifier: GPL-2.0-only
// What peers are called: each name is a label of DNS, and one peer's only.

import type { Problem } from '../problem.ts';
import { type Dns, labelOf } from '../settings.ts';
import type { InterfaceSection, PeerOptions } from './config.ts';
import type { PeerTable } from './peers.ts';

/** A peer of an enabled interface, with what is to be done for it. */
export interface NamedPeer {
  readonly interface: string;
  readonly device: string;
  /** The public key in base64. */
  readonly key: string;
  /** Undefined if it has none that is valid and nobody else's. */
  readonly name: string | undefined;
  readonly dns: Dns;
  /** Sets of nftables that the configuration names for it. */
  readonly nftsets: readonly string[];
  /** That of its interface's prefix and its name, if it has both. */
  readonly derivedSet: string | undefined;
}

/** A peer before names are settled. */
interface Candidate extends Omit<NamedPeer, 'name' | 'derivedSet'> {
  readonly prefix: string | undefined;
  readonly given: string | undefined;
  readonly label: string | undefined;
}

/**
 * A name that is given counts for more than one that is made of a description, and the first of those that are given the
 * same has it. Of those whose descriptions make the same nobody has it: it would not be clear whose it is. A peer of several
 * interfaces is the same peer. `hostname` is the router's own; `managed` devices have their peers by configuration only.
 */
export function namePeers(
  interfaces: readonly InterfaceSection[],
  peers: PeerTable,
  options: readonly PeerOptions[],
  hostname: string,
  managed: Pick<ReadonlySet<string>, 'has'> = new Set(),
): { peers: NamedPeer[]; problems: Problem[] } {
  const enabled = interfaces.filter(({ enabled }) => enabled);
  const candidates = enabled.flatMap((section) => candidatesOf(section, peers, options));
  const owners = new Map([[hostname.toLowerCase(), '']]);
  for (const { given, key } of candidates)
    if (given !== undefined && !owners.has(given)) owners.set(given, key);
  const byLabel = new Map<string, Set<string>>();
  for (const { label, key } of candidates)
    if (label !== undefined) byLabel.set(label, (byLabel.get(label) ?? new Set()).add(key));
  const has = ({ given, label, key }: Candidate) =>
    given !== undefined
      ? owners.get(given) === key
      : label !== undefined && (owners.get(label) ?? key) === key && byLabel.get(label)!.size === 1;
  const devices = new Set(enabled.map(({ device }) => device));
  const strangers = options
    .filter(({ device, key }) => devices.has(device) && peers.isUnknown(device, key, managed.has(device)))
    .map(({ section, device }): Problem => {
      return { code: 'ignored-section', data: { section, reason: 'no-peer', device } };
    });
  const nameless = candidates
    .filter((candidate) => isWanted(candidate) && !has(candidate))
    .map(({ device, key, given, label }): Problem => {
      const description = peers.description(device, key);
      const data = { device, peer: key, ...(description && { description }), name: (given ?? label)! };
      return { code: 'name-taken', data };
    });
  return {
    problems: [...strangers, ...nameless],
    peers: candidates.map(({ prefix, given, label, ...peer }) => {
      const name = has({ ...peer, prefix, given, label }) ? (given ?? label) : undefined;
      const derivedSet = prefix !== undefined && name !== undefined ? `${prefix}${name}` : undefined;
      return { ...peer, name, derivedSet };
    }),
  };
}

/** Those that are configured for WireGuard, and those that are only spoken of here: they may be set by other means. */
function candidatesOf(
  { name, device, dns, nftsetPrefix }: InterfaceSection,
  peers: PeerTable,
  options: readonly PeerOptions[],
): Candidate[] {
  const own = options.filter((each) => each.device === device);
  const keys = new Set([...peers.inForce(device), ...own].map(({ key }) => key));
  return [...keys].map((key) => {
    const said = own.find((each) => each.key === key);
    return {
      interface: name,
      device,
      key,
      dns: said?.dns ?? dns,
      nftsets: said?.nftsets ?? [],
      prefix: nftsetPrefix,
      given: said?.name,
      label: said?.name === undefined ? labelOf(peers.description(device, key)) : undefined,
    };
  });
}

/** Whether anything is to be done by its name. */
function isWanted({ dns, prefix, given, label }: Candidate): boolean {
  return given !== undefined || (label !== undefined && (dns !== '0' || prefix !== undefined));
}

/** Of one or more labels: what may stand behind a name. */
export function isDomain(text: string): boolean {
  return (
    text.length <= 180 &&
    text.split('.').every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?$/i.test(label))
  );
}
