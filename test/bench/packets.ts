// SPDX-License-Identifier: GPL-2.0-only
// How many instructions the router and a client spend for a packet in all, in a guest that counts them.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Guest } from '../bed/guest.ts';
import { Lab } from '../bed/lab.ts';
import { INSTRUCTION } from '../bed/machine.ts';
import type { Learner } from './learners.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const PROGRAM = path('../../build/bench/packets');
const PACKETS = 8_000;

const LEARNED = Array.from({ length: 16 }, (_, i) => `2001:db8:1::${(0xa0 + i).toString(16)}`);
const [FIRST] = LEARNED as [string];
const CONFIGURED = { ipv6: '2001:db8:5::/64', ipv4: '10.0.5.0/24' };
const ROUTER = { ipv6: '2001:db8:1::1', ipv4: '10.0.5.1' };

/** Instructions for a packet, by where it comes from. */
export interface PacketCosts {
  /** An address that has been learned. */
  known: number;
  /** Learned addresses in turn. */
  alternating: number;
  /** A prefix that the peer has by configuration. */
  configured: number;
  ipv4: number;
  /** An IPv6 address, on an interface where nothing is to be learned. */
  off: number;
}

export function buildPackets(): void {
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', PROGRAM, path('packets.c')], { stdio: 'inherit' });
}

/** In a guest whose clock counts instructions. */
export async function packetCosts(guest: Guest, learner: Learner): Promise<PacketCosts> {
  const lab = await Lab.create(guest, {
    clients: ['laptop'],
    allowedIps: { laptop: [CONFIGURED.ipv6, CONFIGURED.ipv4] },
  });
  try {
    const laptop = lab.client('laptop');
    await laptop.run(`${LEARNED.map((address) => `ip address add ${address}/64 dev wg0 nodad`).join('\n')}
wg set wg0 peer "$(wg show wg0 peers)" allowed-ips ::/0,0.0.0.0/0`);
    await lab.router.run(`ip address add ${ROUTER.ipv4}/24 dev wg1
ip link add wg2 type wireguard
ip link set wg2 up`);
    const measure = async (source: string, destination: string, sources = 1) => {
      const command = `${PROGRAM} laptop ${source} ${sources} ${destination} ${PACKETS}`;
      const { stdout } = await lab.router.run(command, { timeout: 300_000 });
      return Number(stdout) / INSTRUCTION;
    };

    const allowed = [CONFIGURED.ipv6, CONFIGURED.ipv4, ...LEARNED].join();
    const allow = () => lab.router.run(`wg set wg1 peer '${laptop.publicKey}' allowed-ips ${allowed}`);
    const running = await learner.start(lab, 'wg1', { rate: 0, max_addresses: 32 });
    if (!learner.learns) await allow();
    // A rival loses the first one; by lending some are lost until it is this peer's turn.
    for (const address of LEARNED) {
      while (!(await lab.allowedIps()).laptop!.includes(`${address}/128`))
        await laptop.ping({ from: address, to: ROUTER.ipv6, timeout: 1 });
    }
    const known = await measure(FIRST, ROUTER.ipv6);
    const alternating = await measure(FIRST, ROUTER.ipv6, LEARNED.length);
    const configured = await measure('2001:db8:5::a', ROUTER.ipv6);
    const ipv4 = await measure('10.0.5.10', ROUTER.ipv4);
    await running.stop();

    const elsewhere = await learner.start(lab, 'wg2');
    await allow();
    const off = await measure(FIRST, ROUTER.ipv6);
    await elsewhere.stop();
    return { known, alternating, configured, ipv4, off };
  } finally {
    await guest.run('ip link delete wg2 2>/dev/null', { check: false });
    await lab.destroy();
  }
}
