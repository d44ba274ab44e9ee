// SPDX-License-Identifier: GPL-2.0-only

/**
 * Sets the flags of V8 that usr/sbin/wg-slaacer, which says why, has for the time after the start. To be called when what
 * is needed of Node's own modules is loaded.
 */
export function setLateFlags(): void {
  const flags = process.env.WG_SLAACER_LATE_V8_FLAGS;
  if (flags) process.getBuiltinModule('node:v8').setFlagsFromString(flags);
}
