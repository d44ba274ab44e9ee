// SPDX-License-Identifier: GPL-2.0-only
// The client systems that are tried: how each is configured, started and stopped. Most are configured as `wg-slaacer
// client` has it, the others as docs/clients.md does.

import { readFileSync } from 'node:fs';
import type { ClientSystem as Printed } from '../../src/answers.ts';
import type { Client, ClientFile, RouterSide } from '../../src/clients/facts.ts';
import { setupOf } from '../../src/clients/setup.ts';

export interface Setup {
  /** With placeholders. */
  readonly files: readonly ClientFile[];
  /** Switch the tunnel on when the files are there. */
  readonly commands: readonly string[];
}

/** A program that runs as long as the system does, and what it says when it is ready. */
interface Program {
  readonly command: string;
  readonly ready: RegExp;
}

export interface System {
  readonly name: string;
  /** Prints it, among others. */
  readonly version: string;
  readonly programs?: readonly Program[];
  setup(client: Client, router: RouterSide): Setup;
  /** Switches the tunnel on again, by the first commands unless told. */
  readonly up?: string;
  readonly down: string;
  /** As docs/clients.md has it. */
  readonly hasNoIpv4?: true;
}

const bus: Program = {
  command: 'mkdir -p /run/dbus && exec dbus-daemon --system --nofork --nopidfile --print-address',
  ready: /^unix:/,
};

const printed = (system: Printed) => (client: Client, router: RouterSide) => setupOf(client, router, system);

const documentation = readFileSync(new URL('../../docs/clients.md', import.meta.url), 'utf8');

/** The first block of a section of docs/clients.md. */
const documented = (section: string) =>
  new RegExp(`## ${section}\\n.*?\`\`\`\\w*\\n(.*?)\`\`\``, 's').exec(documentation)![1]!;

/** What wg(8) reads, and a setup for programs that do not configure WireGuard themselves. */
const besides =
  (files: readonly ClientFile[], commands: readonly string[]) => (client: Client, router: RouterSide) => ({
    files: [...setupOf(client, router, 'wireguard-go').files, ...files],
    commands,
  });

export const systems: readonly System[] = [
  {
    name: 'wg-quick',
    version: 'wg --version',
    setup: printed('wg-quick'),
    down: 'wg-quick down wg0',
  },
  {
    name: 'networkd',
    version: 'networkctl --version',
    programs: [
      bus,
      {
        command:
          'install -d -o systemd-network -g systemd-network /run/systemd/netif && exec /lib/systemd/systemd-networkd',
        ready: /Enumeration completed/,
      },
    ],
    setup: printed('networkd'),
    down: 'networkctl down wg0',
    up: 'networkctl up wg0',
  },
  {
    name: 'networkmanager',
    version: 'NetworkManager --version',
    programs: [bus, { command: 'exec NetworkManager --debug', ready: /startup complete/ }],
    setup: printed('networkmanager'),
    down: 'nmcli connection down wg0',
  },
  {
    name: 'wireguard-go',
    version: 'wireguard-go --version',
    setup: printed('wireguard-go'),
    down: 'ip link delete wg0',
  },
  {
    name: 'ifupdown',
    version: 'ifup --version',
    setup: besides(
      [{ path: '/etc/network/interfaces', mode: '600', text: documented('ifupdown') }],
      ['ifup wg0'],
    ),
    down: 'ifdown wg0',
    hasNoIpv4: true,
  },
  {
    name: 'dhcpcd',
    version: 'dhcpcd --version',
    setup: besides([], documented('dhcpcd').trim().split('\n')),
    down: 'dhcpcd -x wg0; ip link delete wg0',
    hasNoIpv4: true,
  },
];
