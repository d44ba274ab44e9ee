// SPDX-License-Identifier: GPL-2.0-only
// Makes a learned address a configured allowed IP of its peer, in /etc/config/network. netifd is not told: it would make the
// interface anew, and cut off all its peers, for an address that WireGuard has already.

import type { PeerAddress } from '../model.ts';
import type { Ubus } from '../ubus/types.ts';
import { lists } from './peers.ts';
import { changeUntold, inSession, readPeers } from './uci.ts';

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

  async #write(device: string, { peer, address }: PeerAddress): Promise<void> {
    const present = await inSession(this.#ubus, 'network', async (session) => {
      const sections = (await readPeers(this.#ubus, device, session)).filter(({ key }) => key === peer);
      const section = sections.find(({ disabled }) => !disabled);
      if (!section) {
        const what = sections.length > 0 ? 'is disabled' : 'is not configured';
        throw new NotConfigured(
          `peer ${peer} ${what} in /etc/config/network, in a section of type wireguard_${device}`,
        );
      }
      const place = { config: 'network', section: section.section, option: 'allowed_ips' };
      const { value } = await this.#ubus.call('uci', 'get', { ...session, ...place });
      return { place, value, isThere: lists(section.allowedIps, address) };
    });
    if (present.isThere) return;
    const { place, value } = present;
    // What stands in one option, as netifd takes it, would be one element of a list.
    const isOption = typeof value === 'string' && value.trim() !== '';
    const added = `${address}/128`;
    if (isOption) await changeUntold(this.#ubus, 'set', place, `${value} ${added}`);
    else await changeUntold(this.#ubus, 'add_list', place, added);
  }
}
