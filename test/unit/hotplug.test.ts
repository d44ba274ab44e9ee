// SPDX-License-Identifier: GPL-2.0-only

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Ledger } from '../../src/engine/ledger.ts';
import { type Environment, Hotplug, SystemScripts } from '../../src/service/hotplug.ts';
import { alice, bob } from './bench.ts';

const five = '2001:db8:1::5';

let ledger: Ledger;
let isThere: boolean;
let called: Environment[];
/** Has the scripts that run end. */
let end: (() => void) | undefined;
let failure: Error | undefined;
let omitted: number[];

beforeEach(() => {
  ledger = new Ledger();
  isThere = true;
  called = [];
  end = undefined;
  failure = undefined;
  omitted = [];
  const scripts = {
    exist: () => isThere,
    call(environment: Environment) {
      called.push(environment);
      if (failure) return Promise.reject(failure);
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    },
  };
  ledger.follow(
    new Hotplug(
      scripts,
      (_, peer) => (peer === alice ? 'phone' : ''),
      (count) => omitted.push(count),
    ),
  );
});

const entryOf = (address: string, peer = alice) => ({
  interface: 'wg1',
  peer,
  address,
  learned: 0,
  lastSeen: 0,
  confirmed: 0,
});
const learn = (address: string, peer = alice) =>
  ledger.tellPresent(entryOf(address, peer), { event: 'learned', took: 1, delivered: true });
const settle = () => new Promise((resolve) => setImmediate(resolve));

it('scripts are told of each event, one after the other', async () => {
  learn(five);
  ledger.tellGone(entryOf(five), { event: 'forgotten', reason: 'given' });
  ledger.tellPresent(entryOf(five, bob), { event: 'given' });
  ledger.tellPresent(entryOf('2001:db8:1::6'), { event: 'adopted' });
  ledger.tellPresent(entryOf('2001:db8:1::6'), { event: 'restored' });
  await settle();
  expect(called).toEqual([
    { ACTION: 'learned', INTERFACE: 'wg1', PEER: alice, NAME: 'phone', ADDRESS: five },
  ]);
  for (let i = 0; i < 3; i++) {
    end!();
    await settle();
  }
  expect(called.map(({ ACTION, PEER, NAME }) => [ACTION, PEER, NAME])).toEqual([
    ['learned', alice, 'phone'],
    ['forgotten', alice, 'phone'],
    ['learned', bob, ''],
  ]);
});

it('of a storm that they cannot keep up with, the rest is left out, and that is told once', async () => {
  for (let i = 0; i < 1_000; i++) learn(`2001:db8:1::${i.toString(16)}`);
  for (let i = 0; i < 300; i++) {
    end?.();
    await settle();
  }
  expect(called).toHaveLength(257);
  expect(omitted).toEqual([743]);
});

it('without scripts nothing waits', async () => {
  isThere = false;
  learn(five);
  isThere = true;
  await settle();
  expect(called).toEqual([]);
});

it('a call that fails keeps nobody from the next one', async () => {
  failure = new Error('spawn ENOMEM');
  learn(five);
  await settle();
  failure = undefined;
  learn('2001:db8:1::6');
  await settle();
  expect(called.map(({ ADDRESS }) => ADDRESS)).toEqual([five, '2001:db8:1::6']);
});

describe('scripts of the system', () => {
  const environment = { ACTION: 'learned', INTERFACE: 'wg1', PEER: alice, NAME: 'phone', ADDRESS: five };
  let folder: string;
  const path = (name: string) => join(folder, name);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hotplug-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are there if there is one in their folder', () => {
    mkdirSync(path('scripts'));
    writeFileSync(path('file'), '');
    const isAny = (name: string) => new SystemScripts(path(name)).exist();
    expect(isAny('scripts')).toBe(false);
    writeFileSync(path('scripts/10-log'), '');
    expect(isAny('scripts')).toBe(true);
    expect([isAny('nothing'), isAny('file')]).toEqual([false, false]);
  });

  it('have nothing but what they are told, and are ended with all that they have begun', async () => {
    const caller = path('hotplug-call');
    writeFileSync(caller, `#!/bin/sh\nenv >${path('env')}; (sleep 600 & echo $! >${path('id')}; wait)\n`, {
      mode: 0o755,
    });
    await new SystemScripts(folder, caller, 2_000).call(environment);
    const id = Number(readFileSync(path('id'), 'utf8'));
    await expect.poll(() => isRunning(id)).toBe(false);
    const lines = readFileSync(path('env'), 'utf8').split('\n');
    expect(lines).toContain(`ADDRESS=${five}`);
    expect(lines.map((each) => each.split('=')[0])).not.toContain('HOME');
  });

  it('of which there is no caller are left alone', async () => {
    await new SystemScripts(folder, path('nothing')).call(environment);
  });
});

/** What has ended may wait for whoever takes note of it. */
function isRunning(id: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${id}/stat`, 'latin1'));
  } catch {
    return false;
  }
}
