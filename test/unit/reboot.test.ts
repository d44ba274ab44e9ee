// SPDX-License-Identifier: GPL-2.0-only
// Across reboots: of the kernel's memory nothing is left, and what is on flash is all that is known.

import { beforeEach, describe, expect, it } from 'vitest';
import { withdrawAll } from '../../src/cli/withdraw.ts';
import type { EngineConfig } from '../../src/engine/config.ts';
import { alice, Bench, bob, config, on, prefixes } from './bench.ts';
import { FakeStateFile } from './fake-state-file.ts';

const MINUTE = 60_000;
const A = '2001:db8:a::1/64';
const B = '2001:db8:b::1/64';
const LINK_LOCAL = 'fe80::1/64';

let bench: Bench;
let file: FakeStateFile;
let wanted: EngineConfig;

function addLink(addresses: readonly string[]): void {
  bench.kernel.addLink('wg1', { addresses: [...addresses, LINK_LOCAL] });
  bench.kernel.setPeers('wg1', { [alice]: [], [bob]: [] });
}

/** … of the system; what the link has then. */
function reboot(...addresses: string[]): void {
  bench.kernel.reboot();
  addLink(addresses);
  bench.takeEvents();
  bench.kernel.routing.sent.length = 0;
  bench.start(wanted);
}

beforeEach(() => {
  bench = new Bench();
  file = bench.stateFile = new FakeStateFile();
  wanted = config(on('wg1', { ra: '1', lifetime: 60 * MINUTE }));
  addLink([A]);
  bench.start(wanted);
  bench.packet('wg1', alice, 'fe80::a');
  bench.packet('wg1', alice, '2001:db8:a::a');
  bench.clock.advance(MINUTE + 1_000);
});

const codes = () => bench.engine.view.problems().map(({ code }) => code);

/** What was sent since the last call: receiver, router lifetime, and prefixes with their preferred lifetimes. */
function sent(): string[] {
  return bench.kernel.routing.sent.splice(0).map(({ to, message }) => {
    const shown = [`${to}: router ${message.readUInt16BE(6)}`];
    for (let at = 16; at < message.length; at += 8 * message[at + 1]!)
      if (message[at] === 3) shown.push(`${message[at + 21]!.toString(16)} ${message.readUInt32BE(at + 8)}`);
    return shown.join(', ');
  });
}

describe('a peer', () => {
  it('has the link-local address that it used last, which is advertised to', () => {
    reboot(A);
    expect(bench.ledger('wg1')).toEqual(['fe80::a alice']);
    expect(bench.allowed('wg1')).toEqual(['fe80::a alice']);
    expect(bench.records('wg1')).toEqual(['fe80::a alice']);
    expect(bench.told()).toEqual(['adopted fe80::a alice', 'restored fe80::a alice']);
    bench.clock.advance(200);
    expect(sent()).toEqual(['fe80::a: router 2700, a 2700']);
  });

  it('cannot take that of another', () => {
    reboot(A);
    bench.packet('wg1', bob, 'fe80::a');
    expect(bench.allowed('wg1')).toEqual(['fe80::a alice']);
  });

  it('loses it, as ever, if it is configured for another, does not use it, or is no peer any more', () => {
    reboot(A);
    bench.clock.advance(61 * MINUTE);
    expect(bench.ledger('wg1')).toEqual([]);

    bench.packet('wg1', alice, 'fe80::a');
    bench.engine.stop();
    bench.kernel.reboot();
    bench.kernel.addLink('wg1', { addresses: [A, LINK_LOCAL] });
    bench.kernel.setPeers('wg1', { [alice]: [], [bob]: ['fe80::a/128'] });
    bench.start(wanted);
    expect(bench.allowed('wg1')).toEqual(['fe80::a bob']);
    expect(bench.ledger('wg1')).toEqual([]);

    file.text = `peer wg1 ${alice} fe80::a\n`;
    bench.kernel.reboot();
    bench.kernel.addLink('wg1', { addresses: [A, LINK_LOCAL] });
    bench.kernel.setPeers('wg1', { [bob]: [] });
    bench.start(wanted);
    bench.clock.advance(2 * MINUTE);
    expect(bench.ledger('wg1')).toEqual([]);
    bench.engine.stop();
    expect(file.text).not.toContain(alice);
  });

  it('is remembered by one address only, however many it uses', () => {
    for (let n = 0; n < 10; n++) bench.packet('wg1', alice, `fe80::1:${n}`);
    bench.packet('wg1', alice, 'fe80::b');
    bench.engine.stop();
    expect(file.text.match(/^peer .*$/gm)).toEqual([`peer wg1 ${alice} fe80::b`]);
  });

  it('is remembered until its interface has come', () => {
    bench.engine.stop();
    bench.kernel.reboot();
    bench.start(wanted);
    bench.clock.advance(20 * MINUTE);
    bench.engine.stop();
    bench.start(wanted);
    addLink([A]);
    bench.kernel.announce();
    expect(bench.allowed('wg1')).toEqual(['fe80::a alice']);
  });

  it('has what the kernel remembers, where it does: what is on flash may be older', () => {
    bench.packet('wg1', bob, 'fe80::b');
    bench.engine.forget('wg1', 'fe80::a');
    bench.start(wanted);
    expect(bench.ledger('wg1')).toEqual(['2001:db8:a::a alice', 'fe80::b bob']);
  });
});

