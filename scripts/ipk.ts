// SPDX-License-Identifier: GPL-2.0-only
// Packs a package for opkg, as OpenWrt's buildroot does (include/package-pack.mk, scripts/ipkg-build of 24.10).

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Definition, selected } from './makefile.ts';

export interface Package {
  readonly name: string;
  readonly definition: Definition;
  /** The files that it installs, as they lie below /. */
  readonly files: string;
  /** As opkg calls CPUs: "aarch64_cortex-a53", or "all". */
  readonly architecture: string;
  /** The time of all that is in it, in seconds since 1970. */
  readonly epoch: number;
  /** Packages that the Makefile wants and this one does without. */
  readonly without?: readonly string[];
}

const versionOf = ({ control }: Definition) => `${control.PKG_VERSION}-r${control.PKG_RELEASE}`;

export const ipkName = ({ name, definition, architecture }: Package) =>
  `${name}_${versionOf(definition)}_${architecture}.ipk`;

/** The file that opkg reads, `size` being the bytes of the packed files. */
function controlOf({ name, definition, architecture, epoch, without = [] }: Package, size: number): string {
  const { control, parts } = definition;
  const depends = [
    control.EXTRA_DEPENDS,
    'libc',
    ...selected(control.DEPENDS).filter((each) => !without.includes(each)),
  ];
  const description = (parts.description ?? '').trim().replaceAll(/^\s*/gm, ' ');
  const fields = {
    Package: name,
    Version: versionOf(definition),
    Depends: depends.filter(Boolean).join(', '),
    Source: control.SOURCE,
    SourceName: control.PKG_NAME,
    License: control.PKG_LICENSE,
    LicenseFiles: control.PKG_LICENSE_FILES,
    Section: control.SECTION,
    SourceDateEpoch: epoch,
    Maintainer: control.PKG_MAINTAINER,
    Architecture: architecture,
    'Installed-Size': size,
  };
  const lines = Object.entries(fields).map(([field, value]) => `${field}: ${value}\n`);
  return `${lines.join('')}Description: ${description}\n`;
}

/** Calls one of the functions by which OpenWrt (un)installs any package, which call NAME-pkg at their end or begin. */
const standard = (call: string) =>
  `[ -s $\{IPKG_INSTROOT}/lib/functions.sh ] || exit 0\n. $\{IPKG_INSTROOT}/lib/functions.sh\n${call} $0 $@\n`;

/** The scripts and lists of a package beside `control`, by their names. */
function metaFiles({ parts }: Definition): Record<string, string> {
  const { conffiles, postinst, prerm, postrm } = parts;
  const files = {
    conffiles,
    postinst: `#!/bin/sh\n[ "$\{IPKG_NO_SCRIPT}" = "1" ] && exit 0\n${standard('default_postinst')}`,
    prerm: `#!/bin/sh\n${standard('default_prerm')}`,
    'postinst-pkg': postinst,
    'prerm-pkg': prerm,
    postrm,
  };
  return Object.fromEntries(
    Object.entries(files).filter((each): each is [string, string] => each[1] !== undefined),
  );
}

/** Packs what is in a folder: whoever does so and whenever, the same bytes. */
function pack(folder: string, epoch: number, file: string, ...names: string[]): void {
  const tar = ['tar', '-c', '-C', folder, '--format=gnu', '--sort=name', '--mode=u+rw,go=rX'];
  const owner = ['--owner=0', '--group=0', '--numeric-owner', `--mtime=@${epoch}`];
  const script = 'set -o pipefail; out=$1; shift; "$@" | gzip -9n >"$out"';
  execFileSync('bash', ['-c', script, 'pack', file, ...tar, ...owner, ...names]);
}

/** Writes the package into a folder; returns its file. */
export function writeIpk(each: Package, to: string): string {
  const work = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
  try {
    const [meta, outer] = [join(work, 'meta'), join(work, 'outer')];
    for (const folder of [meta, outer, to]) mkdirSync(folder, { recursive: true });
    const data = join(outer, 'data.tar.gz');
    pack(each.files, each.epoch, data, '.');
    writeFileSync(join(meta, 'control'), controlOf(each, statSync(data).size));
    for (const [name, text] of Object.entries(metaFiles(each.definition))) {
      writeFileSync(join(meta, name), text);
      chmodSync(join(meta, name), name === 'conffiles' ? 0o644 : 0o755);
    }
    pack(meta, each.epoch, join(outer, 'control.tar.gz'), '.');
    writeFileSync(join(outer, 'debian-binary'), '2.0\n');
    const file = join(to, ipkName(each));
    pack(outer, each.epoch, file, './debian-binary', './data.tar.gz', './control.tar.gz');
    return file;
  } finally {
    rmSync(work, { recursive: true });
  }
}
