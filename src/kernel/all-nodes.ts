// SPDX-License-Identifier: GPL-2.0-only
// Reaching a peer whose addresses are not known: WireGuard sends to a peer whatever goes to its allowed IPs.

import { parsePrefix } from '../address.ts';
import type { Link } from '../model.ts';
import type { BpfSightings } from './bpf-sightings.ts';
import type { WireGuard } from './ports.ts';

const prefix = parsePrefix('ff02::1/128')!;

/**
 * Calls back while ff02::1 is an allowed IP of a peer. What is sent there meanwhile is in that peer's queue when the system
 * call returns, as the device of a WireGuard interface has no queue of its own. On record before it is lent: if we are
 * killed in between, the next start takes it back.
 */
export function lendAllNodes(
  sightings: BpfSightings,
  wireguard: WireGuard,
  { name: device, ifindex }: Pick<Link, 'name' | 'ifindex'>,
  peer: string,
  act: () => void,
): void {
  const record = { ifindex, device, peer, prefix };
  const allowedIps = [{ peer, address: 'ff02::1' }];
  sightings.rememberLent(record);
  try {
    wireguard.add(device, allowedIps);
    act();
  } finally {
    wireguard.remove(device, allowedIps);
    sightings.forgetLent(record);
  }
}
