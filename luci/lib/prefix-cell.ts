// SPDX-License-Identifier: GPL-2.0-only
// Where addresses are learned on an interface, and what to do where that is nowhere.

import ui from 'luci:ui';
import { paragraph } from './banner.ts';
import { type Child, element } from './dom.ts';
import { errorText } from './reading.ts';
import { service } from './service.ts';
import { is64, type WireGuardInterface } from './wireguard-interfaces.ts';

/**
 * A cell of the settings table; `configured` is the option prefix, and `shared` the option share. `share` is called to have the
 * prefix of an interface shared, which is to be saved then.
 */
export function prefixCell(
  entry: WireGuardInterface,
  configured: unknown,
  shared: unknown,
  share: (name: string) => void,
): HTMLElement {
  // A list may be written as one option, too.
  const named = [configured ?? []].flat().flatMap((text) => String(text).split(/\s+/).filter(Boolean));
  if (named.length > 0) return element('span', {}, [named.join(', ')]);
  if (!entry.present) return hint(_('The router has no such interface now.'));
  if (typeof shared === 'string' && shared !== '') return element('span', {}, [sharing(shared)]);
  if (entry.prefixes.some(is64)) return element('span', {}, [entry.prefixes.join(', ')]);
  if (entry.isUplink)
    return hint(_('The router reaches the Internet by this tunnel: no addresses are learned here.'));
  return hint(
    _('No /64 prefix: peers cannot choose addresses.'),
    entry.inNetwork ? assignButton(entry.device) : null,
    entry.shareable === undefined ? null : shareButton(entry.device, entry.shareable, share),
  );
}

function sharing(name: string): string {
  return _('Shares the prefix of %s').format(name);
}

function hint(text: string, ...actions: Child[]): HTMLElement {
  return element('div', {}, [element('em', {}, [text]), ...actions.flatMap((action) => [' ', action])]);
}

function shareButton(device: string, name: string, share: (name: string) => void): HTMLElement {
  const button: HTMLElement = element(
    'button',
    {
      type: 'button',
      class: 'btn cbi-button cbi-button-action',
      'aria-label': _('Share the prefix of %s with %s').format(name, device),
      disabled: L.hasViewPermission() === true ? null : '',
      click: () => {
        share(name);
        button.closest('div')!.replaceWith(element('span', {}, [sharing(name)]));
      },
    },
    [_("Share %s's prefix").format(name)],
  );
  return button;
}

/** Asks first: netifd makes the interface anew. There, a WireGuard device is called like its section. */
function assignButton(name: string): HTMLElement {
  const assign = async () => {
    ui.hideModal();
    try {
      const { changed } = await service.assignPrefix(name);
      const text = changed
        ? _('A /64 is being assigned.')
        : _(
            'The interface is configured to get a prefix already. Check whether the provider delegates one, or restart the network.',
          );
      button.replaceWith(element('em', {}, [text]));
    } catch (error) {
      const reason = errorText(error);
      const text = reason.includes('-32000')
        ? _('The service assigns the prefix, but is not running. Switch learning on for an interface first.')
        : _('%s could not be given a /64: %s').format(name, reason);
      ui.addNotification(null, paragraph(text), 'danger');
    }
  };
  const ask = () => {
    const confirm = element(
      'button',
      {
        type: 'button',
        class: 'btn cbi-button cbi-button-positive important',
        click: ui.createHandlerFn(null, assign)!,
      },
      [_('Assign a /64')],
    );
    ui.showModal(_('Assign a /64 to %s?').format(name), [
      paragraph(
        _(
          'The interface gets a /64 of the prefix that the provider delegates. The interface starts anew for that, which cuts off all of its peers for up to 15 s.',
        ),
      ),
      element('div', { class: 'button-row' }, [
        element('button', { type: 'button', class: 'btn cbi-button', click: ui.hideModal }, [_('Cancel')]),
        ' ',
        confirm,
      ]),
    ]);
    confirm.focus();
  };
  const button: HTMLElement = element(
    'button',
    {
      type: 'button',
      class: 'btn cbi-button cbi-button-action',
      'aria-label': _('Assign a /64 to %s').format(name),
      disabled: L.hasViewPermission() === true ? null : '',
      click: ask,
    },
    [_('Assign a /64')],
  );
  return button;
}
