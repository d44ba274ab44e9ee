// SPDX-License-Identifier: GPL-2.0-only
// What it is for: a client that chooses its addresses by itself, from our advertisements.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guestFor, ways } from '../../bed/bed.ts';
import { Daemon } from '../../bed/daemon.ts';
import { Lab } from '../../bed/lab.ts';
import { holdLoan } from '../../bed/ways.ts';

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

describe.each(ways)('by %s', (hook) => {
  let lab: Lab;
  let daemon: Daemon;

  beforeAll(async () => {
    lab = await Lab.create(await guestFor(hook), { clients: ['laptop'] });
    daemon = await Daemon.start(lab.router, { hook, set: { ra: 1 } });
  });

  afterAll(async () => {
    await daemon?.stop();
    await lab?.destroy();
  });

  const ofBorrower = hook === 'lending' ? ' of the borrower' : '';
  const solicitation = hook === 'lending' ? 'a solicitation' : 'the first solicitation';

  test(`${solicitation} is answered: a client has a stable and a temporary address, both learned`, async () => {
    const laptop = lab.client('laptop');
    const milliseconds = await laptop.slaac('fe80::a');
    console.log(`${hook}: a SLAAC address after ${milliseconds} ms`);
    const { stdout } = await laptop.run('grep Icmp6OutRouterSolicits /proc/net/dev_snmp6/wg0');
    const solicitations = Number(stdout.split(/\s+/)[1]); // one every 4 s
    if (hook === 'lending') expect(solicitations).toBeLessThanOrEqual(3);
    else expect(solicitations).toBe(1);

    const addresses = await laptop.addresses();
    expect(addresses).toHaveLength(2);
    for (const address of addresses) await laptop.ping({ from: address, count: 2 });
    const learned = (await lab.allowedIps()).laptop;
    expect(learned).toEqual([...addresses, 'fe80::a'].map((address) => `${address}/128`).sort());
  });

  test(`five fresh addresses${ofBorrower} lose none of 15 echo requests`, async () => {
    const laptop = lab.client('laptop');
    await holdLoan(lab, daemon, laptop, '2001:db8:1::b:0');
    let received = 0;
    for (const n of [1, 2, 3, 4, 5]) {
      const address = `2001:db8:1::b:${n}`;
      await laptop.addAddress(address);
      received += (await laptop.ping({ from: address, count: 3, interval: 0.2 })).received;
    }
    console.log(`${hook}: ${received} of 15 echo requests from fresh addresses answered`);
    expect(received).toBe(15);
  });

  test(`TCP connections from fresh addresses${ofBorrower} need no retransmission`, async () => {
    const laptop = lab.client('laptop');
    await holdLoan(lab, daemon, laptop, '2001:db8:1::c:0');
    const times: number[] = [];
    for (const n of [1, 2, 3, 4, 5]) {
      const address = `2001:db8:1::c:${n}`;
      await laptop.addAddress(address);
      times.push(await laptop.connect({ from: address }));
    }
    const shown = times.map((time) => Math.round(time)).join(', ');
    console.log(
      `${hook}: connections from fresh addresses took ${shown} ms, median ${Math.round(median(times))} ms`,
    );
    const { stdout } = await laptop.run('nstat -asz TcpRetransSegs');
    expect(stdout).toMatch(/TcpRetransSegs\s+0\s/);
  });
});
