// SPDX-License-Identifier: GPL-2.0-only
// What is to be learned, and where, by configuration.

import type { Sightings } from '../kernel/ports.ts';
import type { Link, PeerAddress } from '../model.ts';
import type { Absence, Assignment, Exhausted } from '../problem.ts';
import type { InterfaceSettings } from '../settings.ts';
import { type Share, shareOf } from '../sharing/share.ts';

export interface InterfaceConfig {
  /** What people call it, and the ledger. */
  readonly name: string;
  /** The kernel's name of it. */
  readonly device: string;
  readonly settings: InterfaceSettings;
  /** Who else is configured to send Router Advertisements there, in words. */
  readonly otherAdvertiser?: string;
  /** Why there may be no such device. */
  readonly absence?: Absence;
  /** Why it may have no prefix, although it is configured to get one. */
  readonly assignment?: Assignment;
  /** The delegated prefix that it is to have a part of, but that others have all of. */
  readonly exhausted?: Exhausted;
  /** The device that `settings.share` stands for, if that is no device itself. */
  readonly sharedDevice?: string;
  /** Who else is configured to answer for addresses on that device, in words. */
  readonly rival?: string;
  /** DNS domains that peers are told to search in. */
  readonly search?: readonly string[];
}

export interface EngineConfig {
  readonly hook: 'auto' | Sightings['hook'];
  /** The enabled ones. */
  readonly interfaces: readonly InterfaceConfig[];
  /** Whether configuration gives an address to the peer of a device, so that it is not ours to withdraw. */
  isConfigured?(device: string, address: PeerAddress): boolean;
  /** Whether a peer that WireGuard does not have is missing by configuration, so that nobody need wait for it. */
  isGone?(device: string, peer: string): boolean;
}

/** An enabled interface beside what the system has of it. */
export interface EnabledInterface {
  readonly config: InterfaceConfig;
  /** Undefined while there is no such device. */
  readonly link: Link | undefined;
  /** The other link whose prefixes its peers have addresses in; undefined if it shares none. */
  readonly share: Share | undefined;
}

/** The enabled interfaces among all links of the system. */
export function enabledAmong({ interfaces }: EngineConfig, links: readonly Link[]): EnabledInterface[] {
  return interfaces.map((config) => {
    const link = links.find(({ name }) => name === config.device);
    const { name, settings, sharedDevice, rival } = config;
    const isSharing = link && settings.share !== undefined;
    const share = isSharing && shareOf({ name, share: settings.share, sharedDevice, rival, link }, links);
    return { config, link, share: share || undefined };
  });
}
