// SPDX-License-Identifier: GPL-2.0-only
// A bus within the process, with what rpcd has on it: "uci" over packages in memory, "session" with folders for changes
// of their own. Answers come a turn later, as real ones do.

import {
  type Method,
  type PublishedObject,
  type Ubus,
  UbusError,
  type UbusTable,
  type UbusValue,
  ubusStatus,
} from '../../src/ubus/types.ts';

export type Options = Record<string, string | string[]>;
/** Sections by name; the type stands in ".type". */
export type Package = Record<string, Options>;

export class FakeUbus implements Ubus {
  connected = true;
  closed = false;
  readonly objects = new Map<string, Readonly<Record<string, Method>>>();
  /** What was told to subscribers: "type" and its data. */
  readonly notifications: [string, UbusTable][] = [];
  /** Each call that was made over the bus by the program itself: "object method". */
  readonly calls: string[] = [];
  readonly #connectionListeners: ((connected: boolean) => void)[] = [];
  readonly #eventListeners: [string, (event: string, data: UbusTable) => void][] = [];

  onConnected(listener: (connected: boolean) => void): void {
    this.#connectionListeners.push(listener);
  }

  async call(object: string, method: string, args: UbusTable = {}): Promise<UbusTable> {
    this.calls.push(`${object} ${method}`);
    if (!this.connected) throw new UbusError(ubusStatus.connectionFailed, 'there is no connection to ubus');
    await Promise.resolve();
    const methods = this.objects.get(object);
    if (!methods) throw new UbusError(ubusStatus.notFound, `${object}: not found`);
    const called = methods[method];
    if (!called) throw new UbusError(ubusStatus.methodNotFound, `${object} ${method}: method not found`);
    return (await called.call(structuredClone(args) as UbusTable)) ?? {};
  }

  publish(name: string, methods: Readonly<Record<string, Method>>): PublishedObject {
    this.objects.set(name, methods);
    return { isFollowed: true, notify: (type, data) => this.notifications.push([type, data]) };
  }

  subscribe(): () => void {
    return () => {};
  }

  listen(pattern: string, listener: (event: string, data: UbusTable) => void): () => void {
    this.#eventListeners.push([pattern, listener]);
    return () => {};
  }

  async send(): Promise<void> {}

  close(): void {
    this.closed = true;
  }

