// SPDX-License-Identifier: GPL-2.0-only

import { globalOptions, interfaceOptions } from '../settings.ts';

/** Exit statuses of every command. */
export const exitStatus = { ok: 0, failed: 1, usage: 2 } as const;

/** Something is wrong with the command line; the message says what. */
export class UsageError extends Error {}

/** Something else the user can cure; no stack is shown. */
export class UserError extends Error {}

function optionLines(): string {
  return Object.entries({ ...interfaceOptions, ...globalOptions })
    .map(([name, { allowed }]) => `  ${`${name}=`.padEnd(16)} ${allowed}`)
    .join('\n');
}

export function usage(): string {
  return `wg-slaacer: learns the IPv6 addresses that WireGuard peers choose for themselves

Usage:
  wg-slaacer run --interface NAME [--interface NAME …] [--set OPTION=VALUE …]
                 [--json]
      Learn in the foreground on these interfaces until interrupted. What was
      learned stays in place and is taken up again by the next run.
  wg-slaacer withdraw
      Withdraw all that was learned, while nothing learns.
  wg-slaacer doctor [--json]
      Say what this system has and lacks for learning addresses.
  wg-slaacer --version
  wg-slaacer --help

Options for --set, the same for all interfaces:
${optionLines()}
  prefix may be given several times.

Exit status: 0 success, 1 failure or, of doctor, nothing can be learned here,
2 wrong usage.
`;
}
