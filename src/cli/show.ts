// SPDX-License-Identifier: GPL-2.0-only
// The service's answers as lines to read.

import type {
  AddressesAnswer,
  DeniedAddress,
  DeniedAnswer,
  HistoryAnswer,
  InterfaceStatus,
  LearnedAddress,
  StatusAnswer,
  Stay,
} from '../answers.ts';
import { formatDuration } from '../settings.ts';
import { ago, ahead, span } from '../words/ages.ts';
import { describeOwner, peerName } from '../words/describe.ts';
import { priceOfLending } from '../words/price.ts';
import { plain, truncate } from '../words/text.ts';
import { type Screen, styled } from './screen.ts';
import { type Column, tableLines } from './table.ts';

export function statusLines(status: StatusAnswer, screen: Screen): string[] {
  const { version, uptime, hook, options, problems, interfaces, totals } = status;
  const lines = [`wg-slaacer ${version}, running for ${span(uptime)}, hook ${hook}`];
  lines.push(...listLines('options', optionTexts({ ...options }), screen));
  lines.push(...listLines('so far', counts({ ...totals }), screen));
  if (hook === 'lending') lines.push(...priceOfLending().map((sentence) => `  lending    ${sentence}`));
  for (const { message, hint } of problems)
    lines.push('', `${styled(screen, 'red', 'problem:')} ${plain(message)}`, `  hint: ${plain(hint)}`);
  for (const each of interfaces) lines.push('', ...interfaceLines(each, screen));
  if (interfaces.length === 0) lines.push('', 'No interface is configured in /etc/config/wg-slaacer.');
  return lines;
}

function interfaceLines(each: InterfaceStatus, screen: Screen): string[] {
  const { name, device, enabled, up, options, prefixes, addresses, counters } = each;
  const state = enabled ? (up ? styled(screen, 'green', 'learning') : styled(screen, 'red', 'down')) : 'off';
  const title = device === name ? name : `${name} (device ${device})`;
  return [
    `${styled(screen, 'bold', title)}: ${state}`,
    ...listLines(
      'options',
      optionTexts({ ...options, lifetime: formatDuration(options.lifetime * 1000) }),
      screen,
    ),
    ...listLines('prefixes', prefixes, screen),
    ...listLines('addresses', [String(addresses)], screen),
    ...listLines('packets', counts(counters), screen),
  ];
}

/** "rate 5", "prefix 2001:db8:1::/64 2001:db8:2::/64", as they may be configured; an empty list says nothing. */
function optionTexts(options: Readonly<Record<string, string | number | readonly string[]>>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const text = typeof value === 'object' ? value.join(' ') : String(value);
    return text === '' ? [] : [`${name} ${text}`];
  });
}

/** "learned 5", "denied (owned) 2": what is zero is left out. */
function counts(numbers: Readonly<Record<string, number | Readonly<Record<string, number>>>>): string[] {
  return Object.entries(numbers).flatMap(([name, value]) => {
    if (typeof value === 'object') return counts(value).map((text) => `${name} ${text}`);
    return value > 0 ? [`${name.replace('_', ' ')} ${value}`] : [];
  });
}

/** "  name       a, b, c", continued below itself where the line would be too long; nothing for nothing. */
function listLines(name: string, values: readonly string[], screen: Screen): string[] {
  const lines: string[] = [];
  let line = `  ${name}`.padEnd(13);
  values.forEach((value, i) => {
    const text = i < values.length - 1 ? `${value},` : value;
    if (i > 0 && line.length + text.length > screen.columns) {
      lines.push(line.trimEnd());
      line = ' '.repeat(13);
    }
    line += `${text} `;
  });
  return values.length === 0 ? [] : [...lines, line.trimEnd()];
}

export function addressLines({ addresses, omitted }: AddressesAnswer, screen: Screen): string[] {
  const columns: Column<LearnedAddress>[] = [
    { title: 'ADDRESS', text: ({ address }) => address },
    { title: 'PEER', text: peerName, flexible: true },
    { title: 'LAST SEEN', text: ({ last_seen }) => ago(last_seen, screen.now), right: true },
    { title: 'EXPIRES', text: ({ expires }) => ahead(expires), right: true },
  ];
  if (addresses.length === 0) {
    return [
      'No address has been learned. wg show has the latest handshake of each peer: without one, its keys, its endpoint or the firewall is wrong.',
    ];
  }
  return [...byInterface(addresses, columns, screen), ...omittedLines(omitted)];
}

export function deniedLines({ denied, omitted }: DeniedAnswer, screen: Screen): string[] {
  const columns: Column<DeniedAddress>[] = [
    { title: 'ADDRESS', text: ({ address }) => address },
    { title: 'PEER', text: peerName, flexible: true },
    { title: 'REASON', text: ({ reason }) => reason },
    { title: 'TIMES', text: ({ count }) => String(count), right: true },
    { title: 'LAST', text: ({ last }) => ago(last, screen.now), right: true },
  ];
  if (denied.length === 0) return ['No address has been denied.'];
  const owners = denied.flatMap((each) => {
    const owner = describeOwner(each);
    return owner === undefined ? [] : [`${each.interface}: ${plain(owner)}`];
  });
  return [
    ...byInterface(denied, columns, screen),
    ...(owners.length > 0 ? ['', ...owners] : []),
    ...omittedLines(omitted),
  ];
}

/** `wanted` is the address or the peer that was asked for. */
export function historyLines(
  { history, omitted }: Pick<HistoryAnswer, 'history' | 'omitted'>,
  wanted: string | undefined,
  screen: Screen,
): string[] {
  const columns: Column<Stay>[] = [
    { title: 'ADDRESS', text: ({ address }) => address },
    // Long addresses leave it no room in 80 columns: rather a longer line than no name.
    { title: 'PEER', text: (stay) => truncate(plain(peerName(stay)), 24) },
    { title: 'FROM', text: ({ from }) => localTime(from) },
    { title: 'LAST SEEN', text: ({ last_seen }) => localTime(last_seen) },
    { title: 'TO', text: ({ to }) => (to === undefined ? '' : localTime(to)) },
    { title: 'HOW', text: ({ how, reason }) => (reason === undefined ? how : `${how} (${reason})`) },
  ];
  if (history.length === 0)
    return [`There is nothing${wanted ? ` of ${plain(wanted)}` : ''} in the history.`];
  return [...byInterface(history, columns, screen), ...omittedLines(omitted, 'an address or a peer')];
}

/** "11-28 18:02". */
function localTime(seconds: number): string {
  const date = new Date(seconds * 1_000);
  const [month, day, hour, minute] = [
    date.getMonth() + 1,
    date.getDate(),
    date.getHours(),
    date.getMinutes(),
  ].map((number) => String(number).padStart(2, '0'));
  return `${month}-${day} ${hour}:${minute}`;
}

function omittedLines(omitted = 0, filter = 'an interface'): string[] {
  return omitted > 0 ? ['', `… and ${omitted} more: name ${filter} to see fewer at once.`] : [];
}

/** A table for each interface. */
function byInterface<Row extends { interface: string }>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  screen: Screen,
): string[] {
  const names = [...new Set(rows.map((row) => row.interface))];
  return names.flatMap((name, i) => {
    const own = rows.filter((row) => row.interface === name);
    return [...(i > 0 ? [''] : []), `${name}: ${own.length}`, ...tableLines(columns, own, screen)];
  });
}
