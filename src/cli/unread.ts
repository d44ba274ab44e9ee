// SPDX-License-Identifier: GPL-2.0-only
// What somebody has changed of the configuration, and the service has not read.

import { statSync } from 'node:fs';

const FILES = { configuration: '/etc/config/wg-slaacer', changes: '/tmp/.uci/wg-slaacer' };

/** `read` is how many seconds ago the service has read the configuration, and `now` in milliseconds since 1970. */
export function unreadLines(read: number, now: number, { configuration, changes } = FILES): string[] {
  const committed = statSync(configuration, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  // Before the clock is set, files are from the future.
  const isUnread = committed <= now && committed > now - read * 1_000;
  const isUncommitted = (statSync(changes, { throwIfNoEntry: false })?.size ?? 0) > 0;
  if (isUncommitted)
    return telling(
      'changes of /etc/config/wg-slaacer are not committed, and are gone after a reboot',
      'uci commit wg-slaacer; service wg-slaacer reload',
    );
  if (isUnread)
    return telling(`${configuration} has changed since the service read it`, 'service wg-slaacer reload');
  return [];
}

const telling = (message: string, hint: string) => ['', `problem: ${message}`, `  hint: ${hint}`];
