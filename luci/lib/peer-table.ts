// SPDX-License-Identifier: GPL-2.0-only
// What is configured for single peers of an interface, in its dialog. A peer has a section if there is anything to say of it.

import form from 'luci:form';
import uci from 'luci:uci';
import type { InterfacePeer } from '../../src/answers.ts';
import { labelOf, parseLabel } from '../../src/settings.ts';
import { element } from './dom.ts';
import { keyBadge, nameElement } from './peer.ts';
import { service } from './service.ts';
import { optionError } from './validation.ts';
import { CONFIG, type WireGuardInterface } from './wireguard-interfaces.ts';

type Section = ReturnType<typeof uci.sections>[number];
type Options = Readonly<Record<'name' | 'dns' | 'nftset', form.AbstractValue>>;
/** Options by their names; null: it is not set. */
type Draft = Record<string, string | string[] | null>;

interface Row {
  /** The section, or the public key of a peer that has none. */
  readonly id: string;
  readonly key: string;
  readonly description?: string | undefined;
  /** Why the section is of no use, if it is not. */
  readonly reason?: string;
}

/** Adds the table to the tab "peers" of the dialog of one of `interfaces`. */
export async function addPeerTable(
  dialog: form.AbstractSection,
  { section, device }: WireGuardInterface,
  interfaces: readonly WireGuardInterface[],
): Promise<void> {
  const deviceOf = (name: unknown) =>
    (interfaces.find((each) => each.section === name) ?? interfaces.find((each) => each.device === name))
      ?.device;
  const all = uci.sections(CONFIG, 'peer');
  const sections = all.filter((each) => deviceOf(each.interface) === device);
  // In each dialog, as they have none of their own.
  const strays = all.filter((each) => deviceOf(each.interface) === undefined).map(strayRow);
  const peers = await service.peers(section).then(
    ({ peers }) => peers,
    () => undefined,
  );
  const rows = new Set([...(peers ? rowsOf(sections, peers) : sections.map(rowOf)), ...strays]);
  const note = peers
    ? ''
    : _('The peers are listed here while the service runs and learning on the interface is switched on.');
  const { subsection: table } = dialog.taboption(
    'peers',
    form.SectionValue<form.TableSection>,
    '_peers',
    form.TableSection,
    'peer',
    '',
    note,
  );
  table.anonymous = true;
  table.cfgsections = () => [...rows].map(({ id }) => id);
  const removed = new Set<Row>();
  const options = addColumns(table, rows, (row) => {
    rows.delete(row);
    removed.add(row);
  });
  const drafts = collect(options);
  const written = new Map([...rows].map(({ id, key }) => [id, id === key ? undefined : id]));
  const parse = table.parse;
  // Not by each option: a peer without a section is to get one for all of them, or none.
  table.parse = async () => {
    await parse.call(table);
    for (const { id } of removed) uci.remove(CONFIG, id);
    for (const { id, key } of rows)
      written.set(id, write(written.get(id), drafts.get(id)!, { interface: section, public_key: key }));
  };
}

/** In the order of the peers; then come sections that are of no use. */
function rowsOf(sections: readonly Section[], peers: readonly InterfacePeer[]): Row[] {
  const firsts = new Map([...sections].reverse().map((section) => [rowOf(section).key, section['.name']]));
  const known = peers.map(({ peer: key, description }) => ({ id: firsts.get(key) ?? key, key, description }));
  const ids = new Set(known.map(({ id }) => id));
  const others = sections.map(rowOf).filter(({ id }) => !ids.has(id));
  return [
    ...known,
    ...others.map((row) => ({
      ...row,
      reason:
        firsts.get(row.key) === row.id
          ? _('This peer is disabled, or no longer configured.')
          : _('Another section is for this peer already.'),
    })),
  ];
}

function rowOf(section: Section): Row {
  return { id: section['.name'], key: typeof section.public_key === 'string' ? section.public_key : '' };
}

