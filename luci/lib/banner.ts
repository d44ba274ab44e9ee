// SPDX-License-Identifier: GPL-2.0-only
// Messages at the top of the page.

import { type Child, element } from './dom.ts';

export type Tone = 'info' | 'warning' | 'error';

export function banner(tone: Tone, title: string, children: readonly Child[]): HTMLElement {
  return element('div', { class: `alert-message ${tone}` }, [element('h4', {}, [title]), ...children]);
}

export function paragraph(text: string): HTMLElement {
  return element('p', {}, [text]);
}

/** The service could not be asked. */
export function failedBanner(message: string): HTMLElement {
  return banner('error', _('The service does not answer'), [
    paragraph(message),
    paragraph(_('This page goes on asking. If that does not help, run: service wg-slaacer restart')),
  ]);
}
