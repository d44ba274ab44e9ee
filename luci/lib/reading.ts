// SPDX-License-Identifier: GPL-2.0-only
// Everything the status page shows, as it was read at one time.

import type { DeniedAddress, LearnedAddress, StatusAnswer } from '../../src/answers.ts';
import { isEnabled, isRunning, service } from './service.ts';

export type Reading =
  | {
      readonly state: 'running';
      readonly status: StatusAnswer;
      readonly addresses: readonly LearnedAddress[];
      /** How many more there are than an answer can hold. */
      readonly omitted: number;
      readonly denied: readonly DeniedAddress[];
    }
  | Obstacle;

/** `starting`: procd runs it, but it does not answer on ubus. `idle`: there is nothing to run it for. */
export type Obstacle =
  | { readonly state: 'stopped' | 'starting' | 'idle' }
  | { readonly state: 'failed'; readonly message: string };

export async function read(): Promise<Reading> {
  try {
    const [status, { addresses, omitted = 0 }, { denied }] = await Promise.all([
      service.status(),
      service.addresses(),
      service.denied(),
    ]);
    return { state: 'running', status, addresses, omitted, denied };
  } catch (error) {
    return obstacle(error);
  }
}

/** Why a call of the service has failed. */
export async function obstacle(error: unknown): Promise<Obstacle> {
  const message = errorText(error);
  try {
    // Its object is missing whether it was stopped, or is not ready.
    if (!message.includes('-32000')) return { state: 'failed', message };
    if (await isRunning()) return { state: 'starting' };
    return { state: (await isEnabled()) ? 'stopped' : 'idle' };
  } catch {
    return { state: 'failed', message };
  }
}

/** LuCI's errors carry a stack trace behind their first line. */
export function errorText(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
