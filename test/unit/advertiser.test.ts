// SPDX-License-Identifier: GPL-2.0-only

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { parseAddress, parsePrefix } from '../../src/address.ts';
import { formatAddress, formatPrefix } from '../../src/address-text.ts';
import { Advertiser, type Recipient } from '../../src/advertiser/advertiser.ts';
import type { Announcement, Departed } from '../../src/advertiser/announcement.ts';
import { ALL_NODES } from '../../src/kernel/all-nodes.ts';
import { NetlinkError } from '../../src/kernel/netlink-socket.ts';
import { alice, bob, carol, nameOf } from './bench.ts';
import { FakeClock } from './fake-clock.ts';
import { key } from './fake-kernel.ts';

const FOR_EVER = Number.POSITIVE_INFINITY;
const DEPRECATED = Number.NEGATIVE_INFINITY;
const A = '2001:db8:a::/64';
const B = '2001:db8:b::/64';

/** What is in an advertisement, as text. */
function read(message: Buffer): string {
  const shown = [`router ${message.readUInt16BE(6)}`];
  for (let at = 16; at < message.length; at += 8 * message[at + 1]!) {
    if (message[at] !== 3) continue;
    const prefix = formatPrefix({ bytes: new Uint8Array(message.subarray(at + 16, at + 32)), length: 64 });
    shown.push(`${prefix} ${message.readUInt32BE(at + 8)}/${message.readUInt32BE(at + 4)}`);
  }
  return shown.join(', ');
}

let clock: FakeClock;
let sent: { to: string; what: string; at: number }[];
let failure: Error | undefined;
let onChange: ReturnType<typeof vi.fn<() => void>>;
let advertiser: Advertiser;

function create(departed: readonly Departed[] = []): Advertiser {
  const send = (message: Buffer, to: Uint8Array, peer: string) => {
    if (failure) throw failure;
    const address = formatAddress(to);
    sent.push({
      to: address === ALL_NODES ? `${address} of ${nameOf(peer)}` : address,
      what: read(message),
      at: clock.now(),
    });
  };
  return new Advertiser(clock, send, onChange, departed);
}

beforeEach(() => {
  clock = new FakeClock();
  sent = [];
  failure = undefined;
  onChange = vi.fn<() => void>();
  advertiser = create();
});

/** Prefixes with preferred and valid lifetimes in seconds from now. */
function announcement(
  prefixes: Record<string, readonly [number, number]> = { [A]: [FOR_EVER, FOR_EVER] },
  changes: Partial<Announcement> = {},
): Announcement {
  return {
    isDefaultRouter: true,
    preference: 'medium',
    routes: [],
    servers: [],
    search: [],
    prefixes: Object.entries(prefixes).map(([text, [preferred, valid]]) => ({
      prefix: parsePrefix(text)!,
      onLink: true,
      preferredUntil: clock.now() + 1_000 * preferred,
      validUntil: clock.now() + 1_000 * valid,
    })),
    ...changes,
  };
}

const one: Recipient = { peer: alice, address: 'fe80::a', latestHandshake: 1_000 };
const two: Recipient = { peer: bob, address: 'fe80::b', latestHandshake: 1_000 };

function take(): string[] {
  return sent.splice(0).map(({ to, what }) => `${to}: ${what}`);
}

/** One that everybody has, whose next refresh is some time ahead. */
function settled(prefixes?: Record<string, readonly [number, number]>, ...recipients: Recipient[]): void {
  advertiser.announce(announcement(prefixes));
  const all = recipients.length > 0 ? recipients : [one];
  advertiser.setRecipients(all);
  clock.advance(200);
  for (const { peer } of all) advertiser.heed(peer);
  sent = [];
}

const solicit = (address = 'fe80::a') => advertiser.solicited(parseAddress(address)!);

