// SPDX-License-Identifier: GPL-2.0-only
// Runs programs in the guest for guest.ts, which talks to it over a virtio-serial port: one JSON object a line. Plain
// JavaScript, since the guest's Node runs it as it is.

import { spawn } from 'node:child_process';
import { createReadStream, createWriteStream, openSync, readdirSync } from 'node:fs';
import { constants, release } from 'node:os';
import { createInterface } from 'node:readline';

/**
 * From the host. `start` runs a program (argv), `input` is Base64 for its standard input and null ends that, `kill`
 * signals its whole process group.
 * @typedef {{ id: number, start?: string[], input?: string | null, kill?: NodeJS.Signals }} Request
 */
/**
 * To the host. Output is Base64; `exit` comes last, as in a shell 128 + n if signal n ended the program.
 * @typedef {{ id: number, stdout?: string, stderr?: string, exit?: number } | { release: string }} Report
 */

/** @type {Map<number, import('node:child_process').ChildProcessWithoutNullStreams>} */
const children = new Map();
const port = readdirSync('/sys/class/virtio-ports').find((name) => name.endsWith('p1'));
// The kernel lets a port be opened only once.
const fd = openSync(`/dev/${port}`, 'r+');
const out = createWriteStream('', { fd });

/** @param {Report} report */
function send(report) {
  out.write(`${JSON.stringify(report)}\n`);
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

send({ release: release() });
for await (const line of createInterface({ input: createReadStream('', { fd }) })) {
  /** @type {Request} */
  const request = JSON.parse(line);
  const child = children.get(request.id);
  if (request.start) start(request.id, request.start);
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
