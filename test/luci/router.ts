// SPDX-License-Identifier: GPL-2.0-only
// A router in this process: the real service on the real ubus client, on a kernel that is a model (test/unit), with
// what OpenWrt has beside it on the bus. Objects are made as the sources named there make them.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { Daemon } from '../../src/daemon.ts';
import { UbusClient } from '../../src/ubus/client.ts';
import { type Method, UbusError, type UbusTable, type UbusValue, ubusStatus } from '../../src/ubus/types.ts';
import { Broker } from '../bed/ubus-broker/broker.ts';
import { uciCommand, uciObject } from '../bed/ubus-broker/uci-object.ts';
import { FakeKernel } from '../unit/fake-kernel.ts';
import { FakeStateFile } from '../unit/fake-state-file.ts';
import { AccessControl, type Permission } from './acl.ts';
import type { Bus } from './uhttpd.ts';

/** What must never reach a page. */
export const PRIVATE_KEY = 'cHJpdmF0ZSBwcml2YXRlIHByaXZhdGUgcHJpdmF0ZSE=';
export const PRESHARED_KEY = 'cHJlc2hhcmVkIHByZXNoYXJlZCBwcmVzaGFyZWQgISE=';

export interface PeerConfig {
  readonly key: string;
  readonly description?: string;
  readonly allowedIps?: readonly string[];
}

export interface InterfaceConfig {
  readonly device: string;
  /** With the length of the prefix. */
  readonly addresses: readonly string[];
  readonly peers: readonly PeerConfig[];
  /** Whether netifd has it. */
  readonly inNetwork?: boolean;
  /** Whether the router sends everything there: a VPN provider’s. */
  readonly isUplink?: boolean;
}

export interface RouterConfig {
  readonly interfaces: readonly InterfaceConfig[];
  /** /etc/config/wg-slaacer. */
  readonly settings: string;
  /** The addresses of br-lan. */
  readonly lan?: readonly string[];
}

