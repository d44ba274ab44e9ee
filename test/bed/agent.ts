// SPDX-License-Identifier: GPL-2.0-only
// Builds the agent for the CPU of a guest.

import { execFile } from 'node:child_process';
import { mkdir, rename, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Foreign } from '../../scripts/cpus.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const source = path('agent.c');
const folder = path('../../build/test');

const modified = async (file: string) => (await stat(file).catch(() => undefined))?.mtimeMs ?? 0;

/** Answers with the program, which is up to date then. Of several that build it at once, the last one's stays. */
export async function buildAgent(foreign?: Foreign): Promise<string> {
  const program = `${folder}/agent-${foreign?.machine ?? 'native'}`;
  if ((await modified(program)) > (await modified(source))) return program;
  await mkdir(folder, { recursive: true });
  const compiler = foreign ? `${foreign.triplet}-gcc` : 'cc';
  const fresh = `${program}.${process.pid}`;
  await promisify(execFile)(compiler, ['-O2', '-static', '-Wall', '-Wextra', '-Werror', source, '-o', fresh]);
  await rename(fresh, program);
  return program;
}
