// SPDX-License-Identifier: GPL-2.0-only
// The stand-in for uhttpd answers a browser as the real one was recorded to.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UbusError, type UbusTable } from '../../src/ubus/types.ts';
import { Web } from './uhttpd.ts';

interface Call {
  readonly params: readonly [session: string, object: string, method: string, args: UbusTable];
}
type Answer =
  | { readonly result: [number, UbusTable?] }
  | { readonly error: { code: number; message: string } };
interface Exchange {
  readonly path: string;
  readonly request: Call | readonly Call[];
  readonly response: Answer | readonly Answer[];
}

const file = new URL('recorded/page-load-poll-save-apply.json', import.meta.url);
const recorded = (JSON.parse(readFileSync(file, 'utf8')) as Exchange[]).filter(
  ({ path }) => path === '/ubus/',
);
const listOf = <Item>(one: Item | readonly Item[]) => [one].flat() as Item[];

/** What ubus and the access list answered to the calls of the exchange that is played, one after the other. */
let answers: Answer[] = [];

const bus = {
  has: () => true,
  async call(): Promise<UbusTable> {
    const { result } = answers.shift() as { result: [number, UbusTable?] };
    if (result[0] !== 0) throw new UbusError(result[0], 'as recorded');
    return result[1] ?? {};
  },
};
const acl = {
  allows() {
    if (!('error' in answers[0]!)) return true;
    answers.shift();
    return false;
  },
};

let web: Web;
beforeAll(async () => {
  web = new Web(bus, acl, { file: () => undefined, page: () => '' });
  await web.listen();
});
afterAll(() => web.close());

test.each(recorded.map((exchange, n) => [n + 1, exchange] as const))(
  'answers request %i of the recording in the same form',
  async (_, { request, response }) => {
    answers = listOf(response);
    const url = new URL('/ubus/', web.url('status', ''));
    const answered = await fetch(url, { method: 'POST', body: JSON.stringify(request) });
    expect(await answered.json()).toEqual(response);
    expect(answers).toEqual([]);
  },
);
