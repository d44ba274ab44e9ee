// SPDX-License-Identifier: GPL-2.0-only
// Which peer had which address, and when.

import { parseAddress } from '../address.ts';
import { formatAddress } from '../address-text.ts';
import type { HistoryAnswer } from '../answers.ts';
import { isPublicKey } from '../settings.ts';
import type { Ubus, UbusTable } from '../ubus/types.ts';
import { plain } from '../words/text.ts';
import { parseHistoryArguments } from './arguments.ts';
import { standardOutput } from './screen.ts';
import { connected, explain, OBJECT } from './service.ts';
import { historyLines } from './show.ts';
import { exitStatus } from './usage.ts';

/** Rejects with UsageError or UserError. */
export async function history(connect: () => Ubus, given: string[]): Promise<number> {
  const { wanted, at, json } = parseHistoryArguments(given, new Date());
  const time = at !== undefined && { at };
  const address = wanted !== undefined && parseAddress(wanted);
  const isKey = wanted !== undefined && isPublicKey(wanted);
  const args = {
    ...time,
    ...(address && { address: formatAddress(address) }),
    ...(isKey && { peer: wanted }),
  } satisfies UbusTable;
  const ubus = connect();
  try {
    await connected(ubus);
    const answer = (await ubus.call(OBJECT, 'get_history', args)) as unknown as HistoryAnswer;
    const isOfPeer = wanted === undefined || address || isKey;
    const shown = isOfPeer ? answer : ofPeer(answer, wanted);
    if (json) console.log(JSON.stringify(shown));
    else for (const line of historyLines(shown, wanted, standardOutput())) console.log(line);
    return exitStatus.ok;
  } catch (error) {
    throw await explain(ubus, error, 'get_history', args);
  } finally {
    ubus.close();
  }
}

/** By what the configuration calls it now. */
function ofPeer({ history, ...others }: HistoryAnswer, name: string): HistoryAnswer {
  const wanted = plain(name).trim();
  return {
    ...others,
    history: history.filter((stay) => plain(stay.description ?? '').trim() === wanted),
  };
}