describe('who is told', () => {
  it('everybody, soon after it is there', () => {
    advertiser.announce(announcement());
    advertiser.setRecipients([one, two]);
    clock.advance(200);
    expect(take()).toEqual([`fe80::a: router 2700, ${A} 2700/5400`, `fe80::b: router 2700, ${A} 2700/5400`]);
  });

  it('who solicits, at once and only once', () => {
    advertiser.announce(announcement());
    advertiser.addRecipient(one);
    solicit();
    expect(take()).toEqual([`fe80::a: router 2700, ${A} 2700/5400`]);
    clock.advance(10_000);
    expect(take()).toEqual([]);
  });

  it('not who is unknown or has gone', () => {
    settled(undefined, one, two);
    solicit('fe80::c');
    advertiser.setRecipients([two]);
    solicit('fe80::a');
    clock.advance(1_000_000);
    expect(new Set(sent.map(({ to }) => to))).toEqual(new Set(['fe80::b']));
  });

  it('who has another address, or an address that was another’s', () => {
    settled();
    advertiser.setRecipients([
      { ...one, peer: bob },
      { ...one, address: 'fe80::c' },
    ]);
    clock.advance(200);
    expect(sent.map(({ to }) => to)).toEqual(['fe80::a', 'fe80::c']);
  });

  it('who has a new session, once in ten seconds', () => {
    settled();
    const told = [1_120, 1_121, 1_130, 1_431].map((latestHandshake) => {
      clock.advance(5_000);
      advertiser.setRecipients([{ ...one, latestHandshake }]);
      clock.advance(0);
      return take().length;
    });
    expect(told).toEqual([0, 1, 0, 1]); // the first is told with the second, ten seconds after the welcome
  });

  it('who was removed and added again, at once, though it was just told, and with its next session', () => {
    settled();
    advertiser.setRecipients([{ ...one, latestHandshake: 0 }]);
    clock.advance(0);
    expect(take()).toHaveLength(1);
    clock.advance(20_000);
    advertiser.shakeHands(alice, true);
    clock.advance(0);
    expect(take()).toHaveLength(1);
  });

  it('who could not be reached before, as soon as it can', () => {
    failure = new NetlinkError(89, 'sendto');
    settled();
    failure = undefined;
    clock.advance(1_000);
    advertiser.shakeHands(alice, true);
    clock.advance(0);
    expect(take()).toHaveLength(1);
  });
});

it('who is told at ff02::1 is not told again when it has a new key after two minutes, as ever', () => {
  const at = Math.floor(clock.wall() / 1_000);
  settled(undefined, { peer: alice, address: ALL_NODES, latestHandshake: at });
  let latestHandshake = at;
  const after = (seconds: number) => {
    clock.advance(20_000);
    take();
    latestHandshake += seconds;
    advertiser.setRecipients([{ peer: alice, address: ALL_NODES, latestHandshake }]);
    clock.advance(0);
    return take().length;
  };
  expect([120, 1, 165, 30, 181].map(after)).toEqual([0, 0, 0, 1, 1]);
});

it('is told at ff02::1 whose link-local address WireGuard does not have any more, until that is found out', () => {
  settled();
  clock.advance(60_000);
  take();
  failure = new NetlinkError(126, 'sendto'); // ENOKEY
  advertiser.shakeHands(alice, true);
  clock.advance(0);
  failure = undefined;
  clock.advance(200);
  expect(take()).toEqual([expect.stringMatching(/^ff02::1 of alice: /)]);
  advertiser.setRecipients([{ ...one, latestHandshake: Math.floor(clock.wall() / 1_000) }]);
  clock.advance(200);
  expect(take()).toEqual([expect.stringMatching(new RegExp(`^${one.address}: `))]);
});

