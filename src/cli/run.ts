// SPDX-License-Identifier: GPL-2.0-only
// The service; or, with --interface, the engine alone in the foreground, on any Linux, without ubus and UCI.

import { writeSync } from 'node:fs';
import { systemClock } from '../clock.ts';
import { Engine } from '../engine/engine.ts';
import type { EngineEvent } from '../engine/events.ts';
import { unmet } from '../kernel/requirements.ts';
import { FlashFile } from '../kernel/state-file.ts';
import type { Problem } from '../problem.ts';
import { describeEvent } from '../words/describe.ts';
import { describeProblem, inOneLine, withWords } from '../words/problems.ts';
import { parseRunArguments, type RunArguments } from './arguments.ts';
import { openKernel } from './open.ts';
import { watchOutput } from './output.ts';
import { serve } from './serve.ts';
import { exitStatus, UserError } from './usage.ts';

/** `started` is called when the start is over. */
export function run(args: string[], version: string, started: () => void): Promise<number> {
  const parsed = parseRunArguments(args);
  return parsed.interfaces.length > 0
    ? runAlone(parsed, version, started)
    : serve(version, started, parsed.state);
}

/** Resolves when a signal, or the end of who reads its output, has ended it. */
async function runAlone(
  { interfaces, global, settings, json, state }: RunArguments,
  version: string,
  started: () => void,
): Promise<number> {
  const printLine = linePrinter();
  const lineOf = (event: EngineEvent) =>
    json
      ? JSON.stringify('data' in event ? withWords(event) : event)
      : `${clockTime(event.time)} ${describeEvent(event)}`;
  const early: EngineEvent[] = []; // "ready" is told first
  let tell = (event: EngineEvent): unknown => early.push(event);

  const kernel = openKernel();
  const signalled = whenSignalled();
  const stateFile = state === undefined ? undefined : new FlashFile(state);
  const engine = new Engine(kernel, systemClock, (event) => tell(event), stateFile);
  try {
    engine.start({
      hook: global.hook,
      interfaces: interfaces.map((name) => ({ name, device: name, settings })),
    });
    refuseHopeless(engine);
    const time = systemClock.wall() / 1000;
    const ready = lineOf({ event: 'ready', time, hook: engine.view.hook, version });
    const isTold = printAtOnce(ready);
    await new Promise(setImmediate); // what has come meanwhile goes before what takes long now
    const unread = whenOutputFails();
    started();
    if (!isTold) printLine(ready);
    tell = (event) => printLine(lineOf(event));
    early.forEach(tell);
    await Promise.race([signalled, unread]);
    return exitStatus.ok;
  } finally {
    engine.stop();
    kernel.close();
  }
}

/** Whether it could: standard output as a stream, for which Node loads much, tells why not. */
function printAtOnce(line: string): boolean {
  try {
    return writeSync(1, `${line}\n`) > 0;
  } catch {
    return false;
  }
}

/**
 * Prints what comes in one turn of the event loop at once: to write a line takes longer than to make it. Not by
 * console.log(), for which Node loads much that is not needed here.
 */
function linePrinter(): (line: string) => void {
  const lines: string[] = [];
  return (line) => {
    if (lines.length === 0) queueMicrotask(() => process.stdout.write(lines.splice(0).join('')));
    lines.push(`${line}\n`);
  };
}

/** The service would wait for what is missing here; whoever types a command wants to know at once. Throws UserError. */
export function refuseHopeless(engine: Engine): void {
  const missing = engine.view
    .problems()
    .filter(({ code }) => code === 'no-interface' || code === 'not-wireguard');
  if (missing.length > 0) {
    const noModule = unmet('kprobe').find(({ code }) => code === 'no-module');
    throw new UserError(
      [
        ...missing.map((problem) => describeProblem(problem).message),
        ...inWords(noModule ? [noModule] : []),
      ].join('; '),
    );
  }
  if (engine.view.hook === 'none')
    throw new UserError(`cannot see new addresses: ${inWords(engine.view.hookProblems()).join('; ')}`);
}

function inWords(problems: readonly Problem[]): string[] {
  return problems.map((problem) => inOneLine(describeProblem(problem)));
}

/** By a signal, or the end of who reads standard output. */
export function whenToldToEnd(): Promise<void> {
  return Promise.race([whenSignalled(), whenOutputFails()]);
}

function whenSignalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}

function whenOutputFails(): Promise<void> {
  watchOutput();
  return new Promise((resolve) => {
    process.stdout.on('error', () => resolve());
  });
}

/** Local time of day. */
export function clockTime(seconds: number): string {
  return new Date(seconds * 1000).toTimeString().slice(0, 8);
}
