// SPDX-License-Identifier: GPL-2.0-only

/**
 * Lets V8 note what a function meets (type feedback) from its first call on, not from about its eighth: what learns an
 * address runs seldom, and takes half the CPU so. To be called when what is needed of Node's own modules is loaded: it
 * does not take their compiled code after that, nor at all if the flag is on the command line, which costs a tenth of the
 * start.
 */
export function noteFromFirstCall(): void {
  process.getBuiltinModule('node:v8').setFlagsFromString('--no-lazy-feedback-allocation');
}
