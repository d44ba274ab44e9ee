// SPDX-License-Identifier: GPL-2.0-only
// A point in time as people read it.

import { element, setText } from './dom.ts';
import { ago } from './text.ts';

/** In the reader's language and time zone. */
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** How long ago, with the full date where the pointer rests. */
export class TimeText {
  readonly node = element('span');
  private time: number | undefined;

  /** Both in Unix seconds. */
  show(time: number, now: number): void {
    setText(this.node, ago(time, now));
    if (time === this.time) return;
    this.time = time;
    this.node.title = full.format(time * 1000);
  }
}
