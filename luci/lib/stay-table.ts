// SPDX-License-Identifier: GPL-2.0-only
// What the timelines show, as a table: made when it is opened.

import type { Stay } from '../../src/answers.ts';
import { element } from './dom.ts';
import { keyBadge, nameElement } from './peer.ts';
import { dateText, endText } from './stay-text.ts';
import { type Column, cell } from './table.ts';

export class StayTable {
  readonly node: HTMLDetailsElement;
  private readonly columns: readonly Column[] = [
    { title: _('Peer'), class: 'wg-slaacer-peer', sortable: false },
    { title: _('Address'), class: 'wg-slaacer-address', sortable: false },
    { title: _('From'), class: 'wg-slaacer-date', sortable: false },
    { title: _('Last seen'), class: 'wg-slaacer-date', sortable: false },
    { title: _('Until'), class: 'wg-slaacer-date', sortable: false },
    { title: _('How it ended'), class: 'wg-slaacer-why', sortable: false },
  ];
  private readonly body = element('tbody');
  private stays: readonly Stay[] = [];

  constructor() {
    const headings = this.columns.map(({ title, class: name }) =>
      element('th', { class: `th ${name}`, scope: 'col' }, [title]),
    );
    this.node = element('details', { class: 'wg-slaacer-as-table', toggle: () => this.show() }, [
      element('summary', {}, [_('The same as a table')]),
      element('table', { class: 'table wg-slaacer-table', 'aria-label': _('Addresses, the newest first') }, [
        element('thead', {}, [element('tr', { class: 'tr table-titles' }, headings)]),
        this.body,
      ]),
    ]) as HTMLDetailsElement;
  }

  update(stays: readonly Stay[]): void {
    this.stays = stays;
    this.show();
  }

  private show(): void {
    this.body.replaceChildren(...(this.node.open ? this.stays.map((stay) => this.row(stay)) : []));
  }

  private row(stay: Stay): HTMLElement {
    const { description, peer, address, from, last_seen, to } = stay;
    const contents = [
      [nameElement(description), keyBadge(peer)],
      [element('code', {}, [address])],
      [dateText(from)],
      [dateText(last_seen)],
      [to === undefined ? '' : dateText(to)],
      [endText(stay)],
    ];
    return element(
      'tr',
      { class: 'tr' },
      contents.map((children, index) => cell(this.columns[index]!, children)),
    );
  }
}
