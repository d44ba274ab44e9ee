// SPDX-License-Identifier: GPL-2.0-only
// The timeline of an interface: a row for each peer, and a bar for each address that it had. One bar can be reached by
// Tab, the others from there by the arrow keys.

import type { Stay } from '../../src/answers.ts';
import { element, setText } from './dom.ts';
import { type Bar, bars, type Span, type Tick, ticks } from './lanes.ts';
import { keyBadge, nameElement, peerName, peerOrder } from './peer.ts';
import { stayText } from './stay-text.ts';
import { svg } from './svg.ts';

/** Heights, and the width of a character of a label, in pixels. */
const LANE = 21;
const LABEL = 14;
const BAR = 5;
const AXIS = 18;
const CHARACTER = 6.1;
/** Between two labels. */
const GAP = 6;
/** Half of what the label of a mark takes, and the least that "now" takes, in pixels. */
const HALF = 28;
const NOW = 28;

/** "Peer 2" comes before "Peer 10". */
const order = new Intl.Collator(undefined, { numeric: true });

const hourText = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const dayText = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });

/** The stays of a peer, and what shows them. */
interface Shown {
  readonly bar: Bar;
  readonly node: SVGElement;
}

const percent = (value: number) => `${value.toFixed(3)}%`;

export class Timeline {
  readonly node: HTMLElement;
  private readonly hint = _('Point at a bar, or choose one with Tab and the arrow keys, to see its times.');
  private readonly detail = element('p', { class: 'wg-slaacer-detail wg-slaacer-hint' }, [this.hint]);
  private readonly axis = element('div', { 'aria-hidden': 'true' });
  private readonly rows = element('div');
  private shown: Shown[][] = [];
  private chosen: Stay | undefined;

  constructor(readonly name: string) {
    const head = element('div', { class: 'wg-slaacer-head' }, [this.detail, this.axis]);
    const parts = element('div', { role: 'group', 'aria-label': _('Timeline of %s').format(name) }, [
      head,
      this.rows,
    ]);
    this.node = element('div', { class: 'cbi-section wg-slaacer-timeline', 'data-interface': name }, [
      element('h3', {}, [
        element('span', { class: 'ifacebadge large' }, [
          element('img', { src: L.resource('icons', 'wireguard.svg'), alt: '' }),
          element('span', {}, [name]),
        ]),
      ]),
      parts,
    ]);
  }

  /** `width` is what there is for bars, in pixels. */
  update(stays: readonly Stay[], span: Span, width: number): void {
    const focused = this.shown.flat().find(({ node }) => node === document.activeElement);
    const peers = new Map<string, Stay[]>();
    for (const stay of stays) peers.set(stay.peer, [...(peers.get(stay.peer) ?? []), stay]);
    const marks = ticks(span);
    const hasHours = marks.some(({ isDay }) => !isDay);
    const grid = () => marks.map((mark) => gridLine(mark, hasHours));
    const ordered = [...peers.values()].sort((one, other) =>
      order.compare(peerOrder(one[0]!), peerOrder(other[0]!)),
    );
    const rows = ordered.map((own) => this.row(own, span, width, grid()));
    this.shown = rows.map(({ shown }) => shown);
    this.axis.replaceChildren(axis(span, width));
    this.rows.replaceChildren(...rows.map(({ node }) => node));
    const all = this.shown.flat();
    const again = focused && all.find(({ bar }) => isSame(bar.stay, focused.bar.stay));
    (again ?? all[0])?.node.setAttribute('tabindex', '0');
    if (again) again.node.focus({ preventScroll: true });
    const chosen = all.find(({ bar }) => this.chosen && isSame(bar.stay, this.chosen));
    this.choose(chosen?.bar.stay);
  }

  private row(stays: readonly Stay[], span: Span, width: number, grid: readonly SVGElement[]) {
    const [{ description, peer }] = stays as [Stay];
    const { bars: own, lanes } = bars(stays, span);
    const shown = own
      .sort((one, other) => one.start - other.start || one.lane - other.lane)
      .map((bar) => ({ bar, node: this.bar(bar, width) }));
    const picture = svg('svg', { class: 'wg-slaacer-bars', width: '100%', height: lanes * LANE + 4 }, [
      ...grid,
      ...shown.map(({ node }) => node),
    ]);
    const names = element('div', {}, [nameElement(description), keyBadge(peer)]);
    const label = peerName(stays[0]!);
    return {
      shown,
      node: element('div', { class: 'wg-slaacer-row', role: 'group', 'aria-label': label }, [names, picture]),
    };
  }

