// SPDX-License-Identifier: GPL-2.0-only

import type { StateFile } from '../../src/kernel/ports.ts';

/** A file on flash without flash. */
export class FakeStateFile implements StateFile {
  readonly path: string;
  text = '';
  /** How often it was written. */
  writes = 0;
  /** The errno with which reading, or writing, is to fail. */
  readonly failures: { read?: string; write?: string } = {};

  constructor(path = '/etc/wg-slaacer/state') {
    this.path = path;
  }

  read(): string {
    fail(this.failures.read);
    return this.text;
  }

  write(text: string): void {
    fail(this.failures.write);
    this.text = text;
    this.writes++;
  }
}

function fail(code: string | undefined): void {
  if (code !== undefined) throw Object.assign(new Error(`${code}: state`), { code });
}
