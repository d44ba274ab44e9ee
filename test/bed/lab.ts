// SPDX-License-Identifier: GPL-2.0-only
// A WireGuard network in a guest: a router and clients, all in network namespaces.
//
//   ┌─ router (the guest's own namespace) ──────────────────────────────────────────────┐
//   │ behind: 2001:db8:ff::1/64                                                         │
//   │ wg1:    2001:db8:1::1/64, fe80::1/64, UDP port 51820                              │
//   │                                                                                   │
//   │ veth1: 10.9.1.1/24                                            veth2: 10.9.2.1/24  │
//   └───┬──────────────────────────────────────────────────────────────┬────────────────┘
//   ┌───┴─ laptop ───────────────────────┐                         ┌───┴─ phone ────────┐
//   │ eth0: 10.9.1.2/24                  │                         │ eth0: 10.9.2.2/24  │
//   │ wg0:  no address yet, route ::/0   │                         │ wg0:  …            │
//   └────────────────────────────────────┘                         └────────────────────┘
//
// A client may send anything through the tunnel; the router takes from each peer what its AllowedIPs say.

import { Client, Host } from './client.ts';
import type { Guest } from './guest.ts';
import { keyPair } from './keys.ts';
import { Traffic } from './traffic.ts';

export interface LabOptions {
  /** The clients' names. */
  clients: readonly string[];
  /** What the router's configuration allows a client from the start. */
  allowedIps?: Readonly<Record<string, readonly string[]>>;
}

/** A host behind the router, to which packets go, though it is not there. */
export const BEHIND = '2001:db8:ff::9';

/** What is lent: the halves of the prefixes that tests learn in, and all nodes of the link. Tests configure no such. */
const LOAN = /^(ff02::\/127|[0-9a-f:]+\/(33|65|66))$/;

const LINK_UP = `address add 2001:db8:1::1/64 dev wg1 nodad
address add fe80::1/64 dev wg1 nodad
link set wg1 up`;

export class Lab {
  readonly guest: Guest;
  readonly router: Host;
  readonly clients: readonly Client[];
  readonly #allowedIps: Readonly<Record<string, readonly string[]>>;
  readonly #keys = keyPair();

  /** Sets up the network, every client with a session. One lab at a time fits in a guest. */
  static async create(guest: Guest, options: LabOptions): Promise<Lab> {
    const lab = new Lab(guest, options);
    try {
      await Promise.all([lab.#setUp(), Traffic.of(guest)]);
      await lab.handshake();
      return lab;
    } catch (error) {
      await lab.destroy();
      throw error;
    }
  }

  private constructor(guest: Guest, { clients, allowedIps = {} }: LabOptions) {
    this.guest = guest;
    this.router = new Host(guest);
    this.clients = clients.map((name) => new Client(guest, name, keyPair()));
    this.#allowedIps = allowedIps;
  }

  client(name: string): Client {
    const client = this.clients.find((each) => each.name === name);
    if (!client) throw new Error(`no client ${name} in this lab`);
    return client;
  }

  async #setUp(): Promise<void> {
    // Without IPv6 on eth0: a client that has no address in the tunnel yet would answer from there.
    const clients = this.clients.map((client, index) => {
      const [name, n] = [client.name, index + 1];
      const conf = [
        '[Interface]',
        `PrivateKey = ${client.keys.privateKey}`,
        'ListenPort = 51820',
        '[Peer]',
        `PublicKey = ${this.#keys.publicKey}`,
        `Endpoint = 10.9.${n}.1:51820`,
        'AllowedIPs = ::/0',
      ];
      return `
ip -batch - <<END
netns add ${name}
link add veth${n} type veth peer name eth0 netns ${name}
address add 10.9.${n}.1/24 dev veth${n}
link set veth${n} up
END
ip -netns ${name} -batch - <<END
address add 10.9.${n}.2/24 dev eth0
link set eth0 addrgenmode none
link set lo up
link set eth0 up
link add wg0 type wireguard
END
ip netns exec ${name} wg setconf wg0 /dev/stdin <<END
${conf.join('\n')}
END
ip -netns ${name} -batch - <<END
link set wg0 up
route add ::/0 dev wg0
END`;
    });
    // Emulation takes seconds for each of many clients.
    await this.guest.run(
      `set -e
modprobe -a wireguard dummy veth
sysctl -qw net.ipv6.conf.all.forwarding=1
ip -batch - <<END
link add behind type dummy
address add 2001:db8:ff::1/64 dev behind nodad
link set behind up
END
${clients.join('')}
${this.#createLink()}`,
      { timeout: 170_000 },
    );
  }

  #createLink(): string {
    return `
ip link add wg1 type wireguard
wg setconf wg1 /dev/stdin <<END
${this.wgConf()}
END
ip -batch - <<END
${LINK_UP}
END`;
  }

  /** The router's configuration as wg setconf and wg syncconf take it: without anything learned. */
  wgConf(): string {
    const peers = this.clients.map((client, index) => [
      '[Peer]',
      `PublicKey = ${client.publicKey}`,
      `Endpoint = 10.9.${index + 1}.2:51820`,
      ...(this.#allowedIps[client.name] ?? []).map((prefix) => `AllowedIPs = ${prefix}`),
    ]);
    return [['[Interface]', `PrivateKey = ${this.#keys.privateKey}`, 'ListenPort = 51820'], ...peers]
      .flat()
      .join('\n');
  }

  /** Has the router begin a new session with each client and waits until it is there. */
  async handshake(): Promise<void> {
    // Switching keepalives on sends one at once, for which a session is needed.
    await this.guest.run(
      `wg set wg1 ${this.#keepalive(25)}
while wg show wg1 latest-handshakes | grep -q '[[:blank:]]0$'; do sleep 0.1; done
wg set wg1 ${this.#keepalive(0)}`,
      { timeout: 60_000 },
    );
  }

  #keepalive(seconds: number): string {
    return this.clients
      .map(({ publicKey }) => `peer '${publicKey}' persistent-keepalive ${seconds}`)
      .join(' ');
  }

