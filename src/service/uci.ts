// SPDX-License-Identifier: GPL-2.0-only
// UCI, through rpcd's ubus objects "uci" and "session".

import { isTable, type Ubus, UbusError, type UbusTable, ubusStatus } from '../ubus/types.ts';
import { type PeerSection, parsePeers } from './peers.ts';

/** Milliseconds until rpcd is taken for stuck. */
const CALL_TIMEOUT = 10_000;

/** Seconds that a session may be left unused by a process that was killed. */
const SESSION_LIFETIME = 60;

/** Rejects with UbusError: notFound if rpcd is not there, or the package. `session` is rpcd's, if it is to be another's view. */
export async function readSections(
  ubus: Ubus,
  config: string,
  type?: string,
  session: UbusTable = {},
): Promise<UbusTable> {
  const query = { config, ...(type !== undefined && { type }), ...session };
  const { values } = await ubus.call('uci', 'get', query, CALL_TIMEOUT);
  if (!isTable(values))
    throw new UbusError(ubusStatus.invalidArgument, 'rpcd has answered something that is no configuration');
  return values;
}

/** The peers of a device. rpcd answers with their preshared keys, too: they go no further than here. */
export async function readPeers(ubus: Ubus, device: string, session?: UbusTable): Promise<PeerSection[]> {
  return parsePeers(await readSections(ubus, 'network', `wireguard_${device}`, session));
}

/**
 * Makes one change to a package and commits it. Changes that somebody else has made and not committed are neither seen
 * nor committed: it has a session, and so a folder for changes, of its own. What fails leaves nothing behind.
 */
export async function commitAlone(
  ubus: Ubus,
  config: string,
  change: (session: UbusTable) => Promise<void>,
): Promise<void> {
  const { ubus_rpc_session: id } = await ubus.call(
    'session',
    'create',
    { timeout: SESSION_LIFETIME },
    CALL_TIMEOUT,
  );
  if (typeof id !== 'string') throw new UbusError(ubusStatus.unknownError, 'rpcd has not begun a session');
  const session = { ubus_rpc_session: id };
  try {
    const objects = [
      [config, 'read'],
      [config, 'write'],
    ];
    await ubus.call('session', 'grant', { ...session, scope: 'uci', objects }, CALL_TIMEOUT);
    await change(session);
    await ubus.call('uci', 'commit', { ...session, config }, CALL_TIMEOUT);
  } finally {
    // It ends by itself, should this fail.
    await ubus.call('session', 'destroy', session, CALL_TIMEOUT).catch(() => {});
  }
}
