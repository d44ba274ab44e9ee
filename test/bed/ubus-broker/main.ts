// SPDX-License-Identifier: GPL-2.0-only
// The broker, the uci object and what one does by hand, as programs:
//
//   node --import tsx main.ts SOCKET broker            until it is ended
//   node --import tsx main.ts SOCKET uci FOLDER        rpcd's `uci`, until it is ended
//   node --import tsx main.ts SOCKET call OBJECT METHOD [JSON]
//   node --import tsx main.ts SOCKET send EVENT [JSON]
//   node --import tsx main.ts SOCKET listen PATTERN    one line of JSON per event
//   node --import tsx main.ts SOCKET subscribe OBJECT  one line of JSON per notification
//
// `broker` and `uci` print "ready" when they are. A call that fails prints its status and exits with it. 64-bit integers
// that a number cannot hold are printed as text.

import { UbusClient } from '../../../src/ubus/client.ts';
import { UbusError, type UbusTable } from '../../../src/ubus/types.ts';
import { Broker } from './broker.ts';
import { uciObject } from './uci-object.ts';

const [socket, command, subject, ...rest] = process.argv.slice(2);
if (socket === undefined) throw new Error('which socket?');

const print = (value: unknown) =>
  console.log(JSON.stringify(value, (_key, part) => (typeof part === 'bigint' ? String(part) : part)));
const parsed = (json = '{}') => JSON.parse(json) as UbusTable;

async function connected(): Promise<UbusClient> {
  const client = new UbusClient(socket, (error) => console.error(error.message));
  await new Promise<void>((resolve) => client.onConnected((now) => now && resolve()));
  return client;
}

async function ask(question: (client: UbusClient) => Promise<unknown>): Promise<void> {
  const client = await connected();
  try {
    const answer = await question(client);
    if (answer !== undefined) print(answer);
  } catch (error) {
    if (!(error instanceof UbusError)) throw error;
    console.error(error.message);
    process.exitCode = error.status;
  } finally {
    client.close();
  }
}

if (command === 'broker') {
  await Broker.start(socket);
  console.log('ready');
} else if (command === 'uci' && subject !== undefined) {
  const client = await connected();
  uciObject(client, subject);
  await client.call('uci', 'configs');
  console.log('ready');
} else if (command === 'call' && subject !== undefined && rest[0] !== undefined) {
  const [method, args] = rest;
  await ask((client) => client.call(subject, method, parsed(args)));
} else if (command === 'send' && subject !== undefined) {
  await ask((client) => client.send(subject, parsed(rest[0])));
} else if (command === 'listen' && subject !== undefined) {
  (await connected()).listen(subject, (event, data) => print({ event, data }));
} else if (command === 'subscribe' && subject !== undefined) {
  (await connected()).subscribe(subject, (type, data) => print({ type, data }));
} else {
  throw new Error('see the top of main.ts');
}
