// SPDX-License-Identifier: GPL-2.0-only
// Reads the configuration. What cannot be read stays as it was when it last could.

import type { Problem } from '../problem.ts';
import type { Ubus } from '../ubus/types.ts';
import { type Configuration, parseConfiguration } from './config.ts';
import { type Network, readNetwork } from './network.ts';
import { type PeerSection, PeerTable } from './peers.ts';
import { readPeers, readSections } from './uci.ts';

export class Reader {
  /** Undefined until it could be read for the first time. */
  configuration: Configuration | undefined;
  peers = new PeerTable();
  network: Network = { advertisers: new Map(), search: [] };
  /** Why something could not be read the last time. */
  failures: readonly Problem[] = [];
  private sections: ReadonlyMap<string, readonly PeerSection[]> = new Map();

  constructor(private readonly ubus: Ubus) {}

  /** Never rejects: `failures` tells. */
  async read(): Promise<void> {
    try {
      this.configuration = parseConfiguration(await readSections(this.ubus, 'wg-slaacer'));
    } catch (error) {
      this.failures = [this.unreadable(error)];
      return;
    }
    const failures: Problem[] = [];
    const sections = new Map<string, readonly PeerSection[]>();
    for (const device of new Set(this.configuration.interfaces.map(({ device }) => device))) {
      try {
        sections.set(device, await readPeers(this.ubus, device));
      } catch (error) {
        sections.set(device, this.sections.get(device) ?? []);
        failures.push({
          code: 'no-peers',
          message: `${device}: what is configured for its peers cannot be read`,
          hint: `${(error as Error).message}; see that rpcd runs and that uci show network works. It is tried again`,
        });
      }
    }
    try {
      this.network = await readNetwork(this.ubus);
    } catch (error) {
      failures.push({
        code: 'no-network',
        message: 'who else sends Router Advertisements, and what domains to search in, cannot be read',
        hint: `${(error as Error).message}; see that rpcd and netifd run. It is tried again`,
      });
    }
    this.sections = sections;
    this.peers = new PeerTable(sections);
    this.failures = failures;
  }

  private unreadable(error: unknown): Problem {
    const consequence = this.configuration
      ? 'the last one stays in force'
      : 'nothing is learned until it can';
    return {
      code: 'no-configuration',
      message: `the configuration cannot be read: ${consequence}`,
      hint: `${(error as Error).message}; see that ubusd and rpcd run and that uci show wg-slaacer works. It is tried again`,
    };
  }
}
