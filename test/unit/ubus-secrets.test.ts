// SPDX-License-Identifier: GPL-2.0-only
// rpcd answers with all of a section, keys included: what is not wanted must not stay in memory.

import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { readNetwork } from '../../src/service/network.ts';
import { readPeers } from '../../src/service/uci.ts';
import { decodeTable, encodeTable } from '../../src/ubus/blobmsg.ts';
import { Connection } from '../../src/ubus/connection.ts';
import { encodeMessage, type Message, messageType } from '../../src/ubus/message.ts';
import type { IsWanted, Ubus, UbusTable } from '../../src/ubus/types.ts';

const OBJECT = 0x12345678;
const answer = {
  values: {
    cfg01: {
      '.type': 'wireguard_wg1',
      description: 'phone',
      preshared_key: 'SECRET',
      list: [{ key: 'SECRET' }],
    },
  },
};

it('what is not wanted of a table is not decoded, however deep it stands', () => {
  const isWanted = (name: string, depth: number) => depth < 3 || !/key|list/.test(name);
  const wanted = { values: { cfg01: { '.type': 'wireguard_wg1', description: 'phone' } } };
  const payload = encodeTable(answer);
  expect(decodeTable(payload, isWanted)).toEqual(wanted);
  expect(decodeTable(payload, (name) => name !== 'key')).toEqual({
    values: { cfg01: { ...answer.values.cfg01, list: [{}] } },
  });
  expect(decodeTable(payload)).toEqual(answer);
});

it('a connection wipes what it has received as soon as that is answered for, be it in one piece or in many', async () => {
  const socket = Object.assign(new EventEmitter(), {
    writableLength: 0,
    write: () => true,
    destroy: () => {},
  });
  const connection = new Connection(socket as unknown as Socket, {
    onHello: () => {},
    onClose: () => {},
    onError: (error) => {
      throw error;
    },
  });
  const receive = (message: Partial<Message>, size = Number.POSITIVE_INFINITY) => {
    const bytes = encodeMessage({
      type: messageType.data,
      sequence: 1,
      peer: OBJECT,
      attributes: {},
      ...message,
    });
    for (let at = 0; at < bytes.length; at += size) connection.receive(bytes.subarray(at, at + size));
  };
  receive({ type: messageType.hello, sequence: 0, peer: 1 });
  const seen: Buffer[] = [];
  const data = encodeTable(answer);
  const done = connection.request('Trying', messageType.invoke, OBJECT, {}, 1_000, (attributes) => {
    expect(attributes.data).toEqual(data);
    seen.push(attributes.data!);
  });
  receive({ attributes: { data } });
  receive({ attributes: { data } }, 7);
  receive({ type: messageType.status, attributes: { status: 0 } });
  await done;
  expect(seen).toEqual([Buffer.alloc(data.length), Buffer.alloc(data.length)]);
  connection.close();
});

it('of a peer, and of an interface, no key is asked for that is secret, nor another option than is needed', async () => {
  const asked: { type: string; isWanted: IsWanted | undefined }[] = [];
  const ubus = {
    call: async (_: string, __: string, args: UbusTable = {}, ___?: number, isWanted?: IsWanted) => {
      if (args.config !== undefined) asked.push({ type: String(args.type), isWanted });
      return { values: {} };
    },
  } as unknown as Ubus;
  await readPeers(ubus, 'wg1');
  await readNetwork(ubus);
  expect(asked.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['wireguard_wg1', 'interface', 'globals']) as string[],
  );
  for (const { isWanted } of asked) {
    for (const option of ['private_key', 'preshared_key', 'password'])
      expect(isWanted?.(option, 3)).toBe(false);
    expect(isWanted?.('.type', 3)).toBe(true);
  }
});
