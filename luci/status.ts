// SPDX-License-Identifier: GPL-2.0-only
// The status page: is it working, who uses which addresses, and why was that one refused?

import poll from 'luci:poll';
import view from 'luci:view';
import { StatusPage } from './lib/status-page.ts';

export default view.extend({
  async render() {
    const page = new StatusPage(L.hasViewPermission() === true);
    await page.refresh();
    poll.add(() => page.refresh(), L.env.pollinterval);
    return page.node;
  },

  handleReset: null,
  handleSave: null,
  handleSaveApply: null,
});
