// SPDX-License-Identifier: GPL-2.0-only

import { beforeEach, expect, it } from 'vitest';
import type { LentRecord } from '../../src/kernel/abi.ts';
import { AllNodes } from '../../src/kernel/all-nodes.ts';
import type { BpfSightings } from '../../src/kernel/bpf-sightings.ts';
import { NetlinkError } from '../../src/kernel/netlink-socket.ts';
import type { WireGuard } from '../../src/kernel/ports.ts';
import type { PeerAddress } from '../../src/model.ts';
import { alice, bob, deviceOf, nameOf } from './bench.ts';

const ENODEV = 19;
const ENOBUFS = 105;

let log: string[];
let records: Set<string>;
let failure: number | undefined;
let allNodes: AllNodes;

const link = { name: 'wg1', ifindex: 7 };

beforeEach(() => {
  log = [];
  records = new Set();
  failure = undefined;
  const textOf = ({ ifindex, peer }: LentRecord) => `${ifindex} ${nameOf(peer)}`;
  const sightings = {
    rememberLent: (record: LentRecord) => void records.add(textOf(record)),
    forgetLent: (record: LentRecord) => void records.delete(textOf(record)),
  } as BpfSightings;
  const change = (what: string) => (device: string, entries: readonly PeerAddress[]) => {
    if (failure !== undefined && what === 'remove') throw new NetlinkError(failure, 'WG_CMD_SET_DEVICE');
    for (const { peer, address } of entries) log.push(`${what} ${device} ${address} ${nameOf(peer)}`);
  };
  const wireguard = { add: change('add'), remove: change('remove') } as unknown as WireGuard;
  allNodes = new AllNodes(sightings, wireguard);
});

const lend = (peer = alice) =>
  allNodes.lend(link, peer, () => log.push(`send, on record: ${[...records].join()}`));

it('is a peer’s while something is sent, and on record for as long', () => {
  lend();
  expect(log).toEqual(['add wg1 ff02::1 alice', 'send, on record: 7 alice', 'remove wg1 ff02::1 alice']);
  expect([...records]).toEqual([]);
});

it('is taken back although sending fails', () => {
  const act = () => {
    throw new Error('EPERM');
  };
  expect(() => allNodes.lend(link, alice, act)).toThrow('EPERM');
  expect(log.at(-1)).toBe('remove wg1 ff02::1 alice');
});

it('is nobody’s to see while it cannot be taken back, which is tried with the next look', () => {
  failure = ENOBUFS;
  lend();
  expect([...records]).toEqual(['7 alice']);
  const device = deviceOf({ [alice]: ['ff02::1/128', 'fe80::a/128'], [bob]: [] });
  expect(allNodes.without(device).peers.map(({ addresses }) => addresses)).toEqual([['fe80::a'], []]);
  failure = undefined;
  log = [];
  allNodes.without(device);
  expect(log).toEqual(['remove wg1 ff02::1 alice']);
  expect([...records]).toEqual([]);
  expect(allNodes.without(device)).toBe(device);
});

it('is off the record when the interface is gone', () => {
  failure = ENODEV;
  lend();
  expect([...records]).toEqual([]);
});
