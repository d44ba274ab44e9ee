// SPDX-License-Identifier: GPL-2.0-only
// The addresses learned on an interface: a row for each peer, which opens to those of its addresses.

import type { LearnedAddress } from '../../src/answers.ts';
import { element, type ItemView, setAttribute, setText } from './dom.ts';
import { keyBadge, matches, nameElement, peerMatches, peerOrder } from './peer.ts';
import { action, type Column, cell, type Order, Table } from './table.ts';
import { ahead, shortKey } from './text.ts';
import { TimeText } from './time-text.ts';

export interface AddressActions {
  /** Null if the login may only look. */
  forget: ((entry: LearnedAddress) => void) | null;
  pin: ((entry: LearnedAddress) => void) | null;
  setUp: (peer: string) => void;
}

interface Group {
  readonly peer: string;
  readonly description: string | undefined;
  /** In DNS. */
  readonly name: string | undefined;
  readonly entries: readonly LearnedAddress[];
  readonly open: boolean;
}

type Row = { readonly group: Group; readonly entry?: LearnedAddress };

/** Up to so many addresses, all peers are open to begin with. */
const MOST_OPEN = 60;

type SortKey = (entry: LearnedAddress) => string | number;

const sortKeys: readonly SortKey[] = [
  peerOrder,
  (entry) => sortableAddress(entry.address),
  (entry) => entry.learned,
  (entry) => entry.last_seen,
  (entry) => entry.expires,
];

export class AddressTable {
  readonly node: HTMLElement;
  private readonly columns: readonly Column[] = [
    { title: _('Peer'), class: 'wg-slaacer-peer', sortable: true },
    { title: _('Address'), class: 'wg-slaacer-address', sortable: true },
    { title: _('First seen'), class: 'wg-slaacer-time wg-slaacer-first', sortable: true },
    { title: _('Last seen'), class: 'wg-slaacer-time', sortable: true },
    { title: _('Expires if unused'), class: 'wg-slaacer-time', sortable: true },
    { title: '', class: 'cbi-section-actions wg-slaacer-actions', sortable: false },
  ];
  private readonly table: Table<Row>;
  private order: Order = { column: 0, descending: false };
  private entries: readonly LearnedAddress[] = [];
  private query = '';
  private now = 0;
  /** Whether a peer is open, where the reader has said so. */
  private readonly chosen = new Map<string, boolean>();
  private openByDefault: boolean | undefined;

  constructor(
    label: string,
    private readonly actions: AddressActions,
  ) {
    this.table = new Table({
      label,
      columns: this.columns,
      order: this.order,
      key: ({ group, entry }) => `${group.peer} ${entry?.address ?? ''}`,
      create: ({ entry, group }) => (entry ? this.addressRow(entry) : this.peerRow(group)),
      onOrder: (order) => {
        this.order = order;
        this.show();
      },
    });
    this.node = this.table.node;
  }

  /** `now` in Unix seconds. */
  update(entries: readonly LearnedAddress[], now: number): void {
    this.entries = entries;
    this.now = now;
    // Decided when there is something to see: nothing opens or closes by itself while it is being read.
    if (entries.length > 0) this.openByDefault ??= entries.length <= MOST_OPEN;
    this.show();
  }

  /** Shows only what has the text in it, in lower case. */
  filter(query: string): void {
    this.query = query;
    this.show();
  }

  openAll(open: boolean): void {
    this.openByDefault = open;
    this.chosen.clear();
    this.show();
  }

  private show(): void {
    const rows = this.sort(this.groups()).flatMap((group): Row[] => [
      { group },
      ...(group.open ? group.entries.map((entry) => ({ group, entry })) : []),
    ]);
    const empty =
      this.entries.length > 0 ? _('Nothing matches the search') : _('No address has been learned yet');
    this.table.update(rows, empty);
  }

  private groups(): Group[] {
    const byPeer = new Map<string, LearnedAddress[]>();
    for (const entry of this.entries) {
      if (!matches(entry, this.query)) continue;
      const group = byPeer.get(entry.peer);
      if (group) group.push(entry);
      else byPeer.set(entry.peer, [entry]);
    }
    return [...byPeer].map(([peer, entries]) => {
      const byAddress = this.query !== '' && !peerMatches(entries[0]!, this.query);
      const open = this.chosen.get(peer) ?? (byAddress || this.openByDefault === true);
      const { description, name } = entries[0]!;
      return { peer, description, name, entries, open };
    });
  }

