// SPDX-License-Identifier: GPL-2.0-only
// One interface on the status page.

import type { InterfaceStatus, LearnedAddress } from '../../src/answers.ts';
import { formatDuration } from '../../src/settings.ts';
import { type AddressActions, AddressTable } from './address-table.ts';
import { element, setAttribute, setText } from './dom.ts';
import { InterfaceBadge } from './interface-badge.ts';

const DENIED = ['owned', 'scope', 'reserved', 'rate'];

export class InterfaceSection {
  readonly node: HTMLElement;
  private readonly badge: InterfaceBadge;
  private readonly state = element('span', { class: 'wg-slaacer-state' });
  private readonly prefixes = element('span');
  private readonly options = element('div', { class: 'wg-slaacer-hint' });
  private readonly counters = element('div', { class: 'wg-slaacer-hint' });
  private readonly table: AddressTable;

  constructor({ name, device, up }: InterfaceStatus, actions: AddressActions & { setUpAny: () => void }) {
    this.table = new AddressTable(_('Learned addresses of %s').format(name), actions);
    const title = device === name ? name : `${name} (${device})`;
    this.badge = new InterfaceBadge(title, up, 'large');
    this.node = element('div', { class: 'cbi-section', 'data-interface': name }, [
      element('h3', {}, [this.badge.node]),
      element('p', {}, [this.state, ' · ', this.prefixes, this.options, this.counters]),
      this.table.node,
      element('div', { class: 'cbi-section-create' }, [
        element(
          'button',
          {
            type: 'button',
            class: 'btn cbi-button',
            'aria-label': `${_('Set up a client')}: ${name}`,
            click: () => actions.setUpAny(),
          },
          [_('Set up a client')],
        ),
      ]),
    ]);
  }

  update(status: InterfaceStatus, entries: readonly LearnedAddress[], now: number): void {
    this.badge.show(status.up);
    const [state, tone] = stateOf(status);
    setText(this.state, state);
    setAttribute(this.state, 'data-tone', tone);
    setText(this.prefixes, scopeOf(status));
    setText(this.options, optionsOf(status));
    setText(this.counters, countersOf(status, entries));
    this.table.update(entries, now);
  }

  filter(query: string): void {
    this.table.filter(query);
  }

  openAll(open: boolean): void {
    this.table.openAll(open);
  }
}

function stateOf({ up }: InterfaceStatus): [text: string, tone: string] {
  return up ? [_('Learning'), 'good'] : [_('Interface is down'), 'bad'];
}

function scopeOf({ prefixes }: InterfaceStatus): string {
  return prefixes.length > 0 ? _('Prefixes: %s').format(prefixes.join(', ')) : _('No prefix');
}

/** What is in force for each peer. */
function optionsOf({ options: { rate, burst, max_addresses, lifetime } }: InterfaceStatus): string {
  return [
    rate === 0
      ? _('New addresses of a peer: no limit')
      : _('New addresses of a peer: %d a minute, %d at once').format(rate, burst),
    _('Addresses per peer: %d').format(max_addresses),
    _('Lifetime: %s').format(formatDuration(lifetime * 1000)),
  ].join(' · ');
}

/** What hostile or misled peers have tried counts by packets, what was learned by addresses. */
function countersOf({ counters }: InterfaceStatus, entries: readonly LearnedAddress[]): string {
  const peers = new Set(entries.map(({ peer }) => peer)).size;
  const denied = DENIED.reduce((sum, reason) => sum + (counters[reason] ?? 0), 0);
  return [
    _('Addresses: %d').format(entries.length),
    _('Peers: %d').format(peers),
    _('Denied packets: %d').format(denied),
  ].join(' · ');
}
