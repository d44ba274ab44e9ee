// SPDX-License-Identifier: GPL-2.0-only
// The program that is started: runs main.js with the code that V8 has made of its text at an earlier start since the system
// was booted. To make that anew is a quarter of what a start takes.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Of main.js, by scripts/build.ts. */
declare const HASH: string;
/** The file with that code, by scripts/build.ts: it goes with a reboot, and in a folder where only root may make files. */
declare const KEPT: string;

/** Of what the code was made, and by what: V8 itself compares no more than the length of the text, and its own version. */
const key = `${HASH} ${process.version} `;

/** What was kept of this very main.js. */
function read(): Buffer | undefined {
  try {
    const kept = readFileSync(KEPT);
    return kept.toString('latin1', 0, key.length) === key ? kept.subarray(key.length) : undefined;
  } catch {
    return undefined;
  }
}

/** If that fails, the next start takes its time. */
function keep(): void {
  const draft = `${KEPT}.new`;
  try {
    // V8 takes no code that was made with other flags than it has now. Some have been changed since, by started().
    setFlags(process.env.WG_SLAACER_EARLY_V8_FLAGS ?? '');
    writeFileSync(draft, Buffer.concat([Buffer.from(key), script.createCachedData()]), { mode: 0o600 });
    renameSync(draft, KEPT);
  } catch {
    rmSync(draft, { force: true });
  }
}

/** Those of V8. */
function setFlags(flags: string): void {
  const { setFlagsFromString } = process.getBuiltinModule('node:v8'); // not imported: that takes long
  setFlagsFromString(flags);
}

/**
 * To be called by the service when its start is over, for which it has called all that it takes, and when what is needed of
 * Node's own modules is loaded. Sets the flags of V8 that usr/sbin/wg-slaacer, which says why, has for the time after it.
 */
function started(): void {
  // Not before the end, as it takes memory.
  if (script.cachedDataRejected !== false) process.once('exit', keep);
  setFlags(process.env.WG_SLAACER_LATE_V8_FLAGS ?? '');
}

/**
 * The addon. It gives V8 its own flags back, and so comes before anything of Node's that is not there yet. If it cannot be
 * loaded, who needs it tells why.
 */
const addon: { exports?: unknown } = { exports: {} };
try {
  process.dlopen(addon, join(__dirname, 'wg_slaacer.node'));
} catch {
  addon.exports = undefined;
}

const { Script } = require('node:vm') as typeof import('node:vm');
const filename = join(__dirname, 'main.js');
const cachedData = read();
const script = new Script(readFileSync(filename, 'latin1'), { filename, ...(cachedData && { cachedData }) });
script.runInThisContext()(require, started, addon.exports);
