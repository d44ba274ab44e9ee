// SPDX-License-Identifier: GPL-2.0-only
// The service, as procd runs it.

import { hostname } from 'node:os';
import { systemClock } from '../clock.ts';
import { Daemon } from '../daemon.ts';
import { FlashFile } from '../kernel/state-file.ts';
import { SETS_FILE } from '../service/firewall.ts';
import { HOSTS_DRAFT, HOSTS_FILE } from '../service/hosts.ts';
import { SystemScripts } from '../service/hotplug.ts';
import type { LogLevel } from '../settings.ts';
import { UbusClient } from '../ubus/client.ts';
import { openKernel } from './open.ts';
import { exitStatus } from './usage.ts';

/**
 * Resolves when SIGINT or SIGTERM has ended it. SIGHUP has it read its configuration again. `state` is the file for what
 * has to be known after a reboot; `started` is called when learning has begun.
 */
export async function serve(version: string, started: () => void, state?: string): Promise<number> {
  const ended = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  const kernel = openKernel();
  const ubus = new UbusClient(undefined, ({ message }) => write('warn', message));
  const openFile = (path: string) => new FlashFile(path);
  const stateFile = state === undefined ? undefined : openFile(state);
  const daemon = new Daemon({
    version,
    kernel,
    clock: systemClock,
    ubus,
    write,
    started: () => setImmediate(started),
    openFile,
    stateFile,
    hostsFile: new FlashFile(HOSTS_FILE, { draft: HOSTS_DRAFT, mode: 0o644 }),
    setsFile: new FlashFile(SETS_FILE),
    scripts: new SystemScripts(),
    hostname: hostname().split('.')[0]!,
  });
  process.on('SIGHUP', () => void daemon.reload());
  // Who reads the log may go; learning goes on.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  daemon.start();
  await ended;
  daemon.stop();
  return exitStatus.ok;
}

/** procd gives both streams to the system's log: one as daemon.err, the other as daemon.info. */
function write(level: LogLevel, line: string): void {
  if (level === 'error' || level === 'warn') console.error(line);
  else console.log(line);
}
