// SPDX-License-Identifier: GPL-2.0-only
// What happens to an address when something comes between two steps.

import { describe, expect, it } from 'vitest';
import { alice, Bench, bob, config, on } from './bench.ts';

function world() {
  const bench = new Bench();
  bench.kernel.addLink('wg1', { addresses: ['2001:db8:1::1/64'] });
  bench.kernel.setPeers('wg1', { [alice]: [], [bob]: [] });
  return bench.start(config(on('wg1')));
}
const five = '2001:db8:1::5';
describe('an address', () => {
  it('configured for another peer, as a /128, since its packet was seen', () => {
    const bench = world();
    bench.kernel.receive('wg1', alice, five);
    bench.kernel.allow('wg1', bob, `${five}/128`);
    bench.kernel.flush();
    expect(bench.kernel.owner('wg1', five)).toBe(bob);
  });

  it('configured for another peer, by a wider prefix, since its packet was seen', () => {
    const bench = world();
    bench.kernel.receive('wg1', alice, five);
    bench.kernel.allow('wg1', bob, '2001:db8:1::/64');
    bench.kernel.flush();
    expect(bench.kernel.owner('wg1', five)).toBe(bob);
  });

  it('wiped, and configured for another peer since its next packet was seen', () => {
    const bench = world();
    bench.packet('wg1', alice, five);
    bench.clock.advance(2000);
    bench.kernel.setPeers('wg1', { [alice]: [], [bob]: [] });
    bench.kernel.receive('wg1', alice, five);
    bench.kernel.allow('wg1', bob, `${five}/128`);
    bench.kernel.flush();
    expect(bench.kernel.owner('wg1', five)).toBe(bob);
  });

  it('wiped while WireGuard was being read, before its packet was seen', () => {
    const bench = world();
    bench.packet('wg1', alice, five);
    const { wireguard } = bench.kernel;
    const { dump } = wireguard;
    wireguard.dump = (device) => {
      wireguard.dump = dump;
      const read = dump(device);
      bench.kernel.setPeers('wg1', { [alice]: [], [bob]: [] });
      bench.clock.delay(500);
      bench.kernel.receive('wg1', alice, five);
      bench.clock.delay(500);
      return read;
    };
    bench.clock.advance(25_000);
    bench.kernel.flush();
    expect(bench.kernel.owner('wg1', five)).toBe(alice);
  });

  it('on an interface disabled after a change to a hook that does not work: the old one withdraws it', () => {
    const bench = world();
    bench.packet('wg1', alice, five);
    bench.kernel.failures.hook = [{ code: 'no-btf', data: {} }];
    bench.engine.configure({ ...config(on('wg1')), hook: 'kprobe' });
    bench.engine.configure({ ...config(), hook: 'kprobe' });
    bench.clock.advance(60000);
    expect(bench.allowed('wg1')).toEqual([]);
  });

  it('unused for its lifetime after a change to a hook that does not work: the old one goes on', () => {
    const bench = world();
    bench.packet('wg1', alice, five);
    bench.kernel.failures.hook = [{ code: 'no-btf', data: {} }];
    bench.engine.configure({ ...config(on('wg1')), hook: 'kprobe' });
    bench.clock.advance(25 * 3600_000);
    expect(bench.allowed('wg1')).toEqual([]);
  });

  it('to be compared with a dump that fails: that ends nothing, and is tried again', () => {
    const bench = world();
    bench.packet('wg1', alice, five);
    const dump = bench.kernel.wireguard.dump;
    let fails = true;
    (bench.kernel.wireguard as { dump: typeof dump }).dump = (d) => {
      if (fails) throw new Error('ENOBUFS');
      return dump(d);
    };
    expect(() => bench.clock.advance(30000)).not.toThrow();
    fails = false;
    expect(bench.clock.pending().length).toBe(1);
  });

  it('evicted and used again within a second: that costs a token like the first time', () => {
    const bench = new Bench();
    bench.kernel.addLink('wg1', { addresses: ['2001:db8:1::1/64'] });
    bench.kernel.setPeers('wg1', { [alice]: [] });
    bench.start(config(on('wg1', { rate: 1, burst: 2, maxAddresses: 1 })));
    for (let i = 0; i < 50; i++) bench.packet('wg1', alice, i % 2 ? five : '2001:db8:1::6');
    expect(bench.kernel.added.length).toBe(2);
  });
});
