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
  const hooks = checkHooks().map(([hook, failure]) => {
    const missing = failure ? unmet(hook) : [];
    return { hook, works: !failure, problems: failure && missing.length === 0 ? [failure] : missing };
  });
  const hook = hooks.find(({ works }) => works)?.hook ?? 'none';
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
    console.log(conclusion(hook));
  }
  return canLearn ? exitStatus.ok : exitStatus.failed;
}

function conclusion(hook: HookInUse): string {
  switch (hook) {
    case 'none':
      return 'Addresses cannot be learned here.';
    case 'lending':
      return `Addresses can be learned here, by lending the prefix to one peer after the other:
${priceOfLending()
  .map((sentence) => `- ${sentence}\n`)
  .join(
    '',
  )}docs/lending.md of wg-slaacer explains that. docs/kernel.md tells how to build a kernel for OpenWrt that needs no lending.`;
    default:
      return 'Addresses can be learned here, and no packet is lost.';
  }
}
