// SPDX-License-Identifier: GPL-2.0-only

import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { decodeTable, encodeTable } from '../../src/ubus/blobmsg.ts';
import { UbusClient } from '../../src/ubus/client.ts';
import { decodeMessage, encodeMessage, type MessageAttributes, messageType } from '../../src/ubus/message.ts';
import { type Method, UbusError, type UbusTable, ubusStatus } from '../../src/ubus/types.ts';
import { Broker } from '../bed/ubus-broker/broker.ts';
import { type Frame, type FrameSocket, newFolder, recording, replay, ScriptedUbusd } from './ubus-wire.ts';

// Bounded by what they wait for, not by how slow the machine is.
vi.setConfig({ testTimeout: 60_000 });

const conversation = recording('publish_call_subscribe_notify');
const of = (frames: readonly Frame[], connection: number) =>
  frames.filter((frame) => frame.connection === connection);

const table = { s: 'héllo', i: -5, b: true, a: ['x', 2, { z: null }], o: { k: 'v' } };
const answer = {
  big: 2 ** 40,
  neg: -7,
  dbl: 0.5,
  nul: null,
  nested: { list: ['x', 1, { y: false }] },
};

function demo(notify: () => void): Record<string, Method> {
  return {
    echo: {
      arguments: { s: 'String', i: 'Integer', b: 'Boolean', a: 'Array', o: 'Table' },
      call: (args) => ({ ...args, ...answer }),
    },
    none: { arguments: {}, call: () => ({}) },
    fail: {
      arguments: {},
      call: () => {
        throw new UbusError(ubusStatus.permissionDenied, 'no');
      },
    },
    notify: {
      arguments: {},
      call: () => {
        notify();
        return { sent: true };
      },
    },
  };
}

function clientOf(path: string, onError?: (error: Error) => void): UbusClient {
  const client = new UbusClient(path, onError);
  onTestFinished(() => client.close());
  return client;
}

async function broker(): Promise<Broker> {
  const started = await Broker.start(`${newFolder()}/ubus.sock`);
  onTestFinished(() => started.stop());
  return started;
}

const connected = (client: UbusClient) => vi.waitFor(() => expect(client.connected).toBe(true), 30_000);
const status = (wanted: number) => expect.objectContaining({ status: wanted });
const waitFor = (assertion: () => void | Promise<void>) =>
  vi.waitFor(assertion, { timeout: 30_000, interval: 20 });

