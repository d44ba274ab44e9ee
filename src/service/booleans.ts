// SPDX-License-Identifier: GPL-2.0-only
// Which words the programs take for yes and no whose options are read here: an option counts as it does for its own program.
// What is undefined leaves the program's default in force.

import { parseBoolean } from '../settings.ts';

/** Shell scripts read by config_get_bool of /lib/functions.sh: the init scripts, and netifd's handlers before 2026. */
export function ofScript(text: string | undefined): boolean | undefined {
  return text === undefined ? undefined : parseBoolean(text);
}

/** Programs in C read by uci_to_blob() of libuci: odhcpd, and netifd itself. */
export function ofBlob(text: string | undefined): boolean | undefined {
  if (text === '1' || text === 'true') return true;
  return text === '0' || text === 'false' ? false : undefined;
}

/** The firewall, fw4, which leaves out a section with another word. */
export function ofFirewall(text: string | undefined): boolean | undefined {
  return text === undefined ? undefined : ['1', 'on', 'true', 'yes'].includes(text);
}

/** netifd's handler for WireGuard of 2026, in ucode, knows one word. */
export function ofHandler(text: string | undefined): boolean {
  return text === '1';
}
