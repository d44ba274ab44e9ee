// SPDX-License-Identifier: GPL-2.0-only
// How much room text takes on a terminal. Neither Intl nor \p{…}: a router's Node may be built without ICU.

import { stripVTControlCharacters } from 'node:util';
import { eastAsianWidth } from 'get-east-asian-width';

/** C0 and C1, line and paragraph separators, and what turns the direction of writing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is to find them
const control = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Combining marks of common scripts, joiners and variation selectors: they take no room. */
const zeroWidth = [
  [0x0300, 0x036f],
  [0x0483, 0x0489],
  [0x0591, 0x05bd],
  [0x064b, 0x065f],
  [0x200b, 0x200d],
  [0x20d0, 0x20ff],
  [0xfe00, 0xfe0f],
  [0xfe20, 0xfe2f],
] as const;

/** Without anything that could move the cursor or colour what follows. */
export function plain(text: string): string {
  return stripVTControlCharacters(text).replace(control, '');
}

function characterWidth(character: string): number {
  const codePoint = character.codePointAt(0)!;
  return zeroWidth.some(([first, last]) => codePoint >= first && codePoint <= last)
    ? 0
    : eastAsianWidth(codePoint);
}

/** With a question mark for each of those: a description cannot make two lines of one. */
export function oneLine(text: string): string {
  return text.replace(control, '?');
}

/** In terminal columns, of plain text. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** At most `width` columns, which is 1 or more; what is cut off shows as "…". */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = '';
  let room = width - 1;
  for (const character of text) {
    room -= characterWidth(character);
    if (room < 0) break;
    kept += character;
  }
  return `${kept}…`;
}