describe('as recorded from ubusd', () => {
  async function played(
    frames: readonly Frame[],
    use: (client: UbusClient) => Promise<unknown>,
  ): Promise<unknown> {
    const ubusd = await ScriptedUbusd.start();
    const client = clientOf(ubusd.path);
    const played = replay(await ubusd.accept(), frames);
    await connected(client);
    const result = await use(client).catch((error) => error);
    await played;
    return result;
  }

  it.each([
    [3, 'echo', table, { ...table, ...answer }],
    [4, 'none', {}, {}],
    [5, 'fail', {}, status(ubusStatus.permissionDenied)],
    [6, 'nosuch', {}, status(ubusStatus.methodNotFound)],
    [8, 'notify', {}, { sent: true }],
  ])('calls (connection %d: %s)', async (connection, method, args, expected) => {
    const result = await played(of(conversation, connection), (client) => client.call('demo', method, args));
    expect(result).toEqual(expected);
  });

  it.each<[string, string, string, UbusTable, unknown]>([
    ['call_uci_missing_config', 'uci', 'get', { config: 'nosuch' }, status(ubusStatus.notFound)],
    ['call_invalid_argument', 'uci', 'get', { config: 5 }, status(ubusStatus.invalidArgument)],
    ['call_unknown_object', 'nosuch', 'x', {}, status(ubusStatus.notFound)],
    [
      'call_uci_get_peers',
      'uci',
      'get',
      { config: 'network', type: 'wireguard_wg1' },
      { values: { cfg0896fd: expect.anything(), cfg0996fd: expect.anything() } },
    ],
  ])('calls (%s)', async (name, object, method, args, expected) => {
    const result = await played(recording(name), (client) => client.call(object, method, args));
    expect(result).toEqual(expected);
  });

  it('listens to events', async () => {
    const ubusd = await ScriptedUbusd.start();
    const heard = vi.fn();
    clientOf(ubusd.path).listen('foo.*', heard);
    await replay(await ubusd.accept(), of(recording('event_listen_and_send'), 1));
    expect(heard.mock.calls).toEqual([['foo.bar', { a: 1, b: [true, 'x'] }]]);
  });

  it('publishes, answers and notifies', async () => {
    const ubusd = await ScriptedUbusd.start();
    const object = clientOf(ubusd.path).publish(
      'demo',
      demo(() => object.notify('address.learned', { address: '2001:db8::1', count: 3 })),
    );
    // Who notifies waited for ubusd's and the subscriber's answers when it was recorded; nobody answers ours.
    const frames = of(conversation, 1).filter(
      ({ from, hex }) => from === 'client' || !hex.startsWith('0001000'),
    );
    let notified = 0;
    await replay(
      await ubusd.accept(),
      of(conversation, 1).slice(0, 4).concat(frames.slice(3)),
      (actual, expected) => {
        if (expected.type !== 'NOTIFY') return expect(actual.toString('hex')).toBe(expected.hex);
        notified++;
        const { type, peer, attributes } = decodeMessage(Buffer.from(expected.hex, 'hex'));
        expect(decodeMessage(actual)).toMatchObject({
          type,
          peer,
          attributes: { ...attributes, noReply: true },
        });
      },
    );
    expect(notified).toBe(1);
  });

  it('subscribes', async () => {
    const frames = of(conversation, 7);
    const sent = (type: string) =>
      decodeMessage(Buffer.from(frames.find((f) => f.type === type)!.hex, 'hex'));
    const ubusd = await ScriptedUbusd.start();
    const heard = vi.fn();
    clientOf(ubusd.path).subscribe('demo', heard);
    const socket = await ubusd.accept();
    socket.write(Buffer.from(frames[0]!.hex, 'hex'));
    const object = sent('SUBSCRIBE').attributes.object!;
    const target = sent('SUBSCRIBE').attributes.target!;
    // The first object is the one that hears of objects that come.
    const answers = new Map<number, MessageAttributes[]>([
      [messageType.addObject, [{ object: 5000 }, { object }]],
      [messageType.lookup, [{ path: 'demo', object: target }]],
    ]);
    for (;;) {
      const { type, sequence, peer, attributes } = decodeMessage(await socket.next());
      const data = answers.get(type)?.shift();
      if (data) socket.write(encodeMessage({ type: messageType.data, sequence, peer, attributes: data }));
      socket.write(encodeMessage({ type: messageType.status, sequence, peer, attributes: { status: 0 } }));
      if (type === messageType.lookup) expect(attributes).toEqual(sent('LOOKUP').attributes);
      if (type !== messageType.subscribe) continue;
      expect(attributes).toEqual(sent('SUBSCRIBE').attributes);
      break;
    }
    await replay(socket, frames.slice(-2));
    expect(heard.mock.calls).toEqual([['address.learned', { address: '2001:db8::1', count: 3 }]]);
  });
});

