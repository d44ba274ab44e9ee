// SPDX-License-Identifier: GPL-2.0-only
// The rooms of the house, from the ground up, as docs/architecture.md has them: nothing imports upwards.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

/** On each floor, files and folders of src/; those of one floor do not import each other, but for the files of a folder. */
const floors = [
  ['address.ts', 'clock.ts', 'problem.ts', 'answers.ts', 'ubus/'],
  ['address-text.ts', 'model.ts', 'write-throttle.ts'],
  ['owners.ts', 'scope.ts', 'sessions.ts'],
  ['settings.ts', 'packets/'],
  ['kernel/'],
  ['advertiser/', 'sharing/'],
  ['engine/'],
  ['history/'],
  ['words/'],
  ['clients/'],
  ['service/'],
  ['daemon.ts'],
  ['cli/'],
  ['main.ts'],
  ['start.ts'],
];

const src = fileURLToPath(new URL('../../src', import.meta.url));

function importsOf(file: string): string[] {
  const text = readFileSync(join(src, file), 'utf8');
  return [...text.matchAll(/\bfrom '(\.[^']+)'|\bimport\('(\.[^']+)'\)/g)].map(([, from, dynamic]) =>
    relative(src, resolve(src, dirname(file), (from ?? dynamic)!)),
  );
}

const roomOf = (file: string) => floors.flat().find((room) => file === room || file.startsWith(room));
const floorOf = (room: string) => floors.findIndex((rooms) => rooms.includes(room));

describe('src/', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );

  test('has a room for each file', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(files.filter((file) => roomOf(file) === undefined)).toEqual([]);
  });

  test('imports downwards only', () => {
    const upwards = files.flatMap((file) =>
      importsOf(file)
        .filter((imported) => roomOf(file) !== roomOf(imported))
        .filter((imported) => floorOf(roomOf(file)!) <= floorOf(roomOf(imported)!))
        .map((imported) => `${file} imports ${imported}`),
    );
    expect(upwards).toEqual([]);
  });
});
