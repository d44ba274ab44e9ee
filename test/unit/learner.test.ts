// SPDX-License-Identifier: GPL-2.0-only

import { beforeEach, describe, expect, it } from 'vitest';
import type { Learner } from '../../src/engine/learner.ts';
import { type Entry, Ledger } from '../../src/engine/ledger.ts';
import type { Plan } from '../../src/engine/plan.ts';
import type { Watched } from '../../src/engine/room.ts';
import type { Device, Sighting } from '../../src/model.ts';
import type { InterfaceSettings } from '../../src/settings.ts';
import { alice, bob, carol, deviceOf, learnerOf, nameOf, prefixes, settings } from './bench.ts';

const scope = { learn: prefixes('2001:db8::/64', 'fe80::/64'), reserved: prefixes('2001:db8::1/128') };
const watched = (changes: Partial<InterfaceSettings> = {}): Watched => ({
  name: 'wg1',
  ifindex: 7,
  settings: settings(changes),
  scope,
});
const only = (on: Watched) => new Map([[on.ifindex, on]]);
const wg1 = watched();

let ledger: Ledger;
/** What the kernel says of when an address was last used. */
let used: Map<string, number>;
let learner: Learner;

beforeEach(() => {
  ledger = new Ledger();
  used = new Map();
  device = deviceOf({});
  learner = learnerOf(ledger, ({ address }) => used.get(address));
});

function known(address: string, peer = alice, times: Partial<Entry> = {}): Entry {
  const entry = { interface: 'wg1', address, peer, learned: 0, lastSeen: 0, confirmed: 0, ...times };
  ledger.put(entry);
  return entry;
}

function sighting(address: string, sender = alice, changes: Partial<Sighting> = {}): Sighting {
  const packet = Buffer.from(`from ${address}`);
  return { time: 100, ifindex: 7, verdict: 'candidate', count: 1, address, sender, packet, ...changes };
}

let device: Device | undefined;

const consider = (sightings: Sighting[], on: Watched = wg1) =>
  learner.consider(sightings, only(on), () => device);

/** A plan as people would say it. */
function summary({ remove, add, deliver, denied, wiped }: Plan): string[] {
  return [
    ...remove.map(({ entry, departure }) => [
      departure.event,
      entry.address,
      nameOf(entry.peer),
      departure.event === 'forgotten' ? departure.reason : undefined,
    ]),
    ...add.map(({ entry, event }) => [event, entry.address, nameOf(entry.peer)]),
    ...deliver.map(({ entry }) => ['deliver', entry.address]),
    ...denied.map(({ address, peer, reason, owner }) => [
      reason,
      address,
      nameOf(peer),
      owner && nameOf(owner),
    ]),
    ...[...wiped].map((name) => ['wiped', name]),
  ].map((words) => words.filter((word) => word !== undefined).join(' '));
}

const addresses = () => [...ledger.entries()].map(({ address, peer }) => `${address} ${nameOf(peer)}`);

describe('a candidate', () => {
  it('is learned and its packet delivered', () => {
    const plan = consider([sighting('2001:db8::5')]);
    expect(summary(plan)).toEqual(['learned 2001:db8::5 alice', 'deliver 2001:db8::5']);
    expect(plan.add[0]).toMatchObject({ seen: 100, entry: { learned: 100, lastSeen: 100 } });
    expect(plan.deliver[0]).toMatchObject({ ifindex: 7, packet: Buffer.from('from 2001:db8::5') });
    expect(addresses()).toEqual(['2001:db8::5 alice']);
  });

  it('is learned without a packet, too', () => {
    const { packet, ...withoutPacket } = sighting('2001:db8::5');
    expect(summary(consider([withoutPacket]))).toEqual(['learned 2001:db8::5 alice']);
  });

  it('is learned once for all its packets in a batch, and each is delivered', () => {
    const plan = consider([100, 101, 102].map((time) => sighting('2001:db8::5', alice, { time })));
    expect(summary(plan)).toEqual(['learned 2001:db8::5 alice', ...Array(3).fill('deliver 2001:db8::5')]);
    expect(plan.add[0]!.seen).toBe(100);
    expect(ledger.get('wg1', '2001:db8::5')!.lastSeen).toBe(102);
  });

  it('goes to whoever was first in a batch', () => {
    const plan = consider([sighting('2001:db8::5', bob), sighting('2001:db8::5', alice)]);
    expect(summary(plan)).toEqual([
      'learned 2001:db8::5 bob',
      'deliver 2001:db8::5',
      'owned 2001:db8::5 alice bob',
      'wiped wg1',
    ]);
    expect(addresses()).toEqual(['2001:db8::5 bob']);
  });

  it('that the scope no longer has is left alone', () => {
    expect(summary(consider([sighting('2001:db8:1::5'), sighting('2001:db8::1')]))).toEqual([]);
    expect(addresses()).toEqual([]);
  });

  it('of an interface that is not watched is left alone', () => {
    expect(summary(consider([sighting('2001:db8::5', alice, { ifindex: 8 })]))).toEqual([]);
    expect(addresses()).toEqual([]);
  });

  it("that is known of another peer is denied, and tells that that one's was wiped", () => {
    known('2001:db8::5', bob);
    expect(summary(consider([sighting('2001:db8::5')]))).toEqual([
      'owned 2001:db8::5 alice bob',
      'wiped wg1',
    ]);
    expect(addresses()).toEqual(['2001:db8::5 bob']);
  });

  it('that is known of this peer is restored', () => {
    known('2001:db8::5');
    const plan = consider([sighting('2001:db8::5')]);
    expect(summary(plan)).toEqual(['restored 2001:db8::5 alice', 'deliver 2001:db8::5', 'wiped wg1']);
  });
});

