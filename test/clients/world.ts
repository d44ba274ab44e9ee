// SPDX-License-Identifier: GPL-2.0-only
// A router with a client of each system, and a host behind it.
//
//   systems ── wg0 ═════ wg1 ── router ── veth-s ─────── eth0 ── server (2001:db8:fe::2)
//
// Clients send nothing but what WireGuard and their systems send by themselves, until they have been advertised to.

import { expect } from 'vitest';
import { bootOwn, type Way } from '../bed/bed.ts';
import { Daemon } from '../bed/daemon.ts';
import { Lab } from '../bed/lab.ts';
import { ClientSystem, type Reached } from './client-system.ts';
import { type System, systems } from './systems.ts';

const SERVER = '2001:db8:fe::2';
/** The router's, and each client's, in the tunnel. */
const SERVER_IPV4 = '10.8.0.254';
const ipv4Of = (index: number) => `10.8.0.${index + 1}`;
/** The router's, for tunnels by IPv6. */
const ENDPOINT = '2001:db8:e::1';
/** Milliseconds until a system has to be on line: a session ends after 180 s, and a keepalive comes every 25 s. */
const PATIENCE = 300_000;
/** Milliseconds: there is one advertisement in so many that nobody asks for. */
const INTERVAL = 10_000;
/** Seconds without use, until what was learned is withdrawn. */
const LIFETIME = 40;
/** Seconds that what is advertised holds: RFC 9096. */
const VALID = 5_400;
const PREFERRED = 2_700;

/** Advertises 2001:db8:c<N>::/64, and a default route, on each of so many links below. */
const ADVERTISE = `
import socket, struct, sys
for n in range(1, int(sys.argv[1]) + 1):
    prefix = socket.inet_pton(socket.AF_INET6, "2001:db8:c%x::" % n)
    message = bytes.fromhex("86000000400007080000000000000000") + struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 1800, 0) + prefix
    out = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    out.sendto(message, ("ff02::1", 0, 0, socket.if_nametoindex("veth%d" % n)))`;

type Outcome = PromiseSettledResult<Reached>;
export type Outcomes = ReadonlyMap<System, Outcome>;

interface Act {
  /** Before what is timed. */
  prepare?(): Promise<unknown>;
  happen?(): Promise<unknown>;
  /** Whether the clients are advertised to by it; true unless told. */
  advertised?: boolean;
  /** Whether the clients send something before they are. */
  busy?: boolean;
}

export class World {
  readonly lab: Lab;
  readonly clients: readonly ClientSystem[];
  readonly #way: Way;
  #daemon: Daemon | undefined;
  #prefix = '2001:db8:1::';

  static async create(way: Way): Promise<World> {
    const guest = await bootOwn({ clients: true, locked: way === 'lending' });
    const allowedIps = systems.map(({ name }, index) => [name, [`${ipv4Of(index)}/32`]] as const);
    const lab = await Lab.create(guest, {
      clients: systems.map(({ name }) => name),
      allowedIps: Object.fromEntries(allowedIps),
    });
    await lab.router.run(`set -e
modprobe tun
ip netns add server
ip link add veth-s type veth peer name eth0 netns server
ip address add 2001:db8:fe::1/64 dev veth-s nodad
ip link set veth-s up
ip -n server address add ${SERVER}/64 dev eth0 nodad
ip -n server link set eth0 up
ip -n server route add default via 2001:db8:fe::1
ip -6 route add default via ${SERVER}
ip address add ${SERVER_IPV4}/24 dev wg1`);
    const publicKey = (await lab.router.run('wg show wg1 public-key')).stdout.trim();
    const world = new World(lab, way, publicKey);
    await world.#startDaemon();
    for (const client of world.clients) await client.start();
    await guest.sleep(INTERVAL); // the start was news
    return world;
  }

  private constructor(lab: Lab, way: Way, publicKey: string) {
    this.lab = lab;
    this.#way = way;
    this.clients = systems.map((system, index) => {
      const host = `10.9.${index + 1}.1`;
      const ipv4 = system.hasNoIpv4 ? [] : [ipv4Of(index)];
      const router = { publicKey, host, port: 51_820, mtu: 1420, prefixes: [], routes: [], servers: [] };
      const more = { isDefaultRouter: true, ipv4: ['0.0.0.0/0'], hasRandomPort: false };
      return new ClientSystem(system, lab.client(system.name), { ...router, ...more }, ipv4);
    });
  }

