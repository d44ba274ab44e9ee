// SPDX-License-Identifier: GPL-2.0-only
// Reaching a peer whose addresses are not known: WireGuard sends to a peer whatever goes to its allowed IPs.

import { constants } from 'node:os';
import { parsePrefix } from '../address.ts';
import type { Device, Link } from '../model.ts';
import type { LentRecord } from './abi.ts';
import type { BpfSightings } from './bpf-sightings.ts';
import { hasErrno } from './netlink-socket.ts';
import type { WireGuard } from './ports.ts';

export const ALL_NODES = 'ff02::1';
const prefix = parsePrefix(`${ALL_NODES}/128`)!;

const { ENODEV, EOPNOTSUPP, ENOENT } = constants.errno;

export class AllNodes {
  readonly #sightings: BpfSightings;
  readonly #wireguard: WireGuard;
  /** What could not be taken back. */
  #left: readonly LentRecord[] = [];

  constructor(sightings: BpfSightings, wireguard: WireGuard) {
    this.#sightings = sightings;
    this.#wireguard = wireguard;
  }

  /**
   * Calls back while ff02::1 is an allowed IP of a peer. What is sent there meanwhile is in that peer's queue when the
   * system call returns, as the device of a WireGuard interface has no queue of its own. On record before it is lent: if we
   * are killed in between, the next start takes it back.
   */
  lend({ name: device, ifindex }: Pick<Link, 'name' | 'ifindex'>, peer: string, act: () => void): void {
    const record = { ifindex, device, peer, prefix };
    this.#takeBackLeft();
    this.#sightings.rememberLent(record);
    try {
      this.#wireguard.add(device, [{ peer, address: ALL_NODES }]);
      act();
    } finally {
      this.#takeBack(record);
    }
  }

  /** A device as it is but for what could not be taken back so far. */
  without(device: Device): Device {
    if (this.#left.length === 0) return device;
    this.#takeBackLeft();
    const holders = new Set(
      this.#left.filter(({ ifindex }) => ifindex === device.ifindex).map(({ peer }) => peer),
    );
    const peers = device.peers.map((peer) =>
      holders.has(peer.key)
        ? { ...peer, addresses: peer.addresses.filter((address) => address !== ALL_NODES) }
        : peer,
    );
    return { ...device, peers };
  }

  #takeBackLeft(): void {
    for (const record of this.#left) this.#takeBack(record);
  }

  /** It is tried again if it fails, unless the interface is gone, and all that was lent there with it. */
  #takeBack(record: LentRecord): void {
    this.#left = this.#left.filter((other) => other !== record);
    try {
      this.#wireguard.remove(record.device, [{ peer: record.peer, address: ALL_NODES }]);
    } catch (error) {
      if (!hasErrno(error, ENODEV, EOPNOTSUPP, ENOENT)) {
        this.#left = [...this.#left, record];
        return;
      }
    }
    this.#sightings.forgetLent(record);
  }
}
