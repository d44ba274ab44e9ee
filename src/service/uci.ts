// SPDX-License-Identifier: GPL-2.0-only
// UCI, through rpcd's ubus objects "uci" and "session".

import { isTable, type Ubus, UbusError, type UbusTable, ubusStatus } from '../ubus/types.ts';
import { ofHandler, ofScript } from './booleans.ts';
import { type PeerSection, parsePeers, peerOptions } from './peers.ts';

/** Milliseconds until rpcd is taken for stuck. */
const CALL_TIMEOUT = 10_000;

/** Where options stand in rpcd's answer: {values: {SECTION: {OPTION: …}}}. */
const OPTION_DEPTH = 3;

/** Seconds that a session may be left unused by a process that was killed. */
const SESSION_LIFETIME = 60;

interface Query {
  readonly config: string;
  readonly type?: string;
  /** Names of those that are wanted; absent: all. The values of others are never decoded: they may be secrets. */
  readonly options?: readonly string[];
  /** rpcd's, if it is to be another's view. */
  readonly session?: UbusTable;
}

/** Rejects with UbusError: notFound if rpcd is not there, or the package. */
export async function readSections(ubus: Ubus, query: Query): Promise<UbusTable> {
  const { config, type, options, session } = query;
  const args = { config, ...(type !== undefined && { type }), ...session };
  const isWanted = (name: string, depth: number) =>
    depth < OPTION_DEPTH || options === undefined || name.startsWith('.') || options.includes(name);
  const { values } = await ubus.call('uci', 'get', args, CALL_TIMEOUT, isWanted);
  if (!isTable(values))
    throw new UbusError(ubusStatus.invalidArgument, 'rpcd has answered something that is no configuration');
  return values;
}

/** The peers of a device. rpcd answers with their private and preshared keys, too, which are not decoded. */
export async function readPeers(ubus: Ubus, device: string, session?: UbusTable): Promise<PeerSection[]> {
  const type = `wireguard_${device}`;
  const query = { config: 'network', type, options: peerOptions, ...(session && { session }) };
  const [values, isScript] = await Promise.all([readSections(ubus, query), isHandledByScript(ubus)]);
  return parsePeers(values, isScript ? ofScript : ofHandler);
}

/** Whether netifd has a shell script for WireGuard: only such handlers say which options they have. */
async function isHandledByScript(ubus: Ubus): Promise<boolean> {
  const isWanted = (name: string, depth: number) => depth > 1 || name === 'wireguard';
  const answer = ubus.call('network', 'get_proto_handlers', {}, CALL_TIMEOUT, isWanted);
  const { wireguard } = await answer.catch((): UbusTable => ({}));
  return isTable(wireguard) && isTable(wireguard.validate);
}

/**
 * Makes one change to a package and commits it, of which rpcd tells. Changes that somebody else has made and not committed
 * are neither seen nor committed. What fails leaves nothing behind.
 */
export function commitAlone(
  ubus: Ubus,
  config: string,
  change: (session: UbusTable) => Promise<void>,
): Promise<void> {
  return inSession(ubus, config, async (session) => {
    await change(session);
    await ubus.call('uci', 'commit', { ...session, config }, CALL_TIMEOUT);
  });
}

/** Does something in a session, which has a folder for changes, and so a view of the package, of its own. */
export async function inSession<Value>(
  ubus: Ubus,
  config: string,
  act: (session: UbusTable) => Promise<Value>,
): Promise<Value> {
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
    return await act(session);
  } finally {
    // It ends by itself, should this fail.
    await ubus.call('session', 'destroy', session, CALL_TIMEOUT).catch(() => {});
  }
}

/**
 * Changes an option of a package, of which nobody is told: whoever acts upon changes knows it already, or reads it when it is
 * reloaded for another reason. rpcd tells of what it commits, uci(1) does not; and by its path it takes a package for a file,
 * which it changes at once, without what somebody else has changed and not committed. Rejects with UbusError.
 */
export async function changeUntold(
  ubus: Ubus,
  command: 'add_list' | 'set',
  place: { readonly config: string; readonly section: string; readonly option: string },
  value: string,
): Promise<void> {
  const { config, section, option } = place;
  const params = [command, `/etc/config/${config}.${section}.${option}=${value}`];
  const { code, stderr } = await ubus
    .call('file', 'exec', { command: '/sbin/uci', params }, CALL_TIMEOUT)
    .catch((error: unknown) => {
      if (!(error instanceof UbusError) || error.status !== ubusStatus.notFound) throw error;
      throw new UbusError(error.status, 'rpcd cannot run /sbin/uci: install rpcd-mod-file');
    });
  if (code !== 0)
    throw new UbusError(
      ubusStatus.unknownError,
      `uci ${params.join(' ')}: ${typeof stderr === 'string' ? stderr.trim() : code}`,
    );
}
