// SPDX-License-Identifier: GPL-2.0-only
// A kernel with kprobes that does not tell its types, and the file that does.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sharedGuest } from '../../bed/bed.ts';
import { Daemon, PROGRAM } from '../../bed/daemon.ts';
import type { Guest } from '../../bed/guest.ts';
import { Lab } from '../../bed/lab.ts';
import { expectAnswered } from '../../bed/ways.ts';

/** Makes one BTF of a kernel's and a module's, whose types and strings go on where the kernel's end. */
const join = `
const { readFileSync, writeFileSync, mkdirSync } = require('node:fs');
const parts = ['vmlinux', 'wireguard'].map((name) => {
  const btf = readFileSync('/sys/kernel/btf/' + name);
  const [header, types, typesLength, strings, length] = [4, 8, 12, 16, 20].map((at) => btf.readUInt32LE(at));
  const part = (offset, size) => btf.subarray(header + offset, header + offset + size);
  return { types: part(types, typesLength), strings: part(strings, length) };
});
const [types, strings] = ['types', 'strings'].map((what) => Buffer.concat(parts.map((part) => part[what])));
const header = Buffer.from([0x9f, 0xeb, 1, 0, ...Buffer.alloc(20)]);
[24, 0, types.length, types.length, strings.length].forEach((value, i) => header.writeUInt32LE(value, 4 + 4 * i));
mkdirSync('/usr/lib/wg-slaacer/btf', { recursive: true });
writeFileSync(process.argv[2], Buffer.concat([header, types, strings]));
`;

describe('without the types of the kernel and its modules', () => {
  let guest: Guest;
  let lab: Lab;
  let file: string;

  beforeAll(async () => {
    guest = await sharedGuest();
    lab = await Lab.create(guest, { clients: ['laptop'] });
    file = `/usr/lib/wg-slaacer/btf/${guest.release}.btf`;
    // A kernel that does not tell them has the file already.
    await guest.run(`[ -e ${file} ] || node - ${file}`, { input: join });
    await guest.run(
      `mv ${file} /run/types.btf; [ ! -d /sys/kernel/btf ] || mount -t tmpfs tmpfs /sys/kernel/btf`,
    );
  });

  afterAll(async () => {
    await guest.run(`umount /sys/kernel/btf && rm -f ${file} || mv /run/types.btf ${file}`, { check: false });
    await lab?.destroy();
  });

  const doctor = async () => JSON.parse((await guest.run(`${PROGRAM} doctor --json`)).stdout);

  test('doctor names the file that would do', async () => {
    const { hook, hooks } = await doctor();
    expect(hook).toBe('lending');
    expect(JSON.stringify(hooks[1])).toContain(file);
  });

  test('doctor says that the kprobe works with the file, and fexit does not', async () => {
    await guest.run(`cp /run/types.btf ${file}`);
    expect(await doctor()).toMatchObject({
      hook: 'kprobe',
      types: file,
      hooks: [{ works: false }, { works: true }, {}],
    });
  });

  test('what runs uses the kprobe, and nothing is lost', async () => {
    const daemon = await Daemon.start(lab.router);
    expect(daemon.way).toBe('kprobe');
    const laptop = lab.client('laptop');
    await laptop.addAddress('2001:db8:1::5');
    await expectAnswered(daemon, laptop, '2001:db8:1::5');
    await daemon.stop();
  });

  test('a file that is none is named as the cause', async () => {
    await guest.run(`echo nonsense >${file}`);
    const { hooks } = await doctor();
    expect(hooks[1].works).toBe(false);
    expect(JSON.stringify(hooks[1].problems)).toContain('btf');
  });
});
