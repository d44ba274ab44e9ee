// SPDX-License-Identifier: GPL-2.0-only
// In words, for how long a peer had an address.

import type { Stay } from '../../src/answers.ts';

const moment = new Intl.DateTimeFormat(undefined, {
  month: 'short',
  day: 'numeric',
  hour: 'numeric',
  minute: '2-digit',
});

/** In the reader's language and time zone; of Unix seconds. */
export function dateText(time: number): string {
  return moment.format(time * 1_000);
}

/** How it ended; that it has not. */
export function endText({ how, reason = '' }: Pick<Stay, 'how' | 'reason'>): string {
  switch (how) {
    case 'present':
      return _('in force');
    case 'expired':
      return _('not used for its lifetime');
    case 'evicted':
      return _('made room for a newer one');
    case 'released':
      return _('configured since then');
    case 'interrupted':
      return _('lost when the router or the service was started');
    case 'forgotten':
      return forgottenText(reason);
    default:
      return how;
  }
}

function forgottenText(reason: string): string {
  switch (reason) {
    case 'user':
      return _('forgotten on request');
    case 'disabled':
      return _('learning was switched off');
    case 'scope':
      return _('its prefix was gone');
    case 'owned':
      return _('configured for another peer');
    case 'peer':
      return _('its peer was removed');
    case 'given':
      return _('given to another peer');
    case 'taken':
      return _('taken over by another peer');
    case 'stopped':
      return _('withdrawn when the service was stopped');
    default:
      return reason;
  }
}

/** "from … until …, last used …: expired" */
export function stayText(stay: Stay): string {
  const { from, to, last_seen } = stay;
  const [begin, use] = [dateText(from), dateText(last_seen)];
  return to === undefined
    ? _('since %s, last used %s').format(begin, use)
    : _('from %s until %s, last used %s: %s').format(begin, dateText(to), use, endText(stay));
}
