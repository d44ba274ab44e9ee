// SPDX-License-Identifier: GPL-2.0-only
// What this system has and lacks for learning addresses.

import { release } from 'node:os';
import { checkHooks, checkPins } from '../kernel/linux.ts';
import { unmet } from '../kernel/requirements.ts';
import { shippedTypes } from '../kernel/types.ts';
import type { HookInUse } from '../model.ts';
import type { Problem } from '../problem.ts';
import { priceOfLending } from '../words/price.ts';
import { describeProblem, inLines, withWords } from '../words/problems.ts';
import { parseJsonFlag } from './arguments.ts';
import { exitStatus } from './usage.ts';

export function doctor(args: string[], version: string): number {
  const json = parseJsonFlag(args);
  const hooks = checkHooks().map(([hook, failure, seesChanges]) => {
    const missing = failure ? unmet(hook) : [];
    const problems = failure && missing.length === 0 ? [failure] : missing;
    return { hook, works: !failure, seesChanges, problems };
  });
  const { hook = 'none', seesChanges = false } = hooks.find(({ works }) => works) ?? {};
  const canLearn = hook !== 'none';
  const trouble = canLearn ? checkPins() : undefined;
  const problems: Problem[] = trouble ? [{ code: 'not-pinned', data: trouble }] : [];
  const types = hook === 'kprobe' ? shippedTypes() : undefined;
  if (json) {
    const found = hooks.map((each) => ({ ...each, problems: each.problems.map(withWords) }));
    console.log(
      JSON.stringify({
        version,
        kernel: release(),
        canLearn,
        hook,
        hooks: found,
        types,
        problems: problems.map(withWords),
      }),
    );
  } else {
    console.log(`wg-slaacer ${version} on Linux ${release()}, Node ${process.versions.node}`);
    for (const { hook, works, problems } of hooks) {
      console.log(`${works ? 'works' : 'fails'}  ${hook}`);
      for (const problem of problems) console.log(`       ${inLines(describeProblem(problem), '       ')}`);
    }
    for (const problem of problems) console.log(inLines(describeProblem(problem)));
    if (types) console.log(`The types of this kernel are taken from ${types}.`);
    console.log(conclusion(hook, seesChanges));
  }
  return canLearn ? exitStatus.ok : exitStatus.failed;
}

/** What it costs where nothing tells of what others change. */
const priceOfLooking = [
  'After wg syncconf and the like, a peer that only receives may be without its learned addresses for half a minute.',
  'Before new addresses are added, all peers are read: the more there are, the longer it takes.',
];

const listed = (sentences: readonly string[]) => sentences.map((sentence) => `- ${sentence}\n`).join('');

function conclusion(hook: HookInUse, seesChanges: boolean): string {
  switch (hook) {
    case 'none':
      return 'Addresses cannot be learned here.';
    case 'lending':
      return `Addresses can be learned here, by lending the prefix to one peer after the other:
${listed([...priceOfLending(), ...priceOfLooking])}docs/lending.md of wg-slaacer explains that. docs/kernel.md tells how to build a kernel for OpenWrt that needs no lending.`;
    default:
      if (seesChanges) return 'Addresses can be learned here, and no packet is lost.';
      return `Addresses can be learned here, and no packet is lost. But the kernel does not show what others change of WireGuard:
${listed(priceOfLooking).trimEnd()}`;
  }
}
