// SPDX-License-Identifier: GPL-2.0-only
// Takes back what an earlier process lent.

import { formatAddress } from '../../address-text.ts';
import type { AllowedIp, Device } from '../../model.ts';
import type { LentRecord } from '../abi.ts';
import type { BpfSightings } from '../bpf-sightings.ts';
import type { WireGuard } from '../ports.ts';
import { allowedIp, same } from './loans.ts';

/** Withdraws what is on record as lent, by whomever; answers with the borrowers by ifindex. */
export function recallLoans(sightings: BpfSightings, wireguard: WireGuard): Map<number, string> {
  const borrowers = new Map<number, string>();
  const records = sightings.lentRecords();
  for (const device of new Set(records.map((record) => record.device))) {
    const lent = records.filter((record) => record.device === device);
    const found = wireguard.dump(device);
    if (found) wireguard.remove(device, heldOf(found, lent));
    for (const record of lent) {
      if (found?.ifindex === record.ifindex) borrowers.set(record.ifindex, record.peer);
      sightings.forgetLent(record);
    }
  }
  return borrowers;
}

/** Who has what is lent: one killed while it moved a loan had recorded that before it was done. */
function heldOf({ ifindex, peers }: Device, records: readonly LentRecord[]): AllowedIp[] {
  const lent = records.filter((record) => record.ifindex === ifindex).map(({ prefix }) => prefix);
  const addresses = new Set(
    lent.filter(({ length }) => length === 128).map(({ bytes }) => formatAddress(bytes)),
  );
  return peers.flatMap((peer) => [
    ...peer.prefixes
      .filter((prefix) => lent.some((other) => same(other, prefix)))
      .map((prefix) => allowedIp(peer.key, prefix)),
    ...peer.addresses
      .filter((address) => addresses.has(address))
      .map((address) => ({ peer: peer.key, address })),
  ]);
}
