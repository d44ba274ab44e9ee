// SPDX-License-Identifier: GPL-2.0-only
// Vitest runs this before each test file: when a test fails, it shows what the guests said since it began.

import { beforeEach } from 'vitest';
import { guests } from './guest.ts';

const MOST_LINES = 40;

beforeEach(({ onTestFailed }) => {
  const before = new Map([...guests].map((guest) => [guest, guest.log.length]));
  const lines = new Map(
    [...guests].flatMap(({ processes }) => processes.map((each) => [each, each.lines.length])),
  );
  onTestFailed(() => {
    for (const guest of guests) {
      show(`console of ${guest.release}`, guest.log.slice(before.get(guest) ?? 0).split('\n'));
      for (const process of guest.processes)
        show(process.command, process.lines.slice(lines.get(process) ?? 0));
    }
  });
});

function show(title: string, lines: string[]): void {
  if (lines.join('') !== '') console.log(`── ${title}\n${lines.slice(-MOST_LINES).join('\n')}`);
}
