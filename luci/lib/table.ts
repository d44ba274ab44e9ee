// SPDX-License-Identifier: GPL-2.0-only
// A table that looks like LuCI's own (ui.Table in ui.js), but keeps its rows when it is updated.

import { element, type ItemView, LiveList, setAttribute } from './dom.ts';

export interface Column {
  readonly title: string;
  /** A class for the width and alignment. */
  readonly class?: string;
  /** Whether a click on the title sorts by it. */
  readonly sortable: boolean;
}

export interface Order {
  readonly column: number;
  readonly descending: boolean;
}

export interface TableOptions<Row> {
  /** What it holds, for screen readers. */
  readonly label: string;
  readonly columns: readonly Column[];
  readonly order: Order;
  key(row: Row): string;
  create(row: Row): ItemView<Row>;
  onOrder(order: Order): void;
}

export class Table<Row> {
  readonly node: HTMLElement;
  private readonly headings: HTMLElement[];
  private readonly rows: LiveList<Row>;
  private readonly placeholder: HTMLElement;
  private readonly placeholderCell = element('td', { class: 'td' });

  constructor(private readonly options: TableOptions<Row>) {
    this.headings = options.columns.map((column, index) => this.heading(column, index));
    this.placeholderCell.setAttribute('colspan', String(options.columns.length));
    this.placeholder = element('tr', { class: 'tr placeholder' }, [this.placeholderCell]);
    const body = element('tbody');
    this.node = element('table', { class: 'table wg-slaacer-table', 'aria-label': options.label }, [
      element('thead', {}, [element('tr', { class: 'tr table-titles' }, this.headings)]),
      body,
    ]);
    this.rows = new LiveList(body, options.key, options.create);
    this.showOrder(options.order);
  }

  /** `empty` is what it says if there are no rows. */
  update(rows: readonly Row[], empty: string): void {
    this.rows.update(rows);
    const body = this.node.lastElementChild!;
    if (rows.length > 0) {
      this.placeholder.remove();
    } else {
      this.placeholderCell.textContent = empty;
      if (!this.placeholder.isConnected) body.appendChild(this.placeholder);
    }
  }

  private heading(column: Column, index: number): HTMLElement {
    const sort = () => {
      const descending = this.headings[index]!.getAttribute('data-sort-direction') === 'asc';
      this.showOrder({ column: index, descending });
      this.options.onOrder({ column: index, descending });
    };
    const sortable = {
      'data-sortable-row': 'true',
      tabindex: 0,
      click: sort,
      keydown: (event: Event) => {
        if (!['Enter', ' '].includes((event as KeyboardEvent).key)) return;
        event.preventDefault();
        sort();
      },
    };
    return element(
      'th',
      { class: `th ${column.class ?? ''}`, scope: 'col', ...(column.sortable ? sortable : {}) },
      [column.title],
    );
  }

  private showOrder({ column, descending }: Order): void {
    this.headings.forEach((heading, index) => {
      const here = index === column;
      setAttribute(heading, 'data-sort-direction', here ? (descending ? 'desc' : 'asc') : null);
      setAttribute(heading, 'aria-sort', here ? (descending ? 'descending' : 'ascending') : null);
    });
  }
}

/** A cell with the title of its column, which narrow screens show beside it. */
export function cell(column: Column, children: readonly (Node | string | null)[] = []): HTMLElement {
  return element('td', { class: `td ${column.class ?? ''}`, 'data-title': column.title || null }, children);
}

/** A button for one address or peer; without `run` it cannot be used. */
export function action(kind: string, label: string, subject: string, run: (() => void) | null): HTMLElement {
  return element(
    'button',
    {
      type: 'button',
      class: `btn cbi-button ${kind}`,
      'aria-label': `${label}: ${subject}`,
      disabled: run ? null : '',
      click: () => run?.(),
    },
    [label],
  );
}
