// SPDX-License-Identifier: GPL-2.0-only
// Why a hook cannot be loaded. Decided by looking, after trying has failed.

import { existsSync, readFileSync, statSync } from 'node:fs';
import type { Hook } from '../model.ts';
import { failureOf, type Problem } from '../problem.ts';
import type { SystemError } from './native.ts';
import { kernelTellsTypes, moduleTellsTypes, shippedTypes, typesFile } from './types.ts';

interface Requirement {
  /** What it is not to have it. */
  readonly problem: Problem;
  readonly hooks: readonly Hook[];
  /** `symbols` reads /proc/kallsyms, which is long. */
  met(hook: Hook, symbols: () => string): boolean;
}

const both: readonly Hook[] = ['fexit', 'kprobe'];
const all: readonly Hook[] = [...both, 'lending'];

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** A kprobe needs to know where members are; fexit, the function's type in the kernel itself. */
const hasShippedTypes = (hook: Hook) => hook === 'kprobe' && shippedTypes() !== undefined;

const hasModule = () => existsSync('/sys/module/wireguard');

/** Another number each time that the wireguard module is loaded; undefined while it is not. */
export function moduleInstance(): number | undefined {
  return statSync('/sys/module/wireguard', { throwIfNoEntry: false })?.ino;
}

/** Effective capabilities of this process (proc(5)). */
function hasCapability(bit: number): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(read('/proc/self/status'))?.[1] ?? '0';
  return ((BigInt(`0x${mask}`) >> BigInt(bit)) & 1n) === 1n;
}

const CAP_NET_ADMIN = 12;
const CAP_SYS_ADMIN = 21;

/** In the order in which to cure them. */
const requirements: readonly Requirement[] = [
  {
    hooks: all,
    problem: { code: 'no-permission', data: {} },
    met: () => hasCapability(CAP_SYS_ADMIN) && hasCapability(CAP_NET_ADMIN),
  },
  {
    hooks: all,
    problem: { code: 'no-module', data: {} },
    met: hasModule,
  },
  {
    hooks: both,
    problem: { code: 'no-btf', data: {} },
    met: (hook) => kernelTellsTypes() || hasShippedTypes(hook),
  },
  {
    hooks: both,
    problem: { code: 'no-module-btf', data: { file: typesFile } },
    met: (hook) => moduleTellsTypes() || hasShippedTypes(hook),
  },
  {
    hooks: both,
    problem: { code: 'lockdown', data: {} },
    met: () => !read('/sys/kernel/security/lockdown').includes('[confidentiality]'),
  },
  {
    hooks: both,
    problem: { code: 'no-symbol', data: {} },
    met: (_, symbols) => !hasModule() || / wg_allowedips_lookup_src\b/.test(symbols()),
  },
  {
    hooks: both,
    problem: { code: 'no-bpf-events', data: {} },
    met: (_, symbols) => / bpf_get_trace_printk_proto$/m.test(symbols()),
  },
  {
    hooks: ['kprobe'],
    problem: { code: 'no-kprobes', data: {} },
    met: () => existsSync('/sys/bus/event_source/devices/kprobe'),
  },
  {
    hooks: ['fexit'],
    problem: { code: 'no-ftrace', data: {} },
    met: (_, symbols) => / (ftrace_caller|ftrace_stub)$/m.test(symbols()),
  },
];

/** What a hook needs and this system lacks; may be empty although the hook does not load. */
export function unmet(hook: Hook): Problem[] {
  return [...lacking(hook)];
}

/** … one by one, as it takes long to look for the last ones. */
function* lacking(hook: Hook): Generator<Problem, void, undefined> {
  let text: string | undefined;
  const symbols = () => {
    text ??= read('/proc/kallsyms');
    return text;
  };
  for (const { hooks, met, problem } of requirements) {
    if (hooks.includes(hook) && !met(hook, symbols)) yield problem;
  }
}

/** The one thing to tell about a hook that failed: the first missing requirement, else what the system said. */
export function explain(hook: Hook, error: SystemError): Problem {
  const [first] = lacking(hook); // and no other
  if (first) return first;
  return { code: `no-${hook}`, data: failureOf(error) };
}
