// SPDX-License-Identifier: GPL-2.0-only
// Which prefixes netifd has to give to interfaces, who has them, and why one that is to have a part of them has none
// (interface-ip.c).

import type { Assignment, Exhausted } from '../problem.ts';
import { isTable, tablesIn, type UbusTable } from '../ubus/types.ts';
import { type Section, sectionsOf } from './sections.ts';

/** A prefix that an interface has from its provider, or by configuration, to give parts of it to others. */
export interface Delegated {
  /** As "2001:db8::/56". */
  readonly prefix: string;
  readonly length: number;
  /** What an interface that takes some classes only goes by: mostly the name of the uplink. */
  readonly class: string;
  /** The lengths of what interfaces have of it, by their names. */
  readonly assigned: ReadonlyMap<string, number>;
}

/** An interface of netifd that may delegate. */
export interface Delegator {
  /** The kernel's name of it; undefined while it is down. */
  readonly device: string | undefined;
  readonly delegated: readonly Delegated[];
  /** Whether others get parts of that. */
  readonly isDelegating: boolean;
}

/** The class of this router's unique local prefix. */
const LOCAL = 'local';

/** The longest that netifd assigns, whatever it is asked for. */
const LONGEST = 64;

/** Of an interface, as netifd tells of it. */
export function delegatedBy(table: UbusTable): Delegated[] {
  const prefixes = tablesIn(table['ipv6-prefix']);
  return prefixes.flatMap(({ address, mask, class: name, assigned }) => {
    if (typeof address !== 'string' || typeof mask !== 'number') return [];
    const parts = isTable(assigned) ? Object.entries(assigned) : [];
    const lengths = parts.flatMap(([holder, part]) =>
      isTable(part) && typeof part.mask === 'number' ? [[holder, part.mask] as const] : [],
    );
    return [
      {
        prefix: `${address}/${mask}`,
        length: mask,
        class: typeof name === 'string' ? name : '',
        assigned: new Map(lengths),
      },
    ];
  });
}

/** Of interfaces that are to have a prefix, by the kernel's names: why they may have none, or nothing of a certain one. */
export function assignmentsOf(
  network: UbusTable,
  globals: UbusTable,
  interfaces: ReadonlyMap<string, Delegator>,
): { assignments: Map<string, Assignment>; exhausted: Map<string, Exhausted> } {
  const hasLocal = sectionsOf(globals).some(({ options }) => options.has('ula_prefix'));
  const assignments = new Map<string, Assignment>();
  const exhausted = new Map<string, Exhausted>();
  for (const section of sectionsOf(network)) {
    if (!section.options.has('ip6assign')) continue;
    const device = interfaces.get(section.name)?.device ?? section.name;
    assignments.set(device, assignmentOf(section, hasLocal, interfaces));
    const found = exhaustedFor(section, interfaces);
    if (found) exhausted.set(device, found);
  }
  return { assignments, exhausted };
}

function assignmentOf(
  section: Section,
  hasLocal: boolean,
  interfaces: ReadonlyMap<string, Delegator>,
): Assignment {
  const delegating = [...interfaces].filter(([, { delegated }]) => delegated.length > 0);
  const usable = delegating.filter(([, { isDelegating }]) => isDelegating);
  if (!hasLocal && usable.length === 0) {
    const [withheld] = delegating;
    return withheld ? { assignment: 'withheld', uplink: withheld[0] } : { assignment: 'undelegated' };
  }
  const classes = [
    ...(hasLocal ? [LOCAL] : []),
    ...usable.flatMap(([, { delegated }]) => delegated.map((each) => each.class)),
  ];
  return { assignment: classes.some((each) => takes(section, each)) ? 'unassigned' : 'class' };
}

/** Whether an interface takes prefixes of a class: it may say of which only. */
function takes({ options }: Section, name: string): boolean {
  const classes = options.get('ip6class')?.flatMap((text) => text.trim().split(/\s+/));
  return classes === undefined || classes.includes(name);
}

/** The first prefix that others have all of; undefined if it has a part of a prefix, or there is room for one. */
function exhaustedFor(section: Section, interfaces: ReadonlyMap<string, Delegator>): Exhausted | undefined {
  const usable = [...interfaces].flatMap(([uplink, { delegated, isDelegating }]) =>
    delegated
      .filter((each) => isDelegating && takes(section, each.class))
      .map((each) => ({ uplink, ...each })),
  );
  if (usable.some(({ assigned, ...each }) => assigned.has(section.name) || !isFull({ assigned, ...each })))
    return undefined;
  const [first] = usable;
  if (!first) return undefined;
  const [[holder, length], ...others] = [...first.assigned].sort(([, a], [, b]) => a - b) as [
    [string, number],
    ...[string, number][],
  ];
  return {
    prefix: first.prefix,
    uplink: first.uplink,
    holders: [holder, ...others.map(([name]) => name)].join(', '),
    holder,
    share: length < LONGEST ? 'wide' : 'whole',
  };
}

function isFull({ length, assigned }: Delegated): boolean {
  const used = [...assigned.values()].reduce((sum, part) => sum + 2 ** (LONGEST - part), 0);
  return assigned.size > 0 && used >= 2 ** (LONGEST - length);
}
