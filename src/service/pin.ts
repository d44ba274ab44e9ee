// SPDX-License-Identifier: GPL-2.0-only
// Makes a learned address a configured allowed IP of its peer, in /etc/config/network. netifd is not told: it would make the
// interface anew, and cut off all its peers, for an address that WireGuard has already.

import type { PeerAddress } from '../model.ts';
import type { Ubus, UbusValue } from '../ubus/types.ts';
import { lists, type PeerSection } from './peers.ts';
import { changeUntold, inSession, readPeers } from './uci.ts';

/** How often it is written if somebody else shifts the sections at the same moment. */
const ATTEMPTS = 3;

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

  /**
   * A section without a name goes by its place in the file, which somebody else's change may have shifted since it was
   * read: so what was written is looked for by the peer's key, and taken back where another peer has got it.
   */
  async #write(device: string, { peer, address }: PeerAddress): Promise<void> {
    const before = await this.#read(device, peer);
    let read = before;
    for (let attempt = 0; !lists(read.section.allowedIps, address); attempt++) {
      if (attempt === ATTEMPTS)
        throw new Error('somebody else keeps changing the peers in /etc/config/network');
      await this.#add(read, `${address}/128`);
      read = await this.#read(device, peer);
      await this.#takeBack(before, read, address);
    }
  }

  #read(device: string, peer: string): Promise<Reading> {
    return inSession(this.#ubus, 'network', async (session) => {
      const sections = await readPeers(this.#ubus, device, session);
      const own = sections.filter(({ key }) => key === peer);
      const section = own.findLast(({ disabled }) => !disabled);
      if (!section) {
        const what = own.length > 0 ? 'is disabled' : 'is not configured';
        throw new NotConfigured(
          `peer ${peer} ${what} in /etc/config/network, in a section of type wireguard_${device}`,
        );
      }
      const { value } = await this.#ubus.call('uci', 'get', { ...session, ...placeOf(section) });
      return { sections, section, value };
    });
  }

  async #add({ section, value }: Reading, added: string): Promise<void> {
    // What stands in one option, as netifd takes it, would be one element of a list.
    const isOption = typeof value === 'string' && value.trim() !== '';
    if (isOption) await changeUntold(this.#ubus, 'set', placeOf(section), `${value} ${added}`);
    else await changeUntold(this.#ubus, 'add_list', placeOf(section), added);
  }

  async #takeBack(before: Reading, after: Reading, address: string): Promise<void> {
    for (const section of after.sections) {
      const former = before.sections.find(({ key }) => key === section.key)?.allowedIps ?? [];
      if (section.key === after.section.key || !lists(section.allowedIps, address)) continue;
      if (!lists(former, address)) await changeUntold(this.#ubus, 'set', placeOf(section), former.join(' '));
    }
  }
}

/** The peers of a device, one of them, and its allowed IPs as they are written. */
interface Reading {
  readonly sections: readonly PeerSection[];
  readonly section: PeerSection;
  readonly value: UbusValue | undefined;
}

function placeOf({ section }: PeerSection) {
  return { config: 'network', section, option: 'allowed_ips' };
}
