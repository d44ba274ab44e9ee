// SPDX-License-Identifier: GPL-2.0-only
// The program that is started: runs main.js with the code that V8 has made of its text at an earlier start since the system
// was booted. To make that anew is a fifth of what a start takes.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';

/** Of main.js, by scripts/build.ts: V8 itself compares no more of a text than its length. */
declare const HASH: string;
/** The file with that code, by scripts/build.ts: it goes with a reboot, and in a folder where only root may make files. */
declare const KEPT: string;

/** What was kept of this very main.js. */
function read(): Buffer | undefined {
  try {
    const kept = readFileSync(KEPT);
    return kept.toString('latin1', 0, HASH.length) === HASH ? kept.subarray(HASH.length) : undefined;
  } catch {
    return undefined;
  }
}

/** If that fails, the next start takes its time. */
function keep(script: Script): void {
  const { setFlagsFromString } = process.getBuiltinModule('node:v8'); // not imported: that takes long
  const draft = `${KEPT}.new`;
  const late = process.env.WG_SLAACER_LATE_V8_FLAGS;
  try {
    // V8 takes no code that was made with other flags than it is started with. Some were changed later (src/cli/late-flags.ts),
    // and Node forgets the sizes when it loads an addon.
    const early = process.execArgv.filter((flag) => !flag.startsWith('--v8-pool-size')); // which is Node's own
    if (late) early.push(late.replace(/^--no-/, '--'));
    if (early.length > 0) setFlagsFromString(early.join(' '));
    const code = script.createCachedData();
    writeFileSync(draft, Buffer.concat([Buffer.from(HASH), code]));
    renameSync(draft, KEPT);
  } catch {
    rmSync(draft, { force: true });
  }
}

/** Main.js as a function, by which it gets what it loads Node's modules with. The kept code is garbage then. */
function compile(file: string): Script {
  const head = '(function (require) {';
  const cachedData = read();
  return new Script(`${head}${readFileSync(file, 'latin1')}\n})`, {
    filename: file,
    columnOffset: -head.length, // stack traces are those of the file
    ...(cachedData && { cachedData }),
  });
}

const script = compile(join(__dirname, 'main.js'));
// Commands end too soon to have called much. Not before the end, as it takes memory.
if (script.cachedDataRejected !== false && process.argv[2] === 'run')
  process.once('exit', () => keep(script));
script.runInThisContext()(require);
