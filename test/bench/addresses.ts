// SPDX-License-Identifier: GPL-2.0-only

import type { Client } from '../bed/client.ts';
import type { Lab } from '../bed/lab.ts';

/** Gives each of a lab's clients so many addresses that nobody has used yet. */
export async function addAddresses({ clients }: Lab, each: number): Promise<[Client, string][]> {
  const uses: [Client, string][] = [];
  for (const [index, client] of clients.entries()) {
    for (let n = 0; n < each; n++) {
      const address = `2001:db8:1::${index + 1}:${n.toString(16)}`;
      await client.addAddress(address);
      uses.push([client, address]);
    }
  }
  return uses;
}
