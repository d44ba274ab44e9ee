// SPDX-License-Identifier: GPL-2.0-only
// What may be typed into the form: what src/settings.ts allows.

import { peerOptions, sectionOptions, serviceOptions } from '../../src/settings.ts';

/** Undefined if the text is a value of that option, or empty. */
export function optionError(name: string, text: string): string | undefined {
  const { parse, allowed } = { ...serviceOptions, ...sectionOptions, ...peerOptions }[name]!;
  if (text === '' || parse([text]) !== undefined) return undefined;
  const translate = _; // the texts are collected from src/settings.ts
  return translate(allowed);
}