  async #startDaemon(): Promise<void> {
    const set = { ra: 1, lifetime: `${LIFETIME}s` };
    this.#daemon = await Daemon.start(this.lab.router, { hook: this.#way, set });
  }

  /** With its guest. */
  async destroy(): Promise<void> {
    await this.lab.guest.stop();
  }

  /** What becomes of clients by an act on the router, on the network below, or on them. */
  async #watch(clients: readonly ClientSystem[], act: Act): Promise<Outcomes> {
    const { prepare, happen, advertised = true, busy = false } = act;
    await prepare?.();
    const counts = await Promise.all(clients.map((client) => client.advertisements()));
    const what = { to: SERVER, prefix: this.#prefix, busy, timeout: PATIENCE };
    const outcomes = Promise.allSettled(
      clients.map(async (client, index) => {
        const advertisements = counts[index]! + Number(advertised);
        const reached = await client.reach({ ...what, advertisements });
        // Some take advertisements themselves, a moment after the kernel has counted them.
        if (advertised) await this.lab.guest.until(() => this.#expectRenewed(client), 5_000);
        return reached;
      }),
    );
    await happen?.();
    const settled = await outcomes;
    return new Map(clients.map(({ system }, index) => [system, settled[index]!]));
  }

  async #expectRenewed(client: ClientSystem): Promise<void> {
    const lifetimes = await client.lifetimes(this.#prefix);
    expect(lifetimes).not.toEqual([]);
    for (const { valid, preferred } of lifetimes) {
      expect(valid).toBeGreaterThan(VALID - 10);
      expect(preferred).toBeGreaterThan(PREFERRED - 10);
    }
    expect(await client.wayTo(SERVER)).toContain(' dev wg0 ');
  }

  /** One after the other, as programs that start take time in emulation. */
  async #inTurn(act: (client: ClientSystem) => Act): Promise<Outcomes> {
    const outcomes: [System, Outcome][] = [];
    for (const client of this.clients) {
      const failed = (reason: unknown): Outcomes =>
        new Map([[client.system, { status: 'rejected', reason }]]);
      outcomes.push(...(await this.#watch([client], act(client)).catch(failed)));
    }
    return new Map(outcomes);
  }

  configured(): Promise<Outcomes> {
    return this.#inTurn((client) => ({ happen: () => client.configure() }));
  }

  /** Until wg1 is made anew, without an address of IPv4. */
  reachesByIpv4(system: System): Promise<boolean> {
    return this.clients.find((each) => each.system === system)!.pingsIpv4(SERVER_IPV4);
  }

  switchedOffAndOn(): Promise<Outcomes> {
    return this.#inTurn((client) => ({
      prepare: async () => {
        await client.switchOff();
        await this.lab.guest.sleep(INTERVAL);
      },
      happen: () => client.switchOn(),
    }));
  }

  /** Without a network for so long that nothing is known of them any more. */
  away(): Promise<Outcomes> {
    return this.#watch(this.clients, {
      prepare: async () => {
        await this.#underlay(() => 'link set eth0 down');
        await this.lab.guest.sleep(Math.max(3 * LIFETIME, 240) * 1_000);
      },
      happen: () => this.#underlay((n) => `link set eth0 up\naddress replace 10.9.${n}.2/24 dev eth0`),
    });
  }

  /** For a minute. Neither wg1 nor what was learned outlives it. */
  rebooted(signal: 'SIGTERM' | 'SIGKILL', busy: boolean): Promise<Outcomes> {
    return this.#watch(this.clients, {
      busy,
      prepare: async () => {
        await this.#daemon!.stop(signal);
        await this.lab.router.run('rm -rf /sys/fs/bpf/wg-slaacer; ip link set wg1 down');
        await this.lab.guest.sleep(60_000);
      },
      happen: async () => {
        await this.lab.replaceLink();
        await this.#startDaemon();
      },
    });
  }

  /** In the network below; nobody is told, and what they have in the tunnel stays as it is. */
  moved(): Promise<Outcomes> {
    return this.#watch(this.clients, {
      prepare: () =>
        this.#underlay((n) => `address delete 10.9.${n}.2/24 dev eth0\naddress add 10.9.${n}.3/24 dev eth0`),
      advertised: false,
    });
  }

  /** From now on they have IPv6 by the network below, whose default route is younger, and reach the router by it. */
  uplinked(): Promise<Outcomes> {
    return this.#watch(this.clients, {
      prepare: async () => {
        const links = this.clients.map(
          (_, index) => `ip address add 2001:db8:c${index + 1}::1/64 dev veth${index + 1} nodad`,
        );
        await this.lab.router.run(['set -e', `ip address add ${ENDPOINT}/128 dev lo`, ...links].join('\n'));
        await this.#underlay(() => 'link set eth0 down\nlink set eth0 addrgenmode eui64\nlink set eth0 up');
        await this.lab.guest.sleep(5_000); // duplicates are looked for
        await this.lab.router.run(`/usr/bin/python3 -ISc '${ADVERTISE}' ${this.clients.length}`);
        await this.lab.guest.sleep(5_000);
        for (const client of this.clients)
          await client.run(`wg set wg0 peer "$(wg show wg0 peers)" endpoint '[${ENDPOINT}]:51820'`);
      },
      advertised: false,
    });
  }

  renumbered(): Promise<Outcomes> {
    this.#prefix = '2001:db8:2::';
    return this.#watch(this.clients, {
      happen: () =>
        this.lab.router.run(
          'ip address add 2001:db8:2::1/64 dev wg1 nodad; ip address delete 2001:db8:1::1/64 dev wg1',
        ),
    });
  }

  async #underlay(commands: (n: number) => string): Promise<void> {
    const each = this.clients.map(
      ({ client }, index) => `ip -n ${client.name} -batch - <<END\n${commands(index + 1)}\nEND`,
    );
    await this.lab.guest.run(`set -e\n${each.join('\n')}`);
  }
}
