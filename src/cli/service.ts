// SPDX-License-Identifier: GPL-2.0-only
// Commands that ask the running service, over ubus.

import { parseAddress } from '../address.ts';
import { formatAddress } from '../address-text.ts';
import type { AddressesAnswer, DeniedAnswer, StatusAnswer } from '../answers.ts';
import { type Configuration, parseConfiguration } from '../service/config.ts';
import { readSections } from '../service/uci.ts';
import { type Ubus, UbusError, type UbusTable, ubusStatus } from '../ubus/types.ts';
import { peerName } from '../words/describe.ts';
import { describeProblem, inLines } from '../words/problems.ts';
import { plain } from '../words/text.ts';
import { parsePositionals } from './arguments.ts';
import { metricLines } from './metrics.ts';
import { type Screen, standardOutput } from './screen.ts';
import { addressLines, deniedLines, statusLines } from './show.ts';
import { unreadLines } from './unread.ts';
import { exitStatus, UsageError, UserError } from './usage.ts';

export const OBJECT = 'wg-slaacer';

/** Milliseconds for ubusd to take the connection. */
const CONNECT_TIMEOUT = 2_000;

interface ServiceCommand {
  /** The names of its arguments; those in brackets may be left out. */
  readonly positionals: readonly string[];
  readonly method: string;
  /** Lines that say what the service has answered. */
  show(answer: UbusTable, args: UbusTable, screen: Screen): string[];
}

const serviceCommands = {
  status: {
    positionals: ['[interface]'],
    method: 'status',
    show: (answer, _, screen) => {
      const status = answer as unknown as StatusAnswer;
      return [...statusLines(status, screen), ...unreadLines(status.read, Date.now())];
    },
  },
  addresses: {
    positionals: ['[interface]'],
    method: 'get_addresses',
    show: (answer, _, screen) => addressLines(answer as unknown as AddressesAnswer, screen),
  },
  denied: {
    positionals: ['[interface]'],
    method: 'get_denied',
    show: (answer, _, screen) => deniedLines(answer as unknown as DeniedAnswer, screen),
  },
  metrics: {
    positionals: [],
    method: 'status',
    show: (answer) => metricLines(answer as unknown as StatusAnswer),
  },
  forget: {
    positionals: ['interface', 'address'],
    method: 'forget',
    show: (_, args) => [`${args.interface}: forgot ${args.address}`],
  },
  flush: {
    positionals: ['[interface]'],
    method: 'flush',
    show: ({ count }, args) => [
      `${args.interface ?? 'all interfaces'}: forgot ${count} ${count === 1 ? 'address' : 'addresses'}`,
    ],
  },
  pin: {
    positionals: ['interface', 'address'],
    method: 'pin',
    show: (_, args) => [`${args.interface}: ${args.address} is now configured for its peer`],
  },
  give: {
    positionals: ['interface', 'address', 'peer'],
    method: 'give',
    show: (_, args) => [`${args.interface}: ${args.address} is now an address of ${args.peer}`],
  },
  reload: {
    positionals: [],
    method: 'reload',
    show: () => ['the configuration has been read again'],
  },
} satisfies Record<string, ServiceCommand>;

/** Each runs with the arguments that follow its name. */
export function overUbus(connect: () => Ubus): Record<string, (args: string[]) => Promise<number>> {
  return Object.fromEntries(
    Object.entries(serviceCommands).map(([name, command]) => [
      name,
      (args: string[]) => ask(connect, command, args),
    ]),
  );
}

async function ask(connect: () => Ubus, command: ServiceCommand, given: string[]): Promise<number> {
  const { json, values } = parsePositionals(given, command.positionals);
  const args = { ...values, ...(values.address && { address: canonical(values.address) }) };
  const ubus = connect();
  try {
    await connected(ubus);
    const answer = await ubus.call(OBJECT, command.method, args);
    if (json) console.log(JSON.stringify(answer));
    else for (const line of command.show(answer, args, standardOutput())) console.log(line);
    return exitStatus.ok;
  } catch (error) {
    throw await explain(ubus, error, command.method, args);
  } finally {
    ubus.close();
  }
}

/** As the service writes it. */
function canonical(text: string): string {
  const address = parseAddress(text);
  if (!address) throw new UsageError(`"${text}" is not an IPv6 address`);
  return formatAddress(address);
}

