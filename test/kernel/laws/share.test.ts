// SPDX-License-Identifier: GPL-2.0-only
// Peers have addresses in the only /64 that there is, which is the LAN's.
//
//   laptop, phone, tablet ══ wg1 ┐              ┌ eth0: nas  2001:db8:1::fa, by hand
//   desk ═══════════════════ wg2 ┤ router ── br-lan
//   server ── eth0 ────── veth-s ┘              └ eth0: tv   by SLAAC, from another program's advertisements
//
// The router has 2001:db8:1::1/60 on br-lan and routes its /64 there, as netifd has it by default (ip6assign '60'), link-local addresses on wg1 and wg2, and a default route to 2001:db8:fe::2.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anyHook, guestFor } from '../../bed/bed.ts';
import { Client, type Host } from '../../bed/client.ts';
import { Daemon, PROGRAM } from '../../bed/daemon.ts';
import { keyPair } from '../../bed/keys.ts';
import { Lab } from '../../bed/lab.ts';
import { Pinger } from '../../bed/pinger.ts';
import { holdLoan } from '../../bed/ways.ts';

const SERVER = '2001:db8:fe::2';
const NAS = '2001:db8:1::fa';

/** A Router Advertisement of a prefix on br-lan, as another daemon sends them. */
const ADVERTISE = `
import socket, struct, sys
prefix = socket.inet_pton(socket.AF_INET6, sys.argv[1])
message = bytes.fromhex("86000000400007080000000000000000") + struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 1800, 0) + prefix
out = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
out.sendto(message, ("ff02::1", 0, 0, socket.if_nametoindex("br-lan")))`;

async function buildLan(lab: Lab): Promise<void> {
  await lab.router.run(`set -e
modprobe bridge
ip address delete 2001:db8:1::1/64 dev wg1
for name in nas tv server; do ip netns add $name; ip -n $name link set lo up; done
ip -batch - <<END
link add br-lan type bridge
link add lan1 type veth peer name eth0 netns nas
link add lan2 type veth peer name eth0 netns tv
link add veth-s type veth peer name eth0 netns server
link set lan1 master br-lan up
link set lan2 master br-lan up
link set br-lan up
address add 2001:db8:1::1/60 dev br-lan nodad noprefixroute
route add 2001:db8:1::/64 dev br-lan
address add 2001:db8:fe::1/64 dev veth-s nodad
link set veth-s up
END
ip -n nas -batch - <<END
address add ${NAS}/64 dev eth0 nodad
link set eth0 up
route add default via 2001:db8:1::1
END
ip netns exec tv sysctl -qw net.ipv6.conf.eth0.stable_secret=2001:db8::5ec:1e7 net.ipv6.conf.eth0.accept_ra=1
ip -n tv link set eth0 up
ip -n server -batch - <<END
address add ${SERVER}/64 dev eth0 nodad
link set eth0 up
route add default via 2001:db8:fe::1
END
ip -6 route add default via ${SERVER}`);
  for (const client of lab.clients) await client.run('ip -6 route flush dev wg0 proto boot');
}

/** A second WireGuard interface, with one peer. */
async function buildSecond(lab: Lab): Promise<string> {
  const [router, desk] = [keyPair(), keyPair()];
  await lab.router.run(`set -e
ip netns add desk
ip link add veth-d type veth peer name eth0 netns desk
ip address add 10.9.9.1/24 dev veth-d
ip link set veth-d up
ip link add wg2 type wireguard
wg set wg2 listen-port 51829 private-key /dev/stdin peer '${desk.publicKey}' <<END
${router.privateKey}
END
ip address add fe80::1/64 dev wg2 nodad
ip link set wg2 up
ip -n desk address add 10.9.9.2/24 dev eth0
ip -n desk link set eth0 up
ip -n desk link add wg0 type wireguard
ip netns exec desk wg set wg0 private-key /dev/stdin peer '${router.publicKey}' endpoint 10.9.9.1:51829 allowed-ips ::/0 persistent-keepalive 25 <<END
${desk.privateKey}
END
ip -n desk link set wg0 up
ip -n desk -6 route add default dev wg0`);
  return desk.publicKey;
}

