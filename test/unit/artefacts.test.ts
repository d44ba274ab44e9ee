// SPDX-License-Identifier: GPL-2.0-only
// What is installed on routers, as npm run build has left it: small, and nothing of the machine it was built on.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { endianness, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const installed = (name: string) => join(checkout, 'dist/rootfs', name);
const object = installed('lib/bpf/wg-slaacer.o');
const addon = installed('usr/lib/wg-slaacer/wg_slaacer.node');
const bundle = installed('usr/lib/wg-slaacer/main.js');

const KILOBYTE = 1024;

describe('sizes', () => {
  it.each([
    ['the bundle', bundle, 250],
    ['the BPF object', object, 66],
    ['the addon', addon, 150],
  ])('%s takes little flash', (_, file, kilobytes) => {
    expect(statSync(file).size).toBeLessThanOrEqual(kilobytes * KILOBYTE);
  });
});

it('the bundle has characters of one byte only: with another V8 takes two for each', () => {
  const found = [...readFileSync(bundle)].findIndex((byte) => byte > 0x7f);
  expect(found).toBe(-1);
});

it('the bundle calls no import(), which fails in what src/start.ts runs', () => {
  expect(readFileSync(bundle, 'latin1')).not.toMatch(/\bimport\(/);
});

describe('traces of the build', () => {
  it.each([
    ['the bundle', bundle],
    ['the BPF object', object],
    ['the addon', addon],
  ])('%s names neither the checkout nor the headers', (_, file) => {
    const bytes = readFileSync(file);
    for (const folder of [checkout, '/usr/include']) expect(bytes.includes(folder)).toBe(false);
  });

  it('the BPF object knows no structures but those that its sources declare, and the context that programs get', () => {
    const sources = readdirSync(join(checkout, 'bpf')).map((name) =>
      readFileSync(join(checkout, 'bpf', name), 'utf8'),
    );
    const declared = sources.flatMap((text) =>
      [...text.matchAll(/^struct (\w+) \{/gm)].map(([, name]) => name),
    );
    const structures = structuresOf(object);
    expect(structures).toContain('sk_buff');
    for (const name of structures) expect([...declared, '__sk_buff']).toContain(name);
  });
});

/** The names of all structures and unions in an object's BTF (Documentation/bpf/btf.rst). */
function structuresOf(file: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
  try {
    execFileSync('llvm-objcopy', ['--dump-section', `.BTF=${folder}/btf`, file, `${folder}/copy`]);
    return readStructures(readFileSync(join(folder, 'btf')));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const INT = 1;
const ARRAY = 3;
const STRUCT = 4;
const UNION = 5;
const ENUM = 6;
const FUNC_PROTO = 13;
const VAR = 14;
const DATASEC = 15;
const DECL_TAG = 17;
const ENUM64 = 19;

function readStructures(btf: Buffer): string[] {
  const word = (offset: number) =>
    endianness() === 'LE' ? btf.readUInt32LE(offset) : btf.readUInt32BE(offset);
  const [headerLength, types, typesLength, strings] = [4, 8, 12, 16].map(word) as [
    number,
    number,
    number,
    number,
  ];
  const name = (offset: number) => {
    const start = headerLength + strings + offset;
    return btf.toString('utf8', start, btf.indexOf(0, start));
  };
  /** Bytes that follow a type of each kind, for each of its members or at all. */
  const perMember: Record<number, number> = {
    [STRUCT]: 12,
    [UNION]: 12,
    [ENUM]: 8,
    [FUNC_PROTO]: 8,
    [DATASEC]: 12,
    [ENUM64]: 12,
  };
  const fixed: Record<number, number> = { [INT]: 4, [ARRAY]: 12, [VAR]: 4, [DECL_TAG]: 4 };

  const found = new Set<string>();
  for (let at = headerLength + types; at < headerLength + types + typesLength; ) {
    const [kind, members] = [(word(at + 4) >>> 24) & 0x1f, word(at + 4) & 0xffff];
    if (kind === STRUCT || kind === UNION) found.add(name(word(at)));
    at += 12 + (fixed[kind] ?? 0) + (perMember[kind] ?? 0) * members;
  }
  found.delete('');
  return [...found];
}
