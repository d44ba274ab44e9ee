// SPDX-License-Identifier: GPL-2.0-only

import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { kernelTypes } from '../../src/kernel/kernel-types.ts';

const kernel = vi.hoisted(() => ({ module: 4711 as number | undefined, tells: true }));
vi.mock('../../src/kernel/requirements.ts', () => ({ moduleInstance: () => kernel.module }));
vi.mock('../../src/kernel/types.ts', () => ({ kernelTellsTypes: () => kernel.tells }));

let folder: string;
let object: string;
let kept: string;
let native: { kernelTypes: ReturnType<typeof vi.fn<(file: string, module: string) => Buffer | undefined>> };

const FOUND = Buffer.from('\n what \0 was\nfound');
const types = () => kernelTypes(native, object, folder);

beforeEach(() => {
  Object.assign(kernel, { module: 4711, tells: true });
  folder = mkdtempSync(join(tmpdir(), 'types-'));
  object = join(folder, 'wg-slaacer.o');
  kept = join(folder, 'wg-slaacer.types');
  writeFileSync(object, 'an object');
  native = { kernelTypes: vi.fn(() => FOUND) };
});

afterEach(() => rmSync(folder, { recursive: true }));

it('is found once', () => {
  expect(types()).toEqual(FOUND);
  expect(Buffer.from(types()!)).toEqual(FOUND);
  expect(native.kernelTypes.mock.calls).toEqual([[object, 'wireguard']]);
});

it('is for root alone', () => {
  types();
  expect(statSync(kept).mode & 0o777).toBe(0o600);
});

describe('is found anew', () => {
  const another = Buffer.from('another');

  it.each<[string, () => void]>([
    [
      'when the system was started again',
      () => writeFileSync(kept, `0${readFileSync(kept, 'latin1').slice(1)}`),
    ],
    ['when the module was loaded again', () => (kernel.module = 4712)],
    ['when the module is built in', () => (kernel.module = undefined)],
    ['for another object', () => appendFileSync(object, '!')],
    ['when some of it has gone', () => truncateSync(kept, statSync(kept).size - 1)],
    ['when there is more', () => appendFileSync(kept, '!')],
    ['when it is empty', () => truncateSync(kept)],
    ['when it is something else', () => writeFileSync(kept, 'x'.repeat(200))],
  ])('%s', (_, change) => {
    types();
    change();
    native.kernelTypes.mockReturnValue(another);
    expect(types()).toEqual(another);
    expect(Buffer.from(types()!)).toEqual(another);
    expect(native.kernelTypes).toHaveBeenCalledTimes(2);
  });
});

it('is not used where the kernel does not tell any more', () => {
  types();
  kernel.tells = false;
  expect(types()).toBeUndefined();
});

it('is not kept where the kernel does not tell', () => {
  native.kernelTypes.mockReturnValue(undefined);
  expect(types()).toBeUndefined();
  expect(() => readFileSync(kept)).toThrow('ENOENT');
});

it('is found each time where nothing can be kept', () => {
  const nowhere = join(folder, 'nowhere');
  expect(kernelTypes(native, object, nowhere)).toEqual(FOUND);
  expect(kernelTypes(native, object, nowhere)).toEqual(FOUND);
});

it('leaves it to the addon to say what is wrong with the object', () => {
  native.kernelTypes.mockImplementation(() => {
    throw new Error('ENOENT');
  });
  expect(() => kernelTypes(native, join(folder, 'no.o'), folder)).toThrow('ENOENT');
});
