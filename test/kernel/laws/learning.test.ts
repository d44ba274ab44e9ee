// SPDX-License-Identifier: GPL-2.0-only
// Laws 1 to 4: what is learned and what is not, and that the packet which reveals an address arrives.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guestFor, ways } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { Daemon } from '../../bed/daemon.ts';
import { Lab } from '../../bed/lab.ts';
import { answered, expectAnswered, expectRefused, holdLoan, reveal } from '../../bed/ways.ts';

const configured = ['2001:db8:1:0:aaaa::/80', '2001:db8:1::99/128'];

describe.each(ways)('by %s', (hook) => {
  let lab: Lab;
  let daemon: Daemon;
  let laptop: Client;
  let phone: Client;

  beforeAll(async () => {
    lab = await Lab.create(await guestFor(hook), {
      clients: ['laptop', 'phone'],
      allowedIps: { phone: configured },
    });
    laptop = lab.client('laptop');
    phone = lab.client('phone');
    daemon = await Daemon.start(lab.router, { hook, set: { rate: 0 } });
  });

  afterAll(async () => {
    await daemon?.stop();
    await lab?.destroy();
  });

  const learnedBy = async (client: Client) =>
    (await lab.allowedIps())[client.name]!.filter((prefix) => !configured.includes(prefix));

  test('it says which hook it uses', async () => {
    const version = expect.stringMatching(/^\d+\.\d+\.\d+$/);
    expect(await daemon.event('ready')).toMatchObject({ hook, version });
  });

  test(`a new address is learned and ${answered[hook]}`, async () => {
    const address = '2001:db8:1::5';
    await laptop.addAddress(address);
    await expectAnswered(daemon, laptop, address);
    expect(await daemon.event('learned', { address })).toMatchObject({
      interface: 'wg1',
      peer: laptop.publicKey,
      ...(hook !== 'lending' && { delivered: true }),
    });
    expect(await learnedBy(laptop)).toEqual([`${address}/128`]);
  });

  test('a burst of packets from a new address is answered whole, and told once', async () => {
    const address = '2001:db8:1::6';
    await holdLoan(lab, daemon, laptop, '2001:db8:1::e');
    await laptop.addAddress(address);
    const result = await laptop.ping({ from: address, count: 6, interval: 0.002 });
    expect(result).toMatchObject({ sent: 6, received: 6 });
    await daemon.event('learned', { address });
    expect(daemon.all('learned').filter((event) => event.address === address)).toHaveLength(1);
    expect(daemon.all('restored')).toEqual([]);
  });

  test('a first packet as long as the tunnel takes is answered', async () => {
    const address = '2001:db8:1::7';
    await holdLoan(lab, daemon, laptop, '2001:db8:1::e');
    await laptop.addAddress(address);
    const { stdout } = await laptop.run(`ping -n -I ${address} -c 1 -s 1372 -W 2 2001:db8:1::1`);
    expect(stdout).toContain('1 received');
  });

  test('a link-local address is learned', async () => {
    await reveal(daemon, laptop, ['fe80::5'], { to: 'fe80::1' });
    expect(await learnedBy(laptop)).toContain('fe80::5/128');
  });

  test.each([
    ['another peer has as a configured address', '2001:db8:1::99'],
    ['lies in a prefix configured for another peer', '2001:db8:1:0:aaaa::7'],
  ])('an address that %s is refused, and stays its own', async (_, address) => {
    await expectRefused(lab, daemon, laptop, { address, reason: 'owned', owner: phone.publicKey });
    expect((await lab.allowedIps()).phone).toEqual(configured);
    expect(await learnedBy(laptop)).not.toContain(`${address}/128`);
  });

  test('an address that was learned for another peer is refused, and stays its own', async () => {
    const address = '2001:db8:1::8';
    await phone.addAddress(address);
    await reveal(daemon, phone, [address]);
    const denial = { address, reason: 'owned', owner: phone.publicKey } as const;
    // Also right after packets of its owner, which come to all CPUs.
    const inUse = () => phone.sendFrom(address, { count: 100 });
    await expectRefused(lab, daemon, laptop, denial, inUse);
    expect(await learnedBy(phone)).toEqual([`${address}/128`]);
    expect(await phone.ping({ from: address })).toMatchObject({ received: 1 });
  });

  test.each([
    ['outside of the prefix', '2001:db8:2::5', 'scope'],
    ['the link-local range beyond fe80::/64', 'fe80:0:0:1::5', 'scope'],
    ["the router's own on the interface", '2001:db8:1::1', 'reserved'],
    ["the router's own on another interface", '2001:db8:ff::1', 'reserved'],
    ['the subnet-router anycast address', '2001:db8:1::', 'reserved'],
    ['multicast', 'ff02::5', 'reserved'],
    ['unspecified', '::', 'reserved'],
    ['loopback', '::1', 'reserved'],
    ['IPv4-mapped', '::ffff:192.0.2.1', 'reserved'],
  ] as const)('an address is refused that is %s', async (_, address, reason) => {
    await expectRefused(lab, daemon, laptop, { address, reason });
  });

  test('a repeated attempt is refused each time, and told with its count, if at all, not packet by packet', async () => {
    const address = '2001:db8:3::1';
    const [from, refused] = [daemon.mark, await lab.refused()];
    await laptop.sendFrom(address, { count: 50 });
    await lab.guest.until(async () => expect(await lab.refused()).toBe(refused + 50));
    if (hook === 'lending') return expect(daemon.mark).toBeLessThan(from + 5);
    await daemon.event('denied', { address, count: 1 }, 10_000, from);
    await lab.guest.sleep(1_200);
    await laptop.sendFrom(address);
    await daemon.event('denied', { address, count: 50 }, 10_000, from);
    expect(daemon.all('denied').filter((event) => event.address === address)).toHaveLength(2);
  });

  test('of a /60 as netifd assigns it, addresses are learned in the /64 that is routed to the interface', async () => {
    await lab.router.run(
      'ip address add 2001:db8:1:10::1/60 dev wg1 nodad noprefixroute && ip -6 route add 2001:db8:1:10::/64 dev wg1',
    );
    await lab.guest.sleep(1_000); // it is noticed
    await reveal(daemon, laptop, ['2001:db8:1:10::5']);
    await expectRefused(lab, daemon, laptop, { address: '2001:db8:1:11::5', reason: 'scope' });
    await lab.router.run('ip address delete 2001:db8:1:10::1/60 dev wg1');
  });

  test('what was configured is there to the end', async () => {
    expect((await lab.allowedIps()).phone).toEqual(expect.arrayContaining(configured));
  });
});
