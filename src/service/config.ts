// SPDX-License-Identifier: GPL-2.0-only
// What /etc/config/wg-slaacer says, as rpcd reads it: each section's options are strings, or arrays of strings.

import type { InterfaceConfig } from '../engine/engine.ts';
import type { Problem } from '../problem.ts';
import {
  type Options,
  parseDevice,
  parseOptions,
  type ServiceSettings,
  sectionDefaults,
  sectionOptions,
  serviceDefaults,
  serviceOptions,
} from '../settings.ts';
import type { UbusTable } from '../ubus/types.ts';
import { type Section, sectionsOf } from './sections.ts';

export interface InterfaceSection extends InterfaceConfig {
  readonly enabled: boolean;
}

export interface Configuration {
  readonly global: ServiceSettings;
  /** With those that are disabled. Names are unique, and so are the devices of enabled ones. */
  readonly interfaces: readonly InterfaceSection[];
  /** What is wrong with it. The rest is in force, with defaults for what cannot be used. */
  readonly problems: readonly Problem[];
}

/** The `values` of rpcd's answer to `uci get`: sections by name. Takes anything without an error. */
export function parseConfiguration(values: UbusTable): Configuration {
  const problems: Problem[] = [];
  const interfaces: InterfaceSection[] = [];
  let global: ServiceSettings | undefined;
  for (const section of sectionsOf(values)) {
    if (section.type === 'interface') {
      const added = parseInterface(section, interfaces, problems);
      if (added) interfaces.push(added);
    } else if (section.type !== 'globals') {
      problems.push(ignored(section, `there are no sections of type "${section.type}"`, otherTypes));
    } else if (global) {
      problems.push(
        ignored(section, 'there is another section of type globals before it', 'keep one of them'),
      );
    } else global = check(section, serviceOptions, serviceDefaults, problems);
  }
  return { global: global ?? serviceDefaults, interfaces, problems };
}

const otherTypes = 'make it of type interface or globals, or remove it';

function parseInterface(
  section: Section,
  others: readonly InterfaceSection[],
  problems: Problem[],
): InterfaceSection | undefined {
  const { enabled, device: named, ...settings } = check(section, sectionOptions, sectionDefaults, problems);
  if (section.options.has('device') && named === undefined) return undefined; // has been told
  const device = named ?? (section.anonymous ? undefined : parseDevice(section.name));
  if (device === undefined) {
    const reason = section.anonymous ? 'it has no name' : 'its name cannot be that of a network interface';
    problems.push(ignored(section, reason, 'name the interface: option device'));
    return undefined;
  }
  const name = section.anonymous ? device : section.name;
  if (others.some((other) => other.name === name)) {
    problems.push(ignored(section, `there is another section called ${name}`, 'give it a name of its own'));
    return undefined;
  }
  const rival = enabled && others.find((other) => other.enabled && other.device === device);
  if (rival) {
    problems.push(
      ignored(section, `section ${rival.name} is for ${device}, too`, 'keep one of them enabled'),
    );
  }
  return { name, device, enabled: enabled && !rival, settings };
}

/** A section's settings; what is wrong with its options is added to `problems`. */
function check<Settings extends object>(
  { name, options: given }: Section,
  options: Options<Settings>,
  defaults: Settings,
  problems: Problem[],
): Settings {
  // A list may be written as one option, too.
  const prefix = given.get('prefix')?.flatMap((text) => text.trim().split(/\s+/));
  const { settings, invalid } = parseOptions(
    options,
    defaults,
    prefix ? new Map([...given, ['prefix', prefix]]) : given,
  );
  for (const { option, value, allowed } of invalid) {
    const fallback = option === 'device' ? 'the section is left out' : 'the default is used';
    problems.push({
      code: 'invalid-option',
      message: `wg-slaacer.${name}.${option}: "${excerpt(value)}" is not allowed, so ${fallback}`,
      hint: `allowed is ${allowed}`,
    });
  }
  for (const option of given.keys()) {
    if (Object.hasOwn(options, option)) continue;
    problems.push({
      code: 'unknown-option',
      message: `wg-slaacer.${name}.${excerpt(option)}: there is no such option`,
      hint: `there are ${Object.keys(options).join(', ')}`,
    });
  }
  return settings;
}

function ignored({ name }: Section, reason: string, hint: string): Problem {
  return { code: 'ignored-section', message: `wg-slaacer.${name}: left out, as ${reason}`, hint };
}

/** Enough of a text to find it in the file. */
function excerpt(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}…` : text;
}