describe('who has no link-local address that is known', () => {
  const nobody: Recipient = { peer: bob, address: ALL_NODES, latestHandshake: 0 };
  const now = () => Math.floor(clock.wall() / 1_000);

  it.each([
    ['ahead, as when a router has been started, while it has a session', 3_600_000, 60_000, 1],
    ['back, and it has a session no more', -3_600_000, 180_000, 0],
  ])('is told news, or not, by our own clock: the other one is set %s', (_, set, age, expected) => {
    settled(undefined, { ...nobody, latestHandshake: now() });
    clock.advance(age);
    clock.set = set;
    sent = [];
    advertiser.announce(announcement({ [B]: [300, 600] }));
    expect(take()).toHaveLength(expected);
  });

  it('is told at ff02::1 as soon as it has a session, and refreshed while it has one', () => {
    advertiser.announce(announcement({ [A]: [300, 600] }));
    advertiser.setRecipients([nobody]);
    clock.advance(1_000_000);
    expect(take()).toEqual([]);
    expect(advertiser.hasRecipients).toBe(false);
    advertiser.announce(announcement({ [A]: [300, 600] }));
    advertiser.shakeHands(bob, true);
    clock.advance(0);
    expect(take()).toEqual([`ff02::1 of bob: router 2700, ${A} 300/600`]);
    clock.advance(110_000);
    expect(take()).toHaveLength(1);
    clock.advance(1_000_000); // its session has ended; as the lifetimes run out, refreshes come closer
    expect(take().length).toBeLessThanOrEqual(2);
    expect(advertiser.hasRecipients).toBe(false);
  });

  it('is told although it has never been heard of', () => {
    advertiser.announce(announcement());
    advertiser.shakeHands(bob, true);
    clock.advance(200);
    expect(take()).toEqual([`ff02::1 of bob: router 2700, ${A} 2700/5400`]);
  });

  it('is not told there where that is somebody’s by configuration', () => {
    advertiser.announce(announcement());
    advertiser.shakeHands(bob, false);
    clock.advance(10_000);
    expect(take()).toEqual([]);
  });

  it('is told once, at its link-local address, if that is known soon', () => {
    advertiser.announce(announcement());
    advertiser.shakeHands(bob, true);
    clock.advance(100);
    advertiser.addRecipient({ ...two, latestHandshake: now() });
    clock.advance(5_000);
    expect(take()).toEqual([`fe80::b: router 2700, ${A} 2700/5400`]);
  });

  it('is not told again at once when its link-local address is known later', () => {
    advertiser.announce(announcement());
    advertiser.shakeHands(bob, true);
    clock.advance(1_000);
    advertiser.addRecipient({ ...two, latestHandshake: now() });
    clock.advance(5_000);
    expect(take()).toEqual([`ff02::1 of bob: router 2700, ${A} 2700/5400`]);
  });

  it('waits for its turn where many are told: ten a second', () => {
    advertiser.announce(announcement());
    for (let n = 0; n < 20; n++) advertiser.shakeHands(key(n), true);
    clock.advance(200);
    expect(sent).toHaveLength(1);
    clock.advance(1_000);
    expect(sent).toHaveLength(11);
    clock.advance(1_000);
    expect(new Set(sent.map(({ to }) => to)).size).toBe(20);
    clock.advance(60_000);
    expect(sent).toHaveLength(20);
  });

  it('gets one advertisement in ten seconds however often it shakes hands and leaves', () => {
    advertiser.announce(announcement());
    for (let n = 0; n < 100; n++) {
      advertiser.setRecipients([{ ...nobody, latestHandshake: now() - 400 }]);
      advertiser.shakeHands(bob, true);
      clock.advance(100);
    }
    clock.advance(300);
    expect(take().length).toBeLessThanOrEqual(2);
  });
});

describe('who uses no address of an announced prefix', () => {
  const add = () => advertiser.addRecipient({ ...two, latestHandshake: clock.wall() / 1_000 });

  beforeEach(() => {
    advertiser.announce(announcement());
    add();
    clock.advance(200);
  });

  it('is told three times, as the first may be lost', () => {
    const first = sent[0]!.at;
    clock.advance(60_000);
    expect(sent.map(({ to, at }) => [to, at - first])).toEqual(
      [0, 20_000, 40_000].map((at) => ['fe80::b', at]),
    );
  });

  it('is known for it a minute after the first, as long as it is there', () => {
    expect(advertiser.isUnheeding(bob)).toBe(true);
    clock.advance(59_000);
    expect(advertiser.unheeding).toEqual([]);
    clock.advance(1_000);
    expect(advertiser.unheeding).toEqual([bob]);
    clock.advance(180_000);
    expect(advertiser.unheeding).toEqual([]);
    advertiser.shakeHands(bob, true);
    expect(advertiser.unheeding).toEqual([bob]);
    advertiser.setRecipients([one]);
    expect(advertiser.isUnheeding(bob)).toBe(false);
  });

  it('is not known for it when it was removed and added again, as long as it has no session', () => {
    clock.advance(60_000);
    expect(advertiser.unheeding).toEqual([bob]);
    advertiser.setRecipients([{ ...two, latestHandshake: 0 }]);
    expect(advertiser.unheeding).toEqual([]);
    advertiser.shakeHands(bob, true);
    expect(advertiser.unheeding).toEqual([bob]);
  });

  it('is told of when its time is over, and when it uses one after all, though nothing else happens', () => {
    clock.advance(59_000);
    expect(onChange).not.toHaveBeenCalled();
    clock.advance(1_000);
    expect(onChange).toHaveBeenCalledOnce();
    advertiser.heed(bob);
    clock.advance(0);
    expect(onChange).toHaveBeenCalledTimes(2);
    clock.advance(100_000);
    expect(onChange).toHaveBeenCalledTimes(2);
  });

  it('is one among others when it uses one', () => {
    clock.advance(25_000);
    advertiser.heed(bob);
    clock.advance(100_000);
    expect(advertiser.unheeding).toEqual([]);
    expect(sent).toHaveLength(2);
  });
});

