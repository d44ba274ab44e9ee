// SPDX-License-Identifier: GPL-2.0-only
// Builds dist/rootfs/, the tree that the packages install; with the name of a foreign CPU (scripts/cpus.ts),
// dist/MACHINE/ instead, the same for that CPU, on which test/kernel runs it.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { arch } from 'node:os';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import manifest from '../package.json' with { type: 'json' };
import { type Foreign, foreignCpu, foreignCpus } from './cpus.ts';
import { type Cpu, compileHook } from './hook.ts';
import { filesOf, languages } from './languages.ts';
import { compileView, VIEWS } from './luci.ts';

process.chdir(join(import.meta.dirname, '..'));

const target = process.argv[2];
const foreign = target === undefined ? undefined : foreignCpu(target);
if (target !== undefined && !foreign)
  throw new Error(`build for one of ${Object.keys(foreignCpus).join(', ')}, or for this machine`);
const root = foreign ? `dist/${foreign.machine}` : 'dist/rootfs';
const library = `${root}/usr/lib/wg-slaacer`;

/** Of the compiler and its tools. */
const prefix = foreign ? `${foreign.triplet}-` : '';

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Tells CMake of the CPU's compiler, and of the system that scripts/kernel.sh has fetched, for its libbpf. */
function crossOptions({ machine, triplet }: Foreign, kernel: string): string[] {
  const system = `${run('scripts/kernel.sh', kernel).trim()}/system`;
  process.env.PKG_CONFIG_SYSROOT_DIR = system;
  process.env.PKG_CONFIG_LIBDIR = `${system}/usr/lib/${triplet}/pkgconfig`;
  return [
    '-DCMAKE_SYSTEM_NAME=Linux',
    `-DCMAKE_SYSTEM_PROCESSOR=${machine}`,
    `-DCMAKE_CXX_COMPILER=${triplet}-g++`,
    `-DCMAKE_SYSROOT=${system}`,
  ];
}

function buildAddon(): void {
  const folder = `build/${foreign?.machine ?? 'native'}`;
  const options = foreign && target ? crossOptions(foreign, target) : [];
  run(
    'cmake',
    ...['-S', 'native', '-B', folder, '-DCMAKE_BUILD_TYPE=Release', '--log-level=WARNING', ...options],
  );
  run('cmake', '--build', folder);
  cpSync(`${folder}/wg_slaacer.node`, `${library}/wg_slaacer.node`);
  run(`${prefix}strip`, `${library}/wg_slaacer.node`);
}

/** main.js is the program, a function that wg-slaacer.js calls: that of src/start.ts. */
async function buildDaemon(): Promise<void> {
  const options = {
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    // A third less flash, and a faster start. dist/main.js.map tells what stack traces mean.
    minify: true,
  } as const;
  const license = '// SPDX-License-Identifier: GPL-2.0-only';
  await build({
    ...options,
    entryPoints: ['src/main.ts'],
    outfile: 'dist/main.js',
    sourcemap: 'external',
    define: {
      VERSION: JSON.stringify(manifest.version),
      OLDEST_NODE: JSON.stringify(manifest.engines.node.replace('>=', '')),
    },
    banner: { js: `${license}\n(function (require, started, addon) {` },
    footer: { js: '})' },
  });
  renameSync('dist/main.js', `${library}/main.js`);
  const hash = createHash('sha256')
    .update(readFileSync(`${library}/main.js`))
    .digest('hex')
    .slice(0, 16);
  await build({
    ...options,
    entryPoints: ['src/start.ts'],
    outfile: `${library}/wg-slaacer.js`,
    define: { HASH: JSON.stringify(hash), KEPT: JSON.stringify('/var/run/wg-slaacer.code') },
    banner: { js: license },
  });
}

/** What the packages luci-i18n-wg-slaacer-… install. */
function buildLanguages(): void {
  for (const [name, content] of languages.flatMap((language) => [...filesOf(language)])) {
    const file = `${root}/${name}`;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
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
compileHook(foreign?.cpu ?? (arch() as Cpu), `${root}/lib/bpf/wg-slaacer.o`);
buildAddon();
await buildDaemon();
await buildPage();
buildLanguages();
