// SPDX-License-Identifier: GPL-2.0-only
// What is decided, with 16,000 addresses known, and what the engine does around it on a kernel that costs next to nothing.

import { bench, describe } from 'vitest';
import { formatAddress } from '../../../src/address-text.ts';
import { Denials } from '../../../src/engine/denials.ts';
import { Ledger } from '../../../src/engine/ledger.ts';
import type { Sighting } from '../../../src/model.ts';
import { learnerOf } from '../../unit/bench.ts';
import { addressOf, device, entries, keys, watched } from './scene.ts';

function full(some = entries): Ledger {
  const ledger = new Ledger();
  for (const { peer, address } of some)
    ledger.put({ interface: 'wg1', address, peer, learned: 1, lastSeen: 1, confirmed: 1 });
  return ledger;
}

const on = new Map([[watched.ifindex, watched]]);

describe('the learner, with 16,000 addresses', () => {
  const ledger = full();
  const learner = learnerOf(ledger, () => undefined);
  const address = formatAddress(addressOf(500, 99));
  const sighting: Sighting = {
    time: 2,
    ifindex: watched.ifindex,
    verdict: 'candidate',
    count: 1,
    address,
    sender: keys[500]!,
  };
  bench('a new one', () => {
    const plan = learner.consider([sighting], on, () => device);
    ledger.delete(plan.add[0]!.entry);
  });
  bench('compare all with WireGuard', () => void learner.reconcile('wg1', device, 3));
  bench('look whether one has left the scope', () => void learner.rescope(watched));
  bench('look whether one has expired', () => void learner.expire(3, [watched]));
  bench('look for the next to expire', () => void learner.nextExpiry([watched]));
  bench('look whether a peer has too many', () => void learner.limit(watched));
  bench('note handshakes', () => learner.noteHandshakes('wg1', device, 3, 3));
});

describe('the learner, with 10,000 addresses', () => {
  const some = entries.slice(0, 10_000);
  bench('expire all', () => {
    learnerOf(full(some), () => undefined).expire(90_000_000, [watched]);
  });
  bench('… of which this is to have learned them', () => void full(some));
});

describe('denials', () => {
  const denials = new Denials();
  let n = 0;
  bench('one more', () => {
    n++;
    const address = formatAddress(addressOf(n % 1000, (n >> 10) & 0xffff));
    denials.add({ interface: 'wg1', address, peer: keys[n % 1000]!, reason: 'scope', count: 1 }, n);
  });
});
