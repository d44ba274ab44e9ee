// SPDX-License-Identifier: GPL-2.0-only
// The service's totals in the text format of OpenMetrics 1.0. The same are in
// files/usr/lib/lua/prometheus-collectors/wg-slaacer.lua, for prometheus-node-exporter-lua.

import type { StatusAnswer } from '../answers.ts';

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [value: number, labels?: Labels];

/** What may become of an address. */
const changes = [
  'learned',
  'restored',
  'given',
  'adopted',
  'expired',
  'evicted',
  'forgotten',
  'released',
] as const satisfies readonly (keyof StatusAnswer['totals'])[];

/** Its lines, "# EOF" being the last. */
export function metricLines(status: StatusAnswer): string[] {
  const { version, uptime, hook, problems, interfaces, totals } = status;
  const { taken, denied, delivered, delivery_failed: lost, missed } = totals;
  const enabled = interfaces.filter(({ enabled }) => enabled);
  const of = ({ name, device }: StatusAnswer['interfaces'][number]) => ({ interface: name, device });
  const codes = new Set(problems.map(({ code }) => code));
  return [
    ...family('wg_slaacer_up', 'gauge', 'Whether the service answers.', [[1]]),
    ...family('wg_slaacer_build', 'info', 'The version, and how the service sees new addresses.', [
      [1, { version, hook }],
    ]),
    ...family('wg_slaacer_uptime_seconds', 'gauge', 'For how long the service has been running.', [[uptime]]),
    ...family('wg_slaacer_problems', 'gauge', 'Problems, by their codes in docs/problems.md.', [
      ...[...codes].map((code): Sample => [problems.filter((each) => each.code === code).length, { code }]),
    ]),
    ...family('wg_slaacer_interface_up', 'gauge', 'Whether an enabled interface is up.', [
      ...enabled.map((each): Sample => [each.up ? 1 : 0, of(each)]),
    ]),
    ...family('wg_slaacer_addresses', 'gauge', 'Learned addresses in force.', [
      ...enabled.map((each): Sample => [each.addresses, of(each)]),
    ]),
    ...family('wg_slaacer_address_events', 'counter', 'Changes of learned addresses since the start.', [
      ...changes.map((event): Sample => [totals[event], { event }]),
    ]),
    ...family('wg_slaacer_takeovers', 'counter', 'Addresses that another peer has taken over.', [[taken]]),
    ...family('wg_slaacer_denied_packets', 'counter', 'Packets whose source a peer was denied.', [
      ...Object.entries(denied).map(([reason, count]): Sample => [count, { reason }]),
    ]),
    ...family('wg_slaacer_revealing_packets', 'counter', 'Packets that revealed an address.', [
      [delivered, { fate: 'delivered' }],
      [lost, { fate: 'lost' }],
    ]),
    ...family('wg_slaacer_missed_changes', 'counter', 'Changes of WireGuard that the hook did not tell of.', [
      [missed],
    ]),
    '# EOF',
  ];
}

/** Samples of an info end in _info, those of a counter in _total; a unit is the end of the family's name. */
function family(name: string, type: 'gauge' | 'counter' | 'info', help: string, samples: Sample[]): string[] {
  const suffix = { gauge: '', counter: '_total', info: '_info' }[type];
  const unit = name.endsWith('_seconds') ? [`# UNIT ${name} seconds`] : [];
  return [
    `# TYPE ${name} ${type}`,
    ...unit,
    `# HELP ${name} ${help}`,
    ...samples.map(([value, labels]) => `${name}${suffix}${labelText(labels)} ${value}`),
  ];
}

function labelText(labels: Labels = {}): string {
  const texts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return texts.length > 0 ? `{${texts.join(',')}}` : '';
}

function escaped(text: string): string {
  return text.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