  /** The addresses of each peer, and the peers by the first of theirs. */
  private sort(groups: Group[]): Group[] {
    const { column, descending } = this.order;
    const sign = descending ? -1 : 1;
    const key = sortKeys[column]!;
    const compare = (a: LearnedAddress, b: LearnedAddress) =>
      sign * compareKeys(key(a), key(b)) ||
      compareKeys(sortableAddress(a.address), sortableAddress(b.address));
    return groups
      .map((group) => ({ ...group, entries: [...group.entries].sort(compare) }))
      .sort((a, b) => compare(a.entries[0]!, b.entries[0]!));
  }

  private peerRow({ peer, description }: Group): ItemView<Row> {
    const [peerColumn, addressColumn, firstColumn, lastColumn, expiresColumn] = this.columns;
    const button = element(
      'button',
      { type: 'button', class: 'wg-slaacer-toggle', click: () => this.toggle(peer) },
      [element('span', { class: 'wg-slaacer-arrow', 'aria-hidden': 'true' }), nameElement(description)],
    );
    const dnsName = element('code', { class: 'wg-slaacer-dns-name' });
    const count = element('span');
    const first = new TimeText();
    const last = new TimeText();
    const expires = element('span');
    const node = element('tr', { class: 'tr wg-slaacer-group' }, [
      cell(peerColumn!, [button, ' ', keyBadge(peer), dnsName]),
      cell(addressColumn!, [count]),
      cell(firstColumn!, [first.node]),
      cell(lastColumn!, [last.node]),
      cell(expiresColumn!, [expires]),
      element('td', { class: 'td cbi-section-actions wg-slaacer-actions' }, [
        element('div', {}, [
          action('cbi-button-neutral', _('Set up'), description || shortKey(peer), () =>
            this.actions.setUp(peer),
          ),
        ]),
      ]),
    ]);
    return {
      node,
      update: ({ group: { name = '', entries, open } }) => {
        setText(dnsName, name);
        setAttribute(button, 'aria-expanded', String(open));
        setText(count, _('Addresses: %d').format(entries.length));
        first.show(Math.min(...entries.map((entry) => entry.learned)), this.now);
        last.show(Math.max(...entries.map((entry) => entry.last_seen)), this.now);
        setText(expires, ahead(Math.max(...entries.map((entry) => entry.expires))));
      },
    };
  }

  private addressRow(created: LearnedAddress): ItemView<Row> {
    let current = created;
    const [, addressColumn, firstColumn, lastColumn, expiresColumn] = this.columns;
    const first = new TimeText();
    const last = new TimeText();
    const expires = element('span');
    const { forget, pin } = this.actions;
    const { address } = created;
    const node = element('tr', { class: 'tr wg-slaacer-entry' }, [
      element('td', { class: 'td wg-slaacer-peer' }),
      cell(addressColumn!, [element('code', {}, [address])]),
      cell(firstColumn!, [first.node]),
      cell(lastColumn!, [last.node]),
      cell(expiresColumn!, [expires]),
      element('td', { class: 'td cbi-section-actions wg-slaacer-actions' }, [
        element('div', {}, [
          action('cbi-button-neutral', _('Make permanent'), address, pin && (() => pin(current))),
          action('cbi-button-negative', _('Forget'), address, forget && (() => forget(current))),
        ]),
      ]),
    ]);
    return {
      node,
      update: ({ entry }) => {
        if (!entry) return;
        current = entry;
        first.show(entry.learned, this.now);
        last.show(entry.last_seen, this.now);
        setText(expires, ahead(entry.expires));
      },
    };
  }

  private toggle(peer: string): void {
    const group = this.groups().find((group) => group.peer === peer);
    this.chosen.set(peer, !group?.open);
    this.show();
  }
}

function compareKeys(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** All 32 digits of an IPv6 address, so that text sorts like numbers. */
export function sortableAddress(address: string): string {
  const [head = '', tail] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const left = groups(head);
  const right = groups(tail ?? '');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  return [...left, ...new Array<string>(zeros).fill('0'), ...right]
    .map((group) => group.padStart(4, '0'))
    .join('');
}
