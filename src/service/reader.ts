// SPDX-License-Identifier: GPL-2.0-only
// Reads the configuration. What cannot be read stays as it was when it last could.

import type { Problem } from '../problem.ts';
import type { Ubus } from '../ubus/types.ts';
import { type Configuration, parseConfiguration } from './config.ts';
import { type Network, noNetwork, readNetwork } from './network.ts';
import { type PeerSection, PeerTable } from './peers.ts';
import { readPeers, readSections } from './uci.ts';

export class Reader {
  /** Undefined until it could be read for the first time. */
  configuration: Configuration | undefined;
  peers = new PeerTable();
  network: Network = noNetwork;
  /** Why something could not be read the last time. */
  failures: readonly Problem[] = [];
  #sections: ReadonlyMap<string, readonly PeerSection[]> = new Map();

  readonly #ubus: Ubus;

  constructor(ubus: Ubus) {
    this.#ubus = ubus;
  }

  /** Never rejects: `failures` tells. */
  async read(): Promise<void> {
    try {
      this.configuration = parseConfiguration(await readSections(this.#ubus, { config: 'wg-slaacer' }));
    } catch (error) {
      this.failures = [this.#unreadable(error)];
      return;
    }
    const failures: Problem[] = [];
    const sections = new Map<string, readonly PeerSection[]>();
    for (const device of new Set(this.configuration.interfaces.map(({ device }) => device))) {
      try {
        sections.set(device, await readPeers(this.#ubus, device));
      } catch (error) {
        const before = this.#sections.get(device);
        if (before) sections.set(device, before);
        failures.push({ code: 'no-peers', data: { device, detail: (error as Error).message } });
      }
    }
    try {
      this.network = await readNetwork(this.#ubus);
    } catch (error) {
      failures.push({ code: 'no-network', data: { detail: (error as Error).message } });
    }
    this.#sections = sections;
    this.peers = new PeerTable(sections);
    this.failures = failures;
  }

  #unreadable(error: unknown): Problem {
    const data = { detail: (error as Error).message, isInForce: this.configuration !== undefined };
    return { code: 'no-configuration', data };
  }
}
