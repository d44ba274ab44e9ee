// SPDX-License-Identifier: GPL-2.0-only

import { beforeEach, describe, expect, it } from 'vitest';
import { Ledger } from '../../src/engine/ledger.ts';
import { type Host, Hosts } from '../../src/service/hosts.ts';
import { alice, bob } from './bench.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeStateFile } from './fake-state-file.ts';

let clock: FakeClock;
let ledger: Ledger;
let file: FakeStateFile;
let hosts: Hosts;
/** What dnsmasq has read, each time that it was told. */
let read: string[];
let refusal: Error | undefined;

const phone: Host = {
  interface: 'wg1',
  key: alice,
  names: ['phone.lan', 'phone'],
  dns: '1',
  configured: new Set(),
};

beforeEach(() => {
  clock = new FakeClock();
  ledger = new Ledger();
  file = new FakeStateFile();
  read = [];
  refusal = undefined;
  begin();
});

function begin(): void {
  hosts = new Hosts(
    ledger,
    clock,
    file,
    async () => {
      if (refusal) throw refusal;
      read.push(file.text);
    },
    () => {},
  );
  ledger.follow(hosts);
}

function learn(address: string, peer = alice, name = 'wg1'): void {
  const now = clock.now();
  const entry = { interface: name, peer, address, learned: now, lastSeen: now, confirmed: now };
  ledger.put(entry);
  ledger.tellPresent(entry, { event: 'given' });
}

function withdraw(address: string, name = 'wg1'): void {
  const entry = ledger.get(name, address)!;
  ledger.delete(entry);
  ledger.tellGone(entry, { event: 'expired' });
}

/** Lets time pass, and what is under way come to its end. */
async function pass(milliseconds: number): Promise<void> {
  clock.advance(milliseconds);
  await new Promise((resolve) => setImmediate(resolve));
}

const line = (address: string) => `${address}\tphone.lan\tphone\n`;

describe('the hosts file', () => {
  beforeEach(() => hosts.configure([phone]));

  it('has what a peer has learned, the latest first, without what is link-local or another’s', async () => {
    learn('fe80::5');
    learn('2001:db8:1::5');
    learn('2001:db8:1::b', bob);
    learn('2001:db8:1::c', alice, 'wg2');
    clock.delay(1);
    learn('fd00::6');
    await pass(100);
    expect(read).toEqual([line('fd00::6') + line('2001:db8:1::5')]);
  });

  it('follows within 6 seconds, and dnsmasq is told once in 5 at most', async () => {
    learn('2001:db8:1::1');
    await pass(100);
    expect(read).toEqual([line('2001:db8:1::1')]);
    for (let i = 2; i <= 9; i++) {
      learn(`2001:db8:1::${i}`);
      await pass(500);
    }
    expect(read).toHaveLength(1);
    await pass(1_000);
    expect(read).toHaveLength(2);
    expect(read[1]).toContain('2001:db8:1::9');
    withdraw('2001:db8:1::9');
    await pass(5_000);
    expect(read).toHaveLength(3);
    expect(read[2]).not.toContain('2001:db8:1::9');
  });

  it('is left alone by what does not change it', async () => {
    await pass(100);
    expect(read).toEqual(['']); // what an earlier process had written might be there
    learn('2001:db8:1::b', bob);
    expect(clock.pending()).toEqual([]);
    learn('2001:db8:1::1');
    withdraw('2001:db8:1::1');
    await pass(60_000);
    expect(read).toHaveLength(1);
  });

  it('follows the configuration, too', async () => {
    learn('2001:db8:1::1');
    await pass(100);
    hosts.configure([{ ...phone, configured: new Set(['2001:db8:1::f']) }]);
    await pass(5_000);
    expect(read[1]).toBe(line('2001:db8:1::1') + line('2001:db8:1::f'));
    hosts.configure([]);
    await pass(5_000);
    expect(read[2]).toBe('');
    learn('2001:db8:1::2');
    expect(clock.pending()).toEqual([]);
  });

  it('is written again by the next process, as dnsmasq may not have read it, and emptied by one without names', async () => {
    learn('2001:db8:1::1');
    await pass(100);
    hosts.stop();
    learn('2001:db8:1::2');
    expect(clock.pending()).toEqual([]);
    withdraw('2001:db8:1::2');
    begin();
    hosts.configure([phone]);
    await pass(100);
    expect(read).toEqual([line('2001:db8:1::1'), line('2001:db8:1::1')]);
    hosts.stop();
    begin();
    hosts.configure([]); // switched off meanwhile
    await pass(100);
    expect(read[2]).toBe('');
  });

  it('has stable addresses only, if so wished: those with the identifier of the link-local one, and configured ones', async () => {
    hosts.configure([{ ...phone, dns: 'stable', configured: new Set(['2001:db8:1::f']) }]);
    learn('2001:db8:1:0:a:b:c:d');
    learn('2001:db8:1::5:6');
    await pass(100);
    expect(read).toEqual([line('2001:db8:1::f')]);
    learn('fe80::a:b:c:d');
    await pass(5_000);
    expect(read[1]).toBe(line('2001:db8:1:0:a:b:c:d') + line('2001:db8:1::f'));
  });

  it('costs nothing where no name is wanted', () => {
    hosts.configure([]);
    learn('2001:db8:1::1');
    clock.advance(0);
    begin();
    hosts.configure([]);
    learn('2001:db8:1::2');
    expect(file.text).toBe('');
  });
});

describe('what fails', () => {
  beforeEach(() => hosts.configure([phone]));

  it('is a problem until it works, and tried again', async () => {
    refusal = new Error('dnsmasq: not found');
    learn('2001:db8:1::1');
    await pass(100);
    expect(hosts.problems).toEqual([{ code: 'dnsmasq-untold', data: { detail: 'dnsmasq: not found' } }]);
    refusal = undefined;
    await pass(30_000);
    expect(read).toEqual([line('2001:db8:1::1')]);
    expect(hosts.problems).toEqual([]);
  });

  it('is mended even if all is by then as dnsmasq has last read it', async () => {
    learn('2001:db8:1::1');
    await pass(100);
    refusal = new Error('dnsmasq: not found');
    learn('2001:db8:1::2');
    await pass(5_000);
    expect(file.text).toContain('2001:db8:1::2');
    withdraw('2001:db8:1::2');
    refusal = undefined;
    await pass(30_000);
    expect(read.at(-1)).toBe(line('2001:db8:1::1'));
    expect(file.text).toBe(line('2001:db8:1::1'));
    expect(hosts.problems).toEqual([]);
  });

  it('may be the file', async () => {
    file.failures.write = 'ENOSPC';
    learn('2001:db8:1::1');
    await pass(100);
    expect(hosts.problems).toMatchObject([{ code: 'hosts-failed', data: { error: 'ENOSPC' } }]);
  });
});
