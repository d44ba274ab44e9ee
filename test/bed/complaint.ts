// SPDX-License-Identifier: GPL-2.0-only

import { expect } from 'vitest';
import type { Guest } from './guest.ts';

/** What one line on standard error says; anything more fails. */
export async function complaint(guest: Guest, command: string): Promise<{ code: number; line: string }> {
  const { code, stdout, stderr } = await guest.run(command, { check: false, timeout: 30_000 });
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^wg-slaacer: [^\n]+\n$/);
  return { code, line: stderr.trim() };
}
