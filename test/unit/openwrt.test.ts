// SPDX-License-Identifier: GPL-2.0-only
// What openwrt/wg-slaacer/Makefile makes of the tree, as far as that can be told without OpenWrt's buildroot.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { arch, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import {
  type Control,
  definition,
  make as makeIn,
  PACKAGES,
  selected,
  TRANSLATIONS,
} from '../../scripts/makefile.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const rootfs = path('../../dist/rootfs');

// Compilers take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

let build: string;
beforeEach(() => {
  build = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
  for (const folder of ['staging/usr/include', 'tree/build'])
    mkdirSync(join(build, folder), { recursive: true });
});
afterEach(() => {
  rmSync(build, { recursive: true });
});

function put(name: string, content: string, mode = 0o644): void {
  const file = join(build, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  chmodSync(file, mode);
}

const make = (target: string, cpu?: string, more?: readonly string[]) => makeIn(build, target, cpu, more);

/** What a package's control data are made of. */
function control(name: string, ...variables: string[]): Control {
  make('defined', 'x86_64', variables);
  return definition(build, name).control;
}

const content = (name: string) => readFileSync(join(build, name), 'utf8');

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

describe('the package', () => {
  it('has the version of package.json', () => {
    expect(control('wg-slaacer').PKG_VERSION).toBe(manifest.version);
  });

  it('keeps the configuration, named as opkg reads it: at the begin of a line', () => {
    make('defined');
    expect(content('wg-slaacer.conffiles')).toBe('/etc/config/wg-slaacer\n');
    expect(existsSync(join(rootfs, 'etc/config/wg-slaacer'))).toBe(true);
  });

  /** The addon's, and who brings it: the names that OpenWrt's libraries and packages have. */
  const bringers: Record<string, string> = { 'libbpf.so.1': 'libbpf', 'libstdc++.so.6': 'libstdcpp' };
  /** There on every router. */
  const base = /^(libc|libm|libgcc_s|ld-linux)\b/;

  it('depends on the libraries of its addon, on Node, WireGuard and rpcd, and on nothing else', () => {
    const { DEPENDS, EXTRA_DEPENDS } = control('wg-slaacer');
    const dynamic = execFileSync('readelf', ['-dW', join(rootfs, 'usr/lib/wg-slaacer/wg_slaacer.node')], {
      encoding: 'utf8',
    });
    const libraries = [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name as string);
    const packages = libraries.filter((name) => !base.test(name)).map((name) => bringers[name]);
    expect(libraries.length).toBeGreaterThan(0);
    expect(selected(DEPENDS).sort()).toEqual([...packages, 'kmod-wireguard', 'rpcd', 'rpcd-mod-file'].sort());
    // By no name that has a version of Node in it.
    expect(EXTRA_DEPENDS).toBe('node (>=20.16)');
  });

  it('brings Node into an image that it is chosen for', () => {
    expect(selected(control('wg-slaacer', 'DUMP=1').DEPENDS)).toContain('node');
  });

  it('is for CPUs that Node and the BPF object can be had for, and selects nothing of the kernel', () => {
    const { DEPENDS = '' } = control('wg-slaacer');
    expect(DEPENDS).toContain('@(x86_64||aarch64||arm||riscv64)');
    expect(DEPENDS).not.toContain('KERNEL_');
  });

  it('says nothing of where it was built', () => {
    for (const name of PACKAGES) expect(control(name).SOURCE).toBe('wg-slaacer');
  });

  it.each(['x86_64', 'aarch64', 'arm', 'riscv64'])(
    'has a BPF object for %s, with types and without paths',
    (cpu) => {
      for (const name of ['bpf', 'native'])
        cpSync(path(`../../${name}`), join(build, 'tree', name), { recursive: true });
      make('compiled', cpu);
      const object = readFileSync(join(build, 'tree/wg-slaacer.o'));
      expect(object.length).toBeLessThanOrEqual(66 * 1024);
      expect(object.includes('.BTF.ext')).toBe(true);
      for (const folder of [build, path('../..')]) expect(object.includes(folder)).toBe(false);
    },
  );

  it('has the very BPF object that npm run build makes, and the kernel tests load', () => {
    for (const name of ['bpf', 'native'])
      cpSync(path(`../../${name}`), join(build, 'tree', name), { recursive: true });
    make('compiled', { x64: 'x86_64', arm64: 'aarch64' }[arch() as string]);
    const [ours, packaged] = [join(rootfs, 'lib/bpf/wg-slaacer.o'), join(build, 'tree/wg-slaacer.o')];
    expect(readFileSync(packaged).equals(readFileSync(ours))).toBe(true);
  });
});

describe('the page', () => {
  it('is for all CPUs, and comes with LuCI and the daemon', () => {
    const { DEPENDS, PKGARCH } = control('luci-app-wg-slaacer');
    expect(selected(DEPENDS).sort()).toEqual(['luci-base', 'wg-slaacer']);
    expect(PKGARCH).toBe('all');
  });
});

describe('both packages together', () => {
  const page = /^(www\/|usr\/share\/luci\/|usr\/share\/rpcd\/acl\.d\/luci-app-)/;
  const translation = /^(usr\/lib\/lua\/luci\/|etc\/uci-defaults\/)/;

  /** As a build leaves its tree: dist/rootfs without what depends on the CPU, and that beside it. */
  function prepare(): void {
    cpSync(rootfs, join(build, 'tree/rootfs'), { recursive: true });
    // So that none of it is missing while parts of the project are not there.
    for (const name of [
      'www/view.js',
      'usr/share/luci/menu.d/page.json',
      'usr/share/rpcd/acl.d/luci-app-wg-slaacer.json',
    ])
      put(`tree/rootfs/${name}`, '');
    put('tree/rootfs/lib/bpf/wg-slaacer.o', 'of another CPU');
    put('tree/wg-slaacer.o', 'object');
    put('tree/build/wg_slaacer.node', 'addon');
  }

  it('install what dist/rootfs holds, the page with one and the rest with the other', () => {
    prepare();
    const all = filesIn(join(build, 'tree/rootfs'));
    make('installed');
    expect(filesIn(join(build, 'luci-app-wg-slaacer'))).toEqual(all.filter((name) => page.test(name)));
    const translated = TRANSLATIONS.flatMap((name) => filesIn(join(build, name)));
    expect(translated.sort()).toEqual(all.filter((name) => translation.test(name)));
    expect(translated).toHaveLength(2 * TRANSLATIONS.length);
    expect(filesIn(join(build, 'wg-slaacer'))).toEqual(
      all.filter((name) => !page.test(name) && !translation.test(name)),
    );
    for (const folder of ['www', 'usr/share'])
      expect(existsSync(join(build, 'wg-slaacer', folder))).toBe(false);
  });

  it('have the BPF object and the addon that were built for the target', () => {
    prepare();
    make('installed');
    expect(content('wg-slaacer/lib/bpf/wg-slaacer.o')).toBe('object');
    expect(content('wg-slaacer/usr/lib/wg-slaacer/wg_slaacer.node')).toBe('addon');
  });

  it('install programs that can be run', () => {
    prepare();
    make('installed');
    for (const name of ['usr/sbin/wg-slaacer', 'etc/init.d/wg-slaacer'])
      expect(statSync(join(build, 'wg-slaacer', name)).mode & 0o777).toBe(0o755);
  });
});

/** Runs a script of a package, with the build folder for the router's root. */
function runScript(name: string, environment: Record<string, string> = {}): void {
  put('script', content(name).replaceAll(/(?<= |^|\t)\/(?=etc|lib|sys|usr|www)/gm, `${build}/`), 0o755);
  const { status, stderr } = spawnSync('sh', [join(build, 'script')], {
    env: { PATH: `${build}/bin:${process.env.PATH}`, ...environment },
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
}

describe('the scripts that run after removal', () => {
  const folders = (...names: string[]) => names.filter((name) => existsSync(join(build, name)));
  const ours = [
    'etc/capabilities',
    'lib/bpf',
    'usr/lib/lua/prometheus-collectors',
    'usr/lib/wg-slaacer',
    'www/luci-static/resources/view/wg-slaacer',
  ];

  /** As opkg leaves them: without the packages' files. */
  function remove(environment: Record<string, string> = {}): void {
    make('defined');
    for (const name of ours) mkdirSync(join(build, name), { recursive: true });
    put('lib/bpf/another.o', '');
    for (const name of ['wg-slaacer', 'luci-app-wg-slaacer']) runScript(`${name}.postrm`, environment);
  }

  it('leave no empty folder, and those that others use', () => {
    remove();
    expect(folders(...ours)).toEqual(['lib/bpf']);
  });

  it('do nothing while an image is built', () => {
    remove({ IPKG_INSTROOT: '/image' });
    expect(folders(...ours)).toEqual(ours);
  });

  it('know every folder that the packages install beside those of every router', () => {
    const theirs = filesIn(rootfs).map((name) => dirname(name));
    const everywhere = [
      'etc/config',
      'etc/init.d',
      'etc/uci-defaults',
      'lib/upgrade/keep.d',
      'usr/lib/lua/luci/i18n',
      'usr/sbin',
      'usr/share/luci/menu.d',
      'usr/share/rpcd/acl.d',
    ];
    expect([...new Set(theirs)].filter((name) => !everywhere.includes(name)).sort()).toEqual(ours);
  });
});

describe('the script that runs before removal', () => {
  /** What it calls, one a line, with the programs of the package in its own folder; `withdrawals` that fail at first. */
  function run(environment: Record<string, string> = {}, failing = 0): string[] {
    make('defined');
    put('calls', '');
    put('left', String(failing));
    put('sys/fs/bpf/wg-slaacer/learned-v1', '');
    put('etc/wg-slaacer/state', '');
    put('etc/init.d/wg-slaacer', `#!/bin/sh\necho init "$@" >>${build}/calls\n`, 0o755);
    put('bin/sleep', '#!/bin/sh\n', 0o755);
    put(
      'usr/sbin/wg-slaacer',
      `#!/bin/sh\necho "$@" >>${build}/calls\nread -r left <${build}/left\necho $((left - 1)) >${build}/left\n[ "$left" -le 0 ]\n`,
      0o755,
    );
    runScript('wg-slaacer.prerm', environment);
    return content('calls').replaceAll(build, '').split('\n').slice(0, -1);
  }

  const withdraw = 'withdraw --state /etc/wg-slaacer/state';
  const traces = ['sys/fs/bpf/wg-slaacer', 'etc/wg-slaacer/state'];
  const left = () => traces.filter((name) => existsSync(join(build, name)));

  it('stops the service, withdraws what was learned and told, and leaves nothing of it', () => {
    expect(run()).toEqual(['init stop', withdraw]);
    expect(left()).toEqual([]);
  });

  it('waits for a service that is slow to stop, but not for ever', () => {
    expect(run({}, 2)).toEqual(['init stop', withdraw, withdraw, withdraw]);
    expect(run({}, 1000).length).toBeLessThan(12);
  });

  it.each([
    ['by an upgrade', { PKG_UPGRADE: '1' }],
    ['while an image is built', { IPKG_INSTROOT: '/image' }],
  ])('does nothing %s', (_, environment) => {
    expect(run(environment)).toEqual([]);
    expect(left()).toEqual(traces);
  });
});
