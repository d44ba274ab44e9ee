// SPDX-License-Identifier: GPL-2.0-only
// The broker of the test bed against what the real ubusd and rpcd were recorded to say.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { attributes as blobAttributes, u32 } from '../../src/ubus/blob.ts';
import { decodeTable, encodeTable } from '../../src/ubus/blobmsg.ts';
import { UbusClient } from '../../src/ubus/client.ts';
import { decodeMessage, encodeMessage, type Message, messageType } from '../../src/ubus/message.ts';
import { UbusError, type UbusTable, type UbusValue } from '../../src/ubus/types.ts';
import { Broker } from '../bed/ubus-broker/broker.ts';
import { uciObject } from '../bed/ubus-broker/uci-object.ts';
import { bytes, type Frame, FrameSocket, newFolder, recording } from './ubus-wire.ts';

vi.setConfig({ testTimeout: 60_000 });

async function broker(): Promise<Broker> {
  const started = await Broker.start(`${newFolder()}/ubus.sock`);
  onTestFinished(() => started.stop());
  return started;
}

/** Which of the broker's ids stands for which recorded one. */
class Ids {
  readonly #actual = new Map<number, number>();
  readonly #recorded = new Map<number, number>();

  learn(recorded: number | undefined, actual: number | undefined): void {
    if (recorded === undefined || actual === undefined || this.#actual.has(recorded)) return;
    this.#actual.set(recorded, actual);
    this.#recorded.set(actual, recorded);
  }

  toActual = (message: Message) => mapped(message, (id) => this.#actual.get(id) ?? id);
  toRecorded = (message: Message) => mapped(message, (id) => this.#recorded.get(id) ?? id);
}

function mapped(message: Message, map: (id: number) => number): Message {
  const { object, objectType, target, subscribers, data } = message.attributes;
  return {
    ...message,
    peer: map(message.peer),
    attributes: {
      ...message.attributes,
      ...(object !== undefined && { object: map(object) }),
      ...(objectType !== undefined && { objectType: map(objectType) }),
      ...(target !== undefined && { target: map(target) }),
      ...(subscribers && { subscribers: mappedList(subscribers, map) }),
      ...(message.attributes.method === 'register' && data && { data: mappedRegistration(data, map) }),
    },
  };
}

const mappedList = (list: Buffer, map: (id: number) => number) =>
  Buffer.concat(
    [...blobAttributes(list)].map(({ payload }) =>
      Buffer.concat([u32(8), u32(map(payload.readUInt32BE(0)))]),
    ),
  );

const mappedRegistration = (data: Buffer, map: (id: number) => number) => {
  const table = decodeTable(data);
  return encodeTable({ ...table, object: map((table.object as number) >>> 0) | 0 });
};

async function check(path: string, frames: readonly Frame[]): Promise<void> {
  const ids = new Ids();
  const sockets = new Map<number, FrameSocket>();
  onTestFinished(() => {
    for (const socket of sockets.values()) socket.destroy();
  });
  for (const [index, frame] of frames.entries()) {
    const recorded = decodeMessage(bytes(frame));
    if (!sockets.has(frame.connection)) sockets.set(frame.connection, new FrameSocket(connect(path)));
    const socket = sockets.get(frame.connection)!;
    if (frame.from === 'client') {
      socket.write(encodeMessage(ids.toActual(recorded)));
      const more = frames.slice(index + 1).some(({ connection }) => connection === frame.connection);
      if (!more) socket.end();
      continue;
    }
    const actual = decodeMessage(await socket.next());
    if (recorded.type === messageType.hello) ids.learn(recorded.peer, actual.peer);
    if (recorded.type === messageType.data) {
      ids.learn(recorded.attributes.object, actual.attributes.object);
      ids.learn(recorded.attributes.objectType, actual.attributes.objectType);
    }
    // ubusd counts events from its start.
    const isEvent = recorded.type === messageType.invoke && recorded.peer === 0;
    const sequence = isEvent ? recorded.sequence : actual.sequence;
    expect(encodeMessage({ ...ids.toRecorded(actual), sequence }).toString('hex')).toBe(frame.hex);
  }
}

describe('the broker', () => {
  it.each(['publish_call_subscribe_notify', 'event_listen_and_send', 'call_unknown_object'])(
    'says what ubusd said: %s',
    async (name) => {
      await check((await broker()).path, recording(name));
    },
  );

  it.each(['list_all', 'list_verbose'])('lists what ubusd listed: %s', async (name) => {
    const { path } = await broker();
    const frames = recording(name);
    const provider = new FrameSocket(connect(path));
    onTestFinished(() => provider.destroy());
    await provider.next();
    const types = new Map<number, number>();
    for (const frame of frames.toReversed()) {
      const { type, attributes } = decodeMessage(bytes(frame));
      if (type !== messageType.data) continue;
      const path = attributes.path!;
      const known = types.get(attributes.objectType!);
      const object =
        known === undefined ? { path, signature: attributes.signature! } : { path, objectType: known };
      provider.write(
        encodeMessage({ type: messageType.addObject, sequence: 1, peer: 0, attributes: object }),
      );
      const { objectType } = decodeMessage(await provider.next()).attributes;
      if (objectType !== undefined) types.set(attributes.objectType!, objectType);
      expect(decodeMessage(await provider.next()).attributes.status).toBe(0);
    }
    await check(path, frames);
  });

  it('finds objects by the beginning of their names', async () => {
    const { path } = await broker();
    const socket = new FrameSocket(connect(path));
    onTestFinished(() => socket.destroy());
    await socket.next();
    const ask = async (type: number, attributes: Message['attributes']) => {
      socket.write(encodeMessage({ type, sequence: 1, peer: 0, attributes }));
      const answers = [decodeMessage(await socket.next())];
      while (answers.at(-1)!.type === messageType.data) answers.push(decodeMessage(await socket.next()));
      return answers.map(({ attributes: { path, status } }) => path ?? status);
    };
    for (const name of ['a.b', 'b', 'a.a'])
      await ask(messageType.addObject, { path: name, signature: Buffer.alloc(0) });
    expect(await ask(messageType.lookup, { path: 'a.*' })).toEqual(['a.a', 'a.b', 0]);
    expect(await ask(messageType.lookup, { path: 'c*' })).toEqual([4]);
  });
});

describe('its uci object', () => {
  const network = `
config interface 'loopback'
config interface 'lan'
config interface 'wan'
config interface 'wan6'
config interface 'wg1'
config device
config device # the seventh

config wireguard_wg1
	option description 'Alice laptop'
	option public_key "xMSvQjIfZswTx6H6EgSalynlAlLKvAJvlVrA8H9t+zs="
	list allowed_ips '192.168.10.2/32'
	option route_allowed_ips '1'
	option persistent_keepalive 25

config wireguard_wg1
	option description Bob\\ phone
	option public_key 'tw7mn0DlYvr3/OHOvbzlAeouOV9J0AP9x/DKty8Xh0M='
	list allowed_ips '192.168.10.3/32'
	option route_allowed_ips '1'
`;

  async function uci(): Promise<[(method: string, args: UbusTable) => Promise<UbusTable>, string, Broker]> {
    const bus = await broker();
    const folder = `${newFolder()}/config`;
    mkdirSync(folder);
    writeFileSync(`${folder}/network`, network);
    const client = new UbusClient(bus.path);
    onTestFinished(() => client.close());
    uciObject(client, folder);
    const call = (method: string, args: UbusTable) => client.call('uci', method, args);
    await vi.waitFor(() => call('configs', {}), 30_000);
    return [call, folder, bus];
  }

  it.each(['call_uci_get_peers', 'call_uci_missing_config', 'call_invalid_argument'])(
    'says what rpcd said: %s',
    async (name) => {
      const [call] = await uci();
      const frames = recording(name).map((frame) => decodeMessage(bytes(frame)));
      const args = decodeTable(frames.find(({ type }) => type === messageType.invoke)!.attributes.data!);
      const result = await call('get', args).catch((error: UbusError) => error);
      const data = frames.find(({ type, attributes }) => type === messageType.data && attributes.data);
      if (data) expect(encodeTable(result as UbusTable)).toEqual(data.attributes.data);
      else expect((result as UbusError).status).toBe(frames.at(-1)!.attributes.status);
    },
  );

  it('keeps changes aside until they are committed, and then writes the file and tells procd', async () => {
    const [call, folder, bus] = await uci();
    const procd = new UbusClient(bus.path);
    onTestFinished(() => procd.close());
    const told: UbusTable[] = [];
    procd.publish('service', {
      event: { arguments: { type: 'String', data: 'Table' }, call: (args) => void told.push(args) },
    });
    await vi.waitFor(() => procd.call('service', 'event', {}), 30_000);
    told.length = 0;
    const config = 'network';
    const allowed_ips: UbusValue = ['192.168.10.2/32', '2001:db8::5/128'];
    await call('set', { config, section: 'cfg0896fd', values: { allowed_ips, description: "Al's", n: 5 } });
    const added = await call('add', { config, type: 'wireguard_wg1', values: { disabled: true } });
    await call('delete', { config, section: '@device[-1]' });
    await call('delete', { config, section: 'cfg0996fd', option: 'description' });
    expect((await call('get', { config, section: added.section! })).values).toMatchObject({ disabled: '1' });
    expect(readFileSync(`${folder}/network`, 'utf8')).toBe(network);
    expect((await call('changes', { config })).changes).toEqual([
      ['remove', 'cfg0896fd', 'allowed_ips'],
      ['list-add', 'cfg0896fd', 'allowed_ips', '192.168.10.2/32'],
      ['list-add', 'cfg0896fd', 'allowed_ips', '2001:db8::5/128'],
      ['set', 'cfg0896fd', 'description', "Al's"],
      ['set', 'cfg0896fd', 'n', '5'],
      ['add', added.section, 'wireguard_wg1'],
      ['set', added.section, 'disabled', '1'],
      ['remove', expect.stringMatching(/^cfg07/)],
      ['remove', 'cfg0996fd', 'description'],
    ]);
    await call('commit', { config });
    expect(told).toEqual([{ type: 'config.change', data: { package: 'network' } }]);
    expect(await call('changes', {})).toEqual({ changes: {} });
    expect(readFileSync(`${folder}/network`, 'utf8')).toBe(`
config interface 'loopback'

config interface 'lan'

config interface 'wan'

config interface 'wan6'

config interface 'wg1'

config device

config wireguard_wg1
	option description 'Al'\\''s'
	option public_key 'xMSvQjIfZswTx6H6EgSalynlAlLKvAJvlVrA8H9t+zs='
	option route_allowed_ips '1'
	option persistent_keepalive '25'
	list allowed_ips '192.168.10.2/32'
	list allowed_ips '2001:db8::5/128'
	option n '5'

config wireguard_wg1
	option public_key 'tw7mn0DlYvr3/OHOvbzlAeouOV9J0AP9x/DKty8Xh0M='
	list allowed_ips '192.168.10.3/32'
	option route_allowed_ips '1'

config wireguard_wg1
	option disabled '1'

`);
  });

  it('forgets changes that are reverted', async () => {
    const [call] = await uci();
    const config = 'network';
    await call('set', { config, section: 'wg1', values: { mtu: '1400' } });
    await call('revert', { config });
    expect(await call('get', { config, section: 'wg1', option: 'mtu' })).toEqual({});
  });

  it.each<[string, UbusTable, number]>([
    ['get', { config: '../secret' }, 2],
    ['get', { config: 'bad' }, 9],
    ['get', {}, 2],
    ['set', { config: 'network', section: 'nosuch', values: { a: '1' } }, 4],
    ['set', { config: 'network', section: 'wg1', values: { 'a-b': '1' } }, 2],
    ['set', { config: 'network', section: 'wg1' }, 2],
    ['delete', { config: 'network', section: 'wg1', option: 'nosuch' }, 4],
    ['commit', { config: 'nosuch' }, 4],
  ])('refuses %s %j', async (method, args, expected) => {
    const [call, folder] = await uci();
    writeFileSync(`${folder}/bad`, "config x 'y'\n\toption a-b 'c'\n");
    await expect(call(method, args)).rejects.toEqual(expect.objectContaining({ status: expected }));
    await expect(call(method, args)).rejects.toBeInstanceOf(UbusError);
  });
});
