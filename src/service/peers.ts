// SPDX-License-Identifier: GPL-2.0-only
// What /etc/config/network says about peers: sections of type wireguard_<device>.

import { parsePrefix } from '../address.ts';
import { formatAddress } from '../address-text.ts';
import type { PeerAddress } from '../model.ts';
import { isPublicKey } from '../settings.ts';
import type { UbusTable } from '../ubus/types.ts';
import { ofHandler, type ofScript } from './booleans.ts';
import { sectionsOf } from './sections.ts';

export interface PeerSection {
  /** Of UCI, such as "cfg0f8a3c". */
  readonly section: string;
  /** The public key in base64. */
  readonly key: string;
  readonly description: string | undefined;
  readonly disabled: boolean;
  /** Each as written: netifd splits an option at spaces, and wg(8) at commas what netifd hands to it. */
  readonly allowedIps: readonly string[];
}

/** All that is read of a peer: its section has secrets, too. */
export const peerOptions = ['public_key', 'description', 'disabled', 'allowed_ips'] as const;

/**
 * The `values` of rpcd's answer to `uci get` of one device's peers. Sections without a public key are left out. `isTrue` is how
 * netifd's handler for WireGuard reads a boolean.
 */
export function parsePeers(values: UbusTable, isTrue: typeof ofScript = ofHandler): PeerSection[] {
  return sectionsOf(values).flatMap(({ name: section, options }) => {
    const key = options.get('public_key')?.[0]?.trim() ?? '';
    if (!isPublicKey(key)) return [];
    return [
      {
        section,
        key,
        description: options.get('description')?.[0],
        disabled: isTrue(options.get('disabled')?.[0]) === true,
        allowedIps: (options.get('allowed_ips') ?? [])
          .flatMap((text) => text.split(/[\s,]+/))
          .filter(Boolean),
      },
    ];
  });
}

/** Whether a list of allowed IPs names an address by itself: with /128, or without a length, as wg(8) takes it. */
export function lists(allowedIps: readonly string[], address: string): boolean {
  return allowedIps.some((text) => canonical(text) === address);
}

/** wg(8) takes a "+" in front, which adds nothing to the meaning, and "-" for one that is to be removed. */
function canonical(allowedIp: string): string | undefined {
  const text = allowedIp.replace(/^\+/, '');
  const prefix = parsePrefix(text.includes('/') ? text : `${text}/128`);
  return prefix?.length === 128 ? formatAddress(prefix.bytes) : undefined;
}

/** If a peer has several sections, wg(8) has the last one replace the allowed IPs of those before. */
function lastOfEach(sections: readonly PeerSection[]): PeerSection[] {
  return [...new Map(sections.map((section) => [section.key, section])).values()];
}

/** All devices' peers. */
export class PeerTable {
  readonly #descriptions = new Map<string, string>();
  /** By device and address: the keys of the peers that it is configured for. */
  readonly #configured = new Map<string, Map<string, Set<string>>>();
  readonly #inForce = new Map<string, readonly PeerSection[]>();
  readonly #known = new Set<string>();

  constructor(devices: ReadonlyMap<string, readonly PeerSection[]> = new Map()) {
    for (const [device, sections] of devices) {
      const inForce = lastOfEach(sections.filter(({ disabled }) => !disabled));
      this.#inForce.set(device, inForce);
      for (const { key } of sections) this.#known.add(`${device} ${key}`);
      // A disabled section names a peer only if it has no other: an import may leave that of a device which was sold.
      const keys = new Set(inForce.map(({ key }) => key));
      for (const section of sections)
        if (!section.disabled || !keys.has(section.key)) this.#describe(device, section);
      const configured = new Map<string, Set<string>>();
      this.#configured.set(device, configured);
      for (const { key, allowedIps } of inForce) {
        for (const text of allowedIps) {
          const address = canonical(text);
          if (address !== undefined) configured.set(address, (configured.get(address) ?? new Set()).add(key));
        }
      }
    }
  }

  #describe(device: string, { key, description }: PeerSection): void {
    if (description !== undefined) this.#descriptions.set(`${device} ${key}`, description);
  }

  /** Those that are not disabled, one for each peer. */
  inForce(device: string): readonly PeerSection[] {
    return this.#inForce.get(device) ?? [];
  }

  description(device: string, key: string): string | undefined {
    return this.#descriptions.get(`${device} ${key}`);
  }

  /** Whether a device has other peers by configuration, and not this one. */
  isGone(device: string, key: string): boolean {
    const inForce = this.inForce(device);
    return inForce.length > 0 && inForce.every((section) => section.key !== key);
  }

  /**
   * Whether a device has its peers by configuration, and this one not even as a disabled one. `isManaged`: it has no others,
   * should it have none there.
   */
  isUnknown(device: string, key: string, isManaged: boolean): boolean {
    const sections = this.#inForce.get(device);
    return !!sections && (isManaged || sections.length > 0) && !this.#known.has(`${device} ${key}`);
  }

  /** Whether an address is among a peer's configured allowed IPs by itself. */
  isConfigured(device: string, { peer, address }: PeerAddress): boolean {
    return this.#configured.get(device)?.get(address)?.has(peer) ?? false;
  }

  /** The IPv6 addresses among a peer's configured allowed IPs, in the order of the configuration. */
  configured(device: string, key: string): ReadonlySet<string> {
    const own = this.inForce(device).filter((section) => section.key === key);
    const addresses = own.flatMap(({ allowedIps }) => allowedIps.map(canonical));
    return new Set(addresses.filter((address) => address !== undefined));
  }
}
