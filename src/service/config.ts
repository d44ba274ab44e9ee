// SPDX-License-Identifier: GPL-2.0-only
// What /etc/config/wg-slaacer says, as rpcd reads it: each section's options are strings, or arrays of strings.

import type { InterfaceConfig } from '../engine/config.ts';
import type { Problem, ProblemData } from '../problem.ts';
import {
  type Options,
  type PeerSettings,
  parseDevice,
  parseOptions,
  peerDefaults,
  peerOptions,
  type SectionSettings,
  type ServiceSettings,
  sectionDefaults,
  sectionOptions,
  serviceDefaults,
  serviceOptions,
} from '../settings.ts';
import type { UbusTable } from '../ubus/types.ts';
import { type Section, sectionsOf } from './sections.ts';

export interface InterfaceSection extends InterfaceConfig, Pick<SectionSettings, 'dns' | 'nftsetPrefix'> {
  readonly enabled: boolean;
}

/** What is said of one peer of an interface. */
export interface PeerOptions extends Pick<PeerSettings, 'name' | 'dns' | 'nftsets'> {
  /** Of UCI. */
  readonly section: string;
  readonly device: string;
  /** The public key in base64. */
  readonly key: string;
}

export interface Configuration {
  readonly global: ServiceSettings;
  /** With those that are disabled. Names are unique, and so are the devices of enabled ones. */
  readonly interfaces: readonly InterfaceSection[];
  /** Of each peer of an interface one at most. */
  readonly peers: readonly PeerOptions[];
  /** What is wrong with it. The rest is in force, with defaults for what cannot be used. */
  readonly problems: readonly Problem[];
}

/** The `values` of rpcd's answer to `uci get`: sections by name. Takes anything without an error. */
export function parseConfiguration(values: UbusTable): Configuration {
  const problems: Problem[] = [];
  const interfaces: InterfaceSection[] = [];
  let global: ServiceSettings | undefined;
  const peerSections: Section[] = [];
  for (const section of sectionsOf(values)) {
    if (section.type === 'interface') {
      const added = parseInterface(section, interfaces, problems);
      if (added) interfaces.push(added);
    } else if (section.type === 'peer') {
      peerSections.push(section);
    } else if (section.type !== 'globals') {
      problems.push(ignored({ section: section.name, reason: 'type', type: section.type }));
    } else if (global) {
      problems.push(ignored({ section: section.name, reason: 'globals' }));
    } else global = check(section, serviceOptions, serviceDefaults, problems);
  }
  const peers: PeerOptions[] = [];
  for (const section of peerSections) {
    const added = parsePeer(section, interfaces, peers, problems);
    if (added) peers.push(added);
  }
  return { global: global ?? serviceDefaults, interfaces, peers, problems };
}

function parseInterface(
  section: Section,
  others: readonly InterfaceSection[],
  problems: Problem[],
): InterfaceSection | undefined {
  const {
    enabled,
    device: named,
    dns,
    nftsetPrefix,
    ...settings
  } = check(section, sectionOptions, sectionDefaults, problems);
  if (section.options.has('device') && named === undefined) return undefined; // has been told
  const device = named ?? (section.anonymous ? undefined : parseDevice(section.name));
  if (device === undefined) {
    const reason = section.anonymous ? 'no-name' : 'no-device';
    problems.push(ignored({ section: section.name, reason }));
    return undefined;
  }
  const name = section.anonymous ? device : section.name;
  if (others.some((other) => other.name === name)) {
    problems.push(ignored({ section: section.name, reason: 'name', name }));
    return undefined;
  }
  const rival = enabled && others.find((other) => other.enabled && other.device === device);
  if (rival) problems.push(ignored({ section: section.name, reason: 'device', device, rival: rival.name }));
  return { name, device, enabled: enabled && !rival, dns, nftsetPrefix, settings };
}

/** By the section of its interface or, as ubus has it, by the device. */
function parsePeer(
  section: Section,
  interfaces: readonly InterfaceSection[],
  others: readonly PeerOptions[],
  problems: Problem[],
): PeerOptions | undefined {
  const settings = check(section, peerOptions, peerDefaults, problems);
  const { interface: named, publicKey: key, name, dns, nftsets } = settings;
  if (key === undefined) {
    if (!section.options.has('public_key'))
      problems.push(ignored({ section: section.name, reason: 'no-key' }));
    return undefined;
  }
  const of =
    interfaces.find((each) => each.name === named) ??
    interfaces.find(({ enabled, device }) => enabled && device === named) ??
    interfaces.find(({ device }) => device === named);
  if (!of) {
    problems.push(
      ignored({
        section: section.name,
        ...(named === undefined ? { reason: 'nowhere' } : { reason: 'no-interface', name: excerpt(named) }),
      }),
    );
    return undefined;
  }
  const rival = others.find((other) => other.device === of.device && other.key === key);
  if (rival) {
    problems.push(ignored({ section: section.name, reason: 'peer', rival: rival.section }));
    return undefined;
  }
  return { section: section.name, device: of.device, key, name, dns, nftsets };
}

/** A section's settings; what is wrong with its options is added to `problems`. */
function check<Settings extends object>(
  { name, options: given }: Section,
  options: Options<Settings>,
  defaults: Settings,
  problems: Problem[],
): Settings {
  // A list may be written as one option, too.
  const texts = [...given].map(
    ([option, texts]) =>
      [
        option,
        Object.hasOwn(options, option) && options[option]!.isList
          ? texts.flatMap((text) => text.trim().split(/\s+/))
          : texts,
      ] as const,
  );
  const { settings, invalid } = parseOptions(options, defaults, new Map(texts));
  for (const { option, value, allowed, ...rest } of invalid) {
    const instead = essential.includes(option) ? 'nothing' : rest.instead;
    problems.push({
      code: 'invalid-option',
      data: { section: name, option, value: excerpt(value), allowed, instead },
    });
  }
  for (const option of given.keys()) {
    if (Object.hasOwn(options, option)) continue;
    problems.push({
      code: 'unknown-option',
      data: { section: name, option: excerpt(option), known: Object.keys(options).join(', ') },
    });
  }
  return settings;
}

/** Without one of these, or with a wrong one, there is nothing to do for a section. */
const essential = ['device', 'public_key'];

function ignored(data: ProblemData['ignored-section']): Problem {
  return { code: 'ignored-section', data };
}

/** Enough of a text to find it in the file. */
function excerpt(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}…` : text;
}
