// SPDX-License-Identifier: GPL-2.0-only
// What is written on.

import { styleText } from 'node:util';

export interface Screen {
  /** How many fit in a line. */
  readonly columns: number;
  readonly colour: boolean;
  /** Unix seconds. */
  readonly now: number;
}

/** Standard output. It has colours only if it is a terminal and neither NO_COLOR nor TERM=dumb is set. */
export function standardOutput(): Screen {
  const { stdout } = process;
  return {
    columns: stdout.isTTY ? stdout.columns : 80,
    colour: stdout.isTTY && stdout.hasColors(),
    now: Date.now() / 1000,
  };
}

export type Style = Parameters<typeof styleText>[0];

export function styled(screen: Screen, style: Style, text: string): string {
  return screen.colour ? styleText(style, text, { validateStream: false }) : text;
}
