// SPDX-License-Identifier: GPL-2.0-only
// A small file, on flash for instance, which after a power cut is either what it was or what it was to be.

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { StateFile } from './ports.ts';

/** What ten thousand peers take, in bytes; of a larger file, which is none of ours, the rest is not read. */
const MOST = 2 ** 20;

/** Errors are those of node:fs. */
export class FlashFile implements StateFile {
  readonly path: string;
  readonly #draft: string;
  readonly #mode: number;

  /** `draft` is where it is written first, in the same folder. */
  constructor(path: string, { draft = `${path}.new`, mode = 0o600 } = {}) {
    this.path = path;
    this.#draft = draft;
    this.#mode = mode;
  }

  read(): string {
    const size = this.#size();
    if (!size) return '';
    const file = openSync(this.path, 'r');
    try {
      const bytes = Buffer.alloc(Math.min(size, MOST));
      return bytes.toString('utf8', 0, readSync(file, bytes));
    } finally {
      closeSync(file);
    }
  }

  write(text: string): void {
    const exists = this.#size() !== undefined;
    if (text !== '') this.#replace(text);
    else if (exists) rmSync(this.path);
  }

  #replace(text: string): void {
    const folder = dirname(this.path);
    const draft = this.#draft;
    mkdirSync(folder, { recursive: true });
    rmSync(draft, { force: true }); // whatever a power cut has left
    try {
      // Only if it does not exist: never through a link.
      writeFileSync(draft, text, { flag: 'wx', mode: this.#mode, flush: true });
      renameSync(draft, this.path);
    } catch (error) {
      rmSync(draft, { force: true });
      throw error;
    }
    const opened = openSync(folder, 'r');
    try {
      fsyncSync(opened);
    } finally {
      closeSync(opened);
    }
  }

  /** In bytes; undefined if there is none. Throws if it is anything but a file: no folder or device is to be replaced. */
  #size(): number | undefined {
    const found = this.#stat();
    if (found && !found.isFile())
      throw Object.assign(new Error(`EEXIST: not a file, ${this.path}`), { code: 'EEXIST' });
    return found?.size;
  }

  /** Not by throwIfNoEntry: since Node 24 that is silent about a path through a file, too. */
  #stat(): Stats | undefined {
    try {
      return statSync(this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}
