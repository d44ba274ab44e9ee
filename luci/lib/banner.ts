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
