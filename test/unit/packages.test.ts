// SPDX-License-Identifier: GPL-2.0-only
// The packages that npm run packages makes without OpenWrt's buildroot: they are what the Makefile says.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Package, writeIpk } from '../../scripts/ipk.ts';
import { definition, make } from '../../scripts/makefile.ts';

const rootfs = join(import.meta.dirname, '../../dist/rootfs');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The packages of a tree, as in a checkout of its own. */
function prepare(name: string): (which: string, architecture: string) => Package {
  const build = join(folder, name);
  mkdirSync(join(build, 'tree/build'), { recursive: true });
  cpSync(rootfs, join(build, 'tree/rootfs'), { recursive: true });
  writeFileSync(join(build, 'tree/wg-slaacer.o'), 'object');
  writeFileSync(join(build, 'tree/build/wg_slaacer.node'), 'addon');
  for (const target of ['defined', 'installed']) make(build, target);
  return (which, architecture) => ({
    name: which,
    definition: definition(build, which),
    files: join(build, which),
    architecture,
    epoch: 1_700_000_000,
    without: ['libbpf', 'libstdcpp'],
  });
}

/** What opkg finds in a package. */
function unpack(file: string) {
  const to = mkdtempSync(join(folder, 'unpacked-'));
  execFileSync('tar', ['-xzf', file, '-C', to]);
  mkdirSync(join(to, 'control'));
  execFileSync('tar', ['-xzf', join(to, 'control.tar.gz'), '-C', join(to, 'control')]);
  const list = execFileSync('tar', ['--numeric-owner', '-tvzf', join(to, 'data.tar.gz')], {
    encoding: 'utf8',
  });
  return {
    format: readFileSync(join(to, 'debian-binary'), 'utf8'),
    meta: (name: string) => readFileSync(join(to, 'control', name), 'utf8'),
    list: list.trimEnd().split('\n'),
  };
}

const filesIn = (where: string) =>
  execFileSync('find', ['.', '-type', 'f'], { cwd: where, encoding: 'utf8' }).trim().split('\n').sort();

describe("the daemon's package", () => {
  let source: Package;
  let found: ReturnType<typeof unpack>;
  let file: string;

  beforeAll(() => {
    source = prepare('one')('wg-slaacer', 'aarch64_cortex-a53');
    file = writeIpk(source, join(folder, 'out'));
    found = unpack(file);
  });

  it('is called as opkg expects', () => {
    const { PKG_VERSION, PKG_RELEASE } = source.definition.control;
    expect(basename(file)).toBe(`wg-slaacer_${PKG_VERSION}-r${PKG_RELEASE}_aarch64_cortex-a53.ipk`);
    expect(found.format).toBe('2.0\n');
  });

  it("needs what the Makefile names, but for the libraries that are inside, and the buildroot's libc", () => {
    const { control } = source.definition;
    const depends = /^Depends: (.*)$/m.exec(found.meta('control'))?.[1];
    expect(depends).toBe('node (>=20.16), libc, kmod-wireguard, rpcd, rpcd-mod-file');
    expect(control.DEPENDS).toContain('+libbpf +libstdcpp');
  });

  it('says of itself what the Makefile does', () => {
    const { control, parts } = source.definition;
    const text = found.meta('control');
    for (const line of [
      'Package: wg-slaacer',
      `Version: ${control.PKG_VERSION}-r1`,
      'Source: wg-slaacer',
      'License: GPL-2.0-only',
      'Section: net',
      `Maintainer: ${control.PKG_MAINTAINER}`,
      'Architecture: aarch64_cortex-a53',
      'SourceDateEpoch: 1700000000',
      `Description:  ${parts.description?.trim()}`,
    ])
      expect(text.split('\n')).toContain(line);
    expect(text).toMatch(/^Installed-Size: [1-9]\d+$/m);
  });

  it('has the configuration files and the scripts of the Makefile, called as OpenWrt calls them', () => {
    const { parts } = source.definition;
    for (const part of ['conffiles', 'postrm'] as const) expect(found.meta(part)).toBe(parts[part]);
    expect(found.meta('postinst-pkg')).toBe(parts.postinst);
    expect(found.meta('prerm-pkg')).toBe(parts.prerm);
    expect(found.meta('prerm')).toContain('default_prerm $0 $@');
    expect(found.meta('postinst')).toContain('default_postinst $0 $@');
  });

  it('installs what the Makefile installs, owned by root, and nobody else may write it', () => {
    const files = found.list.filter((line) => line.startsWith('-'));
    expect(files.map((line) => line.replace(/.* /, '')).sort()).toEqual(filesIn(source.files));
    for (const line of found.list) expect(line).toMatch(/^.r[w-][x-]r-[x-]r-[x-] 0\/0 /);
    expect(files.find((line) => line.endsWith('/usr/sbin/wg-slaacer'))).toMatch(/^-rwxr-xr-x/);
  });

  it('has the same bytes from another checkout, at another time and with another umask', () => {
    const other = prepare('two')('wg-slaacer', 'aarch64_cortex-a53');
    const program = join(other.files, 'etc/config/wg-slaacer');
    chmodSync(program, 0o666);
    utimesSync(program, 1, 1);
    expect(readFileSync(writeIpk(other, join(folder, 'again'))).equals(readFileSync(file))).toBe(true);
  });
});

describe("the page's package", () => {
  it('is for all CPUs, tells rpcd of itself, and comes with LuCI and the daemon', () => {
    const source = prepare('page')('luci-app-wg-slaacer', 'all');
    const found = unpack(writeIpk(source, join(folder, 'out')));
    expect(found.meta('control')).toMatch(/^Architecture: all$/m);
    expect(found.meta('control')).toMatch(/^Depends: libc, luci-base, wg-slaacer$/m);
    expect(found.meta('postinst-pkg')).toBe(source.definition.parts.postinst);
    expect(found.meta('postinst-pkg')).toContain('rpcd reload');
    expect(() => found.meta('conffiles')).toThrow();
  });
});

describe('the package of a translation', () => {
  it('is for all CPUs, comes with the page, and has its catalogue where LuCI looks', () => {
    const source = prepare('translation')('luci-i18n-wg-slaacer-zh-cn', 'all');
    const found = unpack(writeIpk(source, join(folder, 'out')));
    expect(found.meta('control')).toMatch(/^Depends: libc, luci-app-wg-slaacer$/m);
    expect(filesIn(source.files)).toEqual([
      './etc/uci-defaults/luci-i18n-wg-slaacer-zh-cn',
      './usr/lib/lua/luci/i18n/wg-slaacer.zh-cn.lmo',
    ]);
  });
});