export class Router {
  readonly acl = new AccessControl();
  readonly kernel = new FakeKernel(systemClock);
  readonly bus: Bus;
  /** Of two logins: one that may do everything, and one that may only read. */
  readonly sessions = { admin: '', reader: '' };
  /** What the service keeps besides: by its name. */
  readonly files = new Map<string, FakeStateFile>();
  /** Programs that were run by rpcd: the command line. */
  readonly executed: string[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'router-'));
  readonly #clients: UbusClient[] = [];
  #broker!: Broker;
  #daemon: Daemon | undefined;
  /** Names that stand on the bus. */
  readonly #objects = new Set<string>();

  readonly #config: RouterConfig;

  private constructor(config: RouterConfig) {
    this.#config = config;
    this.bus = {
      has: (object) => this.#objects.has(object),
      call: (object, method, args) => this.#clients[0]!.call(object, method, args),
    };
  }

  static async boot(config: RouterConfig): Promise<Router> {
    const router = new Router(config);
    router.#broker = await Broker.start(join(router.#folder, 'ubus.sock'));
    writeFileSync(join(router.#folder, 'wg-slaacer'), config.settings);
    writeFileSync(join(router.#folder, 'network'), networkConfig(config.interfaces));
    router.#bringUpInterfaces();
    const web = await router.#connect();
    web.listen('ubus.object.*', (event, { path }) => {
      if (event === 'ubus.object.add') router.#objects.add(path as string);
      else router.#objects.delete(path as string);
    });
    await web.call('nothing', 'nothing').catch(() => {}); // what was asked for before has been done then
    await router.#publishOthers();
    router.sessions.admin = await router.#login(['read', 'write']);
    router.sessions.reader = await router.#login(['read']);
    await router.startService();
    return router;
  }

  async startService(): Promise<void> {
    const ubus = await this.#connect();
    this.#daemon = new Daemon({
      version: '1.0.0',
      kernel: this.kernel,
      clock: systemClock,
      ubus,
      openFile: (path) => this.file(path),
      write: () => {},
    });
    this.#daemon.start();
    await this.#until(() => this.#objects.has('wg-slaacer'));
    await this.#daemon.reload();
  }

  file(path: string): FakeStateFile {
    const file = this.files.get(path) ?? new FakeStateFile(path);
    this.files.set(path, file);
    return file;
  }

  async stopService(): Promise<void> {
    this.#daemon?.stop();
    this.#daemon = undefined;
    this.kernel.kill();
    this.kernel.revive();
    await this.#until(() => !this.#objects.has('wg-slaacer'));
  }

  /** A peer sends a packet; the service has acted upon it when this resolves. */
  async use(device: string, peer: string, ...addresses: readonly string[]): Promise<void> {
    for (const address of addresses) {
      this.kernel.receive(device, peer, address);
      this.kernel.flush();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Changes an option as `uci set` does, and has it applied. */
  async set(config: string, section: string, values: UbusTable): Promise<void> {
    await this.bus.call('uci', 'set', { config, section, values });
    await this.bus.call('uci', 'commit', { config });
  }

  configText(name: 'network' | 'wg-slaacer'): string {
    return readFileSync(join(this.#folder, name), 'utf8');
  }

  async shutDown(): Promise<void> {
    this.#daemon?.stop();
    for (const client of this.#clients) client.close();
    await this.#broker.stop();
    rmSync(this.#folder, { recursive: true });
  }

  async #login(permissions: readonly Permission[]): Promise<string> {
    const { ubus_rpc_session: id } = await this.bus.call('session', 'create');
    const objects = this.acl.login(id as string, permissions);
    await this.bus.call('session', 'grant', { ubus_rpc_session: id!, scope: 'uci', objects });
    return id as string;
  }

  #bringUpInterfaces(): void {
    if (this.#config.lan) this.kernel.addLink('br-lan', { kind: 'bridge', addresses: this.#config.lan });
    for (const { device, addresses, peers } of this.#config.interfaces) {
      this.kernel.addLink(device, { addresses });
      const ipv6 = (list: readonly string[] = []) => list.filter((prefix) => prefix.includes(':'));
      const table = peers.map(({ key, allowedIps }) => [key, ipv6(allowedIps)]);
      this.kernel.setPeers(device, Object.fromEntries(table));
      for (const { key } of peers) this.kernel.withPresharedKey.add(key);
    }
  }

  async #publishOthers(): Promise<void> {
    const rpcd = await this.#connect();
    uciObject(rpcd, this.#folder);
    for (const [name, methods] of Object.entries(this.#others())) rpcd.publish(name, methods);
    await this.#until(() => ['uci', ...Object.keys(this.#others())].every((name) => this.#objects.has(name)));
  }

  #others(): Record<string, Record<string, Method>> {
    const method = (call: (args: UbusTable) => UbusTable | undefined): Method => ({
      arguments: {
        name: 'String',
        command: 'String',
        params: 'Array',
        ubus_rpc_session: 'String',
        type: 'String',
        data: 'Table',
      },
      call,
    });
    return {
      // netifd, ubus.c: netifd_dump_status. No key is in it.
      'network.interface': { dump: method(() => ({ interface: this.#netifdInterfaces() })) },
      // rpcd-mod-luci, luci.c: rpc_luci_get_network_devices.
      'luci-rpc': { getNetworkDevices: method(() => this.#networkDevices()) },
      // procd, service/service.c.
      service: {
        list: method(() => ({
          'wg-slaacer': { instances: this.#daemon ? { instance1: { running: true } } : {} },
        })),
        event: method(({ data }) => {
          if ((data as UbusTable).package !== undefined) void this.#daemon?.reload();
          return undefined;
        }),
      },
      // rpcd, file.c: rpc_file_exec_run, which lets a login run what is named for it with just those arguments.
      file: { exec: method((args) => this.#execute(args)) },
    };
  }

  #execute({ ubus_rpc_session: session, command, params }: UbusTable): UbusTable {
    // Without a session it is the service, which may do everything.
    if (session === undefined && command === '/sbin/uci')
      return uciCommand(this.#folder, params as readonly string[]);
    const line = [command, ...((params ?? []) as readonly string[])].join(' ');
    if (!this.acl.allows(String(session), 'file', line, 'exec'))
      throw new UbusError(ubusStatus.permissionDenied, line);
    this.executed.push(line);
    if (line === '/etc/init.d/wg-slaacer start') void this.startService();
    return { code: 0 };
  }

  #netifdInterfaces(): UbusTable[] {
    const others = [{ interface: 'lan', proto: 'static', l3_device: 'br-lan', up: true }];
    const own = this.#config.interfaces.filter(({ inNetwork = true }) => inNetwork);
    return [
      ...others,
      ...own.map(({ device, isUplink }) => ({
        interface: device,
        proto: 'wireguard',
        l3_device: device,
        up: true,
        route: isUplink ? [{ target: '::', mask: 0 }] : [{ target: '2001:db8::', mask: 64 }],
      })),
    ];
  }

  #networkDevices(): UbusTable {
    const devices = this.#config.interfaces.map(({ device, addresses }): [string, UbusValue] => [
      device,
      {
        name: device,
        devtype: 'wireguard',
        up: true,
        ip6addrs: ip6addrs(addresses),
      },
    ]);
    const lan = { name: 'br-lan', devtype: 'bridge', up: true, ip6addrs: ip6addrs(this.#config.lan ?? []) };
    return { 'br-lan': lan, ...Object.fromEntries(devices) };
  }

  async #connect(): Promise<UbusClient> {
    const client = new UbusClient(this.#broker.path);
    this.#clients.push(client);
    await this.#until(() => client.connected);
    return client;
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function ip6addrs(addresses: readonly string[]) {
  return addresses.map((text) => {
    const [address, length] = text.split('/');
    return { address: address!, netmask: netmask(Number(length)) };
  });
}

function netmask(length: number): string {
  const groups = [...Array(8).keys()].map((index) => {
    const bits = Math.min(16, Math.max(0, length - index * 16));
    return ((0xffff << (16 - bits)) & 0xffff).toString(16);
  });
  return groups.join(':').replace(/(:0)+$/, '::');
}

function networkConfig(interfaces: readonly InterfaceConfig[]): string {
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const sections = interfaces
    .filter(({ inNetwork = true }) => inNetwork)
    .map(({ device, addresses, peers }) => {
      const head = `config interface ${quote(device)}\n\toption proto 'wireguard'\n\toption private_key ${quote(PRIVATE_KEY)}\n`;
      const own = addresses.map((address) => `\tlist addresses ${quote(address)}\n`).join('');
      const others = peers.map(
        ({ key, description, allowedIps = [] }) =>
          `\nconfig wireguard_${device}\n\toption public_key ${quote(key)}\n\toption preshared_key ${quote(PRESHARED_KEY)}\n` +
          (description === undefined ? '' : `\toption description ${quote(description)}\n`) +
          allowedIps.map((prefix) => `\tlist allowed_ips ${quote(prefix)}\n`).join(''),
      );
      return head + own + others.join('');
    });
  return sections.join('\n');
}
