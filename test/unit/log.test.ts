// SPDX-License-Identifier: GPL-2.0-only

import { expect, it, vi } from 'vitest';
import { Log } from '../../src/service/log.ts';
import { alice } from './bench.ts';
import { FakeClock } from './fake-clock.ts';

it('puts nothing into words that is not logged: a restart tells of each address', () => {
  const nameOf = vi.fn(() => 'phone');
  const write = vi.fn();
  const log = new Log(new FakeClock(), write, nameOf);
  const event = { time: 1, interface: 'wg1', address: '2001:db8::5', peer: alice };
  log.event({ ...event, event: 'adopted' });
  log.level = 'warn';
  log.event({ ...event, event: 'learned', took: 1, delivered: true });
  expect(write).not.toHaveBeenCalled();
  expect(nameOf).not.toHaveBeenCalled();
  log.level = 'debug';
  log.event({ ...event, event: 'adopted' });
  expect(write.mock.calls).toEqual([['debug', 'wg1: adopted 2001:db8::5 peer phone']]);
});
