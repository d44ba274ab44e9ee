// SPDX-License-Identifier: GPL-2.0-only
// How long a start takes: from exec until the hook is attached. Beside it, Node doing nothing.

import { fileURLToPath } from 'node:url';
import { INSTALLED } from '../bed/daemon.ts';
import type { Guest } from '../bed/guest.ts';
import { Lab } from '../bed/lab.ts';
import type { Measurement } from './measurement.ts';
import { median } from './statistics.ts';

const SCRIPT = fileURLToPath(new URL('ready.py', import.meta.url));
/** So many times each. What reads a disk takes long, and varies less. */
const COUNT = { warm: 9, cold: 3 };
/** In the guest: a file system with Node and the program, whose pages nothing else has in use. */
const DISK = '/run/disk';

export const ready: Measurement = {
  name: 'ready',
  figures: [
    { key: 'ready.warm', title: 'Start until ready, with a warm page cache', unit: 'ms', better: 'lower' },
    { key: 'ready.node-warm', title: '… node -e 0 beside it', unit: 'ms', better: 'lower' },
    { key: 'ready.ratio-warm', title: '… ready, in times of node -e 0', unit: '×', better: 'lower' },
    { key: 'ready.cold', title: 'Start until ready, with a cold page cache', unit: 'ms', better: 'lower' },
    { key: 'ready.node-cold', title: '… node -e 0 beside it', unit: 'ms', better: 'lower' },
    { key: 'ready.ratio-cold', title: '… ready, in times of node -e 0', unit: '×', better: 'lower' },
  ],
  // Where waiting takes no time, what waits for a disk says nothing.
  counting: false,
  // Others do not say when they are.
  suits: (learner) => learner.way !== undefined,
  async measure(guest, learner) {
    const lab = await Lab.create(guest, { clients: ['laptop'] });
    try {
      await makeDisk(guest);
      const program = `${DISK}/rootfs/usr/sbin/wg-slaacer run --json --interface wg1 --set hook=${learner.locked ? 'auto' : learner.way}`;
      const values: Record<string, number> = {};
      for (const cache of ['warm', 'cold'] as const) {
        const [ours, node] = await times(guest, [program, 'node -e 0'], cache);
        values[`ready.${cache}`] = ours;
        values[`ready.node-${cache}`] = node;
        values[`ready.ratio-${cache}`] = ours / node;
      }
      return values;
    } finally {
      await lab.destroy();
    }
  },
};

async function makeDisk(guest: Guest): Promise<void> {
  await guest.run(
    `set -e
[ ! -e ${DISK} ] || exit 0
mkdir ${DISK}
truncate -s 300M ${DISK}.img
mkfs.ext4 -q ${DISK}.img
modprobe -a loop ext4
mount -o loop ${DISK}.img ${DISK}
mkdir ${DISK}/bin
cp "$(command -v node)" ${DISK}/bin
cp -r ${INSTALLED} ${DISK}`,
    { timeout: 120_000 },
  );
}

/** The medians of two commands, in turn: what slows one down for a while then slows the other, too. */
async function times(
  guest: Guest,
  commands: readonly [string, string],
  cache: 'warm' | 'cold',
): Promise<[number, number]> {
  const once = async (command: string) => {
    // What was attached before is cleared away long after its program has ended.
    const { stdout } = await guest.run(
      `sleep 3
${cache === 'cold' ? 'echo 3 >/proc/sys/vm/drop_caches' : ''}
PATH=${DISK}/bin:$PATH exec /usr/bin/python3 -IBS '${SCRIPT}' ${command}`,
    );
    return Number(stdout);
  };
  const found: [number[], number[]] = [[], []];
  for (const command of commands) await once(command);
  for (let n = 0; n < COUNT[cache]; n++) {
    found[0].push(await once(commands[0]));
    found[1].push(await once(commands[1]));
  }
  return [median(found[0])!, median(found[1])!];
}