describe('when', () => {
  it('to whoever may have missed the news at ff02::1, with its next handshake', () => {
    const at = Math.floor(clock.wall() / 1_000);
    const shake = (latestHandshake: number) => {
      advertiser.setRecipients([{ peer: alice, address: ALL_NODES, latestHandshake }]);
      clock.advance(0);
      return take().length;
    };
    settled(undefined, { peer: alice, address: ALL_NODES, latestHandshake: at });
    clock.advance(20_000);
    advertiser.announce(announcement({ [B]: [FOR_EVER, FOR_EVER] }));
    clock.advance(30_000);
    expect(take()).toHaveLength(3);
    expect(shake(at + 120)).toBe(1);
    clock.advance(20_000);
    expect(shake(at + 240)).toBe(0);
  });

  it('three times before a lifetime runs out, at a time of its own for each', () => {
    const many = Array.from({ length: 50 }, (_, i) => ({ ...one, address: `fe80::1:${i.toString(16)}` }));
    settled({ [A]: [300, 600] }, ...many);
    const start = clock.now();
    clock.advance(100_000);
    const times = sent.slice(0, 50).map(({ at }) => at - start);
    expect(new Set(sent.slice(0, 50).map(({ to }) => to)).size).toBe(50);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(74_000);
    expect(Math.max(...times)).toBeLessThanOrEqual(100_000);
    expect(new Set(times.map((time) => Math.floor(time / 5_000))).size).toBeGreaterThan(3);
  });

  it('more often the less there is left, but not more than once a second', () => {
    settled({ [A]: [10, 100] });
    clock.advance(10_000);
    const times = sent.map(({ at }) => at);
    expect(sent.length).toBeGreaterThanOrEqual(3);
    const gaps = times.slice(1).map((time, i) => time - times[i]!);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1_000);
  });

  it('at once when hosts have to know', () => {
    for (const change of [
      announcement({ [A]: [FOR_EVER, FOR_EVER], [B]: [FOR_EVER, FOR_EVER] }),
      announcement({ [A]: [FOR_EVER, FOR_EVER] }, { isDefaultRouter: false }),
      announcement({ [A]: [FOR_EVER, FOR_EVER] }, { mtu: 1380 }),
      announcement({ [A]: [FOR_EVER, FOR_EVER] }, { servers: [parseAddress('2001:db8:a::1')!] }),
      announcement({ [A]: [FOR_EVER, FOR_EVER] }, { search: ['lan'] }),
      announcement({ [A]: [DEPRECATED, FOR_EVER] }),
      announcement({ [A]: [60, FOR_EVER] }),
    ]) {
      advertiser = create();
      settled(undefined, one, two);
      advertiser.announce(change);
      expect(sent.map(({ to }) => to)).toEqual(['fe80::a', 'fe80::b']);
    }
  });

  it('three times when hosts have to know: one may be lost', () => {
    settled(undefined, one, two);
    const start = clock.now();
    advertiser.announce(announcement({ [B]: [FOR_EVER, FOR_EVER] }));
    clock.advance(60_000);
    const times = (to: string) => sent.filter((each) => each.to === to).map(({ at }) => at - start);
    expect(times('fe80::a')).toEqual([0, 4_000, 16_000]);
    expect(times('fe80::b')).toEqual([0, 4_000, 16_000]);
    expect(new Set(sent.map(({ what }) => what.replace(/\d+$/, ''))).size).toBe(1);
  });

  it('three times each in turn where many are told at ff02::1, ten a second', () => {
    const latestHandshake = Math.floor(clock.wall() / 1_000);
    const many = Array.from({ length: 100 }, (_, n) => ({
      peer: key(n),
      address: ALL_NODES,
      latestHandshake,
    }));
    advertiser.announce(announcement());
    advertiser.setRecipients(many);
    clock.advance(30_000);
    sent = [];
    const start = clock.now();
    advertiser.announce(announcement({ [B]: [FOR_EVER, FOR_EVER] }));
    clock.advance(60_000);
    expect(sent).toHaveLength(300);
    for (let second = 0; second < 60; second++) {
      const from = start + 1_000 * second;
      expect(sent.filter(({ at }) => at >= from && at < from + 1_000).length).toBeLessThanOrEqual(10);
    }
  });

  it('not at once when time only goes on, or there is more of it', () => {
    settled({ [A]: [300, 600] });
    clock.advance(10_000);
    advertiser.announce(announcement({ [A]: [290, 590] }));
    advertiser.announce(announcement({ [A]: [2_000, 3_000] }));
    expect(take()).toEqual([]);
    settled({ [B]: [DEPRECATED, 600] });
    clock.advance(20_000);
    take();
    advertiser.announce(announcement({ [B]: [DEPRECATED, 580] }));
    expect(take()).toEqual([]);
  });

  it('a peer gets three answers at once and then one a second, whatever addresses it solicits from', () => {
    settled(undefined, one, { ...one, address: 'fe80::aa' }, two);
    for (let i = 0; i < 1_000; i++) solicit(i % 2 ? 'fe80::a' : 'fe80::aa');
    expect(take()).toHaveLength(3);
    solicit('fe80::b');
    expect(take()).toHaveLength(1);
    for (let i = 0; i < 100; i++) {
      clock.advance(100);
      solicit();
    }
    expect(take()).toHaveLength(10);
  });
});

