// SPDX-License-Identifier: GPL-2.0-only
// A device gets a new key and keeps its addresses, while its old peer is still configured. Law 1 for what moves: only from a
// peer that can send nothing any more.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anyHook, guestFor } from '../../bed/bed.ts';
import type { Client } from '../../bed/client.ts';
import { keyPair } from '../../bed/keys.ts';
import { Lab } from '../../bed/lab.ts';
import { LiveEngine } from '../../bed/live-engine.ts';
import { reveal } from '../../bed/ways.ts';

const address = '2001:db8:1::a';

/** REJECT_AFTER_TIME and a look at WireGuard, in milliseconds. */
const SILENCE = 210_000;

describe.each([anyHook, 'lending'] as const)('by %s', (hook) => {
  let lab: Lab;
  let engine: LiveEngine;
  let laptop: Client;
  let phone: Client;
  /** The laptop's key at the moment, and the one before. */
  let key: string;
  let former: string;

  const configure = (takeover: '0' | '1') => engine.configure({ wg1: { rate: '0', takeover } });

  beforeAll(async () => {
    lab = await Lab.create(await guestFor(hook), { clients: ['laptop', 'phone'] });
    [laptop, phone] = lab.clients as [Client, Client];
    key = laptop.publicKey;
    engine = await LiveEngine.launch(lab.router, hook);
    await configure('0');
    await laptop.addAddress(address);
    await reveal(engine, laptop, [address]);
  });

  afterAll(async () => {
    await engine?.finish();
    await lab?.destroy();
  });

  /** The device goes on with another key, which is a peer, too. */
  async function replaceKey(): Promise<void> {
    const { publicKey, privateKey } = keyPair();
    [former, key] = [key, publicKey];
    await lab.router.run(`wg set wg1 peer '${key}'`);
    await laptop.run('wg set wg0 private-key /dev/stdin', { input: privateKey });
  }

  const owner = async () => {
    const { stdout } = await lab.router.run('wg show wg1 allowed-ips');
    return stdout
      .split('\n')
      .filter((line) => line.includes(`${address}/128`))
      .map((line) => line.split('\t')[0]);
  };

  const answers = async (count = 1) =>
    (await laptop.ping({ from: address, count, interval: 0.5, timeout: 5 })).received;

  test('the address stays with the old peer for as long as that may have a session, and it is told whose it is', async () => {
    await replaceKey();
    const from = engine.mark;
    expect(await answers(2)).toBe(0);
    if (hook !== 'lending') {
      const denial = { address, peer: key, reason: 'owned', owner: former, state: 'present' } as const;
      await engine.event('denied', denial, 10_000, from);
    }
    expect(await engine.give('wg1', address, key)).toEqual({ code: 'session', owner: former });
    expect(await owner()).toEqual([former]);
  });

  test('it can be given to the new one when the old one is silent, and is at once in use', async () => {
    await lab.guest.sleep(SILENCE);
    const from = engine.mark;
    expect(await answers()).toBe(0);
    if (hook !== 'lending') {
      const denied = await engine.event('denied', { address, owner: former, state: 'silent' }, 10_000, from);
      expect(denied.silent).toBeGreaterThanOrEqual(180);
    }
    expect(await engine.give('wg1', address, key)).toBeNull();
    await engine.event('forgotten', { address, peer: former, reason: 'given' }, 10_000, from);
    await engine.event('given', { address, peer: key }, 10_000, from);
    expect(await owner()).toEqual([key]);
    expect(await answers(3)).toBe(3);
  });

  test('nobody gets it from a peer that has a session, be it asked for or taken', async () => {
    await configure('1');
    const from = engine.mark;
    await phone.sendFrom(address, { count: 20 });
    await lab.guest.sleep(2_000);
    expect(await engine.give('wg1', address, phone.publicKey)).toEqual({ code: 'session', owner: key });
    expect(await owner()).toEqual([key]);
    expect(engine.has('forgotten', { address }, from)).toBe(false);
    expect(await answers()).toBe(1);
  });

  const after = hook === 'lending' ? 'within seconds of' : 'at the first packet after';
  test(`with takeover the next key gets it by itself, ${after} the silence`, async () => {
    await replaceKey();
    await lab.guest.sleep(SILENCE);
    const from = engine.mark;
    if (hook !== 'lending') expect(await answers(3)).toBe(2);
    // The first packets show that it is refused whatever is lent to it.
    else await lab.guest.until(async () => expect(await answers(3)).toBeGreaterThan(0), 20_000);
    await engine.event('forgotten', { address, peer: former, reason: 'taken' }, 10_000, from);
    await engine.event('learned', { address, peer: key, delivered: hook === 'lending' }, 10_000, from);
    expect(await owner()).toEqual([key]);
    expect(await answers(3)).toBe(3);
  });
});
