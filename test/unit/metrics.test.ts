// SPDX-License-Identifier: GPL-2.0-only
// What "wg-slaacer metrics" prints, and what the collector for prometheus-node-exporter-lua hands to it.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { StatusAnswer } from '../../src/answers.ts';
import { metricLines } from '../../src/cli/metrics.ts';
import { interfaceOptions } from '../../src/settings.ts';

const problem = (code: string) => ({ code, message: 'm', hint: 'h', data: {} });
const inter = (name: string, device: string, enabled: boolean, up: boolean, addresses: number) => ({
  name,
  device,
  enabled,
  up,
  addresses,
  options: interfaceOptions as never,
  prefixes: [],
  counters: {},
});
const status: StatusAnswer = {
  version: '0.1.0',
  uptime: 86_400,
  read: 60,
  hook: 'fexit',
  options: { hook: 'auto', log_level: 'info' },
  problems: [problem('no-prefix'), problem('no-64'), problem('no-prefix')],
  interfaces: [
    inter('wg1', 'wg1', true, true, 12),
    inter('home', 'wg"\\\nhome', true, false, 0),
    inter('wg2', 'wg2', false, true, 0),
  ],
  totals: {
    learned: 20,
    restored: 1,
    given: 2,
    adopted: 3,
    expired: 4,
    evicted: 5,
    forgotten: 6,
    released: 7,
    taken: 1,
    denied: { owned: 123_456_789_012, scope: 0, reserved: 0, rate: 8 },
    delivered: 19,
    delivery_failed: 1,
    missed: 9,
  },
};

interface Family {
  readonly type: string;
  readonly samples: string[];
}

/** Throws what the text format of OpenMetrics 1.0 forbids, as far as our lines may meet it. */
function parse(text: string): Map<string, Family> {
  if (!text.endsWith('# EOF\n')) throw new Error('it has no end');
  const families = new Map<string, Family>();
  let name = '';
  for (const line of text.split('\n').slice(0, -2)) {
    const [, kind, family, rest] = /^# (TYPE|UNIT|HELP) (\w+) (.+)$/.exec(line) ?? [];
    if (kind === 'TYPE') {
      if (families.has(family!)) throw new Error(`${family} is there twice`);
      if (/_(total|info)$/.test(family!)) throw new Error(`${family} has the suffix of a sample`);
      if (!['gauge', 'counter', 'info'].includes(rest!)) throw new Error(`${rest} is no type`);
      name = family!;
      families.set(name, { type: rest!, samples: [] });
    } else if (kind) {
      if (family !== name || families.get(name)!.samples.length > 0) throw new Error(`out of place: ${line}`);
      if (kind === 'UNIT' && !name.endsWith(`_${rest}`)) throw new Error(`${name} is not in ${rest}`);
    } else {
      const { type, samples } = families.get(name)!;
      const suffix = { counter: '_total', info: '_info' }[type] ?? '';
      const label = '[a-z_]+="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
      if (!new RegExp(`^${name}${suffix}(\\{${label}(,${label})*\\})? \\d+$`).test(line))
        throw new Error(`no sample of ${name}: ${line}`);
      if (samples.some((other) => other.split(' ')[0] === line.split(' ')[0]))
        throw new Error(`twice: ${line}`);
      samples.push(line);
    }
  }
  return families;
}

