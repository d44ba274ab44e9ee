// SPDX-License-Identifier: GPL-2.0-only
// rpcd's objects `uci`, over the files of a folder, and `session`, as far as the service uses them. What is set waits in
// memory until `commit`, which then calls procd's `service event`, if there is such an object, as rpcd does. A session
// has changes of its own, and may do what it was granted. Not here: `match`, `rename`, `order`, `apply`.

import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Ubus, UbusError, type UbusTable, type UbusValue, ubusStatus } from '../../../src/ubus/types.ts';
import { addSection, addToList, parseUci, printUci, type Section } from './uci-file.ts';

type Change = [command: 'set' | 'add' | 'list-add' | 'remove', section: string, ...rest: string[]];

const NAME = /^[A-Za-z0-9_]+$/;

const refuse = (status: number): never => {
  throw new UbusError(status, 'refused');
};
const required = (args: UbusTable, name: string): string =>
  typeof args[name] === 'string' ? args[name] : refuse(ubusStatus.invalidArgument);

class UciFolder {
  readonly #folder: string;
  readonly #changes = new Map<string, Change[]>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  configs(): string[] {
    return readdirSync(this.#folder).sort();
  }

  changes(config: string): readonly Change[] {
    return this.#changes.get(config) ?? [];
  }

  load(config: string): Section[] {
    if (!/^[\w-]+$/.test(config)) refuse(ubusStatus.invalidArgument);
    let text: string;
    try {
      text = readFileSync(join(this.#folder, config), 'utf8');
    } catch {
      return refuse(ubusStatus.notFound);
    }
    let sections: Section[];
    try {
      sections = parseUci(text);
    } catch {
      return refuse(ubusStatus.unknownError);
    }
    for (const change of this.changes(config)) apply(sections, change);
    return sections;
  }

  change(config: string, changes: Change[]): void {
    this.#changes.set(config, [...this.changes(config), ...changes]);
  }

  commit(config: string): void {
    const sections = this.load(config);
    if (this.changes(config).length > 0) writeFileSync(join(this.#folder, config), printUci(sections));
    this.#changes.delete(config);
  }

  revert(config: string): void {
    this.load(config);
    this.#changes.delete(config);
  }
}

function apply(sections: Section[], [command, name, option = '', value = '']: Change): void {
  if (command === 'add') {
    addSection(sections, option, name.startsWith('cfg') ? undefined : name);
    return;
  }
  const index = sections.findIndex((section) => section.name === name);
  const section = sections[index];
  if (section === undefined) return;
  if (command === 'set') section.options.set(option, value);
  else if (command === 'list-add') addToList(section.options, option, value);
  else if (option !== '') section.options.delete(option);
  else sections.splice(index, 1);
}

/** By name or, as `@type[index]`, by its place among those of the type, from the end if negative. */
function findSection(sections: readonly Section[], name: string): Section {
  const [, type, index] = /^@([^[]+)\[(-?\d+)\]$/.exec(name) ?? [];
  const found =
    type === undefined
      ? sections.find((section) => section.name === name)
      : sections.filter((section) => section.type === type).at(Number(index));
  return found ?? refuse(ubusStatus.notFound);
}

const describe = ({ anonymous, type, name, options }: Section, index?: number): UbusTable => ({
  '.anonymous': anonymous,
  '.type': type,
  '.name': name,
  ...(index === undefined ? {} : { '.index': index }),
  ...Object.fromEntries(options),
});

function scalar(value: UbusValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? '1' : '0';
  return typeof value === 'number' && Number.isInteger(value)
    ? String(value >>> 0)
    : refuse(ubusStatus.invalidArgument);
}

/** How rpcd turns values into changes: a list replaces what was there, and what is equal is no change. */
function valueChanges(section: Section, values: UbusTable): Change[] {
  return Object.entries(values).flatMap(([option, value]): Change[] => {
    if (!NAME.test(option)) return refuse(ubusStatus.invalidArgument);
    const present = section.options.get(option);
    if (!Array.isArray(value)) {
      const text = scalar(value);
      if (present === text) return [];
      const removal: Change[] = Array.isArray(present) ? [['remove', section.name, option]] : [];
      return [...removal, ['set', section.name, option, text]];
    }
    if (value.length === 0) refuse(ubusStatus.invalidArgument);
    const additions = value.map((element): Change => ['list-add', section.name, option, scalar(element)]);
    return present === undefined ? additions : [['remove', section.name, option], ...additions];
  });
}

function get(uci: UciFolder, args: UbusTable): UbusTable | undefined {
  const sections = uci.load(required(args, 'config'));
  if (args.section === undefined) {
    const wanted = [...sections.entries()].filter(
      ([, { type }]) => args.type === undefined || args.type === type,
    );
    return {
      values: Object.fromEntries(wanted.map(([index, section]) => [section.name, describe(section, index)])),
    };
  }
  let section: Section;
  try {
    section = findSection(sections, required(args, 'section'));
  } catch (error) {
    // rpcd answers without data, and without an error, to what is missing in a package that is there.
    if (error instanceof UbusError && error.status === ubusStatus.notFound) return undefined;
    throw error;
  }
  if (args.option === undefined) return { values: describe(section) };
  const value = section.options.get(required(args, 'option'));
  return value === undefined ? undefined : { value };
}

function add(uci: UciFolder, args: UbusTable): UbusTable {
  const [config, type] = [required(args, 'config'), required(args, 'type')];
  const sections = uci.load(config);
  const section = addSection(sections, type, args.name as string | undefined);
  uci.change(config, [
    ['add', section.name, type],
    ...valueChanges(section, (args.values ?? {}) as UbusTable),
  ]);
  return { section: section.name };
}

function set(uci: UciFolder, args: UbusTable): undefined {
  const config = required(args, 'config');
  if (args.section === undefined && args.type === undefined) refuse(ubusStatus.invalidArgument);
  const values = (args.values ?? refuse(ubusStatus.invalidArgument)) as UbusTable;
  const sections = uci.load(config);
  const targets =
    args.section === undefined
      ? sections.filter(({ type }) => type === args.type)
      : [findSection(sections, required(args, 'section'))];
  if (targets.length === 0) refuse(ubusStatus.notFound);
  uci.change(
    config,
    targets.flatMap((section) => valueChanges(section, values)),
  );
}

function remove(uci: UciFolder, args: UbusTable): undefined {
  const config = required(args, 'config');
  const section = findSection(uci.load(config), required(args, 'section'));
  const named = args.options ?? args.option;
  if (named === undefined) {
    uci.change(config, [['remove', section.name]]);
    return;
  }
  const options = ([named].flat() as string[]).filter((option) => section.options.has(option));
  if (options.length === 0) refuse(ubusStatus.notFound);
  uci.change(
    config,
    options.map((option): Change => ['remove', section.name, option]),
  );
}

function changes(uci: UciFolder, args: UbusTable): UbusTable {
  if (args.config !== undefined) {
    const config = required(args, 'config');
    uci.load(config);
    return { changes: uci.changes(config) };
  }
  const changed = uci.configs().filter((config) => uci.changes(config).length > 0);
  return { changes: Object.fromEntries(changed.map((config) => [config, uci.changes(config)])) };
}

async function tellProcd(ubus: Ubus, config: string): Promise<void> {
  try {
    await ubus.call('service', 'event', { type: 'config.change', data: { package: config } }, 1000);
  } catch (error) {
    if (!(error instanceof UbusError)) throw error;
  }
}

/** A folder's changes without a session, and by session. */
class Sessions {
  readonly #folder: string;
  readonly #common: UciFolder;
  readonly #sessions = new Map<string, { readonly uci: UciFolder; readonly granted: Set<string> }>();

  constructor(folder: string) {
    this.#folder = folder;
    this.#common = new UciFolder(folder);
  }

  /** What a call is about; it is refused what its session was not granted. */
  seenBy({ ubus_rpc_session: id, config }: UbusTable, right: 'read' | 'write' = 'read'): UciFolder {
    if (typeof id !== 'string') return this.#common;
    const session = this.#sessions.get(id);
    if (!session || (config !== undefined && !session.granted.has(`${config} ${right}`)))
      return refuse(ubusStatus.permissionDenied);
    return session.uci;
  }

  create(): UbusTable {
    const id = randomBytes(16).toString('hex');
    this.#sessions.set(id, { uci: new UciFolder(this.#folder), granted: new Set() });
    return { ubus_rpc_session: id };
  }

  grant({ ubus_rpc_session: id, scope, objects }: UbusTable): undefined {
    const session = this.#sessions.get(id as string) ?? refuse(ubusStatus.notFound);
    if (scope !== 'uci') return;
    for (const [config, right] of objects as [string, string][]) session.granted.add(`${config} ${right}`);
  }

  destroy({ ubus_rpc_session: id }: UbusTable): undefined {
    if (!this.#sessions.delete(id as string)) refuse(ubusStatus.notFound);
  }
}

/**
 * `uci set` or `uci add_list`, of a package by its path, as rpcd's `file exec` runs it: what is not committed is neither seen
 * nor kept, and nobody is told.
 */
export function uciCommand(folder: string, params: readonly string[]): UbusTable {
  const [command, change = ''] = params;
  const [, config, name, option, value] =
    /^\/etc\/config\/([\w-]+)\.(\w+)\.(\w+)=(.*)$/.exec(change) ?? refuse(ubusStatus.invalidArgument);
  const uci = new UciFolder(folder);
  if (!uci.load(config!).some((section) => section.name === name))
    return { code: 1, stderr: 'Entry not found' };
  uci.change(config!, [[command === 'set' ? 'set' : 'list-add', name!, option!, value!]]);
  uci.commit(config!);
  return { code: 0 };
}

/** Publishes rpcd's object `file`, which runs nothing but that. */
export function fileObject(ubus: Ubus, folder: string): void {
  ubus.publish('file', {
    exec: {
      arguments: { command: 'String', params: 'Array' },
      call: ({ command, params }) =>
        command === '/sbin/uci'
          ? uciCommand(folder, params as readonly string[])
          : refuse(ubusStatus.permissionDenied),
    },
  });
}

/** Publishes both on the connection. */
export function uciObject(ubus: Ubus, folder: string): void {
  const sessions = new Sessions(folder);
  const config = { config: 'String' } as const;
  const session = { ubus_rpc_session: 'String' } as const;
  ubus.publish('session', {
    create: { arguments: { timeout: 'Integer' }, call: () => sessions.create() },
    grant: {
      arguments: { ...session, scope: 'String', objects: 'Array' },
      call: (args) => sessions.grant(args),
    },
    destroy: { arguments: session, call: (args) => sessions.destroy(args) },
  });
  ubus.publish('uci', {
    configs: { arguments: {}, call: (args) => ({ configs: sessions.seenBy(args).configs() }) },
    get: {
      arguments: {
        ...config,
        section: 'String',
        option: 'String',
        type: 'String',
        match: 'Table',
        ...session,
      },
      call: (args) => get(sessions.seenBy(args), args),
    },
    add: {
      arguments: { ...config, type: 'String', name: 'String', values: 'Table', ...session },
      call: (args) => add(sessions.seenBy(args, 'write'), args),
    },
    set: {
      arguments: {
        ...config,
        section: 'String',
        type: 'String',
        match: 'Table',
        values: 'Table',
        ...session,
      },
      call: (args) => set(sessions.seenBy(args, 'write'), args),
    },
    delete: {
      arguments: { ...config, section: 'String', option: 'String', options: 'Array', ...session },
      call: (args) => remove(sessions.seenBy(args, 'write'), args),
    },
    changes: { arguments: { ...config, ...session }, call: (args) => changes(sessions.seenBy(args), args) },
    revert: {
      arguments: { ...config, ...session },
      call: (args) => {
        sessions.seenBy(args, 'write').revert(required(args, 'config'));
        return undefined;
      },
    },
    commit: {
      arguments: { ...config, ...session },
      call: async (args) => {
        sessions.seenBy(args, 'write').commit(required(args, 'config'));
        await tellProcd(ubus, required(args, 'config'));
        return undefined;
      },
    },
  });
}
