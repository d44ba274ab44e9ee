// SPDX-License-Identifier: GPL-2.0-only
// Makes a learned address a configured allowed IP of its peer, in /etc/config/network.

import type { PeerAddress } from '../model.ts';
import type { Ubus } from '../ubus/types.ts';
import { lists } from './peers.ts';
import { commitAlone, readPeers } from './uci.ts';

/** The peer, or interface, has no section in /etc/config/network that is in force. */
export class NotConfigured extends Error {}

export class Pinner {
  /** Each reads what the one before has written. */
  #last: Promise<unknown> = Promise.resolve();

  readonly #ubus: Ubus;

  constructor(ubus: Ubus) {
    this.#ubus = ubus;
  }

  /** Resolves when it is committed. Rejects with NotConfigured, or what rpcd has answered; then nothing has changed. */
  pin(device: string, address: PeerAddress): Promise<void> {
    const done = this.#last.then(() => this.#write(device, address));
    this.#last = done.catch(() => {});
    return done;
  }

  #write(device: string, { peer, address }: PeerAddress): Promise<void> {
    return commitAlone(this.#ubus, 'network', async (session) => {
      const sections = (await readPeers(this.#ubus, device, session)).filter(({ key }) => key === peer);
      const section = sections.find(({ disabled }) => !disabled);
      if (!section) {
        const what = sections.length > 0 ? 'is disabled' : 'is not configured';
        throw new NotConfigured(
          `peer ${peer} ${what} in /etc/config/network, in a section of type wireguard_${device}`,
        );
      }
      if (lists(section.allowedIps, address)) return;
      const values = { allowed_ips: [...section.allowedIps, `${address}/128`] };
      await this.#ubus.call('uci', 'set', {
        ...session,
        config: 'network',
        section: section.section,
        values,
      });
    });
  }
}
