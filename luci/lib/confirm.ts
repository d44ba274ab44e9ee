// SPDX-License-Identifier: GPL-2.0-only
// What can be done with an address, after asking.

import ui from 'luci:ui';
import type { DeniedAddress, LearnedAddress, PeerAddress } from '../../src/answers.ts';
import { paragraph } from './banner.ts';
import { element } from './dom.ts';
import { closer } from './modal.ts';
import { peerName } from './peer.ts';
import { errorText } from './reading.ts';
import { service } from './service.ts';
import { shortKey } from './text.ts';

/** `done` is called when the router has done it. */
export function confirmForget(entry: LearnedAddress, done: () => Promise<void>): void {
  ask(entry, done, {
    title: _('Forget this address?'),
    explanation: _(
      'The address leaves the allowed IPs of the peer at once. If the peer uses the address again, the router learns it again.',
    ),
    label: _('Forget'),
    kind: 'cbi-button-negative',
    run: () => service.forget(entry.interface, entry.address),
    failure: _('%s could not be forgotten: %s'),
  });
}

export function confirmPin(entry: LearnedAddress, done: () => Promise<void>): void {
  ask(entry, done, {
    title: _('Make this address permanent?'),
    explanation: _(
      'The address becomes an allowed IP of the peer in the network configuration. It no longer expires, and no other peer can take it. Nobody is cut off now. When the network is next reloaded for another change, the interface starts anew, and all its peers are cut off for up to 15 s.',
    ),
    label: _('Make permanent'),
    kind: 'cbi-button-positive',
    run: () => service.pin(entry.interface, entry.address),
    failure: _('%s could not be made permanent: %s'),
  });
}

export function confirmGive(denial: DeniedAddress, done: () => Promise<void>): void {
  ask(denial, done, {
    title: _('Give this address to this peer?'),
    explanation: _(
      'The address moves from %s, which has no session now. Packets to the address go to this peer from now on.',
    ).format(denial.owner_description || shortKey(denial.owner ?? '')),
    label: _('Give it to this peer'),
    kind: 'cbi-button-positive',
    run: () => service.give(denial.interface, denial.address, denial.peer),
    failure: _('%s could not be given to this peer: %s'),
  });
}

interface Question {
  readonly title: string;
  readonly explanation: string;
  readonly label: string;
  readonly kind: string;
  run(): Promise<unknown>;
  /** With the address, and what went wrong. */
  readonly failure: string;
}

function ask(entry: PeerAddress, done: () => Promise<void>, question: Question): void {
  const close = closer();
  const run = async () => {
    try {
      await question.run();
    } catch (error) {
      const text = question.failure.format(entry.address, errorText(error));
      ui.addNotification(null, paragraph(text), 'danger');
    }
    close();
    await done();
  };
  const confirm = element(
    'button',
    {
      type: 'button',
      class: `btn cbi-button ${question.kind} important`,
      click: ui.createHandlerFn(null, run)!,
    },
    [question.label],
  );
  ui.showModal(question.title, [
    element('p', {}, [
      element('strong', {}, [peerName(entry)]),
      ' · ',
      element('code', {}, [entry.address]),
      ` · ${entry.interface}`,
    ]),
    paragraph(question.explanation),
    element('div', { class: 'button-row' }, [
      element('button', { type: 'button', class: 'btn cbi-button', click: close }, [_('Cancel')]),
      ' ',
      confirm,
    ]),
  ]);
  confirm.focus();
}
