// SPDX-License-Identifier: GPL-2.0-only
// LuCI.ui by ui.js: the one dialog, notifications, tooltips, and the changes that have not been applied.

import { append, content, create as E } from './dom.ts';
import { uci } from './uci.ts';

let overlay: HTMLElement;
let tooltip: HTMLElement;

export function initialise(): void {
  const dialog = E('div', { class: 'modal', role: 'dialog', 'aria-modal': true });
  overlay = E('div', { id: 'modal_overlay', tabindex: -1, keydown: cancelModal }, [dialog]);
  tooltip = E('div', { class: 'cbi-tooltip' });
  document.body.append(overlay, tooltip);
  for (const event of ['mouseover', 'focus']) document.addEventListener(event, showTooltip, true);
  for (const event of ['mouseout', 'blur']) document.addEventListener(event, hideTooltip, true);
}

function cancelModal(event: Event): void {
  if ((event as KeyboardEvent).key === 'Escape')
    overlay.querySelector<HTMLElement>('.right > button, .button-row > .btn')?.click();
}

function showTooltip(event: Event): void {
  const target = event.target instanceof Element ? event.target.closest('[data-tooltip]') : null;
  if (!target) return;
  const { left, bottom } = target.getBoundingClientRect();
  tooltip.textContent = `▲ ${target.getAttribute('data-tooltip')}`;
  tooltip.style.cssText = `top: ${bottom + scrollY}px; left: ${left + scrollX}px; opacity: 1`;
}

function hideTooltip(): void {
  tooltip.removeAttribute('style');
}

/** The title of a dialog or notification is HTML if it is no list. */
export const ui = {
  showModal(title: unknown, children: unknown, ...classes: string[]): Element {
    const dialog = overlay.firstElementChild!;
    dialog.className = ['modal', ...classes].join(' ');
    content(dialog, E('h4', {}, title));
    append(dialog, children);
    document.body.classList.add('modal-overlay-active');
    overlay.scrollTop = 0;
    overlay.focus();
    return dialog;
  },

  hideModal(): void {
    document.body.classList.remove('modal-overlay-active');
    overlay.blur();
  },

  addNotification(title: unknown, children: unknown, ...classes: string[]): Element {
    const text = E('div', { style: 'flex: 10' }, title === null ? [] : [E('h4', {}, title)]);
    append(text, children);
    const message = E('div', { class: ['alert-message', ...classes].join(' '), style: 'display: flex' }, [
      text,
      E('button', { class: 'btn', click: () => message.remove() }, ['Dismiss']),
    ]);
    document.querySelector('#maincontent')!.prepend(message);
    return message;
  },

  /** The button is disabled until it is done. */
  createHandlerFn(context: unknown, handler: (...parameters: unknown[]) => unknown, ...first: unknown[]) {
    return (event: Event) => {
      const button = event.currentTarget as HTMLButtonElement;
      button.classList.add('spinning');
      button.disabled = true;
      button.blur();
      void Promise.resolve(handler.apply(context, [...first, event])).finally(() => {
        button.classList.remove('spinning');
        button.disabled = false;
      });
    };
  },

  changes: {
    async init(): Promise<void> {
      const count = Object.values(await uci.changes()).reduce((sum, list) => sum + list.length, 0);
      document.querySelector('#indicators')!.textContent = count > 0 ? `Unsaved Changes: ${count}` : '';
    },

    /** Applies what is saved, and loads the page anew. */
    async apply(session: string): Promise<void> {
      for (const action of ['apply_rollback', 'confirm']) {
        const answer = await fetch(`/cgi-bin/luci/admin/uci/${action}?sid=${session}`, { method: 'POST' });
        await answer.text();
      }
      location.reload();
    },
  },
};