  /** What the router has for each client now, sorted, but for what it lends. */
  async allowedIps(): Promise<Record<string, string[]>> {
    return this.#allowed((prefix) => !LOAN.test(prefix));
  }

  /** What each client has been lent. */
  async loans(): Promise<Record<string, string[]>> {
    return this.#allowed((prefix) => LOAN.test(prefix));
  }

  /** The name of the client that holds the loan, if any does. */
  async borrower(): Promise<string | undefined> {
    const holders = Object.entries(await this.loans()).filter(([, prefixes]) => prefixes.length > 0);
    if (holders.length > 1) throw new Error(`lent to several: ${JSON.stringify(holders)}`);
    return holders[0]?.[0];
  }

  async #allowed(wanted: (prefix: string) => boolean): Promise<Record<string, string[]>> {
    const { stdout } = await this.guest.run('wg show wg1 allowed-ips');
    const byKey = new Map(stdout.split('\n').map((line) => line.split('\t') as [string, string]));
    return Object.fromEntries(
      this.clients.map(({ name, publicKey }) => {
        const list = byKey.get(publicKey) ?? '(none)';
        return [name, list === '(none)' ? [] : list.split(' ').filter(wanted).sort()];
      }),
    );
  }

  /** How many packets WireGuard has refused because of their source address. */
  async refused(): Promise<number> {
    return Number((await this.guest.run('cat /sys/class/net/wg1/statistics/rx_frame_errors')).stdout);
  }

  /** How many requests the router's programs make by netlink in so many seconds. */
  async netlinkRequests(seconds: number): Promise<number> {
    await this.guest.run('modprobe nlmon && ip link add nlmon0 type nlmon && ip link set nlmon0 up');
    const traffic = await Traffic.of(this.guest);
    const count = await traffic.ask<number>({ operation: 'requests', seconds }, (seconds + 30) * 1000);
    await this.guest.run('ip link delete nlmon0');
    return count;
  }

  /** How many packets the router has forwarded, as those to BEHIND. */
  async forwarded(): Promise<number> {
    const { stdout } = await this.guest.run('cat /proc/net/snmp6');
    return Number(/^Ip6OutForwDatagrams\s+(\d+)$/m.exec(stdout)?.[1]);
  }

  /** Replaces wg1 with a new link of the same configuration, as netifd does. */
  async recreateLink(): Promise<void> {
    await this.replaceLink();
    await this.handshake();
  }

  /** … so that there is no session until a client wants one. */
  async replaceLink(): Promise<void> {
    await this.guest.run(`set -e\nip link delete wg1\n${this.#createLink()}`);
  }

  /** Takes wg1 down, whereby it loses its addresses and its sessions, and up again. */
  async restartLink(): Promise<void> {
    // Handshakes are told in whole seconds: the next one must not be in that of the last.
    await this.guest.run(`sleep 1
before=$(wg show wg1 latest-handshakes)
ip link set wg1 down
ip -batch - <<END
${LINK_UP}
END
wg set wg1 ${this.#keepalive(25)}
while wg show wg1 latest-handshakes | grep -qxF "$before"; do sleep 0.1; done
wg set wg1 ${this.#keepalive(0)}`);
  }

  /** Unloads the wireguard module, once nobody uses it, and sets up anew what it took along. wg0s lose their addresses. */
  async reloadModule(): Promise<void> {
    const inEach = (commands: (name: string) => string) =>
      this.clients.map(({ name }) => commands(name)).join('\n');
    await this.guest.run(`set -e
ip link delete wg1
${inEach((name) => `ip netns exec ${name} wg showconf wg0 >/run/${name}.conf\nip -n ${name} link delete wg0`)}
until modprobe -r wireguard; do sleep 0.5; done
modprobe wireguard
${inEach(
  (name) => `ip -n ${name} link add wg0 type wireguard
ip netns exec ${name} wg setconf wg0 /run/${name}.conf
ip -n ${name} -batch - <<END
link set wg0 up
route add ::/0 dev wg0
END`,
)}
${this.#createLink()}`);
    await this.handshake();
  }

  /** Has the router read its configuration again: all that was learned is gone from the allowed IPs. */
  async syncconf(): Promise<void> {
    await this.guest.run('cat >/run/wg1.conf; wg syncconf wg1 /run/wg1.conf; rm /run/wg1.conf', {
      input: this.wgConf(),
    });
  }

  /** Takes from the clients what was learned, and from wg-slaacer what it remembers; it must not run. */
  async forgetAll(): Promise<void> {
    await this.guest.run('rm -rf /sys/fs/bpf/wg-slaacer');
    await this.syncconf();
  }

  /** Ends all programs in the lab and removes it from the guest. */
  async destroy(): Promise<void> {
    const netns = this.clients.map(({ name }) => name);
    const links = ['wg1', 'behind', ...netns.map((_, index) => `veth${index + 1}`)];
    await this.guest.run(
      `for name in ${netns.join(' ')}; do
  ip netns pids "$name" 2>/dev/null
done | xargs -r kill -9
ip -force -batch - 2>/dev/null <<END
${links.map((link) => `link delete ${link}`).join('\n')}
${netns.map((name) => `netns delete ${name}`).join('\n')}
END
rm -rf /sys/fs/bpf/wg-slaacer`,
    );
  }
}
