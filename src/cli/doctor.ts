// SPDX-License-Identifier: GPL-2.0-only
// What this system has and lacks for learning addresses.

import { release } from 'node:os';
import { checkHooks } from '../kernel/linux.ts';
import { unmet } from '../kernel/requirements.ts';
import { parseJsonFlag } from './arguments.ts';
import { exitStatus } from './usage.ts';

export function doctor(args: string[], version: string): number {
  const json = parseJsonFlag(args);
  const hooks = checkHooks().map(([hook, failure]) => {
    const missing = failure ? unmet(hook) : [];
    return { hook, works: !failure, problems: failure && missing.length === 0 ? [failure] : missing };
  });
  const canLearn = hooks.some(({ works }) => works);
  if (json) console.log(JSON.stringify({ version, kernel: release(), canLearn, hooks }));
  else {
    console.log(`wg-slaacer ${version} on Linux ${release()}, Node ${process.versions.node}`);
    for (const { hook, works, problems } of hooks) {
      console.log(`${works ? 'works' : 'fails'}  ${hook}`);
      for (const { message, hint } of problems) console.log(`       ${message}\n         cure: ${hint}`);
    }
    console.log(canLearn ? 'Addresses can be learned here.' : 'Addresses cannot be learned here.');
  }
  return canLearn ? exitStatus.ok : exitStatus.failed;
}
