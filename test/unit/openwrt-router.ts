// SPDX-License-Identifier: GPL-2.0-only
// A router by its files of /etc/config, as netifd and its script for WireGuard bring it up, with the service on it.

import { parsePrefix } from '../../src/address.ts';
import { formatPrefix } from '../../src/address-text.ts';
import { Daemon } from '../../src/daemon.ts';
import type { UbusTable, UbusValue } from '../../src/ubus/types.ts';
import { parseUci, type Section } from '../bed/ubus-broker/uci-file.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeKernel } from './fake-kernel.ts';
import { FakeStateFile } from './fake-state-file.ts';
import { FakeRpcd, FakeUbus, type Package } from './fake-ubus.ts';

export interface RouterFiles {
  readonly network: string;
  readonly dhcp?: string;
  readonly ddns?: string;
  readonly firewall?: string;
  /** Absent: learning is switched on for each WireGuard interface. */
  readonly slaacer?: string;
  /** What providers give, by netifd's interfaces: more of `ubus call network.interface dump`. */
  readonly provided?: Readonly<Record<string, UbusTable>>;
  /** What netifd has assigned of delegated prefixes, by the interfaces: addresses with lengths. */
  readonly assigned?: Readonly<Record<string, readonly string[]>>;
}

/** As config_get of /lib/functions.sh and `for` have it: the words of all elements. */
const wordsOf = ({ options }: Section, name: string) =>
  [options.get(name) ?? []].flat().flatMap((text) => text.split(/\s+/).filter(Boolean));

const packageOf = (text: string): Package =>
  Object.fromEntries(
    parseUci(text).map(({ name, type, options }) => [
      name,
      { '.type': type, ...Object.fromEntries(options) },
    ]),
  );

/** As wg(8) takes it; IPv4 is left out. */
const allowedIpOf = (text: string) => {
  if (!text.includes(':')) return [];
  const prefix = parsePrefix(text.includes('/') ? text : `${text}/128`);
  return prefix ? [formatPrefix(prefix)] : [];
};

export class OpenWrtRouter {
  readonly kernel = new FakeKernel(new FakeClock());
  readonly ubus = new FakeUbus();
  readonly rpcd: FakeRpcd;
  readonly daemon: Daemon;
  readonly log: string[] = [];

  static async boot(files: RouterFiles): Promise<OpenWrtRouter> {
    const router = new OpenWrtRouter(files);
    await new Promise((resolve) => setImmediate(resolve));
    return router;
  }

  private constructor(files: RouterFiles) {
    const { network, dhcp = '', ddns = '', firewall = '', provided = {}, assigned = {} } = files;
    const sections = parseUci(network);
    const interfaces = sections.filter(({ type, options }) => {
      const isOff = ['1', 'true'].includes(String(options.get('disabled')));
      return type === 'interface' && !isOff;
    });
    const wireguards = interfaces.filter(({ options }) => options.get('proto') === 'wireguard');
    const enabled = wireguards.map(({ name }) => `config interface '${name}'\n\toption enabled '1'\n`);
    this.rpcd = new FakeRpcd({
      network: packageOf(network),
      dhcp: packageOf(dhcp),
      ddns: packageOf(ddns),
      firewall: packageOf(firewall),
      'wg-slaacer': packageOf(files.slaacer ?? enabled.join('\n')),
    });
    this.rpcd.join(this.ubus);
    for (const [name, addresses] of Object.entries(assigned))
      if (!wireguards.some((each) => each.name === name))
        this.kernel.addLink(`br-${name}`, { kind: 'bridge', addresses });
    for (const each of wireguards) this.#bringUp(each, sections, assigned[each.name] ?? []);
    const dump = (): UbusTable => ({
      // As netifd has them, by their names.
      interface: [...interfaces]
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map((each): UbusTable => {
          const isWireGuard = wireguards.includes(each);
          const device = isWireGuard ? each.name : each.name in assigned ? `br-${each.name}` : undefined;
          const { name, options } = each;
          return {
            interface: name,
            proto: String(options.get('proto')),
            up: options.get('auto') !== '0',
            available: true,
            autostart: options.get('auto') !== '0',
            ...(device !== undefined && { l3_device: device }),
            ...(isWireGuard && addressesOf(each)),
            ...(isWireGuard && { route: routesOf(each, sections) }),
            ...provided[name],
          };
        }),
    });
    this.ubus.objects.set('network.interface', { dump: { arguments: {}, call: dump } });
    this.daemon = new Daemon({
      version: '1.0.0',
      kernel: this.kernel,
      clock: this.kernel.clock,
      ubus: this.ubus,
      openFile: (path) => new FakeStateFile(path),
      write: (level, line) => this.log.push(`${level}: ${line}`),
    });
    this.daemon.start();
  }

