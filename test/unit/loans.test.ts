// SPDX-License-Identifier: GPL-2.0-only

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { contains, type Prefix, parseAddress } from '../../src/address.ts';
import { formatPrefix } from '../../src/address-text.ts';
import type { LentRecord } from '../../src/kernel/abi.ts';
import type { BpfSightings } from '../../src/kernel/bpf-sightings.ts';
import { allowedIpsOf, isInPlace, lendable, withoutLoan } from '../../src/kernel/lending/loans.ts';
import { recallLoans } from '../../src/kernel/lending/recall.ts';
import type { WireGuard } from '../../src/kernel/ports.ts';
import type { AllowedIp, Device, Scope } from '../../src/model.ts';
import { formatAllowedIps } from './allowed-ips.ts';
import { alice, bob, carol, deviceOf, nameOf, prefixes } from './bench.ts';

const scope = (...learn: string[]): Scope => ({ learn: prefixes(...learn), reserved: [] });

const lent = (learn: string[], ...configured: string[]) =>
  lendable(scope(...learn), deviceOf({ [alice]: configured, [bob]: [] })).map(formatPrefix);

describe('what can be lent', () => {
  it('are the halves of each prefix to learn in, and all nodes’ address', () => {
    expect(lent(['2001:db8:1::/64', 'fe80::/64'])).toEqual([
      '2001:db8:1::/65',
      '2001:db8:1:0:8000::/65',
      'fe80::/65',
      'fe80::8000:0:0:0/65',
      'ff02::/127',
    ]);
  });

  it.each([
    ['a bit of the first byte', '8000::/1', ['8000::/2', 'c000::/2']],
    ['the last bit of a byte', '2001:db8:1:ff00::/63', ['2001:db8:1:ff00::/64', '2001:db8:1:ff01::/64']],
    ['a bit within a byte', '2001:db8:1::/60', ['2001:db8:1::/61', '2001:db8:1:8::/61']],
    ['the last but one bit', '2001:db8::4/126', ['2001:db8::4/127', '2001:db8::6/127']],
  ])('begins its second half at %s', (_, prefix, halves) => {
    expect(lent([prefix])).toEqual([...halves, 'ff02::/127']);
  });

  it.each(['2001:db8:1::/64', '2001:db8::/32', '2000::/3', '::/0'])(
    'is nothing of a prefix where a peer has %s',
    (configured) => {
      expect(lent(['2001:db8:1::/64'], configured)).not.toContainEqual(expect.stringMatching(/^2001/));
    },
  );

  it.each(['2001:db8:1:0:1::/80', '2001:db8:1::/66', '2001:db8:1::5/128', '2001:db8:2::/64', 'fe80::/65'])(
    'is all of a prefix where a peer has but %s',
    (configured) => {
      expect(lent(['2001:db8:1::/64'], configured)).toEqual([
        '2001:db8:1::/65',
        '2001:db8:1:0:8000::/65',
        'ff02::/127',
      ]);
    },
  );

  it('leaves out a half that a peer has', () => {
    expect(lent(['2001:db8:1::/64'], '2001:db8:1::/65')).toEqual(['2001:db8:1:0:8000::/65', 'ff02::/127']);
    expect(lent(['2001:db8:1::/64'], '2001:db8:1:0:8000::/65')).toEqual(['2001:db8:1::/65', 'ff02::/127']);
    expect(lent(['2001:db8:1::/64'], '2001:db8:1::/65', '2001:db8:1:0:8000::/65')).toEqual(['ff02::/127']);
  });

  it.each(['2001:db8::/127', '2001:db8::5/128', '::/0'])('is nothing of %s', (prefix) => {
    expect(lent([prefix])).toEqual(['ff02::/127']);
  });

  it.each(['ff02::/127', 'ff00::/8', '::/0', 'ff02::/16'])(
    'is not all nodes’ address if a peer has %s',
    (configured) => {
      expect(lent(['fe80::/64'], configured)).not.toContain('ff02::/127');
    },
  );

  it('is nothing twice where prefixes are nested or repeated', () => {
    const nested = lent(['2001:db8:1::/64', '2001:db8:1::/65', '2001:db8:1::/64', 'ff02::/127']);
    expect(nested).toEqual([
      '2001:db8:1::/65',
      '2001:db8:1:0:8000::/65',
      '2001:db8:1::/66',
      '2001:db8:1:0:4000::/66',
      'ff02::/127',
    ]);
  });

  it('whatever is configured, is neither a peer’s prefix nor within one', () => {
    const bytes = fc
      .array(fc.constantFrom(0, 0x80, 0x40, 0xff), { minLength: 2, maxLength: 2 })
      .map(([upper, lower]) => Uint8Array.of(0x20, upper!, lower!, ...new Array<number>(13).fill(0)));
    const prefix = fc
      .record({ bytes, length: fc.integer({ min: 0, max: 24 }) })
      .map((each) => formatPrefix(each))
      .map((text) => prefixes(text)[0]!);
    fc.assert(
      fc.property(fc.array(prefix), fc.array(prefix), (learn, configured) => {
        const device = deviceOf({ [alice]: [], [bob]: configured.map(formatPrefix) });
        for (const loan of lendable({ learn, reserved: [] }, device)) {
          const covering = configured.filter(
            (other) => other.length <= loan.length && contains(other, loan.bytes),
          );
          expect(covering.map(formatPrefix)).toEqual([]);
        }
      }),
    );
  });
});