describe.each([anyHook, 'lending'] as const)('by %s', (way) => {
  let lab: Lab;
  let daemon: Daemon;
  let nas: Client;
  let tv: Client;
  let server: Client;
  let desk: string;
  /** Each peer's stable and temporary address. */
  const has = new Map<string, string[]>();

  const start = async () =>
    Daemon.start(lab.router, {
      hook: way,
      interfaces: ['wg1', 'wg2'],
      set: { ra: 1, share: 'br-lan', rate: 0 },
    });
  const stable = (name: string) => has.get(name)!.find((address) => /::[abc]$/.test(address))!;
  const inLan = async (host: Host, prefix = '2001:db8:1:') =>
    [
      ...(await host.run('ip -6 -oneline address show scope global -tentative')).stdout.matchAll(
        /inet6 ([0-9a-f:]+)/g,
      ),
    ]
      .map((match) => match[1]!)
      .filter((address) => address.startsWith(prefix));
  const advertise = (prefix: string) => lab.router.run(`/usr/bin/python3 -ISc '${ADVERTISE}' ${prefix}`);
  const left = async () =>
    (
      await lab.router.run(
        'ip -6 route show proto 87; ip -6 neigh show proxy; sysctl -n net.ipv6.conf.all.proxy_ndp',
      )
    ).stdout;

  beforeAll(async () => {
    const guest = await guestFor(way);
    lab = await Lab.create(guest, { clients: ['laptop', 'phone', 'tablet'] });
    [nas, tv, server] = ['nas', 'tv', 'server'].map((name) => new Client(guest, name, keyPair())) as [
      Client,
      Client,
      Client,
    ];
    await buildLan(lab);
    desk = await buildSecond(lab);
    await lab.guest.until(
      async () => {
        await advertise('2001:db8:1::');
        expect(await inLan(tv)).toHaveLength(1);
      },
      10_000,
      1_000,
    );
    daemon = await start();
  });

  afterAll(async () => {
    await daemon?.stop();
    await lab?.router.run(
      'for name in nas tv server desk; do ip netns delete $name; done; for link in veth-s veth-d wg2 br-lan lan1 lan2; do ip link delete $link; done; sysctl -qw net.ipv6.conf.all.proxy_ndp=0; ip -6 route flush default',
      { check: false },
    );
    await lab?.destroy();
  });

  test('each of three peers has two addresses in the LAN’s prefix, and no route to it by the tunnel’s link', async () => {
    const took = await Promise.all(
      lab.clients.map((client, i) => client.comeUp(`fe80::${'abc'[i]}`, SERVER, 60_000)),
    );
    console.log(`${way}: on line after ${took.join(', ')} ms`);
    for (const client of lab.clients) {
      const addresses = await client.addresses();
      expect(addresses, client.name).toHaveLength(2);
      has.set(client.name, addresses);
      expect((await client.run('ip -6 route show dev wg0')).stdout).not.toContain('2001:db8:1::/64');
    }
  });

  test('they reach both hosts of the LAN and one on the Internet, and these reach them', async () => {
    const [television] = await inLan(tv);
    for (const client of lab.clients) {
      for (const from of has.get(client.name)!)
        for (const to of [NAS, television!, SERVER])
          await lab.guest.until(
            async () =>
              expect(await client.ping({ from, to, timeout: 3 }), `${from} to ${to}`).toMatchObject({
                received: 1,
              }),
            30_000,
          );
      const hosts = [
        [nas, NAS],
        [tv, television!],
        [server, SERVER],
      ] as const;
      for (const [host, from] of hosts)
        for (const to of has.get(client.name)!)
          expect(await host.ping({ from, to, count: 2, interval: 0.1, timeout: 3 })).toMatchObject({
            received: 2,
          });
    }
    expect(await lab.allowedIps()).toEqual(
      Object.fromEntries(
        lab.clients.map(({ name }, i) => [
          name,
          [...has.get(name)!, `fe80::${'abc'[i]}`].map((address) => `${address}/128`).sort(),
        ]),
      ),
    );
  });

  test('the kernel answers solicitations to a peer’s address alone, too, so that hosts need not look for it again', async () => {
    const to = stable('phone');
    await nas.run(`ip neigh change ${to} dev eth0 nud probe`);
    await lab.guest.until(
      async () => expect((await nas.run(`ip neigh show ${to}`)).stdout).toContain('REACHABLE'),
      3_000,
    );
  });

  test('a host that comes up with a peer’s address by SLAAC sees a duplicate, and makes another', async () => {
    const [television] = await inLan(tv);
    await tv.run('ip link set eth0 down');
    await lab.router.run('ip -6 neigh flush dev br-lan'); // else it counts as there for half a minute
    const phone = lab.client('phone');
    await phone.addAddress(television!);
    await lab.guest.until(async () => {
      await phone.ping({ from: television!, to: NAS, timeout: 1 });
      expect(daemon.has('learned', { address: television!, peer: phone.publicKey })).toBe(true);
    }, 60_000);
    await tv.run('ip link set eth0 up');
    await lab.guest.until(
      async () => {
        await advertise('2001:db8:1::');
        expect(await inLan(tv)).toHaveLength(1);
      },
      15_000,
      1_500,
    );
    expect((await inLan(tv))[0]).not.toBe(television);
    expect(await phone.ping({ from: television!, to: NAS, count: 2, interval: 0.1 })).toMatchObject({
      received: 2,
    });
  });

  test('a peer that uses the address of a host, known or silent, is denied, and the host loses no packet', async () => {
    const laptop = lab.client('laptop');
    const [television] = await inLan(tv);
    const pings = [await Pinger.start(server, SERVER, NAS), await Pinger.start(nas, NAS, SERVER)];
    for (const [i, address] of [NAS, television!].entries()) {
      // By lending, with the loan: all of the prefix is the laptop's then, but no route leads there.
      await holdLoan(lab, daemon, laptop, `2001:db8:1::${i + 1}:10a`);
      if (way === 'lending') expect(await lab.borrower()).toBe('laptop');
      // As if it had never been heard of.
      if (address !== NAS) await lab.router.run('ip -6 neigh flush dev br-lan');
      const from = daemon.mark;
      await laptop.sendFrom(address, { to: SERVER, count: 3 });
      await daemon.event('denied', { address, peer: laptop.publicKey, reason: 'in-use' }, 10_000, from);
      // Within a second, in which repeats are not told.
      await lab.guest.until(async () => {
        await laptop.sendFrom(address, { to: SERVER });
        if (way === 'lending') expect(await lab.borrower()).not.toBe('laptop');
      }, 500);
    }
    for (const ping of pings) await ping.more(200);
    for (const ping of pings) {
      const { answered, lost } = await ping.stop();
      expect(lost).toEqual([]);
      expect(answered).toBeGreaterThanOrEqual(200);
    }
    expect(Object.values(await lab.allowedIps()).flat()).not.toContain(`${NAS}/128`);
    expect(await left()).not.toMatch(new RegExp(`^(${NAS}|${television}) `, 'm'));
  });

  test('a host that takes a peer’s address without asking is told of', async () => {
    const address = stable('tablet');
    await tv.run(`ip address add ${address}/64 dev eth0 nodad; ping -c 1 -W 1 -I ${address} 2001:db8:1::1`, {
      check: false,
    });
    await daemon.event('problem', { code: 'share-claimed' }, 60_000);
    await tv.run(`ip address delete ${address}/64 dev eth0`);
  });

  test('an address is learned on one of two interfaces that share a prefix', async () => {
    const address = '2001:db8:1::de5c';
    const other = new Client(lab.guest, 'desk', keyPair());
    await other.run(`ip address add ${address}/128 dev wg0 nodad`);
    await lab.guest.until(async () => {
      await other.ping({ from: address, to: NAS, timeout: 1 });
      expect(daemon.has('learned', { address, interface: 'wg2', peer: desk })).toBe(true);
    }, 60_000);
    expect(await nas.ping({ from: NAS, to: address, count: 2, interval: 0.1 })).toMatchObject({
      received: 2,
    });
    const from = daemon.mark;
    await lab.client('laptop').sendFrom(address, { to: SERVER });
    if (way !== 'lending')
      await daemon.event('denied', { address, interface: 'wg1', reason: 'in-use' }, 10_000, from);
    expect(await other.ping({ from: address, to: NAS })).toMatchObject({ received: 1 });
  });

  test('a peer that uses a thousand addresses has the LAN asked for a few', async () => {
    const asked = async () =>
      Number(
        (await lab.router.run("sed -n 's/^Icmp6OutNeighborSolicits//p' /proc/net/dev_snmp6/br-lan")).stdout,
      );
    const [start, before] = [lab.guest.now, await asked()];
    await lab.client('phone').flood({ prefix: '2001:db8:1::', count: 1_000, pps: 500 });
    const count = (await asked()) - before;
    const seconds = (lab.guest.now - start) / 1_000;
    // Eight at a time for a second each, and what hosts and router ask of each other anyway.
    expect(count).toBeLessThanOrEqual(8 * (seconds + 1) + 10);
  });

  test('killed and started again under traffic, it loses nothing', async () => {
    const ping = await Pinger.start(nas, NAS, stable('laptop'));
    await ping.more(5);
    await daemon.stop('SIGKILL');
    await ping.more(10);
    expect(await left()).toContain(stable('laptop'));
    daemon = await start();
    await ping.more(20);
    expect((await ping.stop()).lost).toEqual([]);
  });

  test('another prefix of the LAN reaches peers at once; the old addresses work on', async () => {
    const laptop = lab.client('laptop');
    const ping = await Pinger.start(laptop, stable('laptop'), SERVER);
    await lab.router.run(
      'ip address add 2001:db8:2::1/64 dev br-lan nodad; ip address delete 2001:db8:1::1/60 dev br-lan; ip -6 route delete 2001:db8:1::/64 dev br-lan',
    );
    await nas.run('ip address add 2001:db8:2::fa/64 dev eth0 nodad');
    for (const client of lab.clients)
      await lab.guest.until(async () => expect(await inLan(client, '2001:db8:2:')).not.toEqual([]), 10_000);
    const fresh = (await inLan(laptop, '2001:db8:2:'))[0]!;
    await lab.guest.until(
      async () =>
        expect(await laptop.ping({ from: fresh, to: '2001:db8:2::fa', timeout: 3 })).toMatchObject({
          received: 1,
        }),
      30_000,
    );
    await ping.more(20);
    expect((await ping.stop()).lost).toEqual([]);
  });

  test('nothing is left when it is withdrawn, although the LAN has been down meanwhile, of which the kernel forgets all entries', async () => {
    await daemon.stop('SIGKILL');
    expect(await left()).toContain('proto 87');
    await lab.router.run('ip link set br-lan down');
    expect(await left()).not.toContain('proxy');
    await lab.router.run(`${PROGRAM} withdraw`);
    expect((await left()).trim()).toBe('0');
  });
});
