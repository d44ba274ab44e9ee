// SPDX-License-Identifier: GPL-2.0-only
// A peer, as LuCI's WireGuard page shows it.

import type { PeerAddress } from '../../src/answers.ts';
import { element } from './dom.ts';
import { shortKey } from './text.ts';

/** Peers by their descriptions, those without one last. */
export function peerOrder({ description, peer }: PeerAddress): string {
  return description ? `0${description.toLowerCase()}` : `1${peer}`;
}

/** Its description, or the key of one that has none. */
export function peerName({ description, peer }: PeerAddress): string {
  return description || shortKey(peer);
}

/** What can be searched for. */
export function matches(entry: PeerAddress, query: string): boolean {
  return entry.address.includes(query) || peerMatches(entry, query);
}

export function peerMatches({ description, name, peer }: PeerAddress, query: string): boolean {
  return [description, name, peer].some((text) => text?.toLowerCase().includes(query));
}

export function keyBadge(key: string): HTMLElement {
  const tooltip = _('Public key: %s').format(key);
  return element(
    'span',
    { class: 'ifacebadge', 'data-tooltip': tooltip, 'aria-label': tooltip, role: 'img' },
    [element('code', {}, [shortKey(key)])],
  );
}

/** Without a description, LuCI says so rather than showing nothing. */
export function nameElement(description: string | undefined): HTMLElement {
  return description
    ? element('span', { class: 'wg-slaacer-name' }, [description])
    : element('em', { class: 'wg-slaacer-name' }, [_('Untitled peer')]);
}
