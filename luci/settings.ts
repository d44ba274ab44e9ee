// SPDX-License-Identifier: GPL-2.0-only
// The settings page: what is configured in /etc/config/wg-slaacer.

import uci from 'luci:uci';
import view from 'luci:view';
import { router } from './lib/service.ts';
import { settingsForm } from './lib/settings-form.ts';
import { CONFIG, wireGuardInterfaces } from './lib/wireguard-interfaces.ts';

export default view.extend({
  async render() {
    const [interfaces, devices] = await Promise.all([
      router.interfaces(),
      router.devices(),
      // Not network: that would hand the private keys to the page.
      uci.load(CONFIG),
    ]);
    return settingsForm(() =>
      wireGuardInterfaces(uci.sections(CONFIG, 'interface'), interfaces, devices),
    ).render();
  },
});