describe('the metrics', () => {
  const text = `${metricLines(status).join('\n')}\n`;
  const families = parse(text);

  it('are in the text format of OpenMetrics', () => {
    expect([...families].map(([name, { type }]) => `${type} ${name}`)).toEqual([
      'gauge wg_slaacer_up',
      'info wg_slaacer_build',
      'gauge wg_slaacer_uptime_seconds',
      'gauge wg_slaacer_problems',
      'gauge wg_slaacer_interface_up',
      'gauge wg_slaacer_addresses',
      'counter wg_slaacer_address_events',
      'counter wg_slaacer_takeovers',
      'counter wg_slaacer_denied_packets',
      'counter wg_slaacer_revealing_packets',
      'counter wg_slaacer_missed_changes',
    ]);
  });

  it('have what the status says, of interfaces that are enabled', () => {
    expect(text).toContain('wg_slaacer_build_info{version="0.1.0",hook="fexit"} 1\n');
    expect(families.get('wg_slaacer_problems')!.samples).toEqual([
      'wg_slaacer_problems{code="no-prefix"} 2',
      'wg_slaacer_problems{code="no-64"} 1',
    ]);
    expect(families.get('wg_slaacer_addresses')!.samples).toEqual([
      'wg_slaacer_addresses{interface="wg1",device="wg1"} 12',
      'wg_slaacer_addresses{interface="home",device="wg\\"\\\\\\nhome"} 0',
    ]);
    expect(text).toContain('wg_slaacer_denied_packets_total{reason="owned"} 123456789012\n');
    expect(families.get('wg_slaacer_address_events')!.samples).toHaveLength(8);
  });

  it('are there without problems and interfaces, too', () => {
    const none = metricLines({ ...status, problems: [], interfaces: [] });
    expect(parse(`${none.join('\n')}\n`).size).toBe(families.size);
  });

  describe('by the collector', () => {
    const collector = fileURLToPath(
      new URL('../../files/usr/lib/lua/prometheus-collectors/wg-slaacer.lua', import.meta.url),
    );
    /** As the exporter loads a collector and runs it, with ubus answering so. */
    const scrape = (answer: StatusAnswer | undefined) => {
      const program = `
        local answer = ${answer ? luaOf(answer) : 'nil'}
        local closed = 0
        package.preload.ubus = function()
          return { connect = function(path, seconds)
            assert(path == nil and seconds < 10, "Prometheus would not wait for so long")
            return {
              call = function(_, object, method, args)
                assert(object == "wg-slaacer" and method == "status" and type(args) == "table")
                return answer
              end,
              close = function() closed = closed + 1 end,
            }
          end }
        end
        function metric(name, kind, labels, value)
          print("# TYPE " .. name .. " " .. kind)
          local function sample(labels, value)
            local texts = {}
            for label, text in pairs(labels or {}) do texts[#texts + 1] = label .. '="' .. text .. '"' end
            table.sort(texts)
            local all = #texts > 0 and "{" .. table.concat(texts, ",") .. "}" or ""
            print(string.format("%s%s %s", name, all, value))
          end
          if value then sample(labels, value) end
          return sample
        end
        dofile(arg[1]).scrape()
        assert(closed == 1)`;
      return execFileSync('lua5.1', ['-', collector], { input: program, encoding: 'utf8' });
    };
    const sorted = (lines: string[]) =>
      lines
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) =>
          line.replace(/\{(.*)\}/, (_, labels: string) => `{${labels.split(/,(?=\w+=")/).sort()}}`),
        )
        .sort();

    it('are the same', () => {
      expect(sorted(scrape(status).split('\n'))).toEqual(sorted(text.split('\n')));
    });

    it('have the types that they have', () => {
      const types = [...scrape(status).matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => [
        name,
        type,
      ]);
      const expected = [...families].map(([name, { type }]) =>
        type === 'info' ? [`${name}_info`, 'gauge'] : [type === 'counter' ? `${name}_total` : name, type],
      );
      expect(types).toEqual(expected);
    });

    it('say that the service does not run', () => {
      expect(scrape(undefined)).toBe('# TYPE wg_slaacer_up gauge\nwg_slaacer_up 0\n');
    });
  });
});

/** A value as Lua has it when libubus-lua has read it. */
function luaOf(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map(luaOf).join(', ')}}`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .filter(([name]) => name !== 'options')
      .map(([name, each]) => `[${luaOf(name)}] = ${luaOf(each)}`)
      .join(', ')}}`;
  return JSON.stringify(value);
}
