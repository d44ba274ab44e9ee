// SPDX-License-Identifier: GPL-2.0-only
// The form of the settings page. Defaults and limits are those of src/settings.ts.

import form from 'luci:form';
import uci from 'luci:uci';
import {
  formatDuration,
  interfaceDefaults,
  parseBoolean,
  sectionDefaults,
  serviceDefaults,
} from '../../src/settings.ts';
import { InterfaceBadge } from './interface-badge.ts';
import { addPeerTable } from './peer-table.ts';
import { prefixCell } from './prefix-cell.ts';
import { optionError } from './validation.ts';
import { CONFIG, type WireGuardInterface } from './wireguard-interfaces.ts';

/** `interfaces` tells of all there are now: saving changes which have a section. */
export function settingsForm(interfaces: () => WireGuardInterface[]): form.Map {
  const map = new form.Map(
    CONFIG,
    _('WireGuard SLAAC'),
    _(
      'Peers may choose their own IPv6 addresses on the interfaces that are switched on here. A peer needs a link-local address, or an address chosen by hand, in its own configuration for that: “Set up” on the status page shows this configuration.',
    ),
  );
  addInterfaces(map, interfaces);
  addGlobals(map);
  return map;
}

function addInterfaces(map: form.Map, interfaces: () => WireGuardInterface[]): void {
  const find = (section: string) => interfaces().find((entry) => entry.section === section)!;
  const grid = map.section(form.GridSection, 'interface');
  grid.addremove = false;
  grid.nodescriptions = true;
  // A column has the badge instead of the section's name.
  grid.anonymous = true;
  // A device may be called almost anything.
  grid.modaltitle = (section) => _('Learning on %h').format(find(section).device);
  grid.cfgsections = () => interfaces().map(({ section }) => section);

  /** A row gets its section once there is something to say in it. */
  const create = (section: string): boolean => {
    if (uci.get(CONFIG, section)) return false;
    const { device } = find(section);
    uci.add(CONFIG, 'interface', section);
    if (device !== section) uci.set(CONFIG, section, 'device', device);
    return true;
  };
  const renderDialog = grid.renderMoreOptionsModal;
  grid.renderMoreOptionsModal = async (section, event) => {
    // Saving the dialog shows the table anew, which must not undo switches.
    await grid.parse();
    if (create(section)) map.addedSection = section;
    return renderDialog.call(grid, section, event);
  };

  grid.tab('interface', _('Interface'));
  grid.tab(
    'peers',
    _('Peers'),
    _(
      'Without a name here, a peer is called by its description. Its addresses are in each firewall set that is listed, and in the one that the interface gives it.',
    ),
  );

  const badge = grid.option(form.DummyValue, '_interface', _('Interface'));
  badge.modalonly = false;
  badge.textvalue = (section) => {
    const { device, present } = find(section);
    return new InterfaceBadge(device, present).node;
  };

  const enabled = grid.taboption('interface', form.Flag, 'enabled', _('Learn addresses'));
  enabled.editable = true;
  enabled.load = loadFlag('enabled');
  const writeFlag = enabled.write;
  enabled.write = function (section, value) {
    create(section);
    return writeFlag.call(this, section, value);
  };

  const prefixes = grid.option(form.DummyValue, '_prefixes', _('Prefixes'));
  prefixes.modalonly = false;
  prefixes.textvalue = (section) =>
    prefixCell(
      find(section),
      uci.get(CONFIG, section, 'prefix'),
      uci.get(CONFIG, section, 'share'),
      (name) => {
        create(section);
        uci.set(CONFIG, section, 'share', name);
      },
    );

  addDialog(grid);
  grid.addModalOptions = (dialog, section) => addPeerTable(dialog, find(section), interfaces());
}

