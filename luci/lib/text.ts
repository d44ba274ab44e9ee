// SPDX-License-Identifier: GPL-2.0-only
// Values in words.

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

export interface Reason {
  readonly text: string;
  /** What can be done about it. */
  readonly hint: string;
}

/** Why an address was denied. */
export function reason(code: string): Reason {
  switch (code) {
    case 'owned':
      return {
        text: _('Another peer has this address'),
        hint: _(
          'If it is meant to move, forget it at that peer, or take it out of the allowed IPs configured there.',
        ),
      };
    case 'scope':
      return {
        text: _('Not in a prefix of this interface'),
        hint: _('If peers may use it, add its prefix in the settings of the interface.'),
      };
    case 'reserved':
      return {
        text: _('A reserved address, or one of the router itself'),
        hint: _('The peer has to choose another address.'),
      };
    case 'rate':
      return {
        text: _('Too many new addresses in a short time'),
        hint: _(
          'It is learned when the peer uses it later on. If this happens often, raise rate and burst in the settings.',
        ),
      };
    default:
      return { text: code, hint: '' };
  }
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
