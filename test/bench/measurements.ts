// SPDX-License-Identifier: GPL-2.0-only
// All of them, in the order of the table.

import { crowd } from './crowd.ts';
import { expiry } from './expiry.ts';
import { firstReply } from './first-reply.ts';
import { heal } from './heal.ts';
import { idle } from './idle.ts';
import { manyPeers } from './many-peers.ts';
import type { Measurement } from './measurement.ts';
import { packetCosts } from './packets.ts';
import { ready } from './ready.ts';
import { receiveOnly } from './receive-only.ts';
import { slaac } from './slaac.ts';
import { turns } from './turns.ts';

const packets: Measurement = {
  name: 'packets',
  figures: [
    ['known', 'Packet from a learned address'],
    ['alternating', '… from 16 of them in turn'],
    ['configured', '… from a configured IPv6 prefix'],
    ['ipv4', '… by IPv4'],
    ['off', '… by IPv6, where learning is off'],
  ].map(([key, title]) => ({
    key: `packets.${key}`,
    title: title!,
    unit: 'instructions',
    better: 'lower',
  })),
  counting: true,
  suits: () => true,
  async measure(guest, learner) {
    const costs = await packetCosts(guest, learner);
    return Object.fromEntries(Object.entries(costs).map(([key, value]) => [`packets.${key}`, value]));
  },
};

export const measurements: readonly Measurement[] = [
  packets,
  firstReply,
  turns,
  slaac,
  heal,
  receiveOnly,
  idle,
  ready,
  manyPeers,
  crowd,
  expiry(),
  expiry('6.18'),
];
