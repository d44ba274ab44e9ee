// SPDX-License-Identifier: GPL-2.0-only
// A household, for tests and pictures.

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
