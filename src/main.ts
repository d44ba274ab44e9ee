// SPDX-License-Identifier: GPL-2.0-only
// The command line.

import { client } from './cli/client.ts';
import { doctor } from './cli/doctor.ts';
import { history } from './cli/history.ts';
import { watchOutput } from './cli/output.ts';
import { run } from './cli/run.ts';
import { overUbus } from './cli/service.ts';
import { exitStatus, UsageError, UserError, usage } from './cli/usage.ts';
import { watch } from './cli/watch.ts';
import { withdraw } from './cli/withdraw.ts';
import { UbusClient } from './ubus/client.ts';

declare const VERSION: string; // by scripts/build.ts
declare const OLDEST_NODE: string; // "20.16", by the same
declare const started: () => void; // by start.ts

const connect = () => new UbusClient();

const commands: Record<string, (args: string[], version: string) => Promise<number> | number> = {
  run: (args, version) => run(args, version, started),
  doctor,
  ...overUbus(connect),
  watch: (args) => watch(connect, args),
  client: (args) => client(connect, args),
  history: (args) => history(connect, args),
  withdraw,
  '--version': (_, version) => print(version),
  '--help': help,
  '-h': help,
  help,
};

function help(): number {
  return print(usage().trimEnd());
}

function isOlder(version: string, oldest: string): boolean {
  const [[major, minor], [least, leastMinor]] = [version, oldest].map((text) =>
    text.split('.').map(Number),
  ) as [[number, number], [number, number]];
  return major < least || (major === least && minor < leastMinor);
}

function print(text: string): number {
  console.log(text);
  return exitStatus.ok;
}

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined) throw new UsageError('no command given');
  const { node } = process.versions;
  if (isOlder(node, OLDEST_NODE))
    throw new UserError(`Node ${node} is too old: install ${OLDEST_NODE} or later`);
  const command = args.includes('--help') ? help : Object.hasOwn(commands, name) && commands[name];
  if (!command) throw new UsageError(`there is no command "${name}"`);
  // These two look after it themselves, as they go on for long.
  if (name !== 'run' && name !== 'watch') watchOutput();
  return command(args, VERSION);
}

// Node would open its debugger to every user of the system, who may not send the signal, but connect then.
process.on('SIGUSR1', () => {});

main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    if (error instanceof UsageError) {
      console.error(`wg-slaacer: ${error.message}; see wg-slaacer --help`);
      process.exitCode = exitStatus.usage;
    } else if (error instanceof UserError) {
      console.error(`wg-slaacer: ${error.message}`);
      process.exitCode = error.status;
    } else if (['EMFILE', 'ENFILE'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      console.error('wg-slaacer: too many files are open: raise the limit on open files (ulimit -n)');
      process.exitCode = exitStatus.failed;
    } else {
      throw error;
    }
  },
);
