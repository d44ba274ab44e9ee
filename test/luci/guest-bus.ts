// SPDX-License-Identifier: GPL-2.0-only
// What OpenWrt has on the bus, in a guest: ubusd, rpcd's uci and session, and objects with fixed answers. Calls come in
// JSON lines from the host, whose browser cannot reach the guest, and are answered in such: the program that
// guest-router.ts runs there.

import { mkdirSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { UbusClient } from '../../src/ubus/client.ts';
import { UbusError, type UbusTable } from '../../src/ubus/types.ts';
import { Broker } from '../bed/ubus-broker/broker.ts';
import { fileObject, uciObject } from '../bed/ubus-broker/uci-object.ts';

export interface Setup {
  /** Texts of configurations by their names. */
  readonly configs: Readonly<Record<string, string>>;
  /** Answers by object and method. */
  readonly objects: Readonly<Record<string, Readonly<Record<string, UbusTable>>>>;
}

export interface Call {
  readonly id: number;
  readonly object: string;
  readonly method: string;
  readonly args: UbusTable;
}

export type Answer = { readonly id: number } & ({ readonly answer: UbusTable } | { readonly status: number });

const FOLDER = '/tmp/openwrt-config';
const SOCKET = '/var/run/ubus/ubus.sock';

const print = (value: object) => console.log(JSON.stringify(value));
const { configs, objects } = JSON.parse(process.argv[2]!) as Setup;
mkdirSync('/var/run/ubus', { recursive: true });
mkdirSync(FOLDER, { recursive: true });
for (const [name, text] of Object.entries(configs)) writeFileSync(`${FOLDER}/${name}`, text);

const broker = await Broker.start(SOCKET);
const client = new UbusClient(SOCKET);
client.listen('ubus.object.*', (event, { path }) => {
  if (path === 'wg-slaacer') print({ service: event === 'ubus.object.add' });
});
await new Promise<void>((resolve) => client.onConnected((connected) => connected && resolve()));

const rpcd = new UbusClient(SOCKET);
uciObject(rpcd, FOLDER);
fileObject(rpcd, FOLDER);
for (const [name, methods] of Object.entries(objects)) {
  const published = Object.entries(methods).map(([method, answer]) => [
    method,
    { arguments: { ubus_rpc_session: 'String', name: 'String' } as const, call: () => answer },
  ]);
  rpcd.publish(name, Object.fromEntries(published));
}
// procd: whoever has registered for it is told of a changed configuration.
rpcd.publish('service', {
  event: {
    arguments: { type: 'String', data: 'Table' },
    call: () => void client.call('wg-slaacer', 'reload'),
  },
});

async function carryOut({ id, object, method, args }: Call): Promise<Answer> {
  try {
    return { id, answer: await client.call(object, method, args) };
  } catch (error) {
    if (!(error instanceof UbusError)) throw error;
    return { id, status: error.status };
  }
}

print({ ready: true });
createInterface({ input: process.stdin })
  .on('line', (line) => void carryOut(JSON.parse(line)).then(print))
  .on('close', async () => {
    client.close();
    rpcd.close();
    await broker.stop();
  });
