// SPDX-License-Identifier: GPL-2.0-only
// Stands in for programs of OpenWrt that the documentation's commands call, over the files of /etc/config:
//
//   node main.js uci [batch | set | add | add_list | commit | show] …   writes at once, as nobody else stages anything
//   node main.js network                                                what "service network restart" makes of WireGuard

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { addSection, addToList, parseUci, printUci, type Section } from '../ubus-broker/uci-file.ts';

const FOLDER = '/etc/config';
/** What the provider delegates. */
const DELEGATED = '2001:db8:1::1/64';

const load = (config: string) => parseUci(readFileSync(`${FOLDER}/${config}`, 'utf8'));

function find(sections: readonly Section[], name: string): Section {
  const [, type, index] = /^@(\w+)\[(-?\d+)\]$/.exec(name) ?? [];
  const section =
    type === undefined
      ? sections.find((each) => each.name === name)
      : sections.filter((each) => each.type === type).at(Number(index));
  if (!section) throw new Error('uci: Entry not found');
  return section;
}

function uci(command: string | undefined, ...words: string[]): void {
  if (command === 'commit') return;
  if (command === 'batch') {
    for (const line of readFileSync(0, 'utf8').split('\n'))
      if (line !== '') uci(...(line.split(' ') as [string]));
    return;
  }
  const [target = '', ...rest] = words;
  const [, config, name, option, value] =
    /^([\w-]+)(?:\.([^.=]+))?(?:\.(\w+))?(?:=(.*))?$/.exec(target) ?? [];
  if (config === undefined) throw new Error('uci: Parse error');
  const sections = load(config);
  if (command === 'show') {
    process.stdout.write(printUci(sections));
    return;
  }
  if (command === 'add') addSection(sections, rest[0]!);
  else if (command === 'set' && option === undefined) addSection(sections, value!, name);
  else if (command === 'set') find(sections, name!).options.set(option!, value!);
  else if (command === 'add_list') addToList(find(sections, name!).options, option!, value!);
  else throw new Error(`uci: there is no ${command} here`);
  writeFileSync(`${FOLDER}/${config}`, printUci(sections));
}

/** Makes each WireGuard interface anew, as netifd does. */
function network(): void {
  const sections = load('network');
  const run = (command: string) => execFileSync('sh', ['-ec', command]);
  for (const { name, options } of sections.filter(({ options }) => options.get('proto') === 'wireguard')) {
    const list = (option: string) => [options.get(option) ?? []].flat();
    const addresses = [...list('addresses'), ...(options.get('ip6assign') === '64' ? [DELEGATED] : [])];
    const peers = sections.filter(({ type }) => type === `wireguard_${name}`);
    writeFileSync('/run/wg.key', `${options.get('private_key')}\n`);
    run(`ip link delete ${name} 2>/dev/null || true
ip link add ${name} type wireguard
wg set ${name} private-key /run/wg.key listen-port ${options.get('listen_port')}
${peers.map((peer) => `wg set ${name} peer ${peer.options.get('public_key')}`).join('\n')}
ip link set ${name} up
${addresses.map((address) => `ip address add ${address} dev ${name} nodad`).join('\n')}`);
  }
}

const [program, ...words] = process.argv.slice(2);
if (program === 'uci') uci(...(words as [string]));
else network();
