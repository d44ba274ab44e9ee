// SPDX-License-Identifier: GPL-2.0-only
// What the page asks the router, and what it answers.

import rpc from 'luci:rpc';
import type {
  AddressesAnswer,
  ClientAnswer,
  ClientSystem,
  DeniedAnswer,
  HistoryAnswer,
  PeersAnswer,
  StatusAnswer,
} from '../../src/answers.ts';
import { parseBoolean } from '../../src/settings.ts';

/** An interface as netifd knows it. */
export interface NetifdInterface {
  readonly interface: string;
  readonly proto?: string;
  readonly l3_device?: string;
  readonly route?: readonly { readonly target: string; readonly mask: number }[];
}

/** A device as rpcd's luci module describes it; a netmask is written as an address. */
export interface NetworkDevice {
  readonly name: string;
  readonly devtype?: string;
  readonly up?: boolean;
  readonly ip6addrs?: readonly { readonly address: string; readonly netmask: string }[];
}

export const service = {
  status: rpc.declare<StatusAnswer, []>({ object: 'wg-slaacer', method: 'status', reject: true }),
  addresses: rpc.declare<AddressesAnswer, []>({
    object: 'wg-slaacer',
    method: 'get_addresses',
    reject: true,
  }),
  denied: rpc.declare<DeniedAnswer, []>({
    object: 'wg-slaacer',
    method: 'get_denied',
    reject: true,
  }),
  history: rpc.declare<HistoryAnswer, [number]>({
    object: 'wg-slaacer',
    method: 'get_history',
    params: ['last'],
    reject: true,
  }),
  peers: rpc.declare<PeersAnswer, [string]>({
    object: 'wg-slaacer',
    method: 'get_peers',
    params: ['interface'],
    reject: true,
  }),
  client: rpc.declare<ClientAnswer, [string, string, ClientSystem, string | undefined]>({
    object: 'wg-slaacer',
    method: 'get_client',
    params: ['interface', 'peer', 'for', 'endpoint'],
    reject: true,
  }),
  forget: rpc.declare<unknown, [string, string]>({
    object: 'wg-slaacer',
    method: 'forget',
    params: ['interface', 'address'],
    reject: true,
  }),
  give: rpc.declare<unknown, [string, string, string]>({
    object: 'wg-slaacer',
    method: 'give',
    params: ['interface', 'address', 'peer'],
    reject: true,
  }),
  pin: rpc.declare<unknown, [string, string]>({
    object: 'wg-slaacer',
    method: 'pin',
    params: ['interface', 'address'],
    reject: true,
  }),
  assignPrefix: rpc.declare<{ changed: boolean }, [string]>({
    object: 'wg-slaacer',
    method: 'assign_prefix',
    params: ['interface'],
    reject: true,
  }),
};

const instances = rpc.declare<
  Record<string, { instances?: Record<string, { running?: boolean }> }>,
  [string]
>({
  object: 'service',
  method: 'list',
  params: ['name'],
  expect: { '': {} },
});

/** Whether procd runs it, even if it does not answer (yet). */
export async function isRunning(): Promise<boolean> {
  const services = await instances('wg-slaacer');
  return Object.values(services['wg-slaacer']?.instances ?? {}).some(({ running }) => running);
}

const sections = rpc.declare<Record<string, { enabled?: string }>, [string, string]>({
  object: 'uci',
  method: 'get',
  params: ['config', 'type'],
  expect: { values: {} },
});

/** Whether learning is switched on anywhere: the init script starts nothing otherwise. */
export async function isEnabled(): Promise<boolean> {
  const interfaces = await sections('wg-slaacer', 'interface');
  return Object.values(interfaces).some(({ enabled }) => parseBoolean(enabled ?? ''));
}

export const router = {
  interfaces: rpc.declare<NetifdInterface[], []>({
    object: 'network.interface',
    method: 'dump',
    expect: { interface: [] },
  }),
  devices: rpc.declare<Record<string, NetworkDevice>, []>({
    object: 'luci-rpc',
    method: 'getNetworkDevices',
    expect: { '': {} },
  }),
};