function strayRow(section: Section): Row {
  const { interface: name } = section;
  return {
    ...rowOf(section),
    reason: _('No interface is called “%s”.').format(typeof name === 'string' ? name : ''),
  };
}

function addColumns(table: form.TableSection, rows: ReadonlySet<Row>, remove: (row: Row) => void): Options {
  const find = (id: string) => [...rows].find((row) => row.id === id)!;

  const peer = table.option(form.DummyValue, '_peer', _('Peer'));
  peer.renderWidget = (id) => peerCell(find(id), remove);

  const name = table.option(form.Value, 'name', _('Name'));
  const renderName = name.renderWidget;
  name.renderWidget = function (id, ...rest) {
    this.placeholder = labelOf(find(id).description) ?? '';
    return renderName.call(this, id, ...rest);
  };
  name.validate = (id, text) => {
    const labelIn = (value: unknown) => (typeof value === 'string' ? parseLabel(value.trim()) : undefined);
    const isTaken = [...rows].some(
      (row) => row.key !== find(id).key && labelIn(name.formvalue(row.id)) === labelIn(text),
    );
    return optionError('name', text) ?? (text !== '' && isTaken ? _('Another peer has this name.') : true);
  };

  const dns = table.option(form.ListValue, 'dns', _('DNS'));
  dns.width = '22%';
  dns.value('', _('As the interface'));
  dns.value('0', _('None'));
  dns.value('1', _('All addresses'));
  dns.value('stable', _('Stable addresses'));

  const nftset = table.option(form.DynamicList, 'nftset', _('Firewall sets'));
  nftset.placeholder = 'inet#fw4#phone';
  nftset.validate = (_id, text) => optionError('nftset', text) ?? true;

  for (const option of [name, dns, nftset]) option.optional = true;
  return { name, dns, nftset };
}

function peerCell(row: Row, remove: (row: Row) => void): HTMLElement {
  const { key, description, reason } = row;
  const cell = element('div', {}, [nameElement(description), ' ', key === '' ? null : keyBadge(key)]);
  if (reason === undefined) return cell;
  const button = element(
    'button',
    {
      type: 'button',
      class: 'btn cbi-button cbi-button-remove',
      disabled: L.hasViewPermission() === true ? null : '',
      click: () => {
        remove(row);
        cell.closest('.tr')!.remove();
      },
    },
    [_('Remove')],
  );
  cell.append(element('div', { class: 'wg-slaacer-hint' }, [reason, ' ', button]));
  return cell;
}

/** What the form says of each row, by its identifier, whenever the table has been parsed. */
function collect(options: Options): Map<string, Draft> {
  const drafts = new Map<string, Draft>();
  for (const [name, option] of Object.entries(options)) {
    const note = (id: string, value: string | string[] | null) => {
      drafts.set(id, { ...drafts.get(id), [name]: value });
    };
    option.forcewrite = true;
    option.write = note;
    option.remove = (id) => note(id, null);
  }
  return drafts;
}

/** Returns the section that says this of a peer; undefined if there is nothing to say. */
function write(
  section: string | undefined,
  draft: Draft,
  identity: Readonly<Record<string, string>>,
): string | undefined {
  const before = (name: string) => (section === undefined ? null : uci.get(CONFIG, section, name));
  const changes = Object.entries(draft).filter(([name, value]) => textOf(value) !== textOf(before(name)));
  if (changes.length === 0) return section;
  if (Object.values(draft).every((value) => value === null)) {
    uci.remove(CONFIG, section!);
    return undefined;
  }
  const target = section ?? uci.add(CONFIG, 'peer');
  const all = section === undefined ? [...Object.entries(identity), ...changes] : changes;
  for (const [name, value] of all) uci.set(CONFIG, target, name, value);
  return target;
}

/** A list may be written as one option, too. */
function textOf(value: unknown): string {
  return [value ?? []].flat().join(' ');
}
