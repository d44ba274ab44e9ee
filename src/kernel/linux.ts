// SPDX-License-Identifier: GPL-2.0-only
// The real kernel.

import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import type { Hook } from '../model.ts';
import { isSame, type Problem } from '../problem.ts';
import { BpfSightings, loadObject } from './bpf-sightings.ts';
import { lockInstance, runFile } from './instance.ts';
import { KnownWireGuard } from './known-wireguard.ts';
import { type Dependencies, Lender } from './lending/lender.ts';
import { recallLoans } from './lending/recall.ts';
import { RtnetlinkLinks } from './links.ts';
import { loadNative, type Native, type SystemError } from './native.ts';
import { NetlinkNftSets } from './nftables.ts';
import { expectedPinTrouble, type PinTrouble, pinned, troubleOf } from './pins.ts';
import { HookError, type Kernel, type Links, type Observer, type Sightings } from './ports.ts';
import { openProbe, Probe } from './probe.ts';
import { RtnetlinkReach } from './reach.ts';
import { explain, unmet } from './requirements.ts';
import { RtnetlinkRouting } from './routing.ts';
import { GenetlinkWireGuard } from './wireguard.ts';

/** Where the tree stands that this program is installed in: "/" on a router. */
const installed = join(realpathSync(process.argv[1]!), '../../../..');

/** In the order of preference. */
const hooks: readonly Hook[] = ['fexit', 'kprobe', 'lending'];

const openNative = (root: string) => loadNative(join(root, 'usr/lib/wg-slaacer/wg_slaacer.node'));

/** Throws AlreadyRunning if it is open in another process of this network namespace, or SystemError. */
export function openLinux(root = installed): Kernel {
  const native = openNative(root);
  const unlock = lockInstance(native);
  const dependencies = openDependencies(native);
  const { wireguard, links } = dependencies;
  const routing = new RtnetlinkRouting(native);
  const reach = new RtnetlinkReach(native);
  return {
    wireguard,
    links,
    routing,
    reach,
    openSightings(hook, observer) {
      const problems: Problem[] = [];
      for (const candidate of hook === 'auto' ? hooks : [hook]) {
        const noted = noting(observer, wireguard);
        const opened = tryHook(native, root, candidate, dependencies, noted, runFile('learned'));
        if (opened instanceof BpfSightings) {
          wireguard.follow(opened instanceof Probe ? opened.changes : undefined);
          if (candidate === 'lending' && problems[0])
            opened.lasting.push({ code: 'lending', data: { because: problems[0] } });
          return opened;
        }
        problems.push(opened);
      }
      throw new HookError(
        hook === 'auto'
          ? withoutRepeats(problems)
          : problems.map((because) => ({ code: 'unfit-hook', data: { hook, because } })),
      );
    },
    openNftSets: () => new NetlinkNftSets(native),
    close() {
      wireguard.close();
      links.close();
      routing.close();
      reach.close();
      unlock();
    },
  };
}

/** For each hook, in the order of preference, why it does not work here; undefined if it does. */
export function checkHooks(): [hook: Hook, failure: Problem | undefined, seesChanges: boolean][] {
  const native = openNative(installed);
  const dependencies = openDependencies(native);
  return hooks.map((hook) => {
    const opened = tryHook(
      native,
      installed,
      hook,
      dependencies,
      { see: () => {}, recheck: () => {}, shakeHands: () => {} },
      undefined,
    );
    if (!(opened instanceof BpfSightings)) return [hook, opened, false];
    opened.close();
    return [hook, undefined, opened.seesChanges];
  });
}

/** What keeps maps from being pinned here; undefined if nothing does. Nothing is changed: what is pinned is but opened. */
export function checkPins(): PinTrouble | undefined {
  const trouble = expectedPinTrouble();
  if (trouble) return trouble;
  const file = join(installed, 'lib/bpf/wg-slaacer.o');
  const present = Object.entries(pinned).filter(([, path]) => existsSync(path));
  try {
    loadObject({ native: openNative(installed), file }, [], present, file).close();
    return undefined;
  } catch (error) {
    return troubleOf(error);
  }
}

function openDependencies(native: Native): Dependencies & { links: Links; wireguard: KnownWireGuard } {
  return {
    wireguard: new KnownWireGuard(new GenetlinkWireGuard(native), systemClock),
    links: new RtnetlinkLinks(native),
    clock: systemClock,
  };
}

function tryHook(
  native: Native,
  root: string,
  hook: Hook,
  dependencies: Dependencies,
  observer: Observer,
  keep: string | undefined,
): (BpfSightings & Sightings) | Problem {
  const options = { native, file: join(root, 'lib/bpf/wg-slaacer.o'), keep };
  try {
    if (hook === 'lending') {
      const [missing] = unmet(hook);
      return missing ?? new Lender(options, dependencies, observer);
    }
    const probe = openProbe(options, dependencies.wireguard, hook, observer);
    if (keep !== undefined) recallLoans(probe, dependencies.wireguard);
    return probe;
  } catch (error) {
    return explain(hook, error as SystemError);
  }
}

/** What peers do becomes known before anybody is told of it. */
function noting(observer: Observer, wireguard: KnownWireGuard): Observer {
  return {
    ...observer,
    shakeHands(ifindex, peer) {
      if (peer !== undefined) wireguard.noteHandshake(ifindex, peer);
      observer.shakeHands(ifindex, peer);
    },
  };
}

/** The same cause may stand in the way of every hook. */
function withoutRepeats(problems: readonly Problem[]): Problem[] {
  return problems.filter((problem, i) => problems.findIndex((other) => isSame(other, problem)) === i);
}
