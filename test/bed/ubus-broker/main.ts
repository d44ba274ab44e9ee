// SPDX-License-Identifier: GPL-2.0-only
// The broker, rpcd's objects and a client, as programs for service.ts:
//
//   node main.js SOCKET broker
//   node main.js SOCKET rpcd FOLDER       `uci`, over the files of a folder, `session` and `file`
//   node main.js SOCKET procd             `service`, which signals by name
//   node main.js SOCKET call              a line [OBJECT, METHOD, ARGUMENTS] in, a line {status, answer} or {status, error} out
//   node main.js SOCKET subscribe OBJECT  a line {type, data} out for each notification
//
// Each prints "ready" when it is, and runs until it is ended.

import { spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { UbusClient } from '../../../src/ubus/client.ts';
import { UbusError, type UbusTable, ubusStatus } from '../../../src/ubus/types.ts';
import { Broker } from './broker.ts';
import { fileObject, uciObject } from './uci-object.ts';

const [socket, command, subject] = process.argv.slice(2);
if (socket === undefined) throw new Error('which socket?');

const print = (value: unknown) => console.log(JSON.stringify(value));

async function connected(): Promise<UbusClient> {
  const client = new UbusClient(socket, (error) => console.error(error.message));
  await new Promise<void>((resolve) => client.onConnected((now) => now && resolve()));
  return client;
}

async function call(client: UbusClient, line: string): Promise<object> {
  const [object, method, args] = JSON.parse(line) as [string, string, UbusTable];
  try {
    return { status: ubusStatus.ok, answer: await client.call(object, method, args) };
  } catch (error) {
    if (!(error instanceof UbusError)) throw error;
    return { status: error.status, error: error.message };
  }
}

if (command === 'broker') {
  await Broker.start(socket);
  console.log('ready');
} else if (command === 'rpcd' && subject !== undefined) {
  const client = await connected();
  uciObject(client, subject);
  fileObject(client, subject);
  await client.call('uci', 'configs');
  console.log('ready');
} else if (command === 'procd') {
  const client = await connected();
  client.publish('service', {
    signal: {
      arguments: { name: 'String', instance: 'String', signal: 'Integer' },
      call: ({ name }) => {
        const { status } = spawnSync('pkill', ['-HUP', '-x', String(name)]);
        if (status !== 0) throw new UbusError(ubusStatus.notFound, `there is no service ${name}`);
        return undefined;
      },
    },
  });
  await client.call('service', 'signal', { name: 'nobody' }).catch(() => {});
  console.log('ready');
} else if (command === 'call') {
  const client = await connected();
  console.log('ready');
  for await (const line of createInterface({ input: process.stdin })) print(await call(client, line));
} else if (command === 'subscribe' && subject !== undefined) {
  const client = await connected();
  client.subscribe(subject, (type, data) => print({ type, data }));
  // What comes first is answered first: the subscription is there when this is.
  await client.call(subject, 'status');
  console.log('ready');
} else {
  throw new Error('see the top of this file');
}
