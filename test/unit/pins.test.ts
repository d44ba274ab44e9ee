// SPDX-License-Identifier: GPL-2.0-only

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { expectedPinTrouble, pinTrouble, troubleOf } from '../../src/kernel/pins.ts';

const SYSFS = 0x62656572n;
const BPF = 0xcafe4a11n;
const FOLDER = '/sys/fs/bpf/wg-slaacer';

/** What stands at a path. */
interface Node {
  readonly kind?: 'folder' | 'file' | 'link';
  readonly uid?: number;
  readonly mode?: number;
}

const world = vi.hoisted(() => ({
  type: undefined as bigint | undefined,
  nodes: new Map<string, unknown>(),
  isReadOnly: false,
  mounted: [] as string[],
  filesystems: '',
}));

vi.mock('node:fs', async (original) => ({
  ...(await original<typeof import('node:fs')>()),
  statfsSync: () => {
    if (world.type === undefined) throw new Error('ENOENT');
    return { type: world.type };
  },
  lstatSync: (path: string) => {
    const node = world.nodes.get(path) as Node | undefined;
    if (!node) return undefined;
    const { kind = 'file', uid = process.geteuid!(), mode = 0o600 } = node;
    return { uid, mode, isDirectory: () => kind === 'folder', isFile: () => kind === 'file' };
  },
  readFileSync: () => world.filesystems,
  accessSync: () => {
    if (world.isReadOnly) throw new Error('EROFS');
  },
}));

beforeEach(() => {
  Object.assign(world, { type: BPF, isReadOnly: false, mounted: [], filesystems: 'nodev\tbpf\n' });
  world.nodes.clear();
  vi.spyOn(process, 'getBuiltinModule').mockReturnValue({
    spawnSync: (command: string, args: string[]) => {
      world.mounted.push(`${command} ${args.join(' ')}`);
      if (world.nodes.has('mount')) world.type = BPF;
    },
  } as never);
});

describe('what is in the way of pinning', () => {
  const at = (path: string, node: Node) => world.nodes.set(path, node);

  it('is nothing where there is a file system of ours alone, with or without maps', () => {
    expect(pinTrouble()).toBeUndefined();
    at(FOLDER, { kind: 'folder', mode: 0o40700 });
    at(`${FOLDER}/learned-v1`, { mode: 0o100600 });
    expect(pinTrouble()).toBeUndefined();
    expect(world.mounted).toEqual([]);
  });

  it('is nothing after the file system has been mounted, for root alone', () => {
    world.type = SYSFS;
    world.nodes.set('mount', {});
    expect(pinTrouble()).toBeUndefined();
    expect(world.mounted).toEqual(['mount -t bpf -o nosuid,nodev,noexec,mode=0700 bpf /sys/fs/bpf']);
  });

  it('is that there is none, if it cannot be mounted; nothing is mounted over what another has', () => {
    for (const type of [SYSFS, 0x01021994n, undefined]) {
      Object.assign(world, { type });
      expect(pinTrouble()).toEqual({ reason: 'unmounted' });
    }
    expect(world.mounted).toHaveLength(1);
  });

  it('is expected to be nothing where it can be mounted, which is not tried', () => {
    world.type = SYSFS;
    expect(expectedPinTrouble()).toBeUndefined();
    world.filesystems = 'nodev\tsysfs\n';
    expect(expectedPinTrouble()).toEqual({ reason: 'unmounted' });
    world.type = BPF;
    world.isReadOnly = true;
    expect(expectedPinTrouble()).toEqual({ reason: 'read-only', file: '/sys/fs/bpf' });
    expect(world.mounted).toEqual([]);
  });

  it('is known where the type of a file system has a sign', () => {
    world.type = BPF - 2n ** 32n;
    expect(pinTrouble()).toBeUndefined();
  });

  it('is that it cannot be written', () => {
    world.isReadOnly = true;
    expect(pinTrouble()).toEqual({ reason: 'read-only', file: '/sys/fs/bpf' });
  });

  it.each<[string, string, Node, 'foreign' | 'occupied']>([
    ["somebody else's folder", FOLDER, { kind: 'folder', uid: 4711 }, 'foreign'],
    ['a folder for everybody', FOLDER, { kind: 'folder', mode: 0o41777 }, 'foreign'],
    ['a folder for a group', FOLDER, { kind: 'folder', mode: 0o40770 }, 'foreign'],
    ['a file in its place', FOLDER, { kind: 'file' }, 'occupied'],
    ['a link in its place', FOLDER, { kind: 'link' }, 'occupied'],
    ['a folder in the place of a map', `${FOLDER}/lent-v1`, { kind: 'folder' }, 'occupied'],
    ["somebody else's map", `${FOLDER}/learned-v1`, { uid: 4711 }, 'foreign'],
    ['a map that others may write', `${FOLDER}/learned-v1`, { mode: 0o100666 }, 'foreign'],
  ])('is %s', (_, file, node, reason) => {
    at(file, node);
    expect(pinTrouble()).toEqual({ reason, file });
  });

  it('is a file that libbpf names, and nothing that has to do with none', () => {
    const said = (text: string) => troubleOf(new Error(`bpf_object__load: EINVAL: ${text}`));
    const file = `${FOLDER}/learned-v1`;
    expect(said(`couldn't reuse pinned map at '${file}': parameter mismatch`)).toEqual({
      reason: 'layout',
      file,
    });
    expect(said(`map 'lent': failed to auto-pin at '${file}': -30`)).toEqual({ reason: 'layout', file });
    expect(said('failed to load program lookup_exit')).toBeUndefined();
  });
});