const loan = { peer: alice, allowedIps: prefixes('2001:db8:1::/65', 'ff02::/127') };

it('a loan is these allowed IPs', () => {
  expect(allowedIpsOf(loan)).toEqual([
    { peer: alice, address: '2001:db8:1::', length: 65 },
    { peer: alice, address: 'ff02::', length: 127 },
  ]);
});

describe('a device without a loan', () => {
  it('lacks what is lent to the borrower, and nothing else', () => {
    const device = deviceOf({
      [alice]: ['2001:db8:1::/65', '2001:db8:1::/64', '2001:db8:1::/128', 'ff02::/127'],
      [bob]: ['2001:db8:1::/65'],
    });
    expect(withoutLoan(device, loan)).toEqual(
      deviceOf({ [alice]: ['2001:db8:1::/64', '2001:db8:1::/128'], [bob]: ['2001:db8:1::/65'] }),
    );
  });

  it('is the same if nothing is lent', () => {
    const device = deviceOf({ [alice]: ['2001:db8:1::/65'] });
    expect(withoutLoan(device, undefined)).toBe(device);
  });
});

describe('a loan is in place', () => {
  const whole = ['ff02::/127', '2001:db8:1::/65', '2001:db8:9::/64'];

  it('if the borrower has all of it', () => {
    expect(isInPlace(deviceOf({ [bob]: [], [alice]: whole }), loan)).toBe(true);
  });

  it.each([
    ['a part is missing', { [alice]: ['2001:db8:1::/65'] }],
    ['another peer has it', { [alice]: [], [bob]: whole }],
    ['the borrower is gone', { [bob]: [] }],
    ['there is an address that begins so', { [alice]: ['2001:db8:1::/128', 'ff02::/127'] }],
  ])('but not if %s', (_, peers) => {
    expect(isInPlace(deviceOf(peers), loan)).toBe(false);
  });
});

