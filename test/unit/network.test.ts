// SPDX-License-Identifier: GPL-2.0-only

import { expect, it } from 'vitest';
import { advertisersOf, readNetwork, searchOf } from '../../src/service/network.ts';
import { type Ubus, UbusError, type UbusTable, ubusStatus } from '../../src/ubus/types.ts';

const section = (options: UbusTable) => ({ '.type': 'dhcp', ...options });

const dhcp = {
  lan: section({ interface: 'lan', ra: 'server' }),
  wg1: section({ ra: 'hybrid', dhcpv6: 'server' }),
  cfg05: section({ interface: 'wg2', ra: 'relay' }),
  wg3: section({ interface: 'wg3', ra: 'disabled' }),
  wg4: section({ interface: 'wg4', ra: 'server', ignore: '1' }),
  wg5: section({ interface: 'wg5', dhcpv6: 'server' }),
};

const dump = {
  interface: [
    { interface: 'wan', up: true, 'dns-search': ['isp.example', 'lan'] },
    { interface: 'lan', up: true, 'dns-search': ['lan', 7] },
    { interface: 'wan6', up: false, 'dns-search': ['away.example'] },
    { interface: 'loopback', up: true },
    'odd',
  ],
};

/** What ubus answers to each call; a number is a status. */
function ubusOf(answers: Record<string, UbusTable | number>): Ubus {
  return {
    call: async (object: string, method: string) => {
      const answer = answers[`${object} ${method}`] ?? ubusStatus.notFound;
      if (typeof answer === 'number') throw new UbusError(answer, 'no');
      return answer;
    },
  } as unknown as Ubus;
}

it('finds where odhcpd is configured to answer solicitations', () => {
  expect([...advertisersOf(dhcp)]).toEqual([
    ['lan', "odhcpd (dhcp.lan.ra is 'server')"],
    ['wg1', "odhcpd (dhcp.wg1.ra is 'hybrid')"],
    ['wg2', "odhcpd (dhcp.cfg05.ra is 'relay')"],
  ]);
});

it('finds the search domains of interfaces that are up, each once', () => {
  expect(searchOf(dump)).toEqual(['isp.example', 'lan']);
  for (const odd of [{}, { interface: 'x' }, { interface: [{ up: true, 'dns-search': 'lan' }] }])
    expect(searchOf(odd)).toEqual([]);
});

it('reads both', async () => {
  const network = await readNetwork(ubusOf({ 'uci get': { values: dhcp }, 'network.interface dump': dump }));
  expect(network.advertisers.get('wg1')).toContain('odhcpd');
  expect(network.search).toEqual(['isp.example', 'lan']);
});

it('takes what is not installed for nothing, and nothing else', async () => {
  expect(await readNetwork(ubusOf({}))).toEqual({ advertisers: new Map(), search: [] });
  await expect(readNetwork(ubusOf({ 'uci get': ubusStatus.timeout }))).rejects.toThrow(UbusError);
  await expect(readNetwork(ubusOf({ 'network.interface dump': ubusStatus.timeout }))).rejects.toThrow(
    UbusError,
  );
});
