// SPDX-License-Identifier: GPL-2.0-only
// An interface as LuCI's own pages show one: its icon, grey while it is down, and its name.

import { element, setAttribute } from './dom.ts';

export class InterfaceBadge {
  readonly node: HTMLElement;
  private readonly icon = element('img', { alt: '' });

  constructor(title: string, up: boolean, size: '' | 'large' = '') {
    this.node = element('span', { class: `ifacebadge ${size}`.trim() }, [
      this.icon,
      element('span', {}, [title]),
    ]);
    this.show(up);
  }

  show(up: boolean): void {
    setAttribute(this.icon, 'src', L.resource('icons', up ? 'wireguard.svg' : 'wireguard_disabled.svg'));
  }
}
