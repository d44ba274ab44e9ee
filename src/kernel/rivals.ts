// SPDX-License-Identifier: GPL-2.0-only
// Programs that do for the prefix of a link what sharing it does, as far as they run and are configured for that.

import { readdirSync, readFileSync } from 'node:fs';

interface Rival {
  readonly program: string;
  readonly files: readonly string[];
  /** What its configuration says of the interface that shares, or of the link whose prefix is shared. */
  mentions(device: string, shared: string): string;
}

const rivals: readonly Rival[] = [
  {
    program: 'ndppd',
    files: ['/etc/ndppd.conf', '/var/etc/ndppd.conf'],
    mentions: (_, shared) => `proxy ${shared}`,
  },
  {
    program: 'radvd',
    files: ['/etc/radvd.conf', '/var/etc/radvd.conf'],
    mentions: (device) => `interface ${device}`,
  },
];

export function rivalsOf(device: string, shared: string, root = '/'): string[] {
  const running = new Set(
    readdirSync(`${root}proc`)
      .filter((name) => /^\d+$/.test(name))
      .map((id) => read(`${root}proc/${id}/comm`).trim()),
  );
  return rivals
    .filter(({ program }) => running.has(program))
    .filter(({ files, mentions }) => {
      const words = ` ${files
        .map((file) => read(root + file.slice(1)))
        .join(' ')
        .replace(/[\s{};"]+/g, ' ')} `;
      return words.includes(` ${mentions(device, shared)} `);
    })
    .map(({ program }) => program);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // it has ended, or there is none
  }
}