describe('recalling what is on record as lent', () => {
  const devices = new Map<string, Device>();
  let records: LentRecord[];
  let removed: string[];
  let log: string[];

  const record = (
    text: string,
    { peer = alice, ifindex = 7, device = 'wg1' }: { peer?: string; ifindex?: number; device?: string } = {},
  ): LentRecord => ({ ifindex, device, peer, prefix: prefixes(text)[0]! });

  const sightings = {
    lentRecords: () => [...records],
    forgetLent: (record: LentRecord) => {
      log.push(`forget ${formatPrefix(record.prefix)}`);
      records = records.filter((other) => other !== record);
    },
  } as BpfSightings;

  const holds = (peer: string, prefix: Prefix) =>
    [...devices.values()].some(({ peers }) =>
      peers.some((other) => other.key === peer && formatAllowedIps(other).includes(formatPrefix(prefix))),
    );

  const wireguard = {
    dump: (name: string) => devices.get(name),
    remove: (name: string, entries: readonly AllowedIp[]) => {
      for (const { peer, address, length = 128 } of entries) {
        if (!holds(peer, { bytes: parseAddress(address)!, length })) throw new Error('not its');
        removed.push(`${name} ${address}/${length} ${nameOf(peer)}`);
        log.push('remove');
      }
    },
  } as WireGuard;

  const recall = () =>
    [...recallLoans(sightings, wireguard)].map(([ifindex, peer]) => [ifindex, nameOf(peer)]);

  beforeEach(() => {
    devices.clear();
    records = [];
    removed = [];
    log = [];
  });

  it('withdraws an address that was one peer’s for a moment, from that peer only', () => {
    devices.set('wg1', deviceOf({ [alice]: ['ff02::1/128', '2001:db8:1::5/128'], [bob]: [] }));
    records = [record('ff02::1/128')];
    recall();
    expect(removed).toEqual(['wg1 ff02::1/128 alice']);
    expect(records).toEqual([]);
  });

  it('withdraws it, then forgets it, and tells who had it', () => {
    devices.set('wg1', deviceOf({ [alice]: ['2001:db8:1::/65', 'ff02::/127', '2001:db8:1::5/128'] }));
    records = [record('2001:db8:1::/65'), record('ff02::/127')];
    expect(recall()).toEqual([[7, 'alice']]);
    expect(removed).toEqual(['wg1 2001:db8:1::/65 alice', 'wg1 ff02::/127 alice']);
    expect(log).toEqual(['remove', 'remove', 'forget 2001:db8:1::/65', 'forget ff02::/127']);
    expect(records).toEqual([]);
  });

  it('takes it from whoever has it', () => {
    devices.set('wg1', deviceOf({ [alice]: ['2001:db8:1::/65'], [bob]: ['ff02::/127'], [carol]: [] }));
    records = [record('2001:db8:1::/65', { peer: carol }), record('ff02::/127', { peer: carol })];
    expect(recall()).toEqual([[7, 'carol']]);
    expect(removed).toEqual(['wg1 2001:db8:1::/65 alice', 'wg1 ff02::/127 bob']);
  });

  it('does so on several interfaces', () => {
    devices.set('wg1', deviceOf({ [alice]: ['2001:db8:1::/65'] }));
    devices.set('wg2', { ...deviceOf({ [bob]: ['2001:db8:2::/65'] }), ifindex: 8 });
    records = [
      record('2001:db8:1::/65'),
      record('2001:db8:2::/65', { peer: bob, ifindex: 8, device: 'wg2' }),
    ];
    expect(recall()).toEqual([
      [7, 'alice'],
      [8, 'bob'],
    ]);
    expect(removed).toEqual(['wg1 2001:db8:1::/65 alice', 'wg2 2001:db8:2::/65 bob']);
  });

  it('leaves alone what only is like it', () => {
    devices.set('wg1', deviceOf({ [alice]: ['2001:db8:1::/64', '2001:db8:1::/128', '2001:db8:1:1::/65'] }));
    records = [record('2001:db8:1::/65')];
    expect(recall()).toEqual([[7, 'alice']]);
    expect(removed).toEqual([]);
    expect(records).toEqual([]);
  });

  it('does nothing to another interface of that name, but forgets', () => {
    devices.set('wg1', { ...deviceOf({ [alice]: ['2001:db8:1::/65'] }), ifindex: 8 });
    records = [record('2001:db8:1::/65')];
    expect(recall()).toEqual([]);
    expect(removed).toEqual([]);
    expect(records).toEqual([]);
  });

  it('tells the records of an interface from those of one that had its name', () => {
    devices.set('wg1', { ...deviceOf({ [alice]: ['2001:db8:1::/65', '2001:db8:2::/65'] }), ifindex: 8 });
    records = [record('2001:db8:1::/65'), record('2001:db8:2::/65', { ifindex: 8 })];
    expect(recall()).toEqual([[8, 'alice']]);
    expect(removed).toEqual(['wg1 2001:db8:2::/65 alice']);
    expect(records).toEqual([]);
  });

  it('forgets what was lent on an interface that is gone', () => {
    records = [record('2001:db8:1::/65')];
    expect(recall()).toEqual([]);
    expect(records).toEqual([]);
  });

  it('keeps on record what cannot be withdrawn', () => {
    devices.set('wg1', deviceOf({ [alice]: ['2001:db8:1::/65'] }));
    records = [record('2001:db8:1::/65')];
    const failing = {
      ...wireguard,
      remove: () => {
        throw new Error('ENOMEM');
      },
    };
    expect(() => recallLoans(sightings, failing)).toThrow('ENOMEM');
    expect(records).toHaveLength(1);
  });
});
