// SPDX-License-Identifier: GPL-2.0-only
// Twenty clients that shake hands at the same time after a reboot of the router, of which nothing is known.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guestFor, ways } from '../../bed/bed.ts';
import { Daemon } from '../../bed/daemon.ts';
import { Lab } from '../../bed/lab.ts';

const COUNT = 20;

describe.each(ways)('by %s', (hook) => {
  let lab: Lab;
  let daemon: Daemon | undefined;

  /** Runs a shell command in each client, all at once; resolves to what each prints, by name. */
  const inEach = async (command: string) => {
    const names = lab.clients.map(({ name }) => name).join(' ');
    const { stdout } = await lab.guest.run(
      `for name in ${names}; do ip netns exec $name sh -c '${command}' sh $name > /run/$name.out & done; wait
for name in ${names}; do echo "$name $(tr '\\n' ' ' < /run/$name.out)"; done`,
      { timeout: 120_000 },
    );
    return Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/ (.*)/).slice(0, 2) as [string, string]),
    );
  };

  beforeAll(async () => {
    const clients = Array.from({ length: COUNT }, (_, n) => `client${n + 1}`);
    lab = await Lab.create(await guestFor(hook), { clients });
    await inEach(`cd /proc/sys/net/ipv6/conf/wg0 && echo 2 > accept_ra && echo 0 > router_solicitations
ip -6 address flush dev wg0; ip address add fe80::\${1#client}/64 dev wg0 nodad`);
    await lab.replaceLink();
    await lab.guest.sleep(240_000);
    daemon = await Daemon.start(lab.router, { hook, set: { ra: 1, rate: 0 } });
  });

  afterAll(async () => {
    await daemon?.stop();
    await lab?.destroy();
  });

  test('each has an address of its own within 10 s, and one advertisement', async () => {
    const before = lab.guest.now;
    await inEach('wg set wg0 peer $(wg show wg0 peers) persistent-keepalive 3600');
    await lab.guest.until(async () => {
      const addresses = await inEach('ip -6 -oneline address show dev wg0 scope global');
      for (const text of Object.values(addresses)) expect(text).toContain('2001:db8:1:');
    }, 20_000);
    const milliseconds = lab.guest.now - before;
    console.log(`${hook}: ${COUNT} clients on line after ${milliseconds} ms`);
    expect(milliseconds).toBeLessThan(10_000);
    const taken = await inEach('grep Icmp6InRouterAdvertisements /proc/net/dev_snmp6/wg0');
    for (const text of Object.values(taken)) expect(Number(text.split(/\s+/)[1])).toBe(1);
    await lab.guest.until(async () => {
      expect(Object.values(await lab.allowedIps()).flat()).not.toContain('ff02::1/128');
    }, 1_000);
  });
});
