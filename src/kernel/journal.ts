// SPDX-License-Identifier: GPL-2.0-only
// Where nothing can be pinned: a file in RAM that has what maps have, so that it outlives the process, and goes with a reboot.

import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';

/** Changes to the same maps, above which all is written anew. */
const MOST = 1_000;

const BOOT_ID = '/proc/sys/kernel/random/boot_id';
const WRITABLE_BY_OTHERS = 0o022;

export interface MapEntry {
  /** The map's name, with its layout. */
  readonly map: string;
  readonly key: Buffer;
  readonly value: Buffer;
}

/**
 * A line for each change: what is written may be cut short only at its end. Errors are those of node:fs; its folder is one
 * that root alone may write to.
 */
export class Journal {
  readonly path: string;
  readonly #head = `wg-slaacer ${readFileSync(BOOT_ID, 'utf8')}`;
  /** Lines since all was written. */
  #changes = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** What an earlier process has left since the system was started: nothing, if the file is another's or of another boot. */
  read(): MapEntry[] {
    const found = lstatSync(this.path, { throwIfNoEntry: false });
    if (!found?.isFile() || found.uid !== process.geteuid!() || found.mode & WRITABLE_BY_OTHERS) return [];
    const text = readFileSync(this.path, 'latin1');
    if (!text.startsWith(this.#head)) return [];
    const entries = new Map<string, MapEntry>();
    // After the last line feed stands nothing, or what was being written.
    for (const line of text.slice(this.#head.length).split('\n').slice(0, -1)) {
      const [map, key, value] = line.split(' ') as [string, string, string?];
      if (value === undefined) entries.delete(`${map} ${key}`);
      else
        entries.set(`${map} ${key}`, { map, key: Buffer.from(key, 'hex'), value: Buffer.from(value, 'hex') });
    }
    return [...entries.values()];
  }

  put(entry: MapEntry): void {
    this.#append(lineOf(entry));
  }

  delete(map: string, key: Buffer): void {
    this.#append(`${map} ${key.toString('hex')}\n`);
  }

  /** Whether there are so many changes that the file is better written anew. */
  get isLong(): boolean {
    return this.#changes >= MOST;
  }

  /** All or nothing; without entries there is no file. */
  write(entries: readonly MapEntry[]): void {
    const draft = `${this.path}.new`;
    rmSync(draft, { force: true });
    if (entries.length === 0) rmSync(this.path, { force: true });
    else {
      writeFileSync(draft, this.#head + entries.map(lineOf).join(''), { flag: 'wx', mode: 0o600 });
      renameSync(draft, this.path);
    }
    this.#changes = 0;
  }

  /** Throws ENOENT if there is no file: then all is to be written. */
  #append(line: string): void {
    const file = openSync(this.path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
    try {
      writeSync(file, line);
    } finally {
      closeSync(file);
    }
    this.#changes++;
  }
}

function lineOf({ map, key, value }: MapEntry): string {
  return `${map} ${key.toString('hex')} ${value.toString('hex')}\n`;
}
