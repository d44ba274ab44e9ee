// SPDX-License-Identifier: GPL-2.0-only
// The timeline page: who had which address, and when?

import poll from 'luci:poll';
import view from 'luci:view';
import { TimelinePage } from './lib/timeline-page.ts';

/** Seconds between two readings: an hour is as wide as a finger, so nothing moves for long. */
const INTERVAL = 30;

export default view.extend({
  async render() {
    const page = new TimelinePage();
    await page.refresh();
    poll.add(() => page.refresh(), INTERVAL);
    return page.node;
  },

  handleReset: null,
  handleSave: null,
  handleSaveApply: null,
});