function addDialog(grid: form.GridSection): void {
  const add = <Option extends form.AbstractValue>(
    kind: abstract new (...parameters: never[]) => Option,
    name: string,
    title: string,
    description: string,
  ): Option => {
    const option = grid.taboption('interface', kind, name, title, description);
    option.modalonly = true;
    return option;
  };
  const value = <Option extends form.AbstractValue>(
    kind: abstract new (...parameters: never[]) => Option,
    name: string,
    title: string,
    description: string,
  ): Option => {
    const option = add(kind, name, title, description);
    option.optional = true;
    option.validate = (_section, text) => optionError(name, text) ?? true;
    return option;
  };

  const rate = value(
    form.Value,
    'rate',
    _('New addresses per minute'),
    _('A peer may register this number of new addresses per minute. 0 sets no limit.'),
  );
  rate.placeholder = String(interfaceDefaults.rate);

  const burst = value(
    form.Value,
    'burst',
    _('New addresses at once'),
    _(
      'A peer may register this number of new addresses at once. A device that joins a network uses several.',
    ),
  );
  burst.placeholder = String(interfaceDefaults.burst);

  const most = value(
    form.Value,
    'max_addresses',
    _('Addresses per peer'),
    _(
      'A peer may have this number of learned addresses. If it uses one more, its least recently used address makes room.',
    ),
  );
  most.placeholder = String(interfaceDefaults.maxAddresses);

  const lifetime = value(
    form.Value,
    'lifetime',
    _('Lifetime'),
    _(
      'The router withdraws an address that has not been used for this time: a number followed by s, m, h or d.',
    ),
  );
  lifetime.placeholder = formatDuration(interfaceDefaults.lifetime);

  const prefix = value(
    form.DynamicList,
    'prefix',
    _('Prefixes'),
    _(
      'The router learns addresses in these prefixes. If the list is empty, it learns in all prefixes of the interface.',
    ),
  );
  prefix.placeholder = '2001:db8:1::/64';

  const share = value(
    form.Value,
    'share',
    _('Share the prefix of'),
    _(
      'Peers choose addresses in the /64 of this interface or device, such as lan, and the hosts there reach them. This helps where the provider gives a single /64.',
    ),
  );
  share.placeholder = 'lan';

  const advertisements = choice(
    add,
    'ra',
    _('Router Advertisements'),
    _(
      'Router Advertisements tell peers the prefixes in which they choose addresses. Automatic sends them unless odhcpd is configured to do so on this interface.',
    ),
    interfaceDefaults.ra,
  );
  advertisements.value('auto', _('Automatic'));
  advertisements.value('1', _('Always'));
  advertisements.value('0', _('Never'));

  const asDefault = choice(
    add,
    'ra_default',
    _('Default router'),
    _(
      'The router becomes the default router of the peers. Automatic: if the router has a route to the Internet from their prefixes, which a unique local one (fd00::/8) never has.',
    ),
    interfaceDefaults.raDefault,
  );
  asDefault.value('auto', _('Automatic'));
  asDefault.value('1', _('Always'));
  asDefault.value('0', _('Never'));

  const preference = choice(
    add,
    'ra_preference',
    _('Preference'),
    _('A peer with several routers prefers the one with the higher preference.'),
    interfaceDefaults.raPreference,
  );
  preference.value('low', _('Low'));
  preference.value('medium', _('Medium'));
  preference.value('high', _('High'));

  const route = value(
    form.DynamicList,
    'ra_route',
    _('Routes'),
    _('The peers reach these other networks by this router.'),
  );
  route.placeholder = 'fd00:1::/48';

  const servers = value(
    form.DynamicList,
    'ra_dns',
    _('DNS servers'),
    _('The peers use these DNS servers. auto: this router, if a DNS server listens on it. 0: none.'),
  );
  servers.placeholder = interfaceDefaults.raDns.join();

  const search = value(
    form.DynamicList,
    'ra_search',
    _('DNS search domains'),
    _(
      'The peers complete names with these domains. auto: the domains of the router and of the interface. 0: none.',
    ),
  );
  search.placeholder = interfaceDefaults.raSearch.join();

  const mtu = value(
    form.Value,
    'ra_mtu',
    _('MTU'),
    _('The peers use this MTU, in bytes. auto: the MTU of the interface.'),
  );
  mtu.placeholder = String(interfaceDefaults.raMtu);

  const takeover = add(
    form.Flag,
    'takeover',
    _('Take over addresses'),
    _(
      'A peer that uses an address of another peer gets it, if the other peer has been silent for 3 minutes. This helps devices that get new keys, but a hostile peer could wait for it.',
    ),
  );
  takeover.load = loadFlag('takeover');

  const dns = choice(
    add,
    'dns',
    _('Names'),
    _(
      'dnsmasq finds a peer with the description “phone” as phone.lan, if lan is the domain of the router. The name has all addresses of the peer, or only those that stay the same.',
    ),
    sectionDefaults.dns,
  );
  dns.value('0', _('None'));
  dns.value('1', _('All addresses'));
  dns.value('stable', _('Stable addresses'));

  const sets = value(
    form.Value,
    'nftset_prefix',
    _('Firewall sets'),
    _(
      'The addresses of a peer become elements of the firewall set that begins with this text and ends with the name of the peer. The set has to be declared as config ipset in /etc/config/firewall.',
    ),
  );
  sets.placeholder = 'inet#fw4#wg1_';
}

function addGlobals(map: form.Map): void {
  const globals = map.section(form.NamedSection, 'globals', 'globals', _('Service'));
  const addGlobal: AddChoice = (...option) => globals.option(...option);
  const hook = choice(
    addGlobal,
    'hook',
    _('Way of learning'),
    _(
      "Automatic takes the first way that works here. Lending works with every kernel, but the first packet from a new address is lost, and a peer that holds the loan may use any address in the prefix that is nobody's.",
    ),
    serviceDefaults.hook,
  );
  hook.value('auto', _('Automatic'));
  hook.value('fexit', _('Kernel hook (fexit)'));
  hook.value('kprobe', _('Kernel hook (kprobe)'));
  hook.value('lending', _('Lending'));

  const level = choice(
    addGlobal,
    'log_level',
    _('Log'),
    _('The system log gets messages of this level, and of graver ones.'),
    serviceDefaults.logLevel,
  );
  level.value('error', _('Errors'));
  level.value('warn', _('Warnings'));
  level.value('info', _('Information'));
  level.value('debug', _('Everything'));

  const history = globals.option(
    form.Value,
    'history_file',
    _('File for the history'),
    _(
      'This file keeps the history of which peer had which address across restarts. The service writes it at most every 10 minutes. If the field is empty, the history is in memory only.',
    ),
  );
  history.optional = true;
  history.placeholder = '/etc/wg-slaacer/history';
  history.validate = (_section, text) => optionError('history_file', text) ?? true;
}

/** A flag knows '1' alone for on, and would switch off by saving what another word has switched on. */
function loadFlag(name: string): (section: string) => string {
  return (section) => (parseBoolean(String(uci.get(CONFIG, section, name))) ? '1' : '0');
}

type AddChoice = (
  kind: typeof form.ListValue,
  name: string,
  title: string,
  description: string,
) => form.ListValue;

/** One of a few values; `preset` is in force where none is set. */
function choice(
  add: AddChoice,
  name: string,
  title: string,
  description: string,
  preset: string,
): form.ListValue {
  const list = add(form.ListValue, name, title, description);
  list.load = (sid) => uci.get(CONFIG, sid, name) ?? preset;
  return list;
}
