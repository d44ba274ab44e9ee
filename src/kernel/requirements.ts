// SPDX-License-Identifier: GPL-2.0-only
// Why a hook cannot be loaded, in words. Decided by looking, after trying has failed.

import { existsSync, readFileSync, statSync } from 'node:fs';
import type { Hook } from '../model.ts';
import type { Problem } from '../problem.ts';
import type { SystemError } from './native.ts';
import { kernelTellsTypes, moduleTellsTypes, shippedTypes, typesFile } from './types.ts';

interface Requirement extends Problem {
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
    code: 'no-permission',
    message: 'not enough permission to load BPF programs and configure WireGuard',
    hint: 'run it as root (CAP_SYS_ADMIN and CAP_NET_ADMIN)',
    met: () => hasCapability(CAP_SYS_ADMIN) && hasCapability(CAP_NET_ADMIN),
  },
  {
    hooks: all,
    code: 'no-module',
    message: "the kernel's wireguard module is not loaded",
    hint: 'modprobe wireguard (on OpenWrt: install kmod-wireguard)',
    met: hasModule,
  },
  {
    hooks: both,
    code: 'no-btf',
    message: 'the kernel has no BTF (type information)',
    hint: 'build the kernel with CONFIG_DEBUG_INFO_BTF=y',
    met: (hook) => kernelTellsTypes() || hasShippedTypes(hook),
  },
  {
    hooks: both,
    code: 'no-module-btf',
    message: 'the wireguard module has no BTF (type information)',
    hint: `build the kernel with CONFIG_DEBUG_INFO_BTF_MODULES=y and install the wireguard module of that build; or, for the kprobe, make ${typesFile}`,
    met: (hook) => moduleTellsTypes() || hasShippedTypes(hook),
  },
  {
    hooks: both,
    code: 'lockdown',
    message: 'the kernel is locked down: it lets no BPF program read kernel memory',
    hint: 'boot without lockdown=confidentiality',
    met: () => !read('/sys/kernel/security/lockdown').includes('[confidentiality]'),
  },
  {
    hooks: both,
    code: 'no-symbol',
    message: 'the kernel does not tell where wg_allowedips_lookup_src is',
    hint: 'build the kernel with CONFIG_KALLSYMS=y',
    met: (_, symbols) => !hasModule() || / wg_allowedips_lookup_src\b/.test(symbols()),
  },
  {
    hooks: both,
    code: 'no-bpf-events',
    message: 'the kernel lets no BPF program trace it',
    hint: 'build the kernel with CONFIG_BPF_EVENTS=y',
    met: (_, symbols) => / bpf_get_trace_printk_proto$/m.test(symbols()),
  },
  {
    hooks: ['kprobe'],
    code: 'no-kprobes',
    message: 'the kernel has no kprobes',
    hint: 'build the kernel with CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y',
    met: () => existsSync('/sys/bus/event_source/devices/kprobe'),
  },
  {
    hooks: ['fexit'],
    code: 'no-ftrace',
    message: 'the kernel cannot trace functions',
    hint: 'build the kernel with CONFIG_FUNCTION_TRACER=y and CONFIG_DYNAMIC_FTRACE=y',
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
  for (const { hooks, met, code, message, hint } of requirements) {
    if (hooks.includes(hook) && !met(hook, symbols)) yield { code, message, hint };
  }
}

/** The verifier can be long-winded. */
const MESSAGE_LENGTH = 400;

/** The one thing to tell about a hook that failed: the first missing requirement, else what the system said. */
export function explain(hook: Hook, error: SystemError): Problem {
  const [first] = lacking(hook); // and no other
  if (first) return first;
  return {
    code: `no-${hook}`,
    message: `${hook}: ${error.message.replace(/\s+/g, ' ').slice(0, MESSAGE_LENGTH)}`,
    hint: 'report this, with the kernel version and what wg-slaacer doctor says',
  };
}
