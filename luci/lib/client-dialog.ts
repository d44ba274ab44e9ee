// SPDX-License-Identifier: GPL-2.0-only
// What a peer has to be configured with, for the system that it has. Keys that are typed in stay in the browser.

import ui from 'luci:ui';
import {
  type ClientAnswer,
  type ClientSystem,
  clientSystems,
  type InterfacePeer,
} from '../../src/answers.ts';
import { complete, missingIn, placeholders } from '../../src/clients/placeholders.ts';
import { paragraph } from './banner.ts';
import { type Child, element, setText } from './dom.ts';
import { closer } from './modal.ts';
import { qrCode } from './qr-code.ts';
import { errorText } from './reading.ts';
import { service } from './service.ts';
import { shortKey } from './text.ts';

/** Opens it for a peer of an interface, or for the first one. */
export async function showClient(name: string, peer?: string): Promise<void> {
  const close = closer();
  try {
    const { peers } = await service.peers(name);
    const content = peers.length > 0 ? new ClientDialog(peers, peer).node : nobody(name);
    const button = element('button', { type: 'button', class: 'btn cbi-button', click: close }, [_('Close')]);
    ui.showModal(_('Set up a client'), [content, element('div', { class: 'button-row' }, [button])]);
    button.focus();
  } catch (error) {
    const text = _('The peers of %s could not be read: %s').format(name, errorText(error));
    ui.addNotification(null, paragraph(text), 'danger');
  }
}

function nobody(name: string): HTMLElement {
  return paragraph(_('No peer is configured for %s. Add a peer to the interface first.').format(name));
}

class ClientDialog {
  readonly node: HTMLElement;
  private readonly peer: HTMLSelectElement;
  private readonly system: HTMLSelectElement;
  private readonly endpoint = input({ placeholder: 'router.example.org:51820', change: () => this.ask() });
  private readonly privateKey = keyInput(() => this.show());
  private readonly presharedKey = keyInput(() => this.show());
  private readonly presharedKeyRow: HTMLElement;
  private readonly problem = element('p', { class: 'alert-message error', role: 'alert' });
  private readonly note = paragraph('');
  private readonly text = element('pre', { class: 'wg-slaacer-client', tabindex: 0 });
  private readonly qr = element('div', { 'aria-live': 'polite' });
  private readonly copied = element('span', { role: 'status' });
  private answer: ClientAnswer | undefined;
  private questions = 0;

  constructor(
    private readonly peers: readonly InterfacePeer[],
    chosen: string | undefined,
  ) {
    const ask = () => this.ask();
    this.peer = select(
      peers.map((each) => [each.peer, nameOf(each)]),
      ask,
    );
    this.peer.value = chosen ?? peers[0]!.peer;
    this.system = select(
      clientSystems.map((system) => [system, systemName(system)]),
      ask,
    );
    this.presharedKeyRow = row(_('Preshared key of the peer'), this.presharedKey);
    const copy = element(
      'button',
      { type: 'button', class: 'btn cbi-button cbi-button-action', click: () => this.copy() },
      [_('Copy')],
    );
    this.node = element('div', {}, [
      row(_('Peer'), this.peer),
      row(_('System of the client'), this.system),
      row(
        _('Address of the router'),
        this.endpoint,
        _('The client finds the router from outside by this name or address.'),
      ),
      row(
        _('Private key of the client'),
        this.privateKey,
        _(
          'The key completes the configuration below, and stays in this browser. You can put the key in on the client instead.',
        ),
      ),
      this.presharedKeyRow,
      this.problem,
      this.note,
      this.text,
      element('p', {}, [copy, ' ', this.copied]),
      this.qr,
    ]);
    void this.ask();
  }

  private async ask(): Promise<void> {
    const question = ++this.questions;
    const chosen = this.peers.find((each) => each.peer === this.peer.value);
    if (!chosen) {
      setText(this.problem, _('This peer is no longer configured. Choose another peer.'));
      return;
    }
    const { interface: name, peer } = chosen;
    const endpoint = this.endpoint.value.trim() || undefined;
    let failure = '';
    let answer: ClientAnswer | undefined;
    try {
      answer = await service.client(name, peer, this.system.value as ClientSystem, endpoint);
    } catch (error) {
      failure = _('The configuration could not be made: %s').format(errorText(error));
    }
    if (question !== this.questions) return; // another one has been asked meanwhile
    this.answer = answer;
    setText(this.problem, failure);
    if (answer && !answer.missing.includes(placeholders.host)) this.endpoint.value = answer.endpoint;
    this.show();
  }