  #bringUp(section: Section, sections: readonly Section[], assigned: readonly string[]): void {
    const { name, options } = section;
    if (options.get('auto') === '0') return;
    const own = wordsOf(section, 'addresses').flatMap((text) =>
      !text.includes(':') ? [] : text.includes('/') ? text : `${text}/128`,
    );
    const mtu = Number(options.get('mtu') ?? 1420);
    this.kernel.addLink(name, { addresses: mtu < 1280 ? [] : [...own, ...assigned] });
    this.kernel.changeLink(name, { mtu, ...(mtu < 1280 && { noIpv6: 'mtu' as const }) });
    this.kernel.setPeers(name, {});
    const peers = peersOf(name, sections);
    this.kernel.setPeers(name, Object.fromEntries(peers.map((each) => [keyOf(each), []])));
    for (const peer of peers) {
      const texts = wordsOf(peer, 'allowed_ips').flatMap((text) => text.split(','));
      this.kernel.allow(name, keyOf(peer), ...texts.flatMap(allowedIpOf));
    }
  }

  async call(method: string, args: UbusTable = {}): Promise<UbusTable> {
    return (await this.ubus.objects.get('wg-slaacer')![method]!.call(args)) ?? {};
  }

  /** The configuration for the first peer of an interface, or the one that is described so. */
  async client(name: string, system: string, description?: string): Promise<string> {
    const { peers } = await this.call('get_peers', { interface: name });
    const peer = (peers as UbusTable[]).find(
      (each) => description === undefined || each.description === description,
    )!;
    const answer = await this.call('get_client', { interface: name, peer: peer.peer!, for: system });
    return answer.configuration as string;
  }
}

const keyOf = ({ options }: Section) => String(options.get('public_key')).trim();

const peersOf = (name: string, sections: readonly Section[]) =>
  sections.filter(
    ({ type, options }) =>
      type === `wireguard_${name}` &&
      options.has('public_key') &&
      !['1', 'on', 'true', 'yes', 'enabled'].includes(String(options.get('disabled'))),
  );

function addressesOf(section: Section): UbusTable {
  const entries = wordsOf(section, 'addresses').map((text) => {
    const isIpv6 = text.includes(':');
    const [address = '', mask = isIpv6 ? 128 : 32] = text.split('/');
    return { isIpv6, entry: { address, mask: Number(mask) } };
  });
  const of = (family: boolean): UbusValue =>
    entries.filter(({ isIpv6 }) => isIpv6 === family).map(({ entry }) => entry);
  return { 'ipv4-address': of(false), 'ipv6-address': of(true) };
}

function routesOf({ name }: Section, sections: readonly Section[]): UbusValue {
  return peersOf(name, sections)
    .filter(({ options }) => options.get('route_allowed_ips') === '1')
    .flatMap((peer) => wordsOf(peer, 'allowed_ips'))
    .map((text) => {
      const [target = '', mask = text.includes(':') ? 128 : 32] = text.split('/');
      return { target: text.includes(':') ? target.replace(/^::0$/, '::') : target, mask: Number(mask) };
    });
}
