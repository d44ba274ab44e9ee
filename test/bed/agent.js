// SPDX-License-Identifier: GPL-2.0-only
// Runs programs in the guest for guest.ts, which talks to it over a virtio-serial port: one JSON object a line. Plain
// JavaScript, since the guest's Node runs it as it is.

import { spawn } from 'node:child_process';
import { createReadStream, openSync, readdirSync, writeSync } from 'node:fs';
import { constants, release } from 'node:os';
import { createInterface } from 'node:readline';

/**
 * From the host. `start` runs a program (argv), `input` is Base64 for its standard input and null ends that, `kill`
 * signals its whole process group. `wait` asks for a report in so many milliseconds, or, with null, no longer for it.
 * @typedef {{ id: number, start?: string[], input?: string | null, kill?: NodeJS.Signals, wait?: number | null }} Request
 */
/**
 * To the host. `now` is the guest's date in milliseconds. Output is Base64; `exit` comes last, as in a shell 128 + n if
 * signal n ended the program.
 * @typedef {{ id: number, now: number, stdout?: string, stderr?: string, exit?: number, waited?: true }} Report
 */

/** Where guest-init has opened /dev/port, and the I/O port of pvpanic in it: a write of 1 stops the machine at once. */
const PORTS = 9;
const PVPANIC = 0x505;
const stops = process.env.bed_files === 'memory';

/**
 * Nanoseconds. When the machine goes on, what the host has asked for meanwhile arrives a little sooner or later. By then
 * it is all there, and nothing of it is carried out before.
 */
const ARRIVAL = 3_000_000n;
const never = new Int32Array(new SharedArrayBuffer(4));

/** @type {Map<number, import('node:child_process').ChildProcessWithoutNullStreams>} */
const children = new Map();
/** @type {Map<number, NodeJS.Timeout>} */
const timers = new Map();
const port = readdirSync('/sys/class/virtio-ports').find((name) => name.endsWith('p1'));
// The kernel lets a port be opened only once.
const fd = openSync(`/dev/${port}`, 'r+');
let stopping = false;

/** @param {object} report */
function send(report) {
  const line = Buffer.from(`${JSON.stringify({ ...report, now: Date.now() })}\n`);
  for (let sent = 0; sent < line.length; ) sent += writeSync(fd, line, sent);
  if (!stops || stopping) return;
  // Whoever has reported something waits for what the host makes of it, and no time passes meanwhile.
  stopping = true;
  setImmediate(() => {
    stopping = false;
    const then = process.hrtime.bigint() + ARRIVAL;
    writeSync(PORTS, Buffer.of(1), 0, 1, PVPANIC);
    Atomics.wait(never, 0, 0, Number(then - process.hrtime.bigint()) / 1e6);
  });
}

/**
 * @param {number} id
 * @param {string[]} argv
 */
function start(id, [program = '', ...args]) {
  const child = spawn(program, args, { detached: true, cwd: '/' });
  children.set(id, child);
  child.stdout.on('data', (data) => send({ id, stdout: data.toString('base64') }));
  child.stderr.on('data', (data) => send({ id, stderr: data.toString('base64') }));
  // A program need not read its input.
  child.stdin.on('error', () => {});
  child.on('error', (error) => send({ id, stderr: Buffer.from(`${error.message}\n`).toString('base64') }));
  child.on('close', (code, signal) => {
    children.delete(id);
    send({ id, exit: signal ? 128 + constants.signals[signal] : code === null || code < 0 ? 127 : code });
  });
}

/**
 * @param {number} id
 * @param {number | null} milliseconds
 */
function wait(id, milliseconds) {
  clearTimeout(timers.get(id));
  timers.delete(id);
  if (milliseconds === null) return;
  const report = () => {
    timers.delete(id);
    send({ id, waited: true });
  };
  timers.set(id, setTimeout(report, milliseconds));
}

send({ id: 0, release: release() });
for await (const line of createInterface({ input: createReadStream('', { fd }) })) {
  /** @type {Request} */
  const request = JSON.parse(line);
  const child = children.get(request.id);
  if (request.start) start(request.id, request.start);
  else if (request.wait !== undefined) wait(request.id, request.wait);
  else if (request.input === null) child?.stdin.end();
  else if (request.input !== undefined) child?.stdin.write(request.input, 'base64');
  else if (request.kill && child?.pid) {
    try {
      process.kill(-child.pid, request.kill);
    } catch {
      // It has just ended.
    }
  }
}
// The host has hung up.
process.exit();
