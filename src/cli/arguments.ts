// SPDX-License-Identifier: GPL-2.0-only

import { parseArgs } from 'node:util';
import { type ClientSystem, clientSystems } from '../answers.ts';
import { parseReach } from '../service/reachable.ts';
import {
  type GlobalSettings,
  globalDefaults,
  globalOptions,
  type InterfaceSettings,
  interfaceDefaults,
  interfaceOptions,
  parseOptions,
} from '../settings.ts';
import { UsageError } from './usage.ts';

export interface RunArguments {
  /** None: the service is to run. */
  readonly interfaces: readonly string[];
  readonly global: GlobalSettings;
  readonly settings: InterfaceSettings;
  readonly json: boolean;
  /** Where to keep what has to be known after a reboot. */
  readonly state?: string;
}

/** Throws UsageError, which names the first thing that is wrong and what is allowed. */
export function parseRunArguments(args: string[]): RunArguments {
  const { values } = parse(args, {
    interface: { type: 'string', multiple: true, short: 'i' },
    set: { type: 'string', multiple: true },
    json: { type: 'boolean' },
    state: { type: 'string' },
  } as const);
  const interfaces = [...new Set(values.interface)];
  if (interfaces.length === 0 && (values.set || values.json))
    throw new UsageError('run needs an --interface, or no option but --state to be the service');
  if (values.state === '') throw new UsageError('--state: the name of the file is missing');
  const given = collect(values.set ?? []);
  const global = parseOptions(globalOptions, globalDefaults, given);
  const each = parseOptions(interfaceOptions, interfaceDefaults, given);
  const [invalid] = [...global.invalid, ...each.invalid];
  if (invalid)
    throw new UsageError(`--set ${invalid.option}=${invalid.value}: allowed is ${invalid.allowed}`);
  return {
    interfaces,
    global: global.settings,
    settings: each.settings,
    json: values.json ?? false,
    ...(values.state !== undefined && { state: values.state }),
  };
}

/** `--state FILE` alone; undefined without it. */
export function parseStateFlag(args: string[]): string | undefined {
  return parse(args, { state: { type: 'string' } } as const).values.state;
}

export interface ClientArguments {
  /** A public key, or a description. */
  readonly peer: string;
  readonly system: ClientSystem;
  readonly interface: string | undefined;
  readonly endpoint: string | undefined;
  readonly json: boolean;
}

/** Throws UsageError. */
export function parseClientArguments(args: string[]): ClientArguments {
  const { values, positionals } = parse(
    args,
    {
      for: { type: 'string', default: clientSystems[0] },
      interface: { type: 'string', short: 'i' },
      endpoint: { type: 'string' },
      json: { type: 'boolean', default: false },
    } as const,
    true,
  );
  const [peer, unexpected] = positionals;
  if (peer === undefined) throw new UsageError('the peer is missing: its public key or its description');
  if (unexpected !== undefined) throw new UsageError(`unexpected argument "${unexpected}"`);
  const system = clientSystems.find((system) => system === values.for);
  if (!system)
    throw new UsageError(
      `--for ${values.for}: there is no such client; there are ${clientSystems.join(', ')}; app is for the WireGuard apps`,
    );
  if (values.endpoint !== undefined && !parseReach(values.endpoint))
    throw new UsageError(`--endpoint ${values.endpoint}: not a host name or an address`);
  return { peer, system, interface: values.interface, endpoint: values.endpoint, json: values.json };
}

export interface HistoryArguments {
  /** An address, a public key, or a description. */
  readonly wanted: string | undefined;
  /** Seconds since 1970. */
  readonly at: number | undefined;
  readonly json: boolean;
}

/** Throws UsageError. */
export function parseHistoryArguments(args: string[], now: Date): HistoryArguments {
  const { values, positionals } = parse(
    args,
    { at: { type: 'string' }, json: { type: 'boolean', default: false } } as const,
    true,
  );
  const [wanted, unexpected] = positionals;
  if (unexpected !== undefined) throw new UsageError(`unexpected argument "${unexpected}"`);
  return { wanted, at: values.at === undefined ? undefined : parseTime(values.at, now), json: values.json };
}

/** In seconds since 1970. A time of day is the last one that there was. */
function parseTime(text: string, now: Date): number {
  if (/^\d{9,10}$/.test(text)) return Number(text);
  const isTimeOfDay = /^\d\d:\d\d(:\d\d)?$/.test(text);
  const isDay = /^\d{4}-\d\d-\d\d$/.test(text);
  const isTime = /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?$/.test(text);
  const time = new Date(
    isTimeOfDay ? `${dayOf(now)}T${text}` : isDay ? `${text}T00:00` : text.replace(' ', 'T'),
  );
  if (!(isTimeOfDay || isDay || isTime) || Number.isNaN(time.getTime())) {
    throw new UsageError(
      `--at ${text}: not a time such as 18:30, 2026-11-28, "2026-11-28 18:30", or seconds since 1970`,
    );
  }
  if (isTimeOfDay && time > now) time.setDate(time.getDate() - 1);
  return time.getTime() / 1_000;
}

/** "2026-11-28", here. */
function dayOf(date: Date): string {
  const [month, day] = [date.getMonth() + 1, date.getDate()].map((number) => String(number).padStart(2, '0'));
  return `${date.getFullYear()}-${month}-${day}`;
}

/** `--json` alone. */
export function parseJsonFlag(args: string[]): boolean {
  return parse(args, { json: { type: 'boolean' } } as const).values.json ?? false;
}

/**
 * `--json` and arguments by position, which have these names; one in brackets may be left out. Throws UsageError if one
 * is missing or too many are there.
 */
export function parsePositionals(
  args: string[],
  names: readonly string[],
): { json: boolean; values: Record<string, string> } {
  const { values, positionals } = parse(args, { json: { type: 'boolean' } } as const, true);
  const missing = names[positionals.length];
  if (missing && !missing.startsWith('[')) throw new UsageError(`the ${missing} is missing`);
  if (positionals.length > names.length)
    throw new UsageError(`unexpected argument "${positionals[names.length]}"`);
  const named = positionals.map((value, i) => [names[i]!.replace(/[[\]]/g, ''), value]);
  return { json: values.json ?? false, values: Object.fromEntries(named) };
}

function parse<const Options extends NonNullable<Parameters<typeof parseArgs>[0]>['options']>(
  args: string[],
  options: Options,
  allowPositionals = false,
) {
  try {
    return parseArgs({ args, options, strict: true, allowPositionals });
  } catch (error) {
    const message = (error as Error).message.replace(/\. .*$/s, '');
    throw new UsageError(message[0]!.toLowerCase() + message.slice(1));
  }
}

function collect(assignments: readonly string[]): Map<string, string[]> {
  const names = [...Object.keys(interfaceOptions), ...Object.keys(globalOptions)];
  const given = new Map<string, string[]>();
  for (const assignment of assignments) {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(assignment) ?? [];
    if (name === undefined || value === undefined)
      throw new UsageError(`--set ${assignment}: not OPTION=VALUE`);
    if (!names.includes(name)) {
      throw new UsageError(
        `--set ${assignment}: there is no option "${name}"; there are ${names.join(', ')}`,
      );
    }
    given.set(name, [...(given.get(name) ?? []), value]);
  }
  return given;
}
