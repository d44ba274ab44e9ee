// SPDX-License-Identifier: GPL-2.0-only
// Values in words.

import { SESSION } from '../../src/model.ts';

/** Enough of a public key to tell peers apart, as LuCI's WireGuard page shortens it. */
export function shortKey(key: string): string {
  return key.length > 12 ? `${key.slice(0, 5)}…${key.slice(-6)}` : key;
}

const UNITS: readonly [seconds: number, short: () => string][] = [
  [86_400, () => _('%d d')],
  [3_600, () => _('%d h')],
  [60, () => _('%d min')],
  [1, () => _('%d s')],
];

/** "5 min": rounded to the largest unit that fits, so that the text changes rarely. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [length, text] = UNITS.find(([length]) => whole >= length) ?? UNITS[UNITS.length - 1]!;
  return text().format(Math.round(whole / length));
}

/** "5 min ago", of a Unix time. */
export function ago(time: number, now: number): string {
  return now - time < 5 ? _('just now') : _('%s ago').format(duration(now - time));
}

/** "in 5 min". */
export function ahead(seconds: number): string {
  return _('in %s').format(duration(seconds));
}

export interface Reason {
  readonly text: string;
  /** What can be done about it. */
  readonly hint: string;
}

/** What is known of whose a denied address is. */
export interface Holder {
  readonly owner?: string;
  readonly owner_description?: string | undefined;
  readonly state?: string;
  /** Seconds. */
  readonly silent?: number | undefined;
}

/** Why an address was denied. */
export function reason(code: string, holder: Holder = {}): Reason {
  switch (code) {
    case 'owned': {
      const { owner, owner_description: name } = holder;
      const text = owner
        ? _('Another peer has this address: %s').format(name || shortKey(owner))
        : _('Another peer had this address');
      return { text, hint: ownerHint(holder) };
    }
    case 'scope':
      return {
        text: _('Not in a prefix of this interface'),
        hint: _('If peers may use this address, add its prefix in the settings of the interface.'),
      };
    case 'reserved':
      return {
        text: _('A reserved address, or one of the router itself'),
        hint: _('Choose another address on the peer.'),
      };
    case 'in-use':
      return {
        text: _('A host in the shared network has this address'),
        hint: _('Choose another address on the peer.'),
      };
    case 'rate':
      return {
        text: _('Too many new addresses in a short time'),
        hint: _(
          'The router learns the address at a later packet. If this happens often, allow more new addresses per minute in the settings of the interface.',
        ),
      };
    default:
      return { text: code, hint: '' };
  }
}

function ownerHint({ state, silent }: Holder): string {
  switch (state) {
    case 'silent':
      return `${silence(silent)}${_('If the device has a new key, give the address to its new peer.')}`;
    case 'configured':
      return `${silence(silent)}${_('The address is configured for that peer. If it is meant to move, remove it from the allowed IPs of that peer.')}`;
    case 'present':
      return _(
        'That peer is present, or was so less than 3 minutes ago. Choose another address on one of the two.',
      );
    default:
      return _('Nothing needs to be done: the router learns the address when the peer uses it again.');
  }
}

/** Nothing of a peer that may be there. */
function silence(seconds = Number.POSITIVE_INFINITY): string {
  if (seconds < SESSION / 1_000) return '';
  return seconds < Number.POSITIVE_INFINITY
    ? `${_('That peer has been silent for %s.').format(duration(seconds))} `
    : `${_('That peer has been silent since the interface was set up.')} `;
}

/** How addresses are learned. */
export function hook(name: string): string {
  switch (name) {
    case 'fexit':
    case 'kprobe':
      return _('learning by a kernel hook (%s), no packet is lost').format(name);
    case 'lending':
      return _('learning by lending');
    default:
      return _('not learning');
  }
}