describe('what was wiped', () => {
  const restore = (time: number) => sighting('2001:db8::5', alice, { verdict: 'restore', time });

  it('is restored and has been used', () => {
    const entry = known('2001:db8::5', alice, { confirmed: 99 });
    const plan = consider([restore(100)]);
    expect(summary(plan)).toEqual(['restored 2001:db8::5 alice', 'deliver 2001:db8::5', 'wiped wg1']);
    expect(plan.add[0]!.entry).toBe(entry);
    expect(entry.lastSeen).toBe(100);
  });

  it('is restored once for all its packets in a batch', () => {
    known('2001:db8::5');
    expect(summary(consider([restore(100), restore(101)]))).toEqual([
      'restored 2001:db8::5 alice',
      'deliver 2001:db8::5',
      'deliver 2001:db8::5',
      'wiped wg1',
    ]);
  });

  it('is not restored for a packet of before it was back, which is but delivered', () => {
    known('2001:db8::5', alice, { confirmed: 100 });
    expect(summary(consider([restore(100)]))).toEqual(['deliver 2001:db8::5']);
  });

  it('is restored for a packet of after it was wiped, though one of before comes first', () => {
    known('2001:db8::5', alice, { confirmed: 100 });
    expect(summary(consider([restore(100), restore(101)]))).toEqual([
      'restored 2001:db8::5 alice',
      'deliver 2001:db8::5',
      'deliver 2001:db8::5',
      'wiped wg1',
    ]);
  });

  it('is not learned again by a packet of before it was withdrawn', () => {
    expect(summary(consider([restore(100)]))).toEqual([]);
    expect(addresses()).toEqual([]);
  });

  it('does not become less recent by a late packet', () => {
    const entry = known('2001:db8::5', alice, { confirmed: 200, lastSeen: 200 });
    consider([restore(100)]);
    expect(entry.lastSeen).toBe(200);
  });
});

describe('what the kernel refuses', () => {
  it.each(['scope', 'reserved', 'rate'] as const)(
    'for its %s is denied, with the number of packets',
    (verdict) => {
      const plan = consider([sighting('2001:db8::5', alice, { verdict, count: 3 })]);
      expect(plan.denied).toEqual([
        { interface: 'wg1', address: '2001:db8::5', peer: alice, reason: verdict, count: 3 },
      ]);
      expect(summary(plan)).toHaveLength(1);
    },
  );

  it('as another peer’s is denied with its owner', () => {
    const plan = consider([sighting('2001:db8::5', alice, { verdict: 'owned', owner: bob })]);
    expect(summary(plan)).toEqual(['owned 2001:db8::5 alice bob']);
  });
});

