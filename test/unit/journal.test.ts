// SPDX-License-Identifier: GPL-2.0-only
// What outlives the process although nothing can be pinned, in a real file.

import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as abi from '../../src/kernel/abi.ts';
import { Journal } from '../../src/kernel/journal.ts';
import { openProbe } from '../../src/kernel/probe.ts';
import { alice, bob } from './bench.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeKernel } from './fake-kernel.ts';
import { FakeObject, fakeNative } from './fake-native.ts';

const pins = vi.hoisted(() => ({ trouble: { reason: 'unmounted' } as object | undefined }));
vi.mock('../../src/kernel/pins.ts', async (original) => ({
  ...(await original<typeof import('../../src/kernel/pins.ts')>()),
  pinTrouble: () => pins.trouble,
}));

let folder: string;
let path: string;

beforeEach(() => {
  pins.trouble = { reason: 'unmounted' };
  folder = mkdtempSync(join(tmpdir(), 'wg-slaacer-'));
  path = join(folder, 'learned');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const entry = (key: string, value: string, map = 'learned-v1') => ({
  ...{ map, key: Buffer.from(key, 'hex'), value: Buffer.from(value, 'hex') },
});
const texts = (journal = new Journal(path)) =>
  journal.read().map(({ map, key, value }) => `${map} ${key.toString('hex')} ${value.toString('hex')}`);

describe('a journal', () => {
  it('has what was written last, and what has changed since', () => {
    const journal = new Journal(path);
    journal.write([entry('01', 'aa'), entry('02', 'bb')]);
    journal.put(entry('03', 'cc', 'lent-v1'));
    journal.put(entry('02', 'dd'));
    journal.delete('learned-v1', Buffer.of(1));
    expect(texts()).toEqual(['learned-v1 02 dd', 'lent-v1 03 cc']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    journal.write([]);
    expect(readdirSync(folder)).toEqual([]);
    expect(texts()).toEqual([]);
  });

  it('is read up to where a change was cut short', () => {
    new Journal(path).write([entry('01', 'aa')]);
    appendFileSync(path, 'learned-v1 02 b');
    expect(texts()).toEqual(['learned-v1 01 aa']);
  });

  function replace(make: () => void): void {
    rmSync(path);
    make();
  }

  it.each<[string, () => void]>([
    ['of another boot', () => writeFileSync(path, readFileSync(path, 'utf8').replace(/ .{8}/, ' 00000000'))],
    ['that others may write', () => chmodSync(path, 0o666)],
    ['that is none', () => writeFileSync(path, 'x'.repeat(1_000))],
    ['that is a folder', () => replace(() => mkdirSync(path))],
    ['that is a link', () => replace(() => symlinkSync('/dev/null', path))],
  ])('has nothing if it is one %s', (_, spoil) => {
    new Journal(path).write([entry('01', 'aa')]);
    spoil();
    expect(texts()).toEqual([]);
  });

  it('is never made by a change, nor through a link', () => {
    const journal = new Journal(path);
    expect(() => journal.put(entry('01', 'aa'))).toThrow('ENOENT');
    symlinkSync(join(folder, 'other'), path);
    expect(() => journal.put(entry('01', 'aa'))).toThrow();
    journal.write([entry('01', 'aa')]);
    expect(existsSync(join(folder, 'other'))).toBe(false);
    expect(texts()).toEqual(['learned-v1 01 aa']);
  });

  it('is long when there are many changes', () => {
    const journal = new Journal(path);
    journal.write([entry('01', 'aa')]);
    for (let n = 0; n < 999; n++) journal.put(entry('01', 'bb'));
    expect(journal.isLong).toBe(false);
    journal.put(entry('01', 'cc'));
    expect(journal.isLong).toBe(true);
    journal.write([entry('01', 'cc')]);
    expect(journal.isLong).toBe(false);
  });
});

describe('where nothing can be pinned, what is learned', () => {
  const open = (object = new FakeObject()) => {
    const observer = { see: () => {}, recheck: () => {}, shakeHands: () => {} };
    const options = { native: fakeNative(object), file: 'wg-slaacer.o', keep: path };
    return openProbe(options, new FakeKernel(new FakeClock()).wireguard, 'fexit', observer);
  };
  const record = {
    ...{ ifindex: 7, device: 'wg1', address: '2001:db8:1::5', peer: alice, learned: 1, lastSeen: 2 },
  };
  const other = { ...record, address: '2001:db8:1::6', peer: bob };
  const lent = { ifindex: 7, device: 'wg1', peer: bob, prefix: { bytes: new Uint8Array(16), length: 9 } };

  it('outlives a process that is killed, loans included', () => {
    const probe = open();
    expect(probe.outlives).toBe(true);
    probe.keepRecord(record);
    probe.keepRecord(other);
    probe.dropRecords(7, [record.address]);
    probe.rememberLent(lent);
    const next = open();
    expect(next.records()).toEqual([other]);
    expect(next.lentRecords()).toEqual([lent]);
    next.forgetLent(lent);
    expect(open().lentRecords()).toEqual([]);
    expect(next.warnings.map(({ code }) => code)).toEqual(['not-pinned']);
  });

  it('is written with times of last use once a minute, and at the end', () => {
    const object = new FakeObject();
    const probe = open(object);
    probe.keepRecord(record);
    const use = (lastSeen: number) =>
      object.maps.learned!.update(
        abi.encodeSource(7, record.address),
        abi.encodeLearned({ ...record, lastSeen }),
      );
    const written = () => new Journal(path).read().map(({ value }) => abi.decodeLastSeen(value));
    probe.save(0);
    use(3);
    probe.save(59_999);
    expect(written()).toEqual([2]);
    probe.save(60_000);
    expect(written()).toEqual([3]);
    use(4);
    probe.close();
    expect(written()).toEqual([4]);
  });

  it('goes into the maps as soon as they can be pinned, where it is not known better', () => {
    open().keepRecord(record);
    pins.trouble = undefined;
    const object = new FakeObject();
    const probe = open(object);
    expect(probe.records()).toEqual([record]);
    expect(readdirSync(folder)).toEqual([]);
    expect(probe.outlives).toBe(true);
    pins.trouble = { reason: 'unmounted' };
    open().keepRecord({ ...record, lastSeen: 9 });
    pins.trouble = undefined;
    expect(open(object).records()).toEqual([record]);
  });

  it('does not outlive it if the file cannot be written, which is told, and mends by itself', () => {
    const probe = open();
    probe.keepRecord(record);
    rmSync(folder, { recursive: true });
    probe.keepRecord(other);
    expect(probe.outlives).toBe(false);
    expect(probe.warnings).toMatchObject([
      { code: 'not-pinned' },
      { code: 'not-kept', data: { file: path, error: 'ENOENT' } },
    ]);
    mkdirSync(folder);
    probe.save(60_000);
    expect(probe.outlives).toBe(true);
    expect(probe.warnings.map(({ code }) => code)).toEqual(['not-pinned']);
    expect(open().records()).toEqual([record, other]);
  });

  it('is what a pin is that libbpf cannot use, and nothing else that it refuses', () => {
    pins.trouble = undefined;
    const file = '/sys/fs/bpf/wg-slaacer/learned-v1';
    const refusing = (text: string) => {
      const object = new FakeObject();
      object.load = () => {
        if (object.log.some((line) => line.startsWith('pin'))) throw new Error(text);
      };
      object.close = () => void object.log.splice(0);
      return object;
    };
    const probe = open(refusing(`bpf_object__load: EINVAL: couldn't reuse pinned map at '${file}'`));
    expect(probe.warnings).toEqual([{ code: 'not-pinned', data: { reason: 'layout', file } }]);
    expect(probe.outlives).toBe(true);
    expect(() => open(refusing('bpf_object__load: EPERM'))).toThrow('EPERM');
  });

  it('leaves no file when there is nothing', () => {
    const probe = open();
    probe.keepRecord(record);
    probe.dropRecords(7, [record.address]);
    probe.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('survives what cannot be read, and what is of another layout', () => {
    writeFileSync(path, 'nonsense');
    expect(open().records()).toEqual([]);
    new Journal(path).write([entry('0102', 'aa'), entry('01', 'aa', 'learned-v0')]);
    expect(open().records()).toEqual([]);
  });
});
