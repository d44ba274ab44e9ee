// SPDX-License-Identifier: GPL-2.0-only
// What lending costs, to be said wherever it is chosen or met.

import type { Translate } from './problems.ts';

/** In English, unless there is a translation. */
export function priceOfLending(_: Translate = (text) => text): readonly string[] {
  return [
    _('The first packet from a new address is lost, and its sender retransmits it.'),
    _("While a peer holds the loan, WireGuard accepts any source in the prefix from it that is nobody's."),
  ];
}
