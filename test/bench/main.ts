// SPDX-License-Identifier: GPL-2.0-only
// npm run bench: measures, prints a table, and writes what programs can read.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { Guest } from '../bed/guest.ts';
import type { BootOptions } from '../bed/machine.ts';
import { buildFloor, type Learner, learners, rival } from './learners.ts';
import type { Measurement, Values } from './measurement.ts';
import { measurements } from './measurements.ts';
import { buildPackets } from './packets.ts';
import { plot } from './plot.ts';
import { type Report, resultsOf } from './report.ts';
import { resultLines } from './table.ts';

const { values: options } = parseArgs({
  options: {
    kernel: { type: 'string', default: '6.12' },
    only: { type: 'string', multiple: true, default: measurements.map(({ name }) => name) },
    learner: { type: 'string', multiple: true },
    rival: { type: 'string' },
    json: { type: 'string', default: 'build/bench.json' },
    plot: { type: 'string' },
  },
});

const all = [...learners, ...(options.rival ? [rival(options.rival)] : [])];
const wanted = named(measurements, options.only);
const compared = options.learner ? named(all, options.learner) : all;

function named<Item extends { readonly name: string }>(
  items: readonly Item[],
  names: readonly string[],
): Item[] {
  const unknown = names.find((name) => !items.some((item) => item.name === name));
  if (unknown === undefined) return items.filter(({ name }) => names.includes(name));
  console.error(`there is no "${unknown}"; there are ${items.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

const started = Date.now();

function progress(text: string): void {
  const seconds = Math.round((Date.now() - started) / 1000);
  console.error(`${String(seconds).padStart(5)} s  ${text}`);
}

/** The guest that is running, and what it was booted for. */
let open: { readonly kind: string; readonly guest: Guest } | undefined;

interface Run {
  readonly measurement: Measurement;
  readonly learner: Learner;
}

function bootOptions({ measurement, learner }: Run): BootOptions {
  return {
    kernel: measurement.kernel ?? options.kernel,
    time: measurement.counting ? 'instructions' : 'host',
    locked: learner.locked,
  };
}

function kindOf(run: Run): string {
  return JSON.stringify(bootOptions(run));
}

/** One at a time, as they would disturb each other. */
async function guestFor(run: Run): Promise<Guest> {
  const kind = kindOf(run);
  if (open?.kind === kind && !run.measurement.fresh) return open.guest;
  await close();
  const guest = await Guest.boot(bootOptions(run));
  open = { kind, guest };
  return guest;
}

async function close(): Promise<void> {
  await open?.guest.stop();
  open = undefined;
}

buildFloor();
buildPackets();
const measured = new Map(compared.map(({ name }) => [name, {} as Values]));
const failures: string[] = [];
// As few boots as possible: those that need the same guest come one after the other.
const runs = wanted.flatMap((measurement) =>
  compared.filter(measurement.suits).map((learner) => ({ measurement, learner })),
);
const kinds = [...new Set(runs.map(kindOf))];
const inOrder = runs.toSorted((a, b) => kinds.indexOf(kindOf(a)) - kinds.indexOf(kindOf(b)));
for (const { measurement, learner } of inOrder) {
  progress(`${measurement.name}: ${learner.name}`);
  try {
    const values = await measurement.measure(await guestFor({ measurement, learner }), learner);
    measured.set(learner.name, { ...measured.get(learner.name), ...values });
    writeReport(); // there may be no end
  } catch (error) {
    failures.push(`${measurement.name} of ${learner.name}: ${(error as Error).message}`);
    progress('failed');
    await close(); // who knows what it left behind
  }
}
await close();

const report = writeReport();
for (const line of resultLines(report.results)) console.log(line);
if (options.plot) write(options.plot, plot(report));
for (const failure of failures) console.error(`failed: ${failure}`);
progress('done');
process.exitCode = failures.length > 0 ? 1 : 0;

function writeReport(): Report {
  const figures = wanted.flatMap((measurement) => measurement.figures);
  const report = {
    kernel: options.kernel,
    date: new Date().toISOString(),
    results: resultsOf(figures, measured),
  };
  write(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  return report;
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
