// SPDX-License-Identifier: GPL-2.0-only
// Where addresses are learned on an interface, and what to do where that is nowhere.

import ui from 'luci:ui';
import { paragraph } from './banner.ts';
import { type Child, element } from './dom.ts';
import { errorText } from './reading.ts';
import { router } from './service.ts';
import type { WireGuardInterface } from './wireguard-interfaces.ts';

/** A cell of the settings table; `configured` is the option prefix. */
export function prefixCell(entry: WireGuardInterface, configured: unknown): HTMLElement {
  const named = Array.isArray(configured) ? configured.map(String) : [];
  if (named.length > 0) return element('span', {}, [named.join(', ')]);
  if (!entry.present) return hint(_('The router has no such interface now.'));
  if (entry.prefixes.some((prefix) => prefix.endsWith('/64')))
    return element('span', {}, [entry.prefixes.join(', ')]);
  return hint(
    _('No /64 prefix: peers cannot choose addresses.'),
    entry.inNetwork ? assignButton(entry.device) : null,
  );
}

function hint(text: string, action: Child = null): HTMLElement {
  return element('div', {}, [element('em', {}, [text]), ' ', action]);
}

/** Has netifd take a /64 of what the provider delegates. In netifd, a WireGuard device is called like its section. */
function assignButton(section: string): HTMLElement {
  const assign = async () => {
    try {
      await router.stage('network', section, { ip6assign: '64' });
    } catch (error) {
      ui.addNotification(null, paragraph(errorText(error)), 'danger');
      return;
    }
    button.replaceWith(element('em', {}, [_('A /64 is assigned when you save and apply.')]));
    await ui.changes.init();
  };
  const button: HTMLElement = element(
    'button',
    {
      type: 'button',
      class: 'btn cbi-button cbi-button-action',
      'aria-label': _('Assign a /64 to %s').format(section),
      disabled: L.hasViewPermission() === true ? null : '',
      click: ui.createHandlerFn(null, assign)!,
    },
    [_('Assign a /64')],
  );
  return button;
}