describe('lifetimes', () => {
  it('are never longer than what is left', () => {
    settled({ [A]: [100, 200], [B]: [DEPRECATED, 3] });
    clock.advance(10_500);
    sent = [];
    solicit();
    expect(take()).toEqual([`fe80::a: router 2700, ${A} 89/189, ${B} 0/0`]);
  });

  it('are preferred for no longer than valid', () => {
    settled({ [A]: [FOR_EVER, 50] });
    solicit();
    expect(take()).toEqual([`fe80::a: router 2700, ${A} 49/49`]);
  });
});

describe('a prefix that is no more', () => {
  it('is deprecated at once, lives on for as long as hosts were told, and is then forgotten', () => {
    settled({ [A]: [100, 200] });
    clock.advance(9_800);
    advertiser.announce(announcement({ [B]: [300, 600] }));
    expect(take()).toEqual([`fe80::a: router 2700, ${B} 300/600, ${A} 0/189`]);
    expect(advertiser.departed.map(({ prefix }) => formatPrefix(prefix))).toEqual([A]);
    clock.advance(189_000);
    expect(onChange).not.toHaveBeenCalled();
    clock.advance(1_000);
    expect(onChange).toHaveBeenCalled();
    expect(advertiser.departed).toEqual([]);
    sent = [];
    solicit();
    expect(take()[0]).not.toContain(A);
  });

  it('is as it was when it comes back', () => {
    settled();
    advertiser.announce(announcement({ [B]: [300, 600] }));
    sent = [];
    advertiser.announce(announcement({ [A]: [300, 600] }));
    expect(take()).toEqual([`fe80::a: router 2700, ${A} 300/600, ${B} 0/600`]);
  });

  it('is not kept if it was never announced, or has run out', () => {
    advertiser.announce(announcement());
    advertiser.announce(announcement({}));
    expect(advertiser.departed).toEqual([]);
    settled({ [A]: [2, 3] });
    clock.advance(3_000);
    advertiser.announce(announcement({}));
    expect(advertiser.departed).toEqual([]);
  });

  it('that an earlier process has left is gone on with', () => {
    advertiser = create([{ prefix: parsePrefix(B)!, until: clock.now() + 100_000 }]);
    settled();
    solicit();
    expect(take()).toEqual([`fe80::a: router 2700, ${A} 2700/5400, ${B} 0/99`]);
  });
});

