// SPDX-License-Identifier: GPL-2.0-only
// What was denied, why, and what can be done about it.

import type { DeniedAddress } from '../../src/answers.ts';
import { element, type ItemView, setText } from './dom.ts';
import { keyBadge, matches, nameElement, peerOrder } from './peer.ts';
import { action, type Column, cell, type Order, Table } from './table.ts';
import { reason } from './text.ts';
import { TimeText } from './time-text.ts';

const sortKeys: readonly ((denial: DeniedAddress) => string | number)[] = [
  (denial) => denial.interface,
  peerOrder,
  (denial) => denial.address,
  (denial) => reason(denial.reason).text,
  (denial) => denial.count,
  (denial) => denial.last,
];

const LAST = 5;

export class DeniedTable {
  readonly node: HTMLElement;
  private readonly columns: readonly Column[] = [
    { title: _('Interface'), class: 'wg-slaacer-count', sortable: true },
    { title: _('Peer'), class: 'wg-slaacer-peer', sortable: true },
    { title: _('Address'), class: 'wg-slaacer-address', sortable: true },
    { title: _('Why'), class: 'wg-slaacer-why', sortable: true },
    { title: _('Attempts'), class: 'wg-slaacer-count', sortable: true },
    { title: _('Last attempt'), class: 'wg-slaacer-time', sortable: true },
  ];
  private readonly table: Table<DeniedAddress>;
  private order: Order = { column: LAST, descending: true };
  private denials: readonly DeniedAddress[] = [];
  private query = '';
  private now = 0;

  /** `give` is null if the login may only look. */
  constructor(
    label: string,
    private readonly give: ((denial: DeniedAddress) => void) | null,
  ) {
    this.table = new Table({
      label,
      columns: this.columns,
      order: this.order,
      key: (denial) => [denial.interface, denial.peer, denial.address, denial.reason].join(' '),
      create: (denial) => this.row(denial),
      onOrder: (order) => {
        this.order = order;
        this.show();
      },
    });
    this.node = this.table.node;
    this.node.classList.add('wg-slaacer-denied');
  }

  /** Newest first; `now` in Unix seconds. */
  update(denials: readonly DeniedAddress[], now: number): void {
    this.denials = denials;
    this.now = now;
    this.show();
  }

  /** Shows only what has the text in it, in lower case. */
  filter(query: string): void {
    this.query = query;
    this.show();
  }

  private show(): void {
    const key = sortKeys[this.order.column]!;
    const sign = this.order.descending ? -1 : 1;
    const rows = this.denials
      .filter((denial) => matches(denial, this.query))
      .sort((a, b) => (key(a) < key(b) ? -sign : key(a) > key(b) ? sign : 0));
    const empty = this.denials.length > 0 ? _('Nothing matches the search') : _('No address has been denied');
    this.table.update(rows, empty);
  }

  private row(created: DeniedAddress): ItemView<DeniedAddress> {
    let denial = created;
    const [nameColumn, peerColumn, addressColumn, whyColumn, countColumn, lastColumn] = this.columns;
    const why = element('span');
    const hint = element('div', { class: 'wg-slaacer-hint' });
    const { give } = this;
    const label = _('Give it to this peer');
    const giving = element('div', {}, [
      action('cbi-button-positive', label, denial.address, give && (() => give(denial))),
    ]);
    const count = element('span');
    const last = new TimeText();
    const node = element('tr', { class: 'tr' }, [
      cell(nameColumn!, [denial.interface]),
      cell(peerColumn!, [nameElement(denial.description), ' ', keyBadge(denial.peer)]),
      cell(addressColumn!, [element('code', {}, [denial.address])]),
      cell(whyColumn!, [why, hint, giving]),
      cell(countColumn!, [count]),
      cell(lastColumn!, [last.node]),
    ]);
    return {
      node,
      update: (present) => {
        denial = present;
        const words = reason(denial.reason, denial);
        setText(why, words.text);
        setText(hint, words.hint);
        giving.hidden = denial.state !== 'silent';
        setText(count, String(denial.count));
        last.show(denial.last, this.now);
      },
    };
  }
}