describe('a peer that has as many addresses as it may', () => {
  const two = watched({ maxAddresses: 2 });

  it('gives up the least recently used one', () => {
    known('2001:db8::a', alice, { lastSeen: 20 });
    known('2001:db8::b', alice, { lastSeen: 10 });
    expect(summary(consider([sighting('2001:db8::c')], two))).toEqual([
      'evicted 2001:db8::b alice',
      'learned 2001:db8::c alice',
      'deliver 2001:db8::c',
    ]);
    expect(addresses()).toEqual(['2001:db8::a alice', '2001:db8::c alice']);
  });

  it('as the kernel has seen it', () => {
    known('2001:db8::a', alice, { lastSeen: 20 });
    known('2001:db8::b', alice, { lastSeen: 10 });
    used.set('2001:db8::b', 30);
    expect(summary(consider([sighting('2001:db8::c')], two))[0]).toBe('evicted 2001:db8::a alice');
  });

  it("does not touch other peers', or its own of another interface", () => {
    known('2001:db8::a', bob);
    known('2001:db8::b', bob);
    ledger.put({ ...known('2001:db8::d'), interface: 'wg2', address: 'fe80::1' });
    expect(summary(consider([sighting('2001:db8::c')], two))).toEqual([
      'learned 2001:db8::c alice',
      'deliver 2001:db8::c',
    ]);
  });

  it('gives up all that are too many, after the limit has become lower', () => {
    for (const [i, digit] of [...'abcde'].entries()) known(`2001:db8::${digit}`, alice, { lastSeen: i });
    consider([sighting('2001:db8::f')], two);
    expect(addresses()).toEqual(['2001:db8::e alice', '2001:db8::f alice']);
  });

  it('keeps the last of a batch of more, and the others never get to the kernel', () => {
    known('2001:db8::a');
    const batch = [...'bcdef'].map((digit, i) => sighting(`2001:db8::${digit}`, alice, { time: 100 + i }));
    expect(summary(consider(batch, two))).toEqual([
      'evicted 2001:db8::a alice',
      'learned 2001:db8::e alice',
      'learned 2001:db8::f alice',
      'deliver 2001:db8::e',
      'deliver 2001:db8::f',
    ]);
    expect(addresses()).toEqual(['2001:db8::e alice', '2001:db8::f alice']);
  });

  it('loses what was restored and evicted at once, in the kernel too', () => {
    known('2001:db8::a');
    const batch = [
      sighting('2001:db8::a', alice, { verdict: 'restore', time: 1 }),
      sighting('2001:db8::b', alice, { time: 2 }),
    ];
    expect(summary(consider(batch, watched({ maxAddresses: 1 })))).toEqual([
      'evicted 2001:db8::a alice',
      'learned 2001:db8::b alice',
      'deliver 2001:db8::b',
      'wiped wg1',
    ]);
  });
});