describe('a prefix', () => {
  it('that has changed while the router was down is deprecated, and kept reachable', () => {
    reboot(B);
    bench.clock.advance(200);
    expect(sent()).toEqual(['fe80::a: router 2700, b 2700, a 0']);
    expect(bench.kernel.routing.routes).toHaveLength(1);
    bench.clock.advance(91 * MINUTE);
    expect(bench.kernel.routing.routes).toEqual([]);
    bench.engine.stop();
    expect(file.text).toMatch(/^interface wg1 default-router 2001:db8:b::\/64$/m);
  });

  it('is deprecated after yet another reboot, for hosts that were not there', () => {
    reboot(B);
    bench.clock.advance(20 * MINUTE);
    reboot(B);
    bench.clock.advance(200);
    expect(sent()).toEqual(['fe80::a: router 2700, b 2700, a 0']);
  });

  it('that comes some time after its interface is waited for', () => {
    reboot();
    bench.clock.advance(30_000);
    expect(sent()).toEqual([]);
    bench.kernel.setLinkAddresses('wg1', [A, LINK_LOCAL]);
    bench.kernel.announce();
    expect(sent()).toEqual(['fe80::a: router 2700, a 2700']);
  });

  it('that does not come for a minute is deprecated', () => {
    reboot();
    bench.clock.advance(MINUTE + 1_000);
    expect(sent()).toEqual(['fe80::a: router 2700, a 0']);
    expect(bench.kernel.routing.routes).toHaveLength(1);
  });

  it('that has changed while its interface was away is deprecated, too', () => {
    bench.kernel.deleteLink('wg1');
    bench.kernel.announce();
    sent();
    addLink([B]);
    bench.kernel.announce();
    bench.clock.advance(200);
    expect(sent()).toEqual(['fe80::a: router 2700, b 2700, a 0']);
  });
});

