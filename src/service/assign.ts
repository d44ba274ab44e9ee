// SPDX-License-Identifier: GPL-2.0-only
// Has netifd give a WireGuard interface a /64 of what the provider delegates. It is the only thing that a login which may
// configure wg-slaacer can change in /etc/config/network, as rpcd grants rights for whole packages only.

import type { Ubus } from '../ubus/types.ts';
import { NotConfigured } from './pin.ts';
import { sectionsOf } from './sections.ts';
import { commitAlone, readSections } from './uci.ts';

/**
 * Resolves when it is committed, with whether anything has changed: an interface that is to have a prefix already keeps its
 * options. Rejects with NotConfigured, or what rpcd has answered; then nothing has changed.
 */
export async function assignPrefix(ubus: Ubus, name: string): Promise<boolean> {
  let hasChanged = false;
  await commitAlone(ubus, 'network', async (session) => {
    const options = ['proto', 'ip6assign'];
    const query = { config: 'network', type: 'interface', options, session };
    const section = sectionsOf(await readSections(ubus, query)).find((section) => section.name === name);
    if (section?.options.get('proto')?.[0] !== 'wireguard')
      throw new NotConfigured(`${name} is no WireGuard interface in /etc/config/network`);
    if (section.options.has('ip6assign')) return;
    const values = { ip6assign: '64' };
    await ubus.call('uci', 'set', { ...session, config: 'network', section: name, values });
    hasChanged = true;
  });
  return hasChanged;
}