/** Rejects with UserError if ubusd does not answer. */
export function connected(ubus: Ubus): Promise<void> {
  return new Promise((resolve, reject) => {
    if (ubus.connected) return resolve();
    const timer = setTimeout(() => reject(unreachable()), CONNECT_TIMEOUT);
    ubus.onConnected((is) => {
      if (!is) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

function unreachable(): UserError {
  return new UserError(
    'ubusd cannot be reached: is this OpenWrt, and are you root? Without ubus there is wg-slaacer run --interface',
    exitStatus.notRunning,
  );
}

/** Says why, as far as the configuration tells. */
export async function notRunning(ubus: Ubus): Promise<UserError> {
  const configuration = await readSections(ubus, { config: OBJECT }).then(
    parseConfiguration,
    () => undefined,
  );
  const problems = configuration?.problems.map(
    (problem) => `\nproblem: ${inLines(describeProblem(problem))}`,
  );
  return new UserError(
    `the service is not running${whyNotRunning(configuration)}${problems?.join('') ?? ''}`,
    exitStatus.notRunning,
  );
}

function whyNotRunning(configuration: Configuration | undefined): string {
  if (!configuration) return ': enable an interface in /etc/config/wg-slaacer, then service wg-slaacer start';
  const { interfaces } = configuration;
  const enabled = interfaces.find((each) => each.enabled);
  if (enabled) {
    return `, although interface ${enabled.name} is enabled. The service takes some seconds to start, so ask again. If it still does not run then, type service wg-slaacer start; logread -e ${OBJECT} says why it ends`;
  }
  const [{ name } = { name: 'wg1' }] = interfaces;
  const section = interfaces.length === 0 ? `uci set wg-slaacer.${name}=interface; ` : '';
  return `, because no interface is enabled in /etc/config/wg-slaacer. To enable ${name}: ${section}uci set wg-slaacer.${name}.enabled=1; uci commit wg-slaacer; service wg-slaacer reload`;
}

/** What went wrong with a call, in words; anything else as it is. */
export async function explain(ubus: Ubus, error: unknown, method: string, args: UbusTable): Promise<unknown> {
  if (!(error instanceof UbusError)) return error;
  switch (error.status) {
    case ubusStatus.connectionFailed:
      return unreachable();
    case ubusStatus.permissionDenied:
      if (method === 'give') return inUse(ubus, args);
      return new UserError('ubusd does not permit this: run it as root');
    case ubusStatus.notFound:
      return notFound(ubus, args);
    case ubusStatus.noData:
      if (method === 'give')
        return new UserError(`${args.interface}: the interface is not there now: bring it up, and try again`);
      return new UserError(
        `${args.interface}: nothing is learned on it now, so its peers have nothing to be configured with; see wg-slaacer status`,
      );
    case ubusStatus.notSupported:
      if (method === 'give') {
        return new UserError(
          `${args.interface}: ${args.address} is configured for another peer: take it out of that peer's allowed IPs; then whoever uses it gets it`,
        );
      }
      return new UserError(
        `${args.interface}: the peer that has ${args.address} is not in /etc/config/network, or disabled there`,
      );
    case ubusStatus.unknownError:
      return new UserError(`the service could not do it: see wg-slaacer status and logread -e ${OBJECT}`);
    default:
      return new UserError(`ubus call ${OBJECT} ${method}: ${plain(error.message)}`);
  }
}

/** Not there may be the service itself, the interface, the peer, or the address. */
async function notFound(ubus: Ubus, args: UbusTable): Promise<UserError> {
  const status = await ubus.call(OBJECT, 'status').catch(() => undefined);
  if (!status) return notRunning(ubus);
  const { interfaces } = status as unknown as StatusAnswer;
  const found = interfaces.find(({ name, device }) => args.interface === name || args.interface === device);
  if (!found) {
    const names = interfaces.map(({ name }) => name).join(', ') || 'none';
    return new UserError(
      `there is no interface "${args.interface}" in /etc/config/wg-slaacer; there is ${names}`,
    );
  }
  const isOfPeer =
    args.peer !== undefined && (args.address === undefined || (await ownerOf(ubus, args)) !== undefined);
  if (isOfPeer)
    return new UserError(`${args.interface}: it has no peer ${args.peer}; see wg show ${found.device} peers`);
  return new UserError(
    `${args.interface}: ${args.address} has not been learned; see wg-slaacer addresses ${args.interface}`,
  );
}

/** Who has the learned address; undefined if nobody has. */
async function ownerOf(ubus: Ubus, { interface: name, address }: UbusTable): Promise<string | undefined> {
  const answer = await ubus.call(OBJECT, 'get_addresses', { interface: name! });
  const { addresses } = answer as unknown as AddressesAnswer;
  const learned = addresses.find((each) => each.address === address);
  return learned && peerName(learned);
}

/** The address may not be given away; or nothing may be asked at all. */
async function inUse(ubus: Ubus, args: UbusTable): Promise<UserError> {
  try {
    const owner = await ownerOf(ubus, args);
    return new UserError(
      `${args.interface}: ${args.address} stays with ${owner}, which has a session, or had one less than 3 minutes ago; it can be given away when that peer is silent for so long, or is removed`,
    );
  } catch {
    return new UserError('ubusd does not permit this: run it as root');
  }
}
