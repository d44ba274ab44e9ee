// SPDX-License-Identifier: GPL-2.0-only
// Makes the packages for OpenWrt 24.10 in dist/packages/, without OpenWrt's buildroot, from what npm run build has left. What
// they are comes from openwrt/wg-slaacer/Makefile. Other than the buildroot's, their addon has libbpf and the C++ library
// inside, so they need nothing that is compiled but Node. Arguments name the CPUs to make them for, instead of all.

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Cpu, compileHook } from './hook.ts';
import { type Package, writeIpk } from './ipk.ts';
import { definition, make, PACKAGES } from './makefile.ts';

process.chdir(join(import.meta.dirname, '..'));

/** By the CPU for which something is compiled, OpenWrt's architectures that it serves. */
const architectures = {
  x86_64: ['x86_64'],
  aarch64: ['aarch64_generic', 'aarch64_cortex-a53', 'aarch64_cortex-a72'],
  // Without NEON, which the last one lacks; the first one has all that this needs.
  arm: ['arm_cortex-a7_neon-vfpv4', 'arm_cortex-a9_vfpv3-d16'],
  riscv64: ['riscv64_generic'],
} as const;

type Machine = keyof typeof architectures;

const hookOf: Readonly<Record<Machine, Cpu>> = {
  x86_64: 'x64',
  aarch64: 'arm64',
  arm: 'arm',
  riscv64: 'riscv64',
};

/** What is inside the addon. */
const without = ['libbpf', 'libstdcpp'];

const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

function buildAddon(machine: Machine, folder: string): void {
  const musl = run('scripts/musl.sh', machine).trim();
  process.env.PKG_CONFIG_LIBDIR = `${musl}/lib/pkgconfig`;
  const options = [
    '-DCMAKE_SYSTEM_NAME=Linux',
    `-DCMAKE_SYSTEM_PROCESSOR=${machine}`,
    `-DCMAKE_CXX_COMPILER=${musl}/bin/c++`,
    // Of what is inside, Node's own libraries may have other versions: nothing is to be taken for theirs.
    `-DCMAKE_MODULE_LINKER_FLAGS=-s -Wl,--version-script=${process.cwd()}/native/exports.map`,
    `-DCMAKE_CXX_FLAGS=-ffile-prefix-map=${process.cwd()}=/wg-slaacer`,
  ];
  run('cmake', '-S', 'native', '-B', folder, '--log-level=WARNING', ...options);
  run('cmake', '--build', folder, '--parallel', String(availableParallelism()));
}

/** Builds what depends on the CPU, and has the Makefile sort all files into packages; the page's are the same for all. */
function build(machine: Machine, withPage: boolean): Package[] {
  const folder = `${process.cwd()}/build/packages/${machine}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(`${folder}/tree`, { recursive: true });
  cpSync('dist/rootfs', `${folder}/tree/rootfs`, { recursive: true });
  compileHook(hookOf[machine], `${folder}/tree/wg-slaacer.o`);
  buildAddon(machine, `${folder}/tree/build`);
  for (const target of ['defined', 'installed']) make(folder, target, machine);
  const epoch = Number(run('git', 'log', '-1', '--format=%ct'));
  const [daemon, ...pages] = PACKAGES.map((name) => ({
    name,
    definition: definition(folder, name),
    files: `${folder}/${name}`,
    epoch,
  })) as [Contents, ...Contents[]];
  const all = architectures[machine].map((architecture) => ({ ...daemon, architecture, without }));
  return withPage ? [...all, ...pages.map((each) => ({ ...each, architecture: 'all' }))] : all;
}

type Contents = Omit<Package, 'architecture'>;

const machines = Object.keys(architectures) as Machine[];
const asked = process.argv.slice(2);
for (const name of asked)
  if (!machines.includes(name as Machine)) throw new Error(`${name} is none of ${machines.join(', ')}`);
if (!existsSync('dist/rootfs')) throw new Error('no dist/rootfs: run npm run build');
rmSync('dist/packages', { recursive: true, force: true });
const wanted = asked.length > 0 ? (asked as Machine[]) : machines;
for (const machine of wanted) {
  for (const each of build(machine, machine === wanted[0])) {
    const file = writeIpk(each, 'dist/packages');
    console.log(`${statSync(file).size.toString().padStart(7)}  ${file}`);
  }
}