describe('a default route', () => {
  it('that comes some time after the start is waited for, but who solicits is answered', () => {
    bench.kernel.routing.defaultRoute = false;
    reboot(A);
    bench.clock.advance(30_000);
    expect(sent()).toEqual([]);
    bench.kernel.routing.sockets.get(bench.kernel.ifindex('wg1'))!(
      new Uint8Array([0xfe, 0x80, ...Array(13).fill(0), 0xa]),
    );
    expect(sent()).toEqual(['fe80::a: router 0, a 2700']);
    bench.kernel.routing.defaultRoute = true;
    bench.kernel.announce();
    expect(sent()).toEqual(['fe80::a: router 2700, a 2700']);
  });

  it('that does not come for a minute is taken back', () => {
    bench.kernel.routing.defaultRoute = false;
    reboot(A);
    bench.clock.advance(MINUTE + 1_000);
    expect(sent()).toEqual(['fe80::a: router 0, a 2700']);
  });

  it('is not taken back when the link goes, nor when the engine stops', () => {
    sent();
    bench.kernel.setLinkUp('wg1', false);
    bench.kernel.announce();
    bench.kernel.setLinkUp('wg1', true);
    bench.kernel.announce();
    bench.engine.stop();
    expect(sent().filter((each) => each.includes('router 0'))).toEqual([]);
  });

  it.each([
    ['learning', () => config()],
    ['advertising', () => config(on('wg1', { ra: '0' }))],
  ])('is taken back by the next start if %s was switched off meanwhile', (_, changed) => {
    bench.engine.stop();
    sent();
    bench.start(changed());
    expect(sent()).toEqual(['fe80::a: router 0']);
    bench.engine.stop();
    expect(file.text).not.toContain('interface wg1');
    bench.start(changed());
    expect(sent()).toEqual([]);
  });

  it('is taken back at ff02::1 from who is there and has no known address', () => {
    bench.engine.forget('wg1', 'fe80::a');
    bench.kernel.shakeHands('wg1', alice);
    bench.engine.stop();
    sent();
    bench.start(config());
    expect(sent()).toEqual(['ff02::1: router 0']);
    expect(bench.kernel.allNodes.at(-1)).toBe(alice);
    expect(bench.kernel.owner('wg1', 'ff02::1')).toBeUndefined();
  });

  it('is taken back before the package is removed, and nothing is left', () => {
    bench.engine.stop();
    sent();
    bench.clock.dropTimers();
    bench.kernel.revive();
    withdrawAll(bench.kernel, file);
    expect(sent()).toEqual(['fe80::a: router 0']);
    expect(file.text).toBe('');
    expect(bench.allowed('wg1')).toEqual([]);
  });
});

describe('a route', () => {
  const routes = () =>
    bench.kernel.routing.sent.splice(0).flatMap(({ message }) => {
      for (let at = 16; at < message.length; at += 8 * message[at + 1]!)
        if (message[at] === 24) return message.subarray(at + 2, at + 16).toString('hex');
      return [];
    });

  const takenBack = ['300000000000fd00000100000000'];

  beforeEach(() => {
    bench.engine.configure(config(on('wg1', { ra: '1', raRoutes: prefixes('fd00:1::/48') })));
    routes();
    bench.engine.stop();
  });

  it('that is not configured any more after a reboot is taken back', () => {
    reboot(A);
    bench.clock.advance(200);
    expect(routes()).toEqual(takenBack);
  });

  it('is taken back by the next start if advertising was switched off meanwhile', () => {
    bench.start(config(on('wg1', { ra: '0' })));
    expect(routes()).toEqual(takenBack);
  });
});

describe('a file', () => {
  it.each([
    ['that cannot be read', () => (file.failures.read = 'EIO'), 'state-failed'],
    ['of another program', () => (file.text = 'hello\n'), 'state-foreign'],
    ['that is damaged', () => (file.text = `interface wg1\n# ${file.text}`), 'state-corrupt'],
  ])('%s is a problem, and the start goes on', (_, damage, code) => {
    damage();
    reboot(A);
    expect(codes()).toEqual([code]);
    bench.packet('wg1', alice, 'fe80::a');
    expect(bench.allowed('wg1')).toEqual(['fe80::a alice']);
  });

  it('that can be written again is no problem any more', () => {
    file.failures.write = 'ENOSPC';
    bench.packet('wg1', bob, 'fe80::b');
    bench.clock.advance(11 * MINUTE);
    expect(codes()).toEqual(['state-failed']);
    delete file.failures.write;
    bench.clock.advance(11 * MINUTE);
    expect(codes()).toEqual([]);
  });
});
