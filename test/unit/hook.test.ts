// SPDX-License-Identifier: GPL-2.0-only
// What the BPF object does on a 32-bit CPU: nothing that the kernel does otherwise there.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Cpu, compileHook } from '../../scripts/hook.ts';

// Compilers take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

interface Program {
  readonly section: string;
  readonly instructions: readonly string[];
}

let folder: string;
let arm: Program[];
let x64: Program[];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
  arm = disassemble('arm');
  x64 = disassemble('x64');
});
afterAll(() => rmSync(folder, { recursive: true }));

function disassemble(cpu: Cpu): Program[] {
  const object = join(folder, `${cpu}.o`);
  compileHook(cpu, object);
  const text = execFileSync('llvm-objdump', ['-d', '--no-show-raw-insn', object], { encoding: 'utf8' });
  return text
    .split('Disassembly of section ')
    .slice(1)
    .map((part) => {
      const [head, ...lines] = part.split('\n');
      const instructions = lines.flatMap((line) => /^\s+\d+:\s+(.*)$/.exec(line)?.[1] ?? []);
      return { section: head!.replace(/:$/, ''), instructions };
    });
}

/** Instructions that change memory in one step (BPF_ATOMIC), whatever the disassembler calls them. */
const atomics = (programs: readonly Program[]) =>
  programs.flatMap(({ instructions }) =>
    instructions.filter((each) => /\block\b|atomic|xchg|cmpxchg/.test(each)),
  );

const ofKprobes = (programs: readonly Program[]) =>
  programs.filter(({ section }) => /^k(ret)?probe\//.test(section));

/** How many bytes a program reads at once of its context, the registers, each time. */
function readsOfContext({ instructions }: Program): number[] {
  const context = new Set(['r1']);
  const widths: number[] = [];
  for (const each of instructions) {
    const load = /= \*\(u(\d+) \*\)\((r\d+) \+ \d+\)/.exec(each);
    if (load && context.has(load[2]!)) widths.push(Number(load[1]) / 8);
    const copy = /^(r\d+) = (r\d+)$/.exec(each);
    const written = /^[rw](\d+) /.exec(each)?.[1];
    if (copy && context.has(copy[2]!)) context.add(copy[1]!);
    else if (written) context.delete(`r${written}`);
    if (/^call /.test(each)) for (const clobbered of [1, 2, 3, 4, 5]) context.delete(`r${clobbered}`);
  }
  return widths;
}

describe('on 32-bit arm', () => {
  it('nothing is counted by an atomic instruction, which its JIT lacks and its alignment may forbid', () => {
    expect(atomics(arm)).toEqual([]);
  });

  it('registers are read as wide as they are: 4 bytes', () => {
    const programs = ofKprobes(arm);
    expect(programs.map((program) => readsOfContext(program).length)).toEqual([1, 0, 3, 1, 1, 1]);
    expect(new Set(programs.flatMap(readsOfContext))).toEqual(new Set([4]));
  });

  it('the programs and maps are those of other CPUs', () => {
    expect(arm.map(({ section }) => section)).toEqual(x64.map(({ section }) => section));
  });
});

describe('on other CPUs', () => {
  it('what several CPUs count is counted by atomic instructions', () => {
    expect(atomics(x64).length).toBeGreaterThan(0);
  });

  it('registers are read as wide as they are: 8 bytes', () => {
    expect(new Set(ofKprobes(x64).flatMap(readsOfContext))).toEqual(new Set([8]));
  });
});

it('no source says `long`, whose size is another one to BPF than to a 32-bit kernel', () => {
  const sources = join(import.meta.dirname, '../../bpf');
  for (const name of readdirSync(sources)) {
    const code = readFileSync(join(sources, name), 'utf8').replaceAll(/\/\*.*?\*\//gs, '');
    expect(code, name).not.toMatch(/\blong\b/);
  }
});