describe('in time', () => {
  const second = watched({ lifetime: 1_000 });

  it('what was not used for its lifetime expires', () => {
    known('2001:db8::a', alice, { lastSeen: 500 });
    known('2001:db8::b', bob, { lastSeen: 501 });
    expect(summary(learner.expire(1_500, [second]))).toEqual(['expired 2001:db8::a alice']);
    expect(addresses()).toEqual(['2001:db8::b bob']);
  });

  it('but not what the kernel has seen used', () => {
    const entry = known('2001:db8::a');
    used.set('2001:db8::a', 700);
    expect(summary(learner.expire(1_500, [second]))).toEqual([]);
    expect(entry.lastSeen).toBe(700);
    expect(learner.nextExpiry([second])).toBe(1_700);
  });

  it('many addresses expire together: never early, a thirtieth of the lifetime late at most', () => {
    const day = 86_400_000;
    const on = watched({ lifetime: day });
    for (let i = 0; i < 1_000; i++)
      known(`2001:db8::${(16 + i).toString(16)}`, alice, { lastSeen: (i * day) / 1_000 });
    const looks: number[] = [];
    for (let now = learner.nextExpiry([on]); now < Infinity; now = learner.nextExpiry([on])) {
      for (const { entry } of learner.expire(now, [on]).remove) {
        expect(now - entry.lastSeen).toBeGreaterThanOrEqual(day);
        expect(now - entry.lastSeen).toBeLessThanOrEqual(day + day / 30);
      }
      looks.push(now);
    }
    expect(addresses()).toEqual([]);
    expect(looks.length).toBeLessThanOrEqual(31);
  });

  it('addresses that are in use are looked at no more often', () => {
    const on = watched({ lifetime: 30_000 });
    for (let i = 0; i < 300; i++) known(`2001:db8::${(16 + i).toString(16)}`, alice, { lastSeen: 100 * i });
    let looks = 0;
    for (let now = learner.nextExpiry([on]); now < 130_000; now = learner.nextExpiry([on])) {
      for (const { address } of ledger.entries('wg1')) used.set(address, now);
      expect(summary(learner.expire(now, [on]))).toEqual([]);
      looks++;
    }
    expect(looks).toBeLessThanOrEqual(101);
    expect(looks).toBeGreaterThan(0);
  });

  it('nothing is looked at before anything can expire', () => {
    known('2001:db8::a', alice, { lastSeen: 500 });
    learner.expire(1_500, [second]);
    known('2001:db8::b', alice, { lastSeen: 1_500 });
    known('2001:db8::c', alice, { lastSeen: 1_600 });
    used.set('2001:db8::b', 1_700);
    expect(summary(learner.expire(2_499, [second]))).toEqual([]);
    expect(ledger.get('wg1', '2001:db8::b')).toMatchObject({ lastSeen: 1_500 });
    expect(summary(learner.expire(2_600, [second]))).toEqual(['expired 2001:db8::c alice']);
    expect(ledger.get('wg1', '2001:db8::b')).toMatchObject({ lastSeen: 1_700 });
  });

  describe('a handshake', () => {
    /** Alice's, 0.2 s before it is noted at 1,500 ms. */
    const note = () =>
      learner.noteHandshakes('wg1', shaken({ [alice]: 5_999.8, [bob]: 0 }), 1_500, 6_000_000);
    const shaken = (handshakes: Record<string, number>): Device => {
      const device = deviceOf({ [alice]: [], [bob]: [] });
      return {
        ...device,
        peers: device.peers.map((peer) => ({ ...peer, latestHandshake: handshakes[peer.key]! })),
      };
    };

    it('counts as a use of the link-local address that the peer used last, and of no other', () => {
      for (const address of ['fe80::1', 'fe80::2', '2001:db8::a']) known(address, alice, { lastSeen: 100 });
      known('fe80::b', bob, { lastSeen: 100 });
      used.set('fe80::2', 200);
      note();
      expect(ledger.get('wg1', 'fe80::2')).toMatchObject({ lastSeen: 1_300 });
      expect(summary(learner.expire(1_500, [second]))).toEqual([
        'expired fe80::1 alice',
        'expired 2001:db8::a alice',
        'expired fe80::b bob',
      ]);
    });

    it('is no use later than now, whatever the clock says', () => {
      const entry = known('fe80::1');
      learner.noteHandshakes('wg1', shaken({ [alice]: 7_000, [bob]: 0 }), 1_500, 6_000_000);
      expect(entry.lastSeen).toBe(1_500);
    });

    it('is no later use while a clock that was set back has not come to its time again', () => {
      const entry = known('fe80::1', alice, { lastSeen: 100 });
      note();
      learner.noteHandshakes('wg1', shaken({ [alice]: 5_999.8, [bob]: 0 }), 9_500, 1_000);
      expect(entry.lastSeen).toBe(1_500);
    });

    it('does not make an address older than it is', () => {
      const entry = known('fe80::1', alice, { lastSeen: 1_400 });
      note();
      expect(entry.lastSeen).toBe(1_400);
    });
  });

  it('the next to expire is known, of all interfaces', () => {
    expect(learner.nextExpiry([second])).toBe(Number.POSITIVE_INFINITY);
    known('2001:db8::a', alice, { lastSeen: 500 });
    known('2001:db8::b', alice, { lastSeen: 400 });
    ledger.put({ ...known('2001:db8::c', alice, { lastSeen: 600 }), interface: 'wg2', lastSeen: 0 });
    expect(learner.nextExpiry([second])).toBe(1_400);
    expect(
      learner.nextExpiry([second, { ...second, name: 'wg2', settings: settings({ lifetime: 1_100 }) }]),
    ).toBe(1_100);
  });
});

