// SPDX-License-Identifier: GPL-2.0-only
// The engine on the real kernel, told what to do in JSON lines: the program that live-engine.ts runs in the guest.

import { execSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { systemClock } from '../../src/clock.ts';
import type { EngineConfig } from '../../src/engine/config.ts';
import { Engine } from '../../src/engine/engine.ts';
import { openLinux } from '../../src/kernel/linux.ts';
import type { Hook } from '../../src/model.ts';
import { interfaceDefaults, interfaceOptions, parseOptions } from '../../src/settings.ts';

/** An interface's options as they are written in the configuration; `device` names its link if that is another. */
export type Options = Readonly<Record<string, string | readonly string[]>>;

/** The enabled interfaces by name. */
export type Interfaces = Readonly<Record<string, Options>>;

export type Command =
  | { configure: Interfaces }
  | { forget: [name: string, address: string] }
  | { flush: [name?: string, peer?: string] }
  | { give: [name: string, address: string, peer: string] }
  | { shell: string };

const [root, hook] = process.argv.slice(2);
const print = (value: object) => console.log(JSON.stringify(value));
const kernel = openLinux(root);
const engine = new Engine(kernel, systemClock, print);

function configOf(interfaces: Interfaces): EngineConfig {
  return {
    hook: hook as Hook,
    interfaces: Object.entries(interfaces).map(([name, { device = name, ...options }]) => {
      // As Daemon.start(): no Router Advertisements unless told.
      const all = Object.entries({ ra: '0', ...options });
      const given = new Map(all.map(([option, value]) => [option, [value].flat()]));
      const { settings, invalid } = parseOptions(interfaceOptions, interfaceDefaults, given);
      if (invalid[0]) throw invalid[0];
      return { name, device: device as string, settings };
    }),
  };
}

function carryOut(command: Command): unknown {
  if ('configure' in command) return engine.configure(configOf(command.configure));
  if ('forget' in command) return engine.forget(...command.forget);
  if ('give' in command) return engine.give(...command.give);
  if ('shell' in command) return execSync(command.shell, { encoding: 'utf8' });
  return engine.flush(...command.flush);
}

engine.start(configOf({}));
print({ event: 'ready' });
createInterface({ input: process.stdin })
  .on('line', (line) => print({ answer: carryOut(JSON.parse(line)) ?? null }))
  .on('close', () => {
    engine.stop();
    kernel.close();
  });
