// SPDX-License-Identifier: GPL-2.0-only

import { clientSystems } from '../answers.ts';
import { globalOptions, interfaceOptions } from '../settings.ts';

/** Exit statuses of every command. */
export const exitStatus = { ok: 0, failed: 1, usage: 2, notRunning: 3 } as const;

/** Something is wrong with the command line; the message says what. */
export class UsageError extends Error {}

/** Something else the user can cure; no stack is shown. */
export class UserError extends Error {
  constructor(
    message: string,
    /** One of exitStatus. */
    readonly status: number = exitStatus.failed,
  ) {
    super(message);
  }
}

function optionLines(): string {
  return Object.entries({ ...interfaceOptions, ...globalOptions })
    .map(([name, { allowed }]) => `  ${`${name}=`.padEnd(16)} ${allowed}`)
    .join('\n');
}

export function usage(): string {
  return `wg-slaacer: learns the IPv6 addresses that WireGuard peers choose for themselves

Usage:
  wg-slaacer status [IFACE]       what it does, and what is in its way
  wg-slaacer addresses [IFACE]    the learned addresses
  wg-slaacer denied [IFACE]       the addresses that were denied, and why
  wg-slaacer watch                tell what happens, until interrupted
  wg-slaacer forget IFACE ADDR    withdraw one address
  wg-slaacer flush [IFACE]        withdraw all
  wg-slaacer pin IFACE ADDR       make it a configured address of its peer
  wg-slaacer give IFACE ADDR PEER move it to this peer (a public key), if its
                                  own has no session
  wg-slaacer metrics              the totals in the format of OpenMetrics
  wg-slaacer reload               read the configuration again
      Ask the running service. IFACE is a section of /etc/config/wg-slaacer.
      With --json they print the service's answer as it is; watch prints one
      object a line. Reasons to deny an address:
        owned     it is another peer's
        scope     it is outside the prefixes to learn in
        reserved  it is a reserved address or the router's own
        in-use    a host in the network that shares its prefix has it
        rate      too many new addresses came from this peer

  wg-slaacer client PEER [--for SYSTEM] [--interface IFACE]
                    [--endpoint HOST[:PORT]] [--json]
      Print what a peer has to be configured with. PEER is its description or
      its public key. SYSTEM, ${clientSystems[0]} unless told, is one of
        ${clientSystems.join(', ')}
      where app is for the WireGuard apps of Android, iOS, macOS and Windows.
      Keys that the router does not know are left to be put in. HOST is where
      the peer finds the router, if the router is wrong about that.

  wg-slaacer history [ADDRESS | PEER] [--at TIME] [--json]
      Tell which peer had which address, from when to when. TIME is such as
      18:30, "2026-11-28 18:30", or seconds since 1970.

  wg-slaacer run [--state FILE]
      The service itself, in the foreground. procd starts it.
  wg-slaacer run --interface NAME [--interface NAME …] [--set OPTION=VALUE …]
                 [--json] [--state FILE]
      Learn in the foreground on these interfaces until interrupted, without
      ubus and /etc/config. What was learned stays in place and is taken up
      again by the next run. FILE has what is to be known after a reboot.
  wg-slaacer withdraw [--state FILE]
      Withdraw all that was learned, while nothing learns.
  wg-slaacer doctor [--json]
      Say what this system has and lacks for learning addresses.
  wg-slaacer --version
  wg-slaacer --help

Options for --set, the same for all interfaces:
${optionLines()}
  prefix may be given several times.

Exit status: 0 success, 1 failure or, of doctor, nothing can be learned here,
2 wrong usage, 3 the service is not running or ubus cannot be reached.
`;
}
