// SPDX-License-Identifier: GPL-2.0-only
// Which words the programs take for yes and no whose options are read here: an option counts as it does for its own program.
// What is undefined leaves the program's default in force.

import { parseBoolean } from '../settings.ts';

/** Shell scripts read by config_get_bool of /lib/functions.sh: the init scripts, and netifd's handlers before 2026. */
export function ofScript(text = ''): boolean | undefined {
  return parseBoolean(text);
}

/** Programs in C read by uci_to_blob() of libuci: odhcpd, and netifd itself. */
export function ofBlob(text = ''): boolean | undefined {
  if (['1', 'true'].includes(text)) return true;
  return ['0', 'false'].includes(text) ? false : undefined;
}

/** The firewall, fw4: whether a section is in force, which has `enabled`. It leaves out one with another word. */
export function ofFirewall(text = '1'): boolean {
  return ['1', 'on', 'true', 'yes'].includes(text);
}

/** netifd's handler for WireGuard of 2026, in ucode, knows one word. */
export function ofHandler(text?: string): boolean {
  return text === '1';
}