describe('compared with WireGuard', () => {
  const compare = (peers: Record<string, string[]>, now = 1_000) =>
    summary(learner.reconcile('wg1', deviceOf(peers), now));

  it('what is there is confirmed', () => {
    const entry = known('2001:db8::5');
    expect(compare({ [alice]: ['2001:db8::5/128'] })).toEqual([]);
    expect(entry.confirmed).toBe(1_000);
  });

  it('what was wiped is restored', () => {
    known('2001:db8::5');
    expect(compare({ [alice]: [] })).toEqual(['restored 2001:db8::5 alice']);
  });

  it.each([
    ['a /128', '2001:db8::5/128'],
    ['a wider prefix', '2001:db8::/64'],
  ])('what another peer owns by %s now is let go, whether its own peer is there or not', (_, allowedIp) => {
    known('2001:db8::5');
    expect(compare({ [alice]: [], [bob]: [allowedIp] })).toEqual(['forgotten 2001:db8::5 alice owned']);
    known('2001:db8::5');
    expect(compare({ [bob]: [allowedIp] })).toEqual(['forgotten 2001:db8::5 alice owned']);
    expect(addresses()).toEqual([]);
  });

  it("what lies in another's wider prefix stays while it has its /128", () => {
    known('2001:db8::5');
    expect(compare({ [alice]: ['2001:db8::5/128'], [bob]: ['2001:db8::/64'] })).toEqual([]);
  });

  it('the longest of the wider prefixes decides', () => {
    known('2001:db8::5');
    const all = { [bob]: ['2001:db8::/32'], [alice]: ['2001:db8::/64'], [carol]: ['2001:db8::/48'] };
    expect(compare(all)).toEqual(['restored 2001:db8::5 alice']);
  });

  it('is done for one interface only', () => {
    ledger.put({ ...known('2001:db8::5'), interface: 'wg2', address: 'fe80::5' });
    ledger.delete(ledger.get('wg1', '2001:db8::5')!);
    expect(compare({ [alice]: [] })).toEqual([]);
  });

  describe('a missing peer', () => {
    it('keeps its addresses for less than a minute, and has them back', () => {
      known('2001:db8::5');
      expect(compare({}, 1_000)).toEqual([]);
      expect(compare({}, 60_999)).toEqual([]);
      expect(compare({ [alice]: [] }, 60_999)).toEqual(['restored 2001:db8::5 alice']);
    });

    it('loses them all after a minute', () => {
      known('2001:db8::5');
      known('fe80::5');
      expect(compare({}, 1_000)).toEqual([]);
      expect(compare({}, 61_000)).toEqual([
        'forgotten 2001:db8::5 alice peer',
        'forgotten fe80::5 alice peer',
      ]);
      expect(addresses()).toEqual([]);
    });

    it('has a whole minute each time', () => {
      known('2001:db8::5');
      compare({}, 1_000);
      compare({ [alice]: [] }, 50_000);
      expect(compare({}, 61_000)).toEqual([]);
      expect(compare({}, 121_000)).toEqual(['forgotten 2001:db8::5 alice peer']);
    });

    it('has one also when it had no addresses meanwhile', () => {
      const entry = known('2001:db8::5');
      compare({}, 1_000);
      ledger.delete(entry);
      compare({}, 2_000);
      known('2001:db8::5');
      expect(compare({}, 61_000)).toEqual([]);
    });
  });
});

describe('withdrawal', () => {
  it('of what is no longer in the scope', () => {
    known('2001:db8::5');
    known('fe80::5');
    const shrunk = { ...wg1, scope: { ...scope, learn: prefixes('fe80::/64') } };
    expect(summary(learner.rescope(wg1))).toEqual([]);
    expect(summary(learner.rescope(shrunk))).toEqual(['forgotten 2001:db8::5 alice scope']);
    expect(addresses()).toEqual(['fe80::5 alice']);
  });

  it('of what has become the router’s own', () => {
    known('2001:db8::5');
    const own = { ...wg1, scope: { ...scope, reserved: prefixes('2001:db8::5/128') } };
    expect(summary(learner.rescope(own))).toEqual(['forgotten 2001:db8::5 alice scope']);
  });

  it('also of what was adopted since the scope was last the same', () => {
    expect(summary(learner.rescope(wg1))).toEqual([]);
    known('2001:db8:9::5');
    expect(summary(learner.rescope({ ...wg1 }))).toEqual(['forgotten 2001:db8:9::5 alice scope']);
    expect(summary(learner.rescope(wg1))).toEqual([]);
  });

  it('of what is asked for, even straight from the ledger', () => {
    known('2001:db8::5');
    known('fe80::5');
    expect(summary(learner.forget(ledger.entries('wg1'), 'user'))).toEqual([
      'forgotten 2001:db8::5 alice user',
      'forgotten fe80::5 alice user',
    ]);
    expect(addresses()).toEqual([]);
  });
});
