// SPDX-License-Identifier: GPL-2.0-only
// Builds dist/rootfs/, the tree that the packages install; with the argument "arm64", dist/aarch64/ instead, the same for
// that CPU, on which test/kernel runs it.

import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import manifest from '../package.json' with { type: 'json' };
import { compileView, VIEWS } from './luci.ts';

process.chdir(join(import.meta.dirname, '..'));

const target = process.argv[2] ?? arch();
const foreign = target !== arch();
const root = foreign ? 'dist/aarch64' : 'dist/rootfs';
const library = `${root}/usr/lib/wg-slaacer`;
const bpfTargets: Record<string, string> = { x64: 'x86', arm64: 'arm64', arm: 'arm', riscv64: 'riscv' };

/** Of the compiler and its tools. */
const prefix = foreign ? 'aarch64-linux-gnu-' : '';

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

function buildHook(): void {
  const object = `${root}/lib/bpf/wg-slaacer.o`;
  const multiarch = run('cc', '-print-multiarch').trim();
  run(
    'clang',
    ...[
      '-target',
      'bpf',
      '-mcpu=v3',
      `-D__TARGET_ARCH_${bpfTargets[target]}`,
      '-g',
      '-O2',
      '-Wall',
      '-Werror',
    ],
    `-ffile-prefix-map=${process.cwd()}=/wg-slaacer`,
    ...['-idirafter', `/usr/include/${multiarch}`, '-c', 'bpf/wg-slaacer.bpf.c', '-o', object],
  );
  run('llvm-strip', '-g', object); // drops DWARF, keeps BTF
}

/** Tells CMake of the compiler for arm64, and of the system that scripts/kernel.sh has fetched, for its libbpf. */
function crossOptions(): string[] {
  const system = `${run('scripts/kernel.sh', target).trim()}/system`;
  process.env.PKG_CONFIG_SYSROOT_DIR = system;
  process.env.PKG_CONFIG_LIBDIR = `${system}/usr/lib/aarch64-linux-gnu/pkgconfig`;
  return [
    '-DCMAKE_SYSTEM_NAME=Linux',
    '-DCMAKE_SYSTEM_PROCESSOR=aarch64',
    `-DCMAKE_CXX_COMPILER=${prefix}g++`,
    `-DCMAKE_SYSROOT=${system}`,
  ];
}

function buildAddon(): void {
  const folder = foreign ? 'build/aarch64' : 'build/native';
  const options = foreign ? crossOptions() : [];
  run(
    'cmake',
    ...['-S', 'native', '-B', folder, '-DCMAKE_BUILD_TYPE=Release', '--log-level=WARNING', ...options],
  );
  run('cmake', '--build', folder);
  cpSync(`${folder}/wg_slaacer.node`, `${library}/wg_slaacer.node`);
  run(`${prefix}strip`, `${library}/wg_slaacer.node`);
}

async function buildDaemon(): Promise<void> {
  await build({
    entryPoints: ['src/main.ts'],
    outfile: 'dist/wg-slaacer.js',
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    // A third less flash, and a faster start. dist/wg-slaacer.js.map tells what stack traces mean.
    minify: true,
    sourcemap: 'external',
    define: { VERSION: JSON.stringify(manifest.version) },
    banner: { js: '// SPDX-License-Identifier: GPL-2.0-only' },
  });
  renameSync('dist/wg-slaacer.js', `${library}/wg-slaacer.js`);
}

async function buildPage(): Promise<void> {
  const views = `${root}/www/luci-static/resources/view/wg-slaacer`;
  mkdirSync(views, { recursive: true });
  for (const view of VIEWS) writeFileSync(`${views}/${view}.js`, await compileView(view));
}

rmSync(foreign ? root : 'dist', { recursive: true, force: true });
for (const folder of [library, `${root}/usr/sbin`, `${root}/lib/bpf`]) mkdirSync(folder, { recursive: true });
writeFileSync('dist/package.json', '{ "type": "commonjs" }\n'); // not what the checkout's says
cpSync('files', root, { recursive: true });
for (const program of ['usr/sbin/wg-slaacer', 'etc/init.d/wg-slaacer'])
  chmodSync(`${root}/${program}`, 0o755);
buildHook();
buildAddon();
await buildDaemon();
await buildPage();