describe('the end', () => {
  it('is told, without anything else', () => {
    settled(undefined, one, two);
    advertiser.end();
    expect(take()).toEqual(['fe80::a: router 0', 'fe80::b: router 0']);
    expect(clock.pending()).toEqual([]);
  });

  it('is told to whom an earlier process may have advertised', () => {
    advertiser.announce(announcement());
    advertiser.setRecipients([one]);
    advertiser.end();
    expect(take()).toEqual(['fe80::a: router 0']);
    expect(clock.pending()).toEqual([]);
  });

  it('is told at ff02::1 to who has been silent for as long as it may believe in a default route, the latest first', () => {
    const unknown = (peer: string, age: number) => ({
      ...{ peer, address: ALL_NODES, latestHandshake: clock.wall() / 1_000 - age },
    });
    advertiser.announce(announcement());
    advertiser.setRecipients([unknown(alice, 2_879), unknown(bob, 2_881), unknown(carol, 200), two]);
    clock.advance(200);
    take();
    advertiser.end();
    expect(take()).toEqual([
      'fe80::b: router 0',
      `${ALL_NODES} of carol: router 0`,
      `${ALL_NODES} of alice: router 0`,
    ]);
  });

  it('of the process is told nobody: what hosts know holds', () => {
    settled();
    advertiser.stop();
    expect(take()).toEqual([]);
    expect(clock.pending()).toEqual([]);
  });

  it('comes although nobody can be reached', () => {
    settled();
    failure = new NetlinkError(1, 'sendto');
    advertiser.end();
    expect(clock.pending()).toEqual([]);
  });
});

it('who solicits before a default route has come is told of none, and the others go on believing in it', () => {
  const earlier = { isDefaultRouter: true, prefixes: [parsePrefix(A)!], routes: [] };
  advertiser = new Advertiser(
    clock,
    (message) => sent.push({ to: '', what: read(message), at: 0 }),
    onChange,
    [],
    earlier,
  );
  advertiser.announce(announcement(undefined, { isDefaultRouter: false }));
  advertiser.setRecipients([one, two]);
  solicit();
  expect(sent.map(({ what }) => what)).toEqual([`router 0, ${A} 2700/5400`]);
  expect(advertiser.advertised.isDefaultRouter).toBe(true);
  clock.advance(60_000);
  expect(advertiser.advertised.isDefaultRouter).toBe(false);
});

describe('a firewall', () => {
  it('that lets nothing out is noticed, and that it does again', () => {
    failure = new NetlinkError(1, 'sendto');
    settled();
    expect(advertiser.isBlocked).toBe(true);
    expect(onChange).toHaveBeenCalledTimes(1);
    failure = undefined;
    solicit();
    clock.advance(0);
    expect(advertiser.isBlocked).toBe(false);
    expect(onChange).toHaveBeenCalledTimes(2);
  });

  it('is not to blame for a peer that cannot be reached', () => {
    failure = new NetlinkError(89, 'sendto'); // EDESTADDRREQ
    settled();
    expect(advertiser.isBlocked).toBe(false);
    expect(onChange).not.toHaveBeenCalled();
  });

  it('that lets nothing in is noticed when a solicitation does not come that must have, and that one does', () => {
    settled();
    advertiser.expectSolicitation();
    advertiser.expectSolicitation();
    clock.advance(999);
    expect(advertiser.isDeaf).toBe(false);
    clock.advance(1);
    expect(advertiser.isDeaf).toBe(true);
    expect(onChange).toHaveBeenCalledTimes(1);
    solicit('fe80::c');
    clock.advance(0);
    expect(advertiser.isDeaf).toBe(false);
    expect(onChange).toHaveBeenCalledTimes(2);
  });

  it('is not there if it comes', () => {
    settled();
    advertiser.expectSolicitation();
    solicit();
    clock.advance(10_000);
    expect(advertiser.isDeaf).toBe(false);
    expect(onChange).not.toHaveBeenCalled();
  });
});
