// SPDX-License-Identifier: GPL-2.0-only
// Asks openwrt/wg-slaacer/Makefile, as OpenWrt's buildroot does, what the packages are.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { languages } from './languages.ts';

export const TRANSLATIONS = languages.map(({ name }) => `luci-i18n-wg-slaacer-${name}`);
export const PACKAGES = ['wg-slaacer', 'luci-app-wg-slaacer', ...TRANSLATIONS];

const folder = join(import.meta.dirname, '../openwrt/wg-slaacer');

/**
 * Makes a target of scripts/buildroot.mk in the folder `build`, for a CPU by OpenWrt's name. `installed` wants tree/ there as
 * the buildroot leaves it, and fills a folder with the files of each package; `compiled` makes tree/wg-slaacer.o.
 */
export function make(build: string, target: string, cpu = 'x86_64', more: readonly string[] = []): void {
  for (const name of ['rules', 'include/package', 'include/cmake', 'include/bpf']) {
    mkdirSync(join(build, name, '..'), { recursive: true });
    writeFileSync(join(build, `${name}.mk`), '');
  }
  const variables = [...more, `BUILD=${build}`, `TOPDIR=${build}`, `PACKAGE=${folder}`, `ARCH=${cpu}`];
  const options = ['-s', '-C', folder, '-f', join(import.meta.dirname, 'buildroot.mk'), ...variables, target];
  execFileSync('make', options, { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** What the Makefile says of a package, by its variables' names; what it does not set is empty. */
export type Control = Readonly<Record<string, string>>;

/** Texts that belong to a package; undefined where it has none. */
export type Part = 'description' | 'conffiles' | 'postinst' | 'prerm' | 'postrm';

export interface Definition {
  readonly control: Control;
  readonly parts: Readonly<Partial<Record<Part, string>>>;
}

/** Reads what `make(build, 'defined')` has left. */
export function definition(build: string, name: string): Definition {
  const lines = readFileSync(join(build, `${name}.control`), 'utf8').split('\n');
  const control = lines.filter(Boolean).map((line) => {
    const [key, ...value] = line.trim().split(':');
    return [key!, value.join(':').trim()];
  });
  const parts = (['description', 'conffiles', 'postinst', 'prerm', 'postrm'] as const)
    .map((part) => [part, join(build, `${name}.${part}`)] as const)
    .filter(([, file]) => existsSync(file))
    .map(([part, file]) => [part, readFileSync(file, 'utf8')]);
  return { control: Object.fromEntries(control), parts: Object.fromEntries(parts) };
}

/** The packages that come along, of what DEPENDS says. */
export const selected = (depends = '') => [...depends.matchAll(/\+(\S+)/g)].map(([, name]) => name as string);
