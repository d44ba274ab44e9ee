// SPDX-License-Identifier: GPL-2.0-only
// Where the ways to learn differ in what they promise. With a hook no packet is lost and every refusal is told. By
// lending, a peer's first packets from a new address are lost unless it holds the loan already, and what WireGuard
// refuses stays unseen.

import { expect } from 'vitest';
import type { Denial } from '../../src/engine/plan.ts';
import type { Client, PingOptions } from './client.ts';
import type { Daemon } from './daemon.ts';
import type { Lab } from './lab.ts';

const PATIENCE = 30_000;
/** As a client sends again what was lost: TCP, for one, after a second. */
const RETRANSMISSION = 1_000;

export interface UseOptions {
  /** What it sends packets to; the router unless told. */
  to?: string;
  timeout?: number;
  /** Daemon.mark of when it was new; that of the call unless told. */
  from?: number;
}

/** Has a client use an address until it is learned or denied, which this resolves to. With a hook, one packet must do. */
export async function use(daemon: Daemon, client: Client, address: string, options: UseOptions = {}) {
  const { to, timeout = PATIENCE, from = daemon.mark } = options;
  const outcome = daemon.outcome({ address, peer: client.publicKey }, timeout, from);
  let open = true;
  const close = () => {
    open = false;
  };
  outcome.then(close, close);
  do {
    await client.sendFrom(address, to ? { to } : {});
    if (daemon.way !== 'lending') break;
    const timer = client.guest.timer(RETRANSMISSION);
    await Promise.race([outcome.catch(() => {}), timer.over]);
    timer.cancel();
  } while (open);
  return outcome;
}

/** Has a client use new addresses until they are learned. One may be before its turn: a borrower is asked for it. */
export async function reveal(daemon: Daemon, client: Client, addresses: string[], options: UseOptions = {}) {
  const all = { from: daemon.mark, ...options };
  for (const address of addresses)
    expect(await use(daemon, client, address, all)).toMatchObject({ event: 'learned', address });
}

/** What law 4 promises of a client's first packets from an address, as the tests' names have it. */
export const answered = {
  fexit: 'its first packet answered',
  kprobe: 'its first packet answered',
  lending: 'a packet that was sent again answered',
} as const;

/** Law 4, for an address that is not among the allowed IPs yet, or no longer. */
export async function expectAnswered(
  daemon: Daemon,
  client: Client,
  from: string,
  options: Partial<PingOptions> = {},
) {
  if (daemon.way !== 'lending')
    expect(await client.ping({ from, timeout: 5, ...options })).toMatchObject({ sent: 1, received: 1 });
  else {
    // The first is lost, the second, too, if it comes before the loan, and nothing else.
    const { received } = await client.ping({ from, count: 4, timeout: 5, ...options });
    expect(received).toBeGreaterThanOrEqual(2);
  }
}

/**
 * Makes sure that a client's next packets are not lost, for tests of what comes then. By lending the client has to hold
 * the loan, and gets it by using this address. With a hook nothing needs to be done.
 */
export async function holdLoan(lab: Lab, daemon: Daemon, client: Client, address: string): Promise<void> {
  if (daemon.way !== 'lending' || (await lab.borrower()) === client.name) return;
  await reveal(daemon, client, [address]);
  expect(await lab.borrower()).toBe(client.name);
}

/** Has a client use an address that is not to be learned, after `before`. By lending it may be that WireGuard alone knows. */
export async function expectRefused(
  lab: Lab,
  daemon: Daemon,
  client: Client,
  denial: Pick<Denial, 'address' | 'reason'> & Partial<Denial>,
  before: () => Promise<void> = async () => {},
): Promise<void> {
  const denied = { peer: client.publicKey, ...denial };
  const [from, refused, allowedIps] = [daemon.mark, await lab.refused(), await lab.allowedIps()];
  await before();
  await client.sendFrom(denied.address);
  if (daemon.way !== 'lending') await daemon.event('denied', denied, PATIENCE, from);
  else
    await lab.guest.until(async () => {
      expect(daemon.has('denied', denied, from) || (await lab.refused()) > refused).toBe(true);
    }, PATIENCE);
  expect(await lab.allowedIps()).toEqual(allowedIps);
}

/** By lending, a peer that did what is denied does not hold the loan any more. */
export async function expectLoanLost(lab: Lab, daemon: Daemon, client: Client): Promise<void> {
  if (daemon.way === 'lending')
    await lab.guest.until(async () => expect(await lab.borrower()).not.toBe(client.name));
}

/** Gives addresses that nobody has used yet, one after the other. */
export function freshAddresses(): () => string {
  let last = 0;
  return () => `2001:db8:1::f:${(++last).toString(16)}`;
}
