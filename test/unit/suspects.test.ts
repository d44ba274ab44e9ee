// SPDX-License-Identifier: GPL-2.0-only

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Account, Suspects } from '../../src/kernel/lending/suspects.ts';

/** One peer, its WireGuard, and what the socket filter counts. */
class World {
  readonly #accounts = new Map<string, Account>();

  constructor(...peers: string[]) {
    for (const peer of peers) this.set(peer, {});
  }

  set(peer: string, changes: Partial<Account>): this {
    const fresh = {
      peer,
      latestHandshake: 100,
      isLive: true,
      endpoint: `${peer}'s`,
      before: 0,
      after: 0,
      accepted: 0,
    };
    this.#accounts.set(peer, { ...fresh, ...this.#accounts.get(peer), ...changes });
    return this;
  }

  /** Bytes that have all come some time before the next look. */
  sends(peer: string, { accepted = 0, refused = 0 }): this {
    const { after, accepted: sum } = this.of(peer);
    const came = after + accepted + refused;
    return this.set(peer, { before: came, after: came, accepted: sum + accepted });
  }

  without(peer: string): this {
    this.#accounts.delete(peer);
    return this;
  }

  of(peer: string): Account {
    return this.#accounts.get(peer)!;
  }

  all(): Account[] {
    return [...this.#accounts.values()];
  }
}

const anyone = () => true;
let suspects: Suspects;
let world: World;

/** Every peer that gets a loan, if each that has one fails at once, in that order. */
function queue(now: number): string[] {
  const order: string[] = [];
  for (let next = suspects.next(now, anyone); next; next = suspects.next(now, anyone)) {
    order.push(next);
    suspects.fail(next, now);
  }
  return order;
}

const accused = (...peers: string[]) => peers.filter((peer) => suspects.isAccused(peer));

beforeEach(() => {
  suspects = new Suspects();
  world = new World('alice', 'bob');
});

it('accuses nobody who has no session, nor anybody any more whose session has ended', () => {
  suspects.begin(world.all());
  world.set('alice', { isLive: false }).sends('alice', { refused: 96 });
  expect(suspects.accuse(world.all(), 0)).toEqual([]);
  expect(accused('alice')).toEqual([]);
  world.set('alice', { isLive: true }).sends('alice', { refused: 96 });
  expect(suspects.accuse(world.all(), 0)).toEqual(['alice']);
  world.set('alice', { isLive: false }).sends('bob', { refused: 96 });
  expect(suspects.accuse(world.all(), 0)).toEqual(['bob']);
  expect(queue(0)).toEqual(['bob']);
});

it('accuses who has an endpoint now, and nobody who had it before, as a device has before it gets a new key', () => {
  const endpoint = 'the same';
  world.set('alice', { endpoint }).set('bob', { endpoint, latestHandshake: 0 });
  suspects.begin(world.all());
  world.set('bob', { latestHandshake: 101 });
  for (let total = 96; total < 1_000; total += 96) {
    const bytes = { before: total, after: total };
    world.set('alice', bytes).set('bob', bytes);
    suspects.accuse(world.all(), 0);
    expect(accused('alice')).toEqual([]);
    suspects.fail('bob', 0, 3);
  }
  expect(suspects.refusedPeers()).toEqual(['bob']);
  suspects.accuse(world.all(), 100_000); // not even as one of all that have a session
  expect(accused('alice')).toEqual([]);
});

describe('when nothing is under way', () => {
  beforeEach(() => suspects.begin(world.all()));

  it('accuses the one that sent what was refused, and nobody else', () => {
    world.sends('alice', { refused: 96 });
    expect(suspects.accuse(world.all(), 0)).toEqual(['alice']);
    expect(accused('alice', 'bob')).toEqual(['alice']);
  });

  it('accuses it although most of what it sent was accepted', () => {
    world.sends('alice', { accepted: 1_000_000, refused: 96 }).sends('bob', { accepted: 1_000_000 });
    expect(suspects.accuse(world.all(), 0)).toEqual(['alice']);
    expect(accused('alice', 'bob')).toEqual(['alice']);
  });

  it('accuses all of several', () => {
    world.sends('alice', { refused: 96 }).sends('bob', { refused: 96 });
    expect(suspects.accuse(world.all(), 0)).toEqual(['alice', 'bob']);
  });

  it('does not hold against a peer what it was accused of before', () => {
    world.sends('alice', { refused: 96 });
    suspects.accuse(world.all(), 0);
    suspects.clear('alice');
    world.sends('alice', { accepted: 128 }).sends('bob', { refused: 96 });
    expect(suspects.accuse(world.all(), 1)).toEqual(['bob']);
    expect(accused('alice', 'bob')).toEqual(['bob']);
  });

  it('does not hold against a peer what came before it was watched', () => {
    suspects = new Suspects();
    world.sends('alice', { refused: 500 });
    suspects.begin(world.all());
    world.sends('bob', { refused: 96 });
    expect(suspects.accuse(world.all(), 0)).toEqual(['bob']);
    expect(accused('alice', 'bob')).toEqual(['bob']);
  });

  it('holds nothing against anyone when it begins again', () => {
    world.sends('alice', { refused: 96 });
    suspects.begin(world.all());
    world.sends('bob', { refused: 96 });
    expect(suspects.accuse(world.all(), 0)).toEqual(['bob']);
    expect(accused('alice', 'bob')).toEqual(['bob']);
  });
});

describe('suspects, without being sure,', () => {
  /** Which of Alice and Bob is accused, and which of them for sure. */
  const accuse = (now = 0) => ({
    guilty: suspects.accuse(world.all(), now),
    accused: accused('alice', 'bob'),
  });
  const possibly = (...peers: string[]) => ({ guilty: [], accused: peers });

  beforeEach(() => {
    world.sends('alice', { accepted: 5_000 });
    suspects.begin(world.all());
  });

  it('one whose datagrams come in while it looks', () => {
    world.set('alice', { before: 5_000, after: 5_096 });
    expect(accuse()).toEqual(possibly('alice'));
  });

  it('but is sure if what had come long ago is not all accepted', () => {
    world.set('alice', { before: 6_000, after: 9_000, accepted: 5_900 });
    expect(accuse()).toEqual({ guilty: ['alice'], accused: ['alice'] });
  });

  it('but nobody if another is guilty', () => {
    world.set('alice', { before: 5_000, after: 5_096 }).sends('bob', { refused: 96 });
    expect(accuse()).toEqual({ guilty: ['bob'], accused: ['bob'] });
  });

  it('none that was busy, but of which all was accepted', () => {
    world.set('alice', { before: 6_000, after: 9_000, accepted: 9_000 }).sends('bob', { refused: 96 });
    expect(accuse()).toEqual({ guilty: ['bob'], accused: ['bob'] });
  });

  it('one of which more was accepted than was seen to come', () => {
    world.set('alice', { before: 5_100, after: 5_100, accepted: 5_200 });
    expect(accuse()).toEqual(possibly('alice'));
  });

  it('one that has another endpoint', () => {
    world.set('alice', { endpoint: 'elsewhere', before: 0, after: 0 });
    expect(accuse()).toEqual(possibly('alice'));
  });

  it('but knows what came from another endpoint from then on', () => {
    world.set('alice', { endpoint: 'elsewhere', before: 0, after: 0 });
    accuse();
    suspects.clear('alice');
    world.sends('alice', { accepted: 96 }).sends('bob', { refused: 96 });
    expect(accuse(1)).toEqual({ guilty: ['bob'], accused: ['bob'] });
    world.sends('alice', { refused: 96 });
    expect(accuse(2)).toEqual({ guilty: ['alice'], accused: ['alice', 'bob'] });
  });

  it('one that is new, and is sure of it the next time', () => {
    world.set('carol', {}).sends('carol', { accepted: 300, refused: 96 });
    expect(suspects.accuse(world.all(), 0)).toEqual([]);
    expect(accused('alice', 'bob', 'carol')).toEqual(['carol']);
    world.sends('carol', { refused: 96 });
    expect(suspects.accuse(world.all(), 1)).toEqual(['carol']);
  });

  it('but not one that is new and has no session', () => {
    world.set('carol', { isLive: false }).sends('carol', { refused: 96 }).sends('bob', { refused: 96 });
    expect(accuse().guilty).toEqual(['bob']);
    expect(accused('alice', 'bob', 'carol')).toEqual(['bob']);
    world.set('dave', { isLive: false });
    accuse(1);
    expect(accused('dave')).toEqual([]);
  });

  it('one that was set up anew, so that WireGuard counts from 0', () => {
    world.set('alice', { before: 5_000, after: 5_000, accepted: 0 });
    expect(accuse()).toEqual(possibly('alice'));
    suspects.clear('alice');
    world.sends('alice', { accepted: 96 }).sends('bob', { refused: 96 });
    expect(accuse(1)).toEqual({ guilty: ['bob'], accused: ['bob'] });
  });

  it('but holds against none what came while it was set up anew', () => {
    world.set('alice', { before: 5_000, after: 5_096, accepted: 0 });
    expect(accuse()).toEqual(possibly('alice'));
    world.set('alice', { before: 5_096 });
    expect(accuse(1).guilty).toEqual([]);
  });

  it('but holds against none what came while it was new', () => {
    world.set('carol', { before: 300, after: 500, accepted: 250 });
    expect(suspects.accuse(world.all(), 0)).toEqual([]);
    world.set('carol', { before: 500, accepted: 300 });
    expect(suspects.accuse(world.all(), 1)).toEqual([]);
  });

  it('but holds against none a second time what it found while more came in', () => {
    world.set('alice', { before: 6_000, after: 9_000, accepted: 5_900 });
    expect(accuse().guilty).toEqual(['alice']);
    world.set('alice', { before: 9_000, accepted: 8_900 });
    expect(accuse(1).guilty).toEqual([]);
  });

  it('but is sure of one of which more was accepted than was seen, when more comes', () => {
    world.set('alice', { before: 5_050, after: 5_100, accepted: 5_200 });
    expect(accuse()).toEqual(possibly('alice'));
    world.set('alice', { before: 5_196, after: 5_196 });
    expect(accuse(1).guilty).toEqual(['alice']);
  });

  it('all that have a session, if nobody else is suspicious', () => {
    world.set('bob', { isLive: false });
    world.set('carol', {});
    suspects.begin(world.all());
    expect(accuse()).toEqual(possibly('alice'));
    expect(accused('carol')).toEqual(['carol']);
  });

  it('nobody if nobody has a session', () => {
    world.set('alice', { isLive: false }).set('bob', { isLive: false });
    expect(accuse()).toEqual(possibly());
  });

  it('and is sure as soon as it is', () => {
    world.set('alice', { before: 5_000, after: 5_096 }).set('bob', { before: 0, after: 96 });
    expect(accuse()).toEqual(possibly('alice', 'bob'));
    world.set('alice', { accepted: 5_096, before: 5_096 }).set('bob', { before: 96 });
    expect(accuse(1).guilty).toEqual(['bob']);
    expect(suspects.next(1, anyone)).toBe('bob');
  });
});

describe('whatever peers send', () => {
  const names = ['alice', 'bob', 'carol', 'dave'];
  const size = fc.integer({ min: 32, max: 2_000 });
  const message = fc.record({ peer: fc.constantFrom(...names), size, isRefused: fc.boolean() });

  it('at quiet moments the guilty are exactly those of whom something was refused', () => {
    fc.assert(
      fc.property(fc.array(fc.array(message, { maxLength: 12 }), { maxLength: 8 }), (rounds) => {
        world = new World(...names);
        suspects = new Suspects();
        suspects.begin(world.all());
        rounds.forEach((messages, now) => {
          for (const { peer, size, isRefused } of messages)
            world.sends(peer, isRefused ? { refused: size } : { accepted: size });
          const wanted = names.filter((name) =>
            messages.some(({ peer, isRefused }) => isRefused && peer === name),
          );
          expect(suspects.accuse(world.all(), now)).toEqual(wanted);
        });
      }),
    );
  });

  // A look counts what has come, then WireGuard's bytes, then what has come again; WireGuard may be behind meanwhile,
  // but by no more than what came after the first count.
  it('one of whom nothing is refused is never guilty, however busy it is', () => {
    const look = fc.record({
      settled: fc.array(message),
      during: fc.array(message),
      lag: fc.double({ min: 0, max: 1, noNaN: true }),
      moves: fc.boolean(),
    });
    const bytes = (messages: { peer: string; size: number; isRefused: boolean }[], refused: boolean) =>
      messages
        .filter(({ peer, isRefused }) => peer === 'alice' && isRefused === refused)
        .reduce((sum, { size }) => sum + size, 0);
    fc.assert(
      fc.property(fc.array(look, { maxLength: 10 }), fc.boolean(), (looks, isRefused) => {
        suspects = new Suspects();
        let [came, accepted, endpoint] = [0, 0, 0];
        let mayBeGuilty = false;
        looks.forEach(({ settled, during, lag, moves }, now) => {
          if (moves) [came, endpoint] = [0, endpoint + 1];
          came += bytes(settled, false);
          const pending = bytes(during, false);
          let lost = 0;
          if (isRefused) lost = bytes(settled, true);
          mayBeGuilty ||= lost > 0;
          const before = came + lost;
          accepted += bytes(settled, false);
          const account = {
            peer: 'alice',
            latestHandshake: 0,
            isLive: true,
            endpoint: `${endpoint}`,
            before,
            after: before + pending,
            accepted: accepted + Math.floor(pending * lag),
          };
          came = before + pending;
          accepted += pending;
          const guilty = suspects.accuse([account], now);
          if (!mayBeGuilty) expect(guilty).toEqual([]);
        });
      }),
    );
  });
});

describe('the next loan', () => {
  const three = () => {
    world = new World('alice', 'bob', 'carol');
    suspects.begin(world.all());
  };

  it('is nobody’s as long as nobody is accused', () => {
    three();
    expect(suspects.next(0, anyone)).toBeUndefined();
  });

  it('goes to the guilty before the possible', () => {
    three();
    world.set('alice', { endpoint: 'elsewhere' });
    suspects.accuse(world.all(), 0);
    world.sends('carol', { refused: 96 });
    suspects.accuse(world.all(), 1);
    expect(queue(1)).toEqual(['carol', 'alice']);
  });

  it('goes to the possible before those that only have a session', () => {
    three();
    suspects.accuse(world.all(), 0);
    world.without('alice');
    suspects.accuse(world.all(), 1);
    world.set('alice', {});
    suspects.accuse(world.all(), 2);
    expect(queue(2)).toEqual(['alice', 'bob', 'carol']);
  });

  it('goes to who was accused first', () => {
    three();
    world.sends('carol', { refused: 96 });
    suspects.accuse(world.all(), 0);
    world.sends('alice', { refused: 96 });
    suspects.accuse(world.all(), 1);
    world.sends('bob', { refused: 96 }).sends('carol', { refused: 96 });
    suspects.accuse(world.all(), 2);
    expect(queue(2)).toEqual(['carol', 'alice', 'bob']);
  });

  it('goes to the latest handshake of several that were accused at once', () => {
    three();
    for (const [peer, latestHandshake] of [
      ['alice', 200],
      ['bob', 300],
      ['carol', 100],
    ] as const)
      world.set(peer, { latestHandshake }).sends(peer, { refused: 96 });
    suspects.accuse(world.all(), 0);
    expect(queue(0)).toEqual(['bob', 'alice', 'carol']);
  });

  it('goes to nobody that may not learn', () => {
    three();
    world.sends('alice', { refused: 96 }).sends('bob', { refused: 96 });
    suspects.accuse(world.all(), 0);
    expect(suspects.next(0, (peer) => peer !== 'alice')).toBe('bob');
    expect(suspects.next(0, () => false)).toBeUndefined();
  });

  it('goes to nobody that was accused long ago', () => {
    three();
    world.sends('alice', { refused: 96 });
    suspects.accuse(world.all(), 0);
    expect(suspects.next(15_000, anyone)).toBe('alice');
    expect(suspects.next(15_001, anyone)).toBeUndefined();
    expect(suspects.isAccused('alice')).toBe(false);
  });

  it('goes to nobody that is gone', () => {
    three();
    world.sends('alice', { refused: 96 });
    suspects.accuse(world.all(), 0);
    suspects.begin(world.without('alice').all());
    expect(suspects.next(0, anyone)).toBeUndefined();
    expect(accused('alice')).toEqual([]);
  });
});

describe('after a loan', () => {
  const offends = (now: number, peer = 'alice') => {
    world.sends(peer, { refused: 96 });
    return suspects.accuse(world.all(), now);
  };

  /** For how many milliseconds there is no other. */
  const waits = (now: number, peer = 'alice') => {
    let low = 0;
    while (suspects.isWaiting(peer, now + low)) low += 500;
    return low;
  };

  beforeEach(() => suspects.begin(world.all()));

  it('that did not help the next one waits, twice as long each time, up to a limit', () => {
    let now = 0;
    const seconds: number[] = [];
    for (let i = 0; i < 8; i++) {
      offends(now);
      suspects.fail('alice', now);
      expect(suspects.isAccused('alice')).toBe(false);
      seconds.push(waits(now) / 1_000);
      now += waits(now);
    }
    expect(seconds).toEqual([2, 4, 8, 16, 32, 64, 64, 64]);
  });

  it('there is no accusation while it waits, but it is known who is guilty', () => {
    offends(0);
    suspects.fail('alice', 0);
    expect(offends(1_999)).toEqual(['alice']);
    expect(suspects.isAccused('alice')).toBe(false);
    expect(suspects.next(1_999, anyone)).toBeUndefined();
    offends(2_000);
    expect(suspects.next(2_000, anyone)).toBe('alice');
  });

  it.each(['possible', 'live'])(
    'of one that was only %s it waits, but nothing is held against it',
    (level) => {
      for (const now of [0, 10_000, 20_000, 30_000]) {
        if (level === 'possible') world.set('alice', { endpoint: `${now}` });
        else world.without('bob');
        expect(suspects.accuse(world.all(), now)).toEqual([]);
        expect(suspects.next(now, anyone)).toBe('alice');
        suspects.fail('alice', now);
        expect(waits(now)).toBe(2_000);
      }
      expect(suspects.refusedPeers()).toEqual([]);
    },
  );

  it('of one that was only possible, but that broke a law, that is held against it', () => {
    world.set('alice', { endpoint: 'elsewhere' });
    suspects.accuse(world.all(), 0);
    suspects.fail('alice', 0, 2);
    expect(waits(0)).toBe(4_000);
  });

  it('that was useful there is no wait, and what went before is forgiven', () => {
    for (const now of [0, 2_000]) {
      offends(now);
      suspects.fail('alice', now);
    }
    suspects.clear('alice');
    expect(suspects.isWaiting('alice', 2_000)).toBe(false);
    offends(2_000);
    expect(suspects.next(2_000, anyone)).toBe('alice');
    suspects.clear('alice');
    expect(suspects.isAccused('alice')).toBe(false);
    suspects.fail('alice', 10_000);
    expect(waits(10_000)).toBe(2_000);
  });

  it('that broke a law it waits as after two', () => {
    suspects.fail('alice', 0, 2);
    expect(waits(0)).toBe(4_000);
  });

  it('that was suspended there is no other for a second, or longer if it waits already; this is no failure', () => {
    offends(0);
    suspects.suspend('alice', 0);
    expect(suspects.isAccused('alice')).toBe(false);
    expect(waits(0)).toBe(1_000);
    suspects.fail('alice', 1_000);
    suspects.suspend('alice', 1_000);
    expect(waits(1_000)).toBe(2_000);
  });

  it('others do not wait', () => {
    offends(0);
    suspects.fail('alice', 0);
    expect(suspects.isWaiting('bob', 0)).toBe(false);
    offends(0, 'bob');
    expect(suspects.next(0, anyone)).toBe('bob');
  });

  it('a peer is refusedPeers when three have not helped', () => {
    suspects.fail('alice', 0);
    suspects.fail('alice', 2_000);
    expect(suspects.refusedPeers()).toEqual([]);
    suspects.fail('alice', 6_000);
    expect(suspects.refusedPeers()).toEqual(['alice']);
    suspects.clear('alice');
    expect(suspects.refusedPeers()).toEqual([]);
  });

  it('it is forgiven ten minutes after the last wait', () => {
    for (const now of [0, 2_000, 6_000]) suspects.fail('alice', now);
    suspects.accuse(world.all(), 6_000 + 8_000 + 600_000);
    expect(suspects.refusedPeers()).toEqual(['alice']);
    suspects.accuse(world.all(), 6_000 + 8_000 + 600_001);
    expect(suspects.refusedPeers()).toEqual([]);
  });

  it('nothing is made of a peer that is not there', () => {
    suspects.fail('nobody', 0);
    suspects.suspend('nobody', 0);
    suspects.clear('nobody');
    expect(suspects.isWaiting('nobody', 0)).toBe(false);
    expect(suspects.isAccused('nobody')).toBe(false);
    expect(suspects.refusedPeers()).toEqual([]);
  });
});
