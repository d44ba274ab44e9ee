// SPDX-License-Identifier: GPL-2.0-only
// LuCI.uci by uci.js: what was loaded, and what has changed since, until it is saved.

import { rpc } from './request.ts';

type Value = string | string[];
export type Section = Record<string, Value | boolean | number>;

const callGet = rpc.declare({
  object: 'uci',
  method: 'get',
  params: ['config'],
  expect: { values: {} },
  reject: true,
});
const callAdd = rpc.declare({
  object: 'uci',
  method: 'add',
  params: ['config', 'type', 'name', 'values'],
  expect: { section: '' },
  reject: true,
});
const callSet = rpc.declare({
  object: 'uci',
  method: 'set',
  params: ['config', 'section', 'values'],
  reject: true,
});
const callDelete = rpc.declare({
  object: 'uci',
  method: 'delete',
  params: ['config', 'section', 'options'],
  reject: true,
});
const callChanges = rpc.declare({ object: 'uci', method: 'changes', expect: { changes: {} } });

const values = new Map<string, Record<string, Section>>();
const creates = new Map<string, Record<string, Section>>();
/** Sections. */
const removed = new Map<string, ReadonlySet<string>>();
let added = 0;
/** By section and option; null: deleted. */
const changed = new Map<string, Record<string, Record<string, Value | null>>>();

export const uci = {
  async load(config: string): Promise<void> {
    if (!values.has(config)) values.set(config, (await callGet(config)) as Record<string, Section>);
  },

  sections(config: string, type: string): Section[] {
    const all = [...Object.values(values.get(config) ?? {}), ...Object.values(creates.get(config) ?? {})];
    const isGone = ({ '.name': name }: Section) => removed.get(config)?.has(name as string);
    return all.filter((section) => section['.type'] === type && !isGone(section));
  },

  get(config: string, sid: string, option?: string): unknown {
    const created = creates.get(config)?.[sid];
    const section = created ?? values.get(config)?.[sid];
    if (!section) return null;
    if (option === undefined) return section;
    const change = created ? undefined : changed.get(config)?.[sid]?.[option];
    return change === undefined ? (section[option] ?? null) : change;
  },

  /** A section without a name gets one until it is saved. */
  add(config: string, type: string, name?: string): string {
    const sid = name ?? `new${String(++added).padStart(6, '0')}`;
    const section: Section = {
      '.type': type,
      '.name': sid,
      ...(name !== undefined && { '.create': name }),
      '.anonymous': name === undefined,
    };
    creates.set(config, { ...creates.get(config), [sid]: section });
    return sid;
  },

  remove(config: string, sid: string): void {
    if (creates.get(config)?.[sid]) delete creates.get(config)![sid];
    else removed.set(config, new Set([...(removed.get(config) ?? []), sid]));
    delete changed.get(config)?.[sid];
  },

  set(config: string, sid: string, option: string, value: Value | null): void {
    const created = creates.get(config)?.[sid];
    if (created) {
      if (value === null) delete created[option];
      else created[option] = value;
      return;
    }
    const section = values.get(config)?.[sid];
    if (!section || (value === null && section[option] === undefined)) return;
    const before = changed.get(config) ?? {};
    changed.set(config, { ...before, [sid]: { ...before[sid], [option]: value } });
  },

  async save(): Promise<void> {
    const tasks: Promise<unknown>[] = [];
    for (const [config, sections] of creates) {
      for (const section of Object.values(sections)) {
        const options = Object.entries(section).filter(([option]) => !option.startsWith('.'));
        tasks.push(callAdd(config, section['.type'], section['.create'], Object.fromEntries(options)));
      }
    }
    for (const [config, sections] of removed) for (const sid of sections) tasks.push(callDelete(config, sid));
    for (const [config, sections] of changed) {
      for (const [sid, options] of Object.entries(sections)) {
        const entries = Object.entries(options);
        const gone = entries.filter(([, value]) => value === null).map(([option]) => option);
        const kept = entries.filter(([, value]) => value !== null);
        if (gone.length > 0) tasks.push(callDelete(config, sid, gone));
        if (kept.length > 0) tasks.push(callSet(config, sid, Object.fromEntries(kept)));
      }
    }
    const configs = new Set([...creates.keys(), ...removed.keys(), ...changed.keys()]);
    await Promise.all(tasks);
    creates.clear();
    removed.clear();
    changed.clear();
    for (const config of configs) {
      values.delete(config);
      await uci.load(config);
    }
  },

  async changes(): Promise<Record<string, unknown[]>> {
    return (await callChanges()) as Record<string, unknown[]>;
  },

  /** What was not saved is forgotten, as when the form is reset. */
  discard(): void {
    creates.clear();
    removed.clear();
    changed.clear();
  },
};
