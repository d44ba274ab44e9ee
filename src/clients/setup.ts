// SPDX-License-Identifier: GPL-2.0-only
// The configuration of a client: what is to be put where on it, as a program takes it and as one text for people.

import type { ClientSystem } from '../answers.ts';
import { plain, truncate } from '../words/text.ts';
import type { Client, ClientFile, ClientSetup, RouterSide } from './facts.ts';
import { networkManager } from './network-manager.ts';
import { networkd } from './networkd.ts';
import { openwrt } from './openwrt.ts';
import { commentOn, missingIn } from './placeholders.ts';
import { app, wgQuick, wireguardGo } from './wg.ts';

const systems: Readonly<Record<ClientSystem, (client: Client, router: RouterSide) => ClientSetup>> = {
  'wg-quick': wgQuick,
  networkd,
  networkmanager: networkManager,
  openwrt,
  'wireguard-go': wireguardGo,
  app,
};

export function setupOf(client: Client, router: RouterSide, system: ClientSystem): ClientSetup {
  const setup = systems[system](client, router);
  return router.hasRandomPort ? { ...setup, notes: [...setup.notes, ...randomPort] } : setup;
}

const randomPort = [
  'The router has chosen this port by itself, and chooses another when its interface is made anew: set option',
  'listen_port of that interface in /etc/config/network, and then have this configuration written again.',
];

/** All of it, each file under its name. What is not configuration stands in comments. */
export function textOf(client: Client, { files, commands, notes }: ClientSetup): string {
  const texts = files.map((file) => `# ${titleOf(file)}\n${file.text}`);
  const missing = commentOn(missingIn(texts.join('\n')));
  const told =
    inComments([`For peer ${nameOf(client)}`, ...notes]) + (missing === undefined ? '' : `${missing}\n`);
  const run = commands.length > 0 ? ['Then, as root:', ...commands.map((command) => `  ${command}`)] : [];
  return [told, ...texts, ...(run.length > 0 ? [inComments(run)] : [])].join('\n');
}

function titleOf({ path, mode }: ClientFile): string {
  return mode === '755' ? `${path} (chmod ${mode})` : path;
}

function inComments(lines: readonly string[]): string {
  return lines.map((line) => `# ${line}\n`).join('');
}

/** The quotes stand between a backslash at its end and the end of the line, which some programs would take for one. */
function nameOf({ peer, description = '' }: Client): string {
  const name = truncate(plain(description).trim(), 64);
  return name === '' ? peer : `"${name}" (${peer})`;
}
