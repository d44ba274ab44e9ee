// SPDX-License-Identifier: GPL-2.0-only
// A household, for tests and pictures.

import type { Stay } from '../../src/history/history.ts';
import { encodeHistory } from '../../src/history/history-text.ts';
import { keyPair } from '../bed/keys.ts';
import type { PeerConfig, Router, RouterConfig } from './router.ts';

export const PREFIX = '2001:db8:1:1';

const peer = (description?: string, ...allowedIps: string[]): PeerConfig => ({
  key: keyPair().publicKey,
  ...(description !== undefined && { description }),
  allowedIps,
});

export const laptop = peer("Alice's laptop", '192.168.10.2/32');
export const phone = peer('Bob’s phone', '192.168.10.3/32');
export const camera = peer('Garden camera', '192.168.10.4/32', `${PREFIX}::ca/128`);
export const guest = peer();

export const household: RouterConfig = {
  interfaces: [
    { device: 'wg0', addresses: ['fe80::10:1/64', `${PREFIX}::1/64`], peers: [laptop, phone, camera, guest] },
    { device: 'wg1', addresses: ['fe80::11:1/64'], peers: [peer('Office')] },
    { device: 'wg-home', addresses: ['fe80::12:1/64', '2001:db8:1:2::1/64'], peers: [], inNetwork: false },
  ],
  settings: `
config globals 'globals'
	option hook 'auto'
	option history_file '/etc/wg-slaacer/history'

config interface 'wg0'
	option enabled '1'
`,
};

/** What happens on an ordinary morning. */
export async function live(router: Router): Promise<void> {
  await router.use(
    'wg0',
    laptop.key,
    'fe80::5a3c:9d1f:77e2:41b0',
    `${PREFIX}:5a3c:9d1f:77e2:41b0`,
    `${PREFIX}:d0f3:3bb1:8c5e:902a`,
  );
  await router.use('wg0', phone.key, 'fe80::8d2:51ff:fe6c:1be9', `${PREFIX}:8d2:51ff:fe6c:1be9`);
  await router.use('wg0', camera.key, 'fe80::ca');
  await router.use('wg0', guest.key, `${PREFIX}:2e9f:b14c:660d:3a75`);
  await router.use('wg0', guest.key, `${PREFIX}::ca`, '2001:db8:bad::1', `${PREFIX}::1`);
}

/** Has the router remember a week: of `now`, in seconds since 1970, until when it is present. */
export async function remember(router: Router, stays: readonly Stay[], now: number): Promise<void> {
  await router.stopService();
  const newestFirst = [...stays].sort((one, other) => other.from - one.from);
  router.file('/etc/wg-slaacer/history').text = encodeHistory(newestFirst, now);
  await router.startService();
}

/** What has happened in the week before such a morning; what is present goes on. */
export function week(now: number): Stay[] {
  const hour = 3_600;
  const stay = (
    { key: peer }: PeerConfig,
    address: string,
    from: number,
    to?: number,
    how: Stay['how'] = to === undefined ? 'present' : 'expired',
    unused = how === 'expired' ? 24 : 0,
  ): Stay => {
    const end = now - (to ?? 0) * hour;
    const begin = Math.round(now - from * hour);
    const times = { from: begin, lastSeen: Math.max(begin, Math.round(end - unused * hour)) };
    const reason = how === 'forgotten' ? { reason: 'given' as const } : {};
    return {
      interface: 'wg0',
      address,
      peer,
      ...times,
      ...(to !== undefined && { to: Math.round(end) }),
      how,
      ...reason,
    };
  };
  const temporary = [
    '41c7:9e02:77d1:b3f8',
    '6d2e:18aa:c0f4:5b37',
    '93b0:e7c5:2d16:8fa4',
    'b8f1:4a6d:90e3:127c',
  ];
  return [
    stay(laptop, 'fe80::5a3c:9d1f:77e2:41b0', 160),
    stay(laptop, `${PREFIX}:5a3c:9d1f:77e2:41b0`, 160),
    ...temporary.map((end, day) => stay(laptop, `${PREFIX}:${end}`, 150 - 30 * day, 100 - 28 * day)),
    stay(laptop, `${PREFIX}:d0f3:3bb1:8c5e:902a`, 11.5),
    stay(phone, 'fe80::8d2:51ff:fe6c:1be9', 61),
    stay(phone, `${PREFIX}:8d2:51ff:fe6c:1be9`, 14),
    stay(phone, `${PREFIX}:70c9:2b8e:f15d:a364`, 44, 15.5),
    stay(phone, `${PREFIX}:2e9f:b14c:660d:3a75`, 19.5, 6.2, 'forgotten'),
    stay(camera, 'fe80::ca', 166),
    stay(guest, `${PREFIX}:2e9f:b14c:660d:3a75`, 6.2),
    stay(guest, `${PREFIX}:f08a:3b2e:9cc1:77d0`, 5.5, 2.1, 'evicted'),
    stay(guest, `${PREFIX}:1b44:8d0f:a2e6:c953`, 2, 0.4, 'interrupted'),
  ];
}
