// SPDX-License-Identifier: GPL-2.0-only
// Keeps the kernel's records of what was learned, which outlive processes and links, in line with the ledger.

import type { Sightings } from '../kernel/ports.ts';
import type { LearnedRecord, PeerAddress } from '../model.ts';
import { type Place, recordOf } from './executor.ts';
import type { Arrival, Entry, Ledger } from './ledger.ts';
import type { LastAddress } from './state.ts';

/** The records as they are at one time, read once for all who look at them then: there may be many. */
export class Records {
  #all: readonly LearnedRecord[] | undefined;
  readonly #sightings: Sightings;

  constructor(sightings: Sightings) {
    this.#sightings = sightings;
  }

  all(): readonly LearnedRecord[] {
    this.#all ??= this.#sightings.records();
    return this.#all;
  }

  /** After they were withdrawn, or have moved. */
  drop(ifindex: number, addresses: readonly string[]): void {
    this.#sightings.dropRecords(ifindex, addresses);
    this.#all = undefined;
  }
}

/** Continues what an earlier process began: `nameOf` tells the configured interface of a device. */
export function takeOver(
  ledger: Ledger,
  records: Records,
  nameOf: (device: string) => string | undefined,
  now: number,
): void {
  for (const record of records.all()) {
    const name = nameOf(record.device);
    if (name !== undefined) adopt(ledger, name, record, now);
  }
}

/**
 * After a reboot, of which the kernel has no record: what peers used last is theirs again before they show themselves, so
 * that no other peer can take it meanwhile, and advertisements go there. As they are learned addresses like any other,
 * everything holds that does for those: none goes to who is no peer any more, none that is another's by configuration,
 * and what is not used expires.
 */
export function recall(
  ledger: Ledger,
  addresses: readonly LastAddress[],
  nameOf: (device: string) => string | undefined,
  now: number,
): void {
  const known = ledger.interfaces();
  for (const { device, peer, address } of addresses) {
    const name = nameOf(device);
    if (name === undefined || known.has(name)) continue;
    adopt(ledger, name, { peer, address, learned: now, lastSeen: now }, Number.NEGATIVE_INFINITY);
  }
}

/**
 * The kernel's records of an interface become what the ledger says, under the ifindex and the name that it has now.
 * What they have of it besides could not be withdrawn when it was disabled: that is learned again.
 */
export function alignRecords(
  ledger: Ledger,
  name: string,
  place: Place,
  records: Records,
  now: number,
): void {
  const { sightings, ifindex, device } = place;
  const kept = new Set<string>();
  for (const record of records.all()) {
    const isOfThisLink = record.ifindex === ifindex;
    if (!isOfThisLink && record.device !== device) continue;
    let entry = ledger.get(name, record.address);
    if (!entry && isOfThisLink) entry = adopt(ledger, name, record, now);
    if (entry?.peer === record.peer) {
      entry.lastSeen = Math.max(entry.lastSeen, record.lastSeen);
      if (isOfThisLink && record.device === device) kept.add(record.address);
    }
    if (!isOfThisLink) records.drop(record.ifindex, [record.address]);
  }
  for (const entry of ledger.entries(name)) {
    if (!kept.has(entry.address)) sightings.keepRecord(recordOf(entry, place));
  }
}

/** Records by ifindex that the ledger does not have: learned where nothing is to be learned any more. */
export function leftovers(
  ledger: Ledger,
  records: Records,
  nameOf: (device: string) => string | undefined,
): Map<number, LearnedRecord[]> {
  const found = new Map<number, LearnedRecord[]>();
  for (const record of records.all()) {
    const name = nameOf(record.device);
    if (name !== undefined && ledger.get(name, record.address)) continue;
    const others = found.get(record.ifindex);
    if (others) others.push(record);
    else found.set(record.ifindex, [record]);
  }
  return found;
}

const ADOPTED: Arrival = { event: 'adopted' };

function adopt(
  ledger: Ledger,
  name: string,
  record: PeerAddress & Pick<Entry, 'learned' | 'lastSeen'>,
  confirmed: number,
): Entry {
  const { address, learned, lastSeen } = record;
  const peer = ledger.keyOf(name, record.peer);
  const entry = { interface: name, address, peer, learned, lastSeen, confirmed };
  ledger.put(entry);
  ledger.tellPresent(entry, ADOPTED);
  return entry;
}
