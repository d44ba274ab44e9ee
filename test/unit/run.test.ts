// SPDX-License-Identifier: GPL-2.0-only
// What keeps a command in the foreground from beginning.

import { beforeEach, expect, it } from 'vitest';
import { refuseHopeless } from '../../src/cli/run.ts';
import { Bench, config, on } from './bench.ts';

let bench: Bench;

beforeEach(() => {
  bench = new Bench();
});

it('is not what is in the way of other things, if new addresses cannot be seen', () => {
  bench.kernel.addLink('wg1', { addresses: [] });
  bench.kernel.failures.hook = [
    { code: 'unfit-hook', data: { hook: 'kprobe', because: { code: 'no-kprobes', data: {} } } },
  ];
  bench.start(config(on('wg1')));
  expect(bench.engine.view.problems().map(({ code }) => code)).toEqual(['unfit-hook', 'no-prefix']);
  expect(() => refuseHopeless(bench.engine)).toThrow(
    /^cannot see new addresses: option hook is kprobe, which does not work on this kernel: [^;]*$/,
  );
});
