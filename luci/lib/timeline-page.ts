// SPDX-License-Identifier: GPL-2.0-only
// Who had which address, and when: a timeline for each interface, and the same as a table.

import type { HistoryAnswer, Stay } from '../../src/answers.ts';
import { banner, failedBanner, paragraph } from './banner.ts';
import { element, type ItemView, LiveList, setAttribute } from './dom.ts';
import { matches } from './peer.ts';
import { type Obstacle, obstacle } from './reading.ts';
import { service } from './service.ts';
import { StayTable } from './stay-table.ts';
import { style } from './style.ts';
import { Timeline } from './timeline.ts';

const DAY = 86_400;
/** Where the width is not known yet, and what of it the names of peers take: in pixels. */
const WIDTH = 900;
const NAMES = 210;
const NARROW = 600;

interface Group {
  readonly name: string;
  readonly stays: readonly Stay[];
}

export class TimelinePage {
  readonly node: HTMLElement;
  private readonly notices = element('div', { 'aria-live': 'polite' });
  private readonly list: LiveList<Group>;
  private readonly empty = element('p', { class: 'center', hidden: '' }, [
    element('em', {}, [_('No peer has had a learned address in this time')]),
  ]);
  private readonly table = new StayTable();
  private readonly ranges: readonly { readonly button: HTMLElement; readonly seconds: number }[];
  private answer: HistoryAnswer = { now: 0, history: [] };
  private seconds = DAY;
  private query = '';
  private width = WIDTH;
  private readings = 0;

  constructor() {
    const timelines = element('div');
    this.list = new LiveList<Group>(
      timelines,
      ({ name }) => name,
      (group) => this.create(group),
    );
    this.ranges = [this.range(_('24 hours'), DAY), this.range(_('7 days'), 7 * DAY)];
    this.node = element('div', { class: 'cbi-map' }, [
      style(),
      element('h2', {}, [_('WireGuard SLAAC')]),
      element('div', { class: 'cbi-map-descr' }, [
        _(
          'This page shows which peer had which address, and when: all addresses in force, and the last 4096 that ended.',
        ),
      ]),
      this.notices,
      this.createTools(),
      legend(),
      this.empty,
      timelines,
      this.table.node,
    ]);
    new ResizeObserver(([entry]) => {
      const all = entry!.contentRect.width;
      const width = all > NARROW ? all - NAMES : all;
      if (width <= 0 || width === this.width) return;
      this.width = width;
      this.show();
    }).observe(timelines);
  }

  async refresh(): Promise<void> {
    const reading = ++this.readings;
    try {
      const answer = await service.history(this.seconds);
      if (reading !== this.readings) return; // another time was asked for meanwhile
      this.answer = answer;
      const { omitted = 0 } = answer;
      this.notices.replaceChildren(...(omitted > 0 ? [omittedBanner(omitted)] : []));
    } catch (error) {
      this.notices.replaceChildren(noticeOf(await obstacle(error)));
    }
    this.show();
  }

  private show(): void {
    const stays = this.answer.history.filter((stay) => matches(stay, this.query));
    const groups = new Map<string, Stay[]>();
    for (const stay of stays) groups.set(stay.interface, [...(groups.get(stay.interface) ?? []), stay]);
    this.list.update([...groups].sort().map(([name, stays]) => ({ name, stays })));
    this.empty.hidden = stays.length > 0;
    for (const { button, seconds } of this.ranges)
      setAttribute(button, 'aria-pressed', String(seconds === this.seconds));
    this.table.update(stays);
  }

  private create({ name }: Group): ItemView<Group> {
    const timeline = new Timeline(name);
    return {
      node: timeline.node,
      update: ({ stays }) => {
        const to = this.answer.now;
        timeline.update(stays, { from: to - this.seconds, to }, this.width);
      },
    };
  }

  private range(title: string, seconds: number) {
    const click = () => {
      this.seconds = seconds;
      return this.refresh();
    };
    return {
      seconds,
      button: element('button', { type: 'button', class: 'btn cbi-button wg-slaacer-range', click }, [title]),
    };
  }

  private createTools(): HTMLElement {
    const search = element('input', {
      type: 'search',
      class: 'cbi-input-text',
      placeholder: _('Search for a peer, key or address'),
      'aria-label': _('Search for a peer, key or address'),
      input: (event) => {
        this.query = (event.target as HTMLInputElement).value.trim().toLowerCase();
        this.show();
      },
    });
    const choice = element('span', { role: 'group', 'aria-label': _('Time') }, [
      ...this.ranges.map(({ button }) => button),
    ]);
    return element('div', { class: 'wg-slaacer-tools' }, [choice, search]);
  }
}

function legend(): HTMLElement {
  const entry = (kind: string, text: string) =>
    element('span', {}, [element('i', { class: `wg-slaacer-sample ${kind}` }), text]);
  return element('p', { class: 'wg-slaacer-legend wg-slaacer-hint', 'aria-hidden': 'true' }, [
    entry('wg-slaacer-sample-present', _('In force, up to its last use')),
    entry('wg-slaacer-sample-ended', _('Ended')),
    entry('wg-slaacer-sample-allowed', _('Pale: still allowed, but no longer used')),
  ]);
}

function noticeOf(found: Obstacle): HTMLElement {
  switch (found.state) {
    case 'idle':
      return banner('info', _('Learning is not switched on for any interface.'), []);
    case 'starting':
      return banner('info', _('The service is starting …'), []);
    case 'stopped':
      return banner('warning', _('The service is not running.'), []);
    case 'failed':
      return failedBanner(found.message);
  }
}

function omittedBanner(omitted: number): HTMLElement {
  return banner('info', _('Not all addresses are shown'), [
    paragraph(
      _(
        'One answer cannot hold all addresses: the %d oldest are missing here. The command wg-slaacer history lists those of one peer.',
      ).format(omitted),
    ),
  ]);
}