  private show(): void {
    const { answer } = this;
    const isApp = answer?.for === 'app';
    const hasAddress = !answer?.missing.includes(placeholders.address);
    this.problem.hidden = this.problem.textContent === '';
    this.presharedKeyRow.hidden = !answer?.missing.includes(placeholders.presharedKey);
    this.note.hidden = !isApp;
    setText(
      this.note,
      hasAddress
        ? _(
            'The app has the fixed address below, because apps do no SLAAC. When the router gets another prefix, the app needs a new configuration.',
          )
        : _(
            'The app needs an address, and none can be chosen here. Add an address to the allowed IPs of the peer, such as 192.168.10.2/32.',
          ),
    );
    const text = this.completed();
    setText(this.text, text);
    setText(this.copied, '');
    void this.showCode(isApp ? text : '');
  }

  /** With the keys that have been typed in. */
  private completed(): string {
    const key = ({ value }: HTMLInputElement) => (isKey(value) ? value.trim() : undefined);
    const privateKey = key(this.privateKey);
    const presharedKey = key(this.presharedKey);
    return complete(this.answer?.configuration ?? '', {
      ...(privateKey && { [placeholders.privateKey]: privateKey }),
      ...(presharedKey && { [placeholders.presharedKey]: presharedKey }),
    });
  }

  private async showCode(text: string): Promise<void> {
    const configuration = withoutComments(text);
    let content: Child;
    if (configuration === '') content = null;
    else if (missingIn(configuration).length > 0)
      content = paragraph(_('A QR code needs the addresses and the keys that are missing.'));
    else {
      content = await qrCode(configuration, _('QR code of the configuration')).catch((error: unknown) =>
        paragraph(_('The QR code could not be made: %s').format(errorText(error))),
      );
    }
    if (text === (this.answer?.for === 'app' ? this.completed() : ''))
      this.qr.replaceChildren(...nodes(content));
  }

  /** The clipboard itself is only to be had over HTTPS. */
  private async copy(): Promise<void> {
    getSelection()?.selectAllChildren(this.text);
    try {
      await navigator.clipboard.writeText(this.text.textContent ?? '');
    } catch {
      document.execCommand('copy');
    }
    setText(this.copied, _('Copied'));
  }
}

function nodes(child: Child): Node[] {
  return child instanceof Node ? [child] : [];
}

/** What an app does not read makes its QR code larger. */
function withoutComments(text: string): string {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => `${line}\n`)
    .join('');
}

function nameOf({ description, peer }: InterfacePeer): string {
  return description ? `${description} (${shortKey(peer)})` : shortKey(peer);
}

function systemName(system: ClientSystem): string {
  switch (system) {
    case 'wg-quick':
      return _('Linux: wg-quick');
    case 'networkd':
      return _('Linux: systemd-networkd');
    case 'networkmanager':
      return _('Linux: NetworkManager');
    case 'openwrt':
      return _('OpenWrt');
    case 'wireguard-go':
      return _('Linux: wireguard-go');
    case 'app':
      return _('App for Android, iOS, macOS or Windows');
  }
}

/** 32 bytes in base64. */
function isKey(text: string): boolean {
  return /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text.trim());
}

function row(title: string, field: HTMLElement, description?: string): HTMLElement {
  field.setAttribute('aria-label', title);
  return element('div', { class: 'cbi-value' }, [
    element('label', { class: 'cbi-value-title' }, [title]),
    element('div', { class: 'cbi-value-field' }, [
      field,
      description === undefined ? null : element('div', { class: 'cbi-value-description' }, [description]),
    ]),
  ]);
}

function select(
  options: readonly (readonly [value: string, label: string])[],
  change: () => unknown,
): HTMLSelectElement {
  return element(
    'select',
    { class: 'cbi-input-select', change },
    options.map(([value, label]) => element('option', { value }, [label])),
  ) as HTMLSelectElement;
}

function input(attributes: Parameters<typeof element>[1]): HTMLInputElement {
  return element('input', { type: 'text', class: 'cbi-input-text', ...attributes }) as HTMLInputElement;
}

function keyInput(change: () => void): HTMLInputElement {
  return input({ type: 'password', autocomplete: 'off', input: change });
}
