// SPDX-License-Identifier: GPL-2.0-only
// What src/settings.ts allows, told while it is typed.

const YEAR = 365 * 86_400;
const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** Undefined if the text names a lifetime, or nothing. */
export function lifetimeError(text: string): string | undefined {
  if (text === '') return undefined;
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const seconds = Number(count) * units[unit ?? '']!;
  return seconds >= 1 && seconds <= YEAR
    ? undefined
    : _('a number followed by s, m, h or d, from 1s to 365d');
}

/** Undefined if nothing speaks against the text; that it is an IPv6 prefix at all, the form checks. */
export function prefixError(text: string): string | undefined {
  return /^(ff|::?1?\/|::ffff:)/i.test(text)
    ? _('a prefix of unicast addresses, such as %s').format('2001:db8:1::/64')
    : undefined;
}