  /** ubusd goes, or comes. */
  setConnected(connected: boolean): void {
    this.connected = connected;
    for (const listener of this.#connectionListeners) listener(connected);
  }

  event(name: string, data: UbusTable): void {
    for (const [pattern, listener] of this.#eventListeners) if (pattern === name) listener(name, data);
  }
}

interface Change {
  readonly config: string;
  readonly section: string;
  readonly values: Options;
}

/** rpcd. What is not committed is in a folder: that of all who have no session, or a session's. */
export class FakeRpcd {
  /** What is committed. */
  readonly packages: Record<string, Package>;
  /** What methods of "uci" fail with, if they do. */
  readonly failures: Record<string, number | undefined> = {};
  /** What somebody else does just before a program is run. */
  beforeExecution: (() => unknown) | undefined;
  /** Packages in the order in which they were committed, of which others were told. */
  readonly committed: string[] = [];
  readonly #pending = new Map<string, Change[]>([['', []]]);
  readonly #grants = new Map<string, Set<string>>();
  #nextSession = 1;

  constructor(packages: Record<string, Package>) {
    this.packages = packages;
  }

  get sessions(): number {
    return this.#grants.size;
  }

  /** Appears on a bus. */
  join(ubus: FakeUbus): void {
    const method = (name: string, call: Method['call']): Method => ({
      arguments: {},
      call: (args) => {
        const status = this.failures[name];
        if (status !== undefined) throw new UbusError(status, `status ${status}`);
        return call(args);
      },
    });
    ubus.objects.set('uci', {
      get: method('get', (args) => this.#get(args)),
      set: method('set', (args) => this.#set(args)),
      commit: method('commit', (args) => this.#commit(args)),
    });
    ubus.objects.set('file', { exec: method('exec', (args) => this.#execute(args)) });
    ubus.objects.set('session', {
      create: method('create', () => {
        const id = `session${this.#nextSession++}`;
        this.#pending.set(id, []);
        this.#grants.set(id, new Set());
        return { ubus_rpc_session: id };
      }),
      grant: method('grant', ({ ubus_rpc_session: id, scope, objects }) => {
        const granted = this.#grants.get(id as string);
        if (!granted || scope !== 'uci') throw new UbusError(ubusStatus.notFound, 'no such session');
        for (const [object, right] of objects as [string, string][]) granted.add(`${object} ${right}`);
        return undefined;
      }),
      destroy: method('destroy', ({ ubus_rpc_session: id }) => {
        this.#pending.delete(id as string);
        this.#grants.delete(id as string);
        return undefined;
      }),
    });
    ubus.event('ubus.object.add', { id: 1, path: 'uci' });
  }

  leave(ubus: FakeUbus): void {
    ubus.objects.delete('uci');
    ubus.objects.delete('session');
    ubus.objects.delete('file');
  }

  /** `uci set` on the command line. */
  change(config: string, section: string, values: Options): void {
    this.#pending.get('')!.push({ config, section, values });
  }

  #folder(args: UbusTable, right: string): Change[] {
    const id = (args.ubus_rpc_session ?? '') as string;
    if (id !== '' && !this.#grants.get(id)?.has(`${args.config} ${right}`)) {
      throw new UbusError(ubusStatus.permissionDenied, 'permission denied');
    }
    return this.#pending.get(id)!;
  }

  #seen(config: string, changes: readonly Change[]): Package {
    const found = this.packages[config];
    if (!found) throw new UbusError(ubusStatus.notFound, `${config}: not found`);
    const sections = structuredClone(found);
    for (const change of changes.filter((change) => change.config === config)) {
      sections[change.section] = { ...sections[change.section], ...change.values };
    }
    return sections;
  }

  #get(args: UbusTable): UbusTable {
    const seen = this.#seen(args.config as string, this.#folder(args, 'read'));
    if (args.option !== undefined) {
      const value = seen[args.section as string]?.[args.option as string];
      return value === undefined ? {} : { value };
    }
    const sections = Object.entries(seen);
    const values = sections
      .filter(([, section]) => args.type === undefined || section['.type'] === args.type)
      .map(([name, section]): [string, UbusValue] => [
        name,
        { '.anonymous': name.startsWith('cfg'), '.name': name, ...section },
      ]);
    return { values: Object.fromEntries(values) };
  }

  /** /sbin/uci, as far as it is used. */
  #execute({ command, params }: UbusTable): UbusTable {
    this.beforeExecution?.();
    const [action, change = ''] = params as string[];
    const [, config = '', section = '', option = '', value = ''] =
      /^\/etc\/config\/([^.]+)\.([^.]+)\.([^=]+)=(.*)$/.exec(change) ?? [];
    const options = this.packages[config]?.[section];
    if (command !== '/sbin/uci' || !options) return { code: 1, stderr: 'Entry not found' };
    if (action === 'set' && value === '') delete options[option];
    else options[option] = action === 'set' ? value : [options[option] ?? []].flat().concat(value);
    return { code: 0 };
  }

  #set(args: UbusTable): undefined {
    const folder = this.#folder(args, 'write');
    const { config, section, values } = args as unknown as Change;
    if (!this.#seen(config, folder)[section]) throw new UbusError(ubusStatus.notFound, 'no such section');
    folder.push({ config, section, values });
  }

  #commit(args: UbusTable): undefined {
    const folder = this.#folder(args, 'write');
    const config = args.config as string;
    this.packages[config] = this.#seen(config, folder);
    const others = folder.filter((change) => change.config !== config);
    folder.splice(0, folder.length, ...others);
    this.committed.push(config);
  }
}
