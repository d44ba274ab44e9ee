// SPDX-License-Identifier: GPL-2.0-only
// A small file on a real file system.

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FlashFile } from '../../src/kernel/state-file.ts';

let folder: string;
let path: string;
let file: FlashFile;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
  path = join(folder, 'etc/state');
  file = new FlashFile(path);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** The name of the error. */
function failure(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
  return undefined;
}

describe('the file', () => {
  it('is read as it was written, in a folder that is made for it', () => {
    expect(file.read()).toBe('');
    file.write('one\n');
    file.write('two\n');
    expect(file.read()).toBe('two\n');
    expect(readdirSync(join(folder, 'etc'))).toEqual(['state']);
  });

  it('is none if there is nothing to write', () => {
    file.write('');
    expect(existsSync(join(folder, 'etc'))).toBe(false);
    file.write('one\n');
    file.write('');
    expect(readdirSync(join(folder, 'etc'))).toEqual([]);
  });

  it('is written past what a power cut has left, and never through a link', () => {
    mkdirSync(join(folder, 'etc'));
    writeFileSync(join(folder, 'other'), 'other');
    symlinkSync(join(folder, 'other'), `${path}.new`);
    file.write('one\n');
    expect(file.read()).toBe('one\n');
    expect(readFileSync(join(folder, 'other'), 'utf8')).toBe('other');
  });

  it('is what it was if it cannot be written', () => {
    file.write('one\n');
    mkdirSync(`${path}.new`);
    expect(failure(() => file.write('two\n'))).toBeDefined();
    expect(file.read()).toBe('one\n');
  });

  it('is not replaced if it is anything but a file', () => {
    mkdirSync(path, { recursive: true });
    for (const other of [path, '/dev/null']) {
      expect(failure(() => new FlashFile(other).read())).toBe('EEXIST');
      expect(failure(() => new FlashFile(other).write('one\n'))).toBe('EEXIST');
    }
    expect(readdirSync(join(folder, 'etc'))).toEqual(['state']);
  });

  it('is not read in a place where none can be, nor written', () => {
    writeFileSync(join(folder, 'etc'), '');
    expect(failure(() => file.read())).toBe('ENOTDIR');
    expect(failure(() => file.write('one\n'))).toBe('ENOTDIR');
  });

  it('is not read to the end if it is far too large', () => {
    mkdirSync(join(folder, 'etc'));
    writeFileSync(path, Buffer.alloc(2 ** 21, 'a'));
    expect(file.read()).toHaveLength(2 ** 20);
  });
});