describe('calls', () => {
  async function pair(methods: Record<string, Method>): Promise<[UbusClient, UbusClient, Broker]> {
    const bus = await broker();
    const server = clientOf(bus.path, () => {});
    server.publish('demo', methods);
    const client = clientOf(bus.path);
    await waitFor(async () => void (await client.call('demo', 'none').catch(rethrowUnless(3))));
    return [server, client, bus];
  }
  const rethrowUnless = (wanted: number) => (error: UbusError) => {
    if (error.status !== wanted) throw error;
  };

  it('are answered in whatever order the answers come', async () => {
    const releases: (() => void)[] = [];
    const [, client] = await pair({
      wait: {
        arguments: { n: 'Integer' },
        call: (args) => new Promise((resolve) => releases.push(() => resolve(args))),
      },
    });
    const calls = [1, 2, 3].map((n) => client.call('demo', 'wait', { n }));
    await waitFor(() => expect(releases.length).toBe(3));
    for (const release of releases.reverse()) release();
    expect(await Promise.all(calls)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  });

  it('as long as ubusd takes them are answered although it adds to them', async () => {
    const [server, client] = await pair({
      length: { arguments: { s: 'String' }, call: ({ s }) => ({ n: (s as string).length }) },
    });
    const length = (1 << 20) - 37;
    expect(await client.call('demo', 'length', { s: 'x'.repeat(length) })).toEqual({ n: length });
    await expect(client.call('demo', 'length', { s: 'x'.repeat(length + 1) })).rejects.toEqual(status(2));
    expect(server.connected).toBe(true);
  });

  it('carry 900 KB and integers of 64 bits both ways', async () => {
    const [, client] = await pair({
      echo: { arguments: { s: 'String', n: 'Integer' }, call: async (args) => args },
    });
    const args = { s: 'x'.repeat(900_000), n: -(2n ** 62n) };
    expect(await client.call('demo', 'echo', args)).toEqual(args);
    await expect(client.call('demo', 'echo', { s: 'x'.repeat(1 << 20) })).rejects.toEqual(status(2));
    expect(client.connected).toBe(true);
  });

  it('have their arguments checked, and those not listed left out', async () => {
    const [, client] = await pair({
      all: {
        arguments: { s: 'String', i: 'Integer', b: 'Boolean', a: 'Array', o: 'Table' },
        call: (args) => args,
      },
    });
    const wrong: UbusTable[] = [
      { s: 1 },
      { i: '1' },
      { i: 0.5 },
      { b: 1 },
      { a: {} },
      { o: [] },
      { o: null },
      { s: null },
    ];
    for (const args of wrong) await expect(client.call('demo', 'all', args)).rejects.toEqual(status(2));
    expect(await client.call('demo', 'all', { ...table, ubus_rpc_session: 'x', other: 1 })).toEqual(table);
    await expect(client.call('demo', 'constructor')).rejects.toEqual(status(ubusStatus.methodNotFound));
  });

  it('fail with the status thrown, else with unknownError, which is reported', async () => {
    const bus = await broker();
    const errors: Error[] = [];
    const thrower = (error: unknown): Method => ({
      arguments: {},
      call: () => {
        throw error;
      },
    });
    clientOf(bus.path, (error) => errors.push(error)).publish('demo', {
      ubus: thrower(new UbusError(ubusStatus.notFound, 'not here')),
      other: thrower(new TypeError('oops')),
      late: { arguments: {}, call: () => Promise.reject(new Error('later')) },
      long: { arguments: {}, call: () => ({ s: 'x'.repeat(1 << 20) }) },
    });
    const client = clientOf(bus.path);
    await waitFor(() =>
      expect(client.call('demo', 'ubus')).rejects.toThrow('Calling demo ubus: not found (status 4)'),
    );
    expect(errors).toEqual([]);
    for (const method of ['other', 'late', 'long'])
      await expect(client.call('demo', method)).rejects.toEqual(status(ubusStatus.unknownError));
    await waitFor(() =>
      expect(errors.map(({ message }) => message)).toEqual([
        expect.stringContaining('oops'),
        expect.stringContaining('later'),
        expect.stringContaining('exceeds'),
      ]),
    );
  });

  it('time out', async () => {
    const [, client] = await pair({ never: { arguments: {}, call: () => new Promise(() => {}) } });
    await expect(client.call('demo', 'never', {}, 50)).rejects.toEqual(status(ubusStatus.timeout));
  });

  it('find an object again that came back under another id', async () => {
    const [server, client, bus] = await pair({ n: { arguments: {}, call: () => ({ n: 1 }) } });
    expect(await client.call('demo', 'n')).toEqual({ n: 1 });
    server.close();
    await waitFor(() =>
      expect(client.call('demo', 'n', {}, 100)).rejects.toEqual(status(ubusStatus.notFound)),
    );
    clientOf(bus.path).publish('demo', { n: { arguments: {}, call: () => ({ n: 2 }) } });
    await waitFor(async () => expect(await client.call('demo', 'n')).toEqual({ n: 2 }));
  });

  it('are made once if the object itself does not find something', async () => {
    const notFound = vi.fn(() => {
      throw new UbusError(ubusStatus.notFound, 'no such thing');
    });
    const [, client] = await pair({ get: { arguments: {}, call: notFound } });
    for (let i = 1; i <= 2; i++) {
      await expect(client.call('demo', 'get')).rejects.toEqual(status(ubusStatus.notFound));
      expect(notFound).toHaveBeenCalledTimes(i);
    }
  });

  it('fail at once without a connection, and when it breaks', async () => {
    const client = clientOf(`${newFolder()}/nothing`);
    await expect(client.call('a', 'b')).rejects.toEqual(status(ubusStatus.connectionFailed));
    const [, other, bus] = await pair({ never: { arguments: {}, call: () => new Promise(() => {}) } });
    const broken = expect(other.call('demo', 'never')).rejects.toEqual(status(ubusStatus.connectionFailed));
    await bus.stop();
    await broken;
  });

  it('that take their time are bounded in number', async () => {
    let begun = 0;
    const [, client] = await pair({
      never: {
        arguments: {},
        call: () => {
          begun++;
          return new Promise(() => {});
        },
      },
    });
    const refused = vi.fn();
    for (let i = 0; i < 100; i++) client.call('demo', 'never').catch(refused);
    await waitFor(() => expect(refused).toHaveBeenCalledTimes(68));
    expect(begun).toBe(32);
    client.close();
  });
});

describe('notifications and events', () => {
  it('reach who subscribed before the object was there, until that ends', async () => {
    const bus = await broker();
    const client = clientOf(bus.path);
    const heard = vi.fn();
    const end = client.subscribe('demo', heard);
    await connected(client);
    const object = clientOf(bus.path).publish('demo', {});
    await waitFor(() => {
      object.notify('tick', { n: 1 });
      expect(heard).toHaveBeenCalledWith('tick', { n: 1 });
    });
    end();
    await waitFor(async () => {
      heard.mockClear();
      object.notify('tick', { n: 2 });
      await client.call('demo', 'barrier').catch(() => {});
      expect(heard).not.toHaveBeenCalled();
    });
  });

  it('come once each although objects come and go', async () => {
    const bus = await broker();
    const client = clientOf(bus.path);
    const heard = vi.fn();
    client.subscribe('demo', heard);
    for (let round = 0; round < 3; round++) {
      const server = clientOf(bus.path);
      const object = server.publish('demo', {});
      await waitFor(() => {
        object.notify('try', {});
        expect(heard).toHaveBeenCalled();
      });
      await client.call('demo', 'barrier').catch(() => {});
      heard.mockClear();
      object.notify('once', { round });
      await client.call('demo', 'barrier').catch(() => {});
      expect(heard.mock.calls).toEqual([['once', { round }]]);
      heard.mockClear();
      server.close();
      await waitFor(() =>
        expect(client.call('demo', 'x', {}, 100)).rejects.toEqual(status(ubusStatus.notFound)),
      );
    }
  });

  it('are not sent if nobody subscribes', async () => {
    const ubusd = await ScriptedUbusd.start();
    const client = clientOf(ubusd.path);
    const object = client.publish('demo', {});
    const socket = await ubusd.accept();
    const frames = of(conversation, 1);
    socket.write(Buffer.from(frames[0]!.hex, 'hex'));
    await socket.next();
    for (const frame of frames.slice(2, 4)) socket.write(Buffer.from(frame.hex, 'hex'));
    await barrier(socket);
    object.notify('before', {});
    expect(object.isFollowed).toBe(false);
    const told = frames.find(({ type, from }) => type === 'NOTIFY' && from === 'ubusd')!;
    socket.write(Buffer.from(told.hex, 'hex'));
    await barrier(socket);
    expect(object.isFollowed).toBe(true);
    object.notify('after', {});
    const { attributes } = decodeMessage(await socket.next());
    expect(attributes).toMatchObject({ method: 'after', noReply: true });
  });

  /** A call that is answered shows that the client has read what came before it. */
  async function barrier(socket: FrameSocket): Promise<void> {
    const attributes = { object: 0xcd2ce269, method: 'nosuch', data: encodeTable({}) };
    socket.write(encodeMessage({ type: messageType.invoke, sequence: 9, peer: 7, attributes }));
    expect(decodeMessage(await socket.next()).attributes.status).toBe(ubusStatus.methodNotFound);
  }

  it('of events match a whole name or its beginning', async () => {
    const bus = await broker();
    const client = clientOf(bus.path);
    const heard: string[] = [];
    const end = client.listen('a.b', (event) => heard.push(`whole ${event}`));
    client.listen('a.*', (event, data) => heard.push(`part ${event} ${JSON.stringify(data)}`));
    await connected(client);
    await waitFor(() => {
      bus.sendEvent('a.start', {});
      expect(heard.length).toBeGreaterThan(0);
    });
    heard.length = 0;
    for (const event of ['a.b', 'a.bc', 'b', 'a.']) bus.sendEvent(event, { v: 1 });
    await waitFor(() => expect(heard.at(-1)).toContain('part a. '));
    const others = heard.filter((text) => !text.includes('a.start'));
    expect(others.sort()).toEqual(['part a. {"v":1}', 'part a.b {"v":1}', 'part a.bc {"v":1}', 'whole a.b']);
    end();
    heard.length = 0;
    bus.sendEvent('a.b', {});
    await waitFor(() => expect(heard.filter((text) => !text.includes('a.start'))).toEqual(['part a.b {}']));
  });

  it('whose listener throws harm nobody', async () => {
    const bus = await broker();
    const errors: string[] = [];
    const client = clientOf(bus.path, (error) => errors.push(error.message));
    client.listen('*', () => {
      throw new Error('oops');
    });
    await connected(client);
    await waitFor(() => {
      bus.sendEvent('x', {});
      expect(errors[0]).toContain('oops');
    });
    expect(client.connected).toBe(true);
  });
});

describe('a connection', () => {
  it('comes back with all that was published, subscribed and listened to', async () => {
    const bus = await broker();
    let current = bus;
    const [client, server] = [clientOf(bus.path), clientOf(bus.path)];
    const changes: boolean[] = [];
    client.onConnected((now) => changes.push(now));
    const object = server.publish('demo', { n: { arguments: {}, call: () => ({ n: 1 }) } });
    const [heard, notified] = [vi.fn(), vi.fn()];
    client.listen('e', heard);
    client.subscribe('demo', notified);
    const works = () =>
      waitFor(async () => {
        expect(await client.call('demo', 'n')).toEqual({ n: 1 });
        object.notify('t', {});
        current.sendEvent('e', {});
        expect(heard).toHaveBeenCalled();
        expect(notified).toHaveBeenCalled();
      });
    await works();
    await bus.stop();
    await waitFor(() => expect(client.connected || server.connected).toBe(false));
    heard.mockClear();
    notified.mockClear();
    const again = await Broker.start(bus.path);
    current = again;
    onTestFinished(() => again.stop());
    await works();
    expect(changes).toEqual([true, false, true]);
  });

  it.each([
    ['says no HELLO', '0001000100000000 0000000c 0100000800000000'],
    ['says another version', '0100000000000001 00000004'],
    ['claims 16 MiB', '0000000000000001 00ffffff'],
    ['says nonsense after HELLO', '0000000000000001 00000004 0005000100000001 00000008 03000002'],
  ])('is closed and made anew if ubusd %s', async (_what, said) => {
    const ubusd = await ScriptedUbusd.start();
    const errors: string[] = [];
    clientOf(ubusd.path, (error) => errors.push(error.message));
    const socket = await ubusd.accept();
    socket.write(Buffer.from(said.replaceAll(' ', ''), 'hex'));
    await socket.closed;
    expect(errors).toEqual([expect.stringContaining('no ubus message')]);
    await ubusd.accept();
  });

  it('is made anew if ubusd takes it and says nothing', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const ubusd = await ScriptedUbusd.start();
    clientOf(ubusd.path);
    const { closed } = await ubusd.accept();
    await vi.advanceTimersByTimeAsync(5000);
    await closed;
    await vi.advanceTimersByTimeAsync(100);
    await ubusd.accept();
  });

  it('survives malformed arguments, events and answers, which others wrote', async () => {
    const ubusd = await ScriptedUbusd.start();
    const client = clientOf(ubusd.path);
    client.publish(
      'demo',
      demo(() => {}),
    );
    const socket = await ubusd.accept();
    await replay(socket, of(conversation, 1).slice(0, 4));
    const malformed = Buffer.from('8500000d00017600', 'hex');
    const object = 0xcd2ce269;
    const attributes = { object, method: 'echo', data: malformed };
    socket.write(encodeMessage({ type: messageType.invoke, sequence: 9, peer: 7, attributes }));
    expect(decodeMessage(await socket.next())).toEqual({
      type: messageType.status,
      sequence: 9,
      peer: 7,
      attributes: { status: ubusStatus.invalidArgument, object },
    });
    const called = expect(client.call('other', 'x')).rejects.toThrow('malformed');
    const lookup = decodeMessage(await socket.next());
    const reply = (to: typeof lookup, type: number, given: MessageAttributes) =>
      socket.write(encodeMessage({ ...to, type, attributes: given }));
    reply(lookup, messageType.data, { path: 'other', object: 4000 });
    reply(lookup, messageType.status, { status: 0 });
    const invoke = decodeMessage(await socket.next());
    reply(invoke, messageType.data, { object: 4000, data: malformed });
    reply(invoke, messageType.status, { status: 0, object: 4000 });
    await called;
    expect(client.connected).toBe(true);
  });

  it('takes no answer from another peer', async () => {
    const ubusd = await ScriptedUbusd.start();
    const client = clientOf(ubusd.path);
    const socket = await ubusd.accept();
    const frames = of(conversation, 4);
    const called = replay(socket, frames.slice(0, 5));
    await connected(client);
    const result = client.call('demo', 'none');
    await called;
    const data = encodeTable({ forged: true });
    for (const [sequence, peer] of [
      [2, 7],
      [3, 0xcd2ce269],
    ] as const) {
      socket.write(encodeMessage({ type: messageType.data, sequence, peer, attributes: { data } }));
      socket.write(encodeMessage({ type: messageType.status, sequence, peer, attributes: { status: 0 } }));
    }
    await replay(socket, frames.slice(5));
    expect(await result).toEqual({});
  });

  it('stops reading while its answers are not taken', async () => {
    const ubusd = await ScriptedUbusd.start();
    let calls = 0;
    const text = 'x'.repeat(100_000);
    clientOf(ubusd.path).publish('demo', {
      get: {
        arguments: {},
        call: () => {
          calls++;
          return { text };
        },
      },
    });
    const socket = await ubusd.accept();
    socket.write(Buffer.from(conversation[0]!.hex, 'hex'));
    await socket.next();
    for (const frame of of(conversation, 1).slice(2, 4)) socket.write(Buffer.from(frame.hex, 'hex'));
    socket.pause();
    const attributes = { object: 0xcd2ce269, method: 'get', data: encodeTable({}) };
    const request = encodeMessage({ type: messageType.invoke, sequence: 1, peer: 7, attributes });
    const requests = 100;
    for (let i = 0; i < requests; i++) socket.write(request);
    await waitFor(() => expect(calls).toBeGreaterThan(0));
    const before = calls;
    await new Promise((resolve) => setTimeout(resolve, 200));
    // The socket's own buffer takes some.
    expect(calls).toBeLessThan(requests / 2);
    expect(before).toBeLessThan(requests / 2);
    socket.resume();
    await waitFor(() => expect(calls).toBe(requests));
    let answers = 0;
    while (answers < requests) {
      const { type, attributes } = decodeMessage(await socket.next());
      if (type === messageType.status) answers++;
      else expect(decodeTable(attributes.data!)).toEqual({ text });
    }
  });

  it('publishes again what was refused, and says so', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const bus = await broker();
    const [first, errors] = [new UbusClient(bus.path), [] as string[]];
    first.publish('demo', {});
    await settled(() => first.connected);
    const second = clientOf(bus.path, (error) => errors.push(error.message));
    second.publish('demo', { two: { arguments: {}, call: () => ({ n: 2 }) } });
    await settled(() => errors.length === 1);
    expect(errors).toEqual(['Publishing demo: invalid argument (status 2)']);
    first.close();
    const caller = clientOf(bus.path);
    await settled(() => caller.connected);
    let answer: UbusTable | undefined;
    await settled(async () => {
      await vi.advanceTimersByTimeAsync(1000);
      answer = await caller.call('demo', 'two').catch(() => undefined);
      return answer !== undefined;
    });
    expect(answer).toEqual({ n: 2 });
    expect(errors.length).toBe(1);
  });

  async function settled(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
  }

  it('that is closed leaves no timer and no socket', async () => {
    const bus = await broker();
    const before = process.getActiveResourcesInfo().filter((what) => what === 'PipeWrap').length;
    const client = new UbusClient(bus.path);
    await connected(client);
    const call = client.call('uci', 'x').catch(() => {});
    client.close();
    await call;
    const away = new UbusClient(`${newFolder()}/nothing`);
    away.close();
    await waitFor(() => {
      const pipes = process.getActiveResourcesInfo().filter((what) => what === 'PipeWrap').length;
      expect(pipes).toBe(before);
    });
    expect(client.connected).toBe(false);
  });
});
