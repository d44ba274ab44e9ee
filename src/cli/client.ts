// SPDX-License-Identifier: GPL-2.0-only
// Prints the configuration of a client, for a peer that goes by its key or its description.

import type { ClientAnswer, InterfacePeer, PeersAnswer } from '../answers.ts';
import type { Ubus, UbusTable } from '../ubus/types.ts';
import { plain } from '../words/text.ts';
import { type ClientArguments, parseClientArguments } from './arguments.ts';
import { connected, explain, OBJECT } from './service.ts';
import { exitStatus, UserError } from './usage.ts';

/** Peers that an error names. */
const MOST_NAMED = 20;

/** Rejects with UsageError, or with UserError if there is no such peer or more than one. */
export async function client(connect: () => Ubus, given: string[]): Promise<number> {
  const wanted = parseClientArguments(given);
  const ubus = connect();
  const ask = async (method: string, args: UbusTable) => {
    try {
      return await ubus.call(OBJECT, method, args);
    } catch (error) {
      throw await explain(ubus, error, method, args);
    }
  };
  try {
    await connected(ubus);
    const ofInterface = wanted.interface !== undefined && { interface: wanted.interface };
    const { peers } = (await ask('get_peers', { ...ofInterface })) as unknown as PeersAnswer;
    const { interface: name, peer } = find(peers, wanted);
    const endpoint = wanted.endpoint !== undefined && { endpoint: wanted.endpoint };
    const args = { interface: name, peer, for: wanted.system, ...endpoint };
    const answer = (await ask('get_client', args)) as unknown as ClientAnswer;
    console.log(wanted.json ? JSON.stringify(answer) : answer.configuration.trimEnd());
    return exitStatus.ok;
  } finally {
    ubus.close();
  }
}

function find(peers: readonly InterfacePeer[], { peer: wanted }: ClientArguments): InterfacePeer {
  const isMeant = ({ peer, description = '' }: InterfacePeer) =>
    peer === wanted || shown(description) === shown(wanted);
  const found = peers.filter(isMeant);
  if (found.length === 1) return found[0]!;
  if (found.length === 0)
    throw new UserError(`there is no peer "${plain(wanted)}"; there is ${list(peers, nameOf)}`);
  const cure = found.every(({ peer }) => peer === found[0]!.peer) ? '--interface' : 'its key';
  throw new UserError(
    `"${plain(wanted)}" is more than one peer: name ${cure}; there is ${list(found, keyOf)}`,
  );
}

/** As it can be read, and typed. */
const shown = (text: string) => plain(text).trim();
const nameOf = ({ peer, description = '', interface: name }: InterfacePeer) =>
  `"${shown(description) || peer}" on ${name}`;
const keyOf = ({ peer, interface: name }: InterfacePeer) => `${peer} on ${name}`;

function list(peers: readonly InterfacePeer[], text: (peer: InterfacePeer) => string): string {
  const rest = peers.length - MOST_NAMED;
  const named = peers.slice(0, MOST_NAMED).map(text);
  return [...named, ...(rest > 0 ? [`${rest} more`] : [])].join(', ') || 'none';
}
