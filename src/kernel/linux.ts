// SPDX-License-Identifier: GPL-2.0-only
// The real kernel.

import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { lockInstance } from './instance.ts';
import { type Hook, HookError, type Kernel, type Problem, type Sighting } from './kernel.ts';
import { RtnetlinkLinks } from './links.ts';
import { loadNative, type Native, type SystemError } from './native.ts';
import { Probe } from './probe.ts';
import { explain } from './requirements.ts';
import { GenetlinkWireGuard } from './wireguard.ts';

/** Where the tree stands that this program is installed in: "/" on a router. */
const installed = join(realpathSync(process.argv[1]!), '../../../..');

const hooks = ['fexit', 'kprobe'] as const;

const openNative = (root: string) => loadNative(join(root, 'usr/lib/wg-slaacer/wg_slaacer.node'));

/** Throws AlreadyRunning if it is open in another process of this network namespace. */
export function openLinux(root = installed): Kernel {
  const native = openNative(root);
  const lock = lockInstance(native);
  const wireguard = new GenetlinkWireGuard(native);
  const links = new RtnetlinkLinks(native);
  return {
    wireguard,
    links,
    openSightings(hook, listener) {
      const problems: Problem[] = [];
      for (const candidate of hook === 'auto' ? hooks : [hook]) {
        const opened = tryHook(native, root, candidate, listener, true);
        if (opened instanceof Probe) return opened;
        problems.push(opened);
      }
      throw new HookError(withoutRepeats(problems));
    },
    close() {
      wireguard.close();
      links.close();
      lock.close();
    },
  };
}

/** For each hook, in the order of preference, why it does not work here; undefined if it does. */
export function checkHooks(): [Hook, Problem | undefined][] {
  const native = openNative(installed);
  return hooks.map((hook) => {
    const opened = tryHook(native, installed, hook, () => {}, false);
    if (!(opened instanceof Probe)) return [hook, opened];
    opened.close();
    return [hook, undefined];
  });
}

function tryHook(
  native: Native,
  root: string,
  hook: Hook,
  listener: (sightings: Sighting[]) => void,
  keep: boolean,
): Probe | Problem {
  try {
    return new Probe(native, join(root, 'lib/bpf/wg-slaacer.o'), hook, listener, keep);
  } catch (error) {
    return explain(hook, error as SystemError);
  }
}

/** The same cause may stand in the way of every hook. */
function withoutRepeats(problems: readonly Problem[]): Problem[] {
  return problems.filter(({ message }, i) => problems.findIndex((other) => other.message === message) === i);
}
