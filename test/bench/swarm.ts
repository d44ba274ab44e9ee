// SPDX-License-Identifier: GPL-2.0-only
// A router with as many peers as a guest can bear: all in one network namespace, an interface each.
//
//   ┌─ router (the guest's own namespace) ───────────────┐
//   │ wg1:   2001:db8:1::1/64, fe80::1/64, UDP port 51820 │
//   │ veth1: 10.9.1.1/24                                  │
//   └───┬─────────────────────────────────────────────────┘
//   ┌───┴─ swarm ─────────────────────────────────────────┐
//   │ eth0:     10.9.1.2/24                               │
//   │ s0, s1 …: UDP ports 20000, 20001 …                  │
//   │ lo:       all of 2001:db8:1::/64                    │
//   └─────────────────────────────────────────────────────┘

import { fileURLToPath } from 'node:url';
import { ROUTER } from '../bed/client.ts';
import type { Guest } from '../bed/guest.ts';
import { CPU_STAT, WatchedRouter } from './watched.ts';

const SCRIPT = fileURLToPath(new URL('swarm.py', import.meta.url));
const NETNS = 'swarm';
/** How many there can be. */
const PEERS = 1_000;
const CONF = '/run/swarm.conf';

/** In seconds of the guest. */
export interface Rest {
  /** Until the learner had nothing left to do. */
  readonly seconds: number;
  /** Of CPU that the learner used meanwhile. */
  readonly cpu: number;
}

export interface Storm extends Rest {
  /** Until WireGuard had all packets. */
  readonly sending: number;
  /** How many of the packets the router got. */
  readonly delivered: number;
}

const created = new WeakMap<Guest, Promise<Swarm>>();

export class Swarm {
  readonly guest: Guest;
  readonly router: WatchedRouter;
  #used = 0;

  /** A guest's, which has no other network from then on. */
  static of(guest: Guest): Promise<Swarm> {
    const swarm = created.get(guest) ?? Swarm.#create(guest);
    created.set(guest, swarm);
    return swarm;
  }

  static async #create(guest: Guest): Promise<Swarm> {
    const swarm = new Swarm(guest);
    await swarm.#setUp();
    return swarm;
  }

  private constructor(guest: Guest) {
    this.guest = guest;
    this.router = new WatchedRouter(guest);
  }

  async #setUp(): Promise<void> {
    await this.guest.run(
      `set -e
modprobe -a wireguard veth
sysctl -qw net.ipv6.conf.all.forwarding=1
wg genkey >/run/swarm.key
ip -batch - <<END
netns add ${NETNS}
link add veth1 type veth peer name eth0 netns ${NETNS}
address add 10.9.1.1/24 dev veth1
link set veth1 up
link add wg1 type wireguard
address add 2001:db8:1::1/64 dev wg1 nodad
address add fe80::1/64 dev wg1 nodad
END
ip -netns ${NETNS} -batch - <<END
address add 10.9.1.2/24 dev eth0
link set eth0 addrgenmode none
link set lo up
link set eth0 up
route add local 2001:db8:1::/64 dev lo
END
${eachPeer(PEERS, 'link add & type wireguard')}`,
      { timeout: 300_000 },
    );
    await this.#ask({ operation: 'configure', peers: PEERS, key: '/run/swarm.key', conf: `${CONF}.all` });
  }

  /** Lets the router have only the first so many of the peers, who begin anew. */
  async use(peers: number): Promise<void> {
    this.#used = peers;
    await this.guest.run(
      `set -e
head -n ${3 + 4 * peers} ${CONF}.all >${CONF}
wg setconf wg1 ${CONF}
ip link set wg1 up
${eachPeer(PEERS, 'link set & down')}
${eachPeer(peers, 'link set & up')}`,
      { timeout: 300_000 },
    );
  }

  async #ask<T>(request: object): Promise<T> {
    const command = `/usr/bin/python3 -IBS '${SCRIPT}' ${CPU_STAT}`;
    const { stdout } = await this.guest.run(command, {
      input: JSON.stringify(request),
      timeout: 900_000,
    });
    return JSON.parse(stdout);
  }

  /** The peers in use send one packet each from so many addresses. */
  async storm(each: number): Promise<Storm> {
    return this.#ask({ operation: 'storm', prefix: '2001:db8:1::', to: ROUTER, peers: this.#used, each });
  }

  /** A peer uses so many new addresses, one after the other: the seconds of CPU that the learner used for each. */
  async trickle(count: number): Promise<number[]> {
    return this.#ask({ operation: 'trickle', prefix: '2001:db8:1::', to: ROUTER, count });
  }

  /** Takes from the peers all that was learned, upon which one of them sends a packet. */
  async wipeAndSend(): Promise<Rest> {
    const command = ['nsenter', '--net=/proc/1/ns/net', 'wg', 'syncconf', 'wg1', CONF];
    return this.#ask({ operation: 'after', command, prefix: '2001:db8:1::', to: ROUTER });
  }

  /** Until the learner has nothing left to do. */
  async rest(): Promise<Rest> {
    return this.#ask({ operation: 'rest' });
  }

  /** How many addresses the router's peers have. */
  async allowed(): Promise<number> {
    const { stdout } = await this.guest.run(`wg show wg1 allowed-ips | grep -o '/128' | wc -l`);
    return Number(stdout);
  }

  /** Takes from the router's peers all that was learned. */
  async wipe(): Promise<void> {
    await this.guest.run(`wg syncconf wg1 ${CONF}`);
  }

  /** Likewise, and from learners what they remember; none may run. */
  async forgetAll(): Promise<void> {
    await this.guest.run('rm -rf /sys/fs/bpf/*');
    await this.wipe();
  }
}

/** Shell: an ip command for the interface & of each peer. */
function eachPeer(peers: number, command: string): string {
  return `seq 0 ${peers - 1} | sed 's/.*/${command.replace('&', 's&')}/' | ip -netns ${NETNS} -batch -`;
}
