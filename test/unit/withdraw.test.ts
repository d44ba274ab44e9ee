// SPDX-License-Identifier: GPL-2.0-only

import { constants } from 'node:os';
import { beforeEach, describe, expect, it } from 'vitest';
import { withdrawAll } from '../../src/cli/withdraw.ts';
import { NetlinkError } from '../../src/kernel/netlink-socket.ts';
import { alice, Bench, bob, config, on } from './bench.ts';
import { FakeStateFile } from './fake-state-file.ts';

let bench: Bench;

beforeEach(() => {
  bench = new Bench();
  bench.kernel.addLink('wg1', { addresses: ['2001:db8:1::1/64'] });
  bench.kernel.setPeers('wg1', { [alice]: ['2001:db8:1::a/128'], [bob]: [] });
  bench.start(config(on('wg1')));
  bench.packet('wg1', alice, '2001:db8:1::5');
  bench.packet('wg1', bob, '2001:db8:1::6');
  bench.engine.stop();
});

describe('withdraw', () => {
  it('takes back what was learned, and nothing else', () => {
    withdrawAll(bench.kernel);
    expect(bench.allowed('wg1')).toEqual(['2001:db8:1::a alice']);
    expect(bench.kernel.records()).toEqual([]);
    expect(bench.kernel.hookIsOpen).toBe(false);
  });

  it('has nothing to do without WireGuard', () => {
    bench.kernel.deleteLink('wg1');
    const opened = bench.kernel.hooksOpened;
    withdrawAll(bench.kernel);
    expect(bench.kernel.hooksOpened).toBe(opened);
  });

  it('says what the kernel refuses', () => {
    bench.kernel.failures.remove = 1;
    expect(() => withdrawAll(bench.kernel)).toThrow(
      /wg1: learned addresses could not be withdrawn from the allowed IPs: ENOMEM/,
    );
  });

  it('says that what leads to addresses in a shared prefix stays, though nothing is left in the allowed IPs', () => {
    const { reach } = bench.kernel;
    const wg1 = bench.kernel.links.list().find(({ name }) => name === 'wg1')!.ifindex;
    reach.hostRoutes.add(`${wg1} 2001:db8:a::5`);
    reach.failure = new NetlinkError(constants.errno.EPERM, 'RTM_DELROUTE');
    expect(() => withdrawAll(bench.kernel)).toThrow(
      /wg1: what leads hosts to the addresses of its peers could not be changed: .*RTM_DELROUTE: EPERM/,
    );
    expect(bench.allowed('wg1')).toEqual(['2001:db8:1::a alice']);
    reach.failure = undefined;
    withdrawAll(bench.kernel);
    expect(reach.hostRoutes).toEqual(new Set());
  });

  it('says why it cannot see what was learned', () => {
    bench.kernel.failures.hook = [{ code: 'no-bpf-events', data: {} }];
    expect(() => withdrawAll(bench.kernel)).toThrow(
      'the kernel lets no BPF program trace it – build the kernel with CONFIG_BPF_EVENTS=y',
    );
  });

  it('does not take a damaged state for a reason to fail', () => {
    bench.kernel.deleteLink('wg1');
    const file = new FakeStateFile();
    file.text = 'peer wg1 nonsense\n';
    expect(() => withdrawAll(bench.kernel, file)).not.toThrow();
  });
});
