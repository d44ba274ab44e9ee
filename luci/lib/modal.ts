// SPDX-License-Identifier: GPL-2.0-only
// What the page's dialogs have in common.

import ui from 'luci:ui';

/** What closes the dialog that is about to open, and gives the focus back to who opened it. */
export function closer(): () => void {
  const opener = document.activeElement;
  return () => {
    ui.hideModal();
    if (opener instanceof HTMLElement && opener.isConnected) opener.focus({ preventScroll: true });
  };
}