  private bar(bar: Bar, width: number): SVGElement {
    const { stay, start, used, end } = bar;
    const y = bar.lane * LANE + 2;
    const part = (kind: string, from: number, to: number, top: number, height: number) =>
      svg('rect', { class: kind, x: percent(from), width: percent(to - from), y: y + top, height, rx: 2 });
    const node = svg(
      'g',
      {
        class: `wg-slaacer-bar${stay.to === undefined ? ' wg-slaacer-present' : ''}`,
        role: 'button',
        tabindex: '-1',
        'aria-label': `${stay.address}: ${stayText(stay)}`,
      },
      [
        part('wg-slaacer-frame', start, end, 0, LANE - 2),
        part('wg-slaacer-allowed', start, end, LABEL, BAR),
        part('wg-slaacer-used', start, used, LABEL, BAR),
        ...label(bar, y, width),
      ],
    );
    const choose = () => this.choose(stay);
    for (const event of ['focus', 'pointerenter', 'click']) node.addEventListener(event, choose);
    node.addEventListener('keydown', (event) => this.move(node, event));
    return node;
  }

  /** What is known of a stay is shown above; of none, how to choose one. */
  private choose(stay: Stay | undefined): void {
    this.chosen = stay;
    this.detail.classList.toggle('wg-slaacer-hint', stay === undefined);
    setText(this.detail, stay ? `${stay.address} · ${peerName(stay)} · ${stayText(stay)}` : this.hint);
  }

  private move(from: SVGElement, event: KeyboardEvent): void {
    const next = this.neighbour(from, event.key);
    if (!next) return;
    event.preventDefault();
    from.setAttribute('tabindex', '-1');
    next.node.setAttribute('tabindex', '0');
    next.node.focus();
  }

  private neighbour(from: SVGElement, key: string): Shown | undefined {
    const row = this.shown.findIndex((shown) => shown.some(({ node }) => node === from));
    const own = this.shown[row]!;
    const place = own.findIndex(({ node }) => node === from);
    switch (key) {
      case 'ArrowLeft':
        return own[place - 1];
      case 'ArrowRight':
        return own[place + 1];
      case 'Home':
        return own[0];
      case 'End':
        return own[own.length - 1];
      case 'ArrowUp':
        return nearest(this.shown[row - 1], own[place]!);
      case 'ArrowDown':
        return nearest(this.shown[row + 1], own[place]!);
      default:
        return undefined;
    }
  }
}

/** A clock that is set while one looks may move it by a second. */
function isSame(one: Stay, other: Stay): boolean {
  return one.address === other.address && one.peer === other.peer && Math.abs(one.from - other.from) < 3;
}

function nearest(row: readonly Shown[] = [], { bar: { start } }: Shown): Shown | undefined {
  const distance = ({ bar }: Shown) => Math.abs(bar.start - start);
  return row.reduce<Shown | undefined>(
    (best, each) => (best && distance(best) <= distance(each) ? best : each),
    undefined,
  );
}

/** The address above its bar, from its start on or up to its end; else its last groups; else nothing. */
function label({ stay, start, end, room }: Bar, y: number, width: number): SVGElement[] {
  const places = [
    { x: start, anchor: 'start', space: room.end - start },
    { x: end, anchor: 'end', space: end - room.start },
  ];
  for (const text of [stay.address, `…${stay.address.split(':').slice(-2).join(':')}`]) {
    const found = places.find(({ space }) => text.length * CHARACTER + GAP < (space * width) / 100);
    if (!found) continue;
    const { x, anchor } = found;
    return [svg('text', { x: percent(x), y: y + LABEL - 3, 'text-anchor': anchor }, [text])];
  }
  return [];
}

function gridLine({ place, isDay, isMajor }: Tick, hasHours: boolean): SVGElement {
  const x = percent(place);
  return svg('line', {
    class: `wg-slaacer-grid${isDay && hasHours ? ' wg-slaacer-midnight' : ''}${isMajor ? '' : ' wg-slaacer-minor'}`,
    x1: x,
    x2: x,
    y1: 0,
    y2: '100%',
  });
}

function axis(span: Span, width: number): SVGElement {
  const nowText = _('now');
  const end = width - Math.max(NOW, nowText.length * CHARACTER) - HALF;
  const labels = ticks(span)
    .filter(({ place }) => {
      const x = (place * width) / 100;
      return x > HALF && x < end;
    })
    .map(({ place, time, isDay, isMajor }) =>
      svg(
        'text',
        { class: isMajor ? '' : 'wg-slaacer-minor', x: percent(place), y: AXIS - 5, 'text-anchor': 'middle' },
        [(isDay ? dayText : hourText).format(time * 1_000)],
      ),
    );
  const now = svg('text', { x: '100%', y: AXIS - 5, 'text-anchor': 'end' }, [nowText]);
  return svg('svg', { class: 'wg-slaacer-axis', width: '100%', height: AXIS }, [...labels, now]);
}
