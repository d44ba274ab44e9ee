// SPDX-License-Identifier: GPL-2.0-only
// Sections of a UCI configuration as rpcd reads them: each option is a string, or an array of strings.

import { isTable, type UbusTable, type UbusValue } from '../ubus/types.ts';

export interface Section {
  readonly type: string;
  readonly name: string;
  readonly anonymous: boolean;
  readonly options: ReadonlyMap<string, readonly string[]>;
}

/** Sections in the order of the file. */
export function sectionsOf(values: UbusTable): Section[] {
  return Object.entries(values).flatMap(([name, section]) => {
    if (!isTable(section)) return [];
    const options = Object.entries(section).flatMap(([option, value]) => {
      const texts = option.startsWith('.') ? [] : textsOf(value);
      return texts.length > 0 ? ([[option, texts]] as const) : [];
    });
    return [
      {
        type: typeof section['.type'] === 'string' ? section['.type'] : '',
        name,
        anonymous: section['.anonymous'] === true,
        options: new Map(options),
      },
    ];
  });
}

/** An empty option is the same as none, as it is to uci. */
function textsOf(value: UbusValue): string[] {
  const texts = Array.isArray(value) ? value.filter((text) => typeof text === 'string') : [value];
  return texts.filter((text) => typeof text === 'string').filter((text) => text.trim() !== '');
}
