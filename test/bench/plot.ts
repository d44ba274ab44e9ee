// SPDX-License-Identifier: GPL-2.0-only
// A picture of the figures that matter most, as SVG: bars, a panel for each figure, a colour for each learner.

import type { Report, Result } from './report.ts';
import { formatValue } from './table.ts';

interface Panel {
  readonly key: string;
  readonly title: string;
}

export const PANELS: readonly Panel[] = [
  { key: 'packets.known', title: 'Instructions for a packet from a learned address' },
  { key: 'first-reply.median', title: 'First packet from a new address to its reply, ms' },
  { key: 'slaac.median', title: 'Link up to first reply by SLAAC, ms' },
  { key: 'heal.median', title: 'Until all reply after wg syncconf, ms' },
  { key: 'storm.1000x16.rate', title: 'Storm of 16,000 new addresses: learned a second' },
  { key: 'storm.1000x16.lost', title: '… packets lost' },
  { key: 'idle.available', title: 'Idle: MemAvailable less than without, MB' },
  { key: 'idle.wake-ups', title: 'Idle: wake-ups a minute' },
];

const COLOURS = ['#8a8f98', '#b3a06a', '#9b7fb5', '#2a7de1', '#1a9e77', '#e08a1e', '#d1495b'];
const WIDTH = 880;
const COLUMNS = 2;
const PANEL = WIDTH / COLUMNS;
const MARGIN = 16;
const LABEL = 92;
/** For the text behind a bar. */
const VALUE = 76;
const BAR = 16;
const GAP = 4;
const TITLE = 30;

/** What the report does not have is left out. */
export function plot({ results }: Report): string {
  const learners = [...new Set(results.flatMap(({ values }) => Object.keys(values)))];
  const colours = new Map(learners.map((name, i) => [name, COLOURS[i % COLOURS.length]!]));
  const panels = PANELS.flatMap(({ key, title }) => {
    const bars = barsOf(results.find((result) => result.key === key));
    return bars.length > 0 ? [{ title, bars }] : [];
  });
  const rows = Array.from({ length: Math.ceil(panels.length / COLUMNS) }, (_, i) =>
    panels.slice(i * COLUMNS, (i + 1) * COLUMNS),
  );
  let y = MARGIN;
  const drawn = rows.map((row) => {
    const top = y;
    y += TITLE + Math.max(...row.map(({ bars }) => bars.length)) * (BAR + GAP) + MARGIN;
    return row.map(({ title, bars }, i) => panel(title, bars, i * PANEL + MARGIN, top, colours)).join('\n');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" role="img">
<!-- SPDX-License-Identifier: GPL-2.0-only -->
<title>wg-slaacer measured</title>
<style>
text { font: 12px sans-serif; fill: #24292f }
.title { font-weight: bold }
@media (prefers-color-scheme: dark) { text { fill: #d0d7de } }
</style>
${drawn.join('\n')}
</svg>
`;
}

type Bar = readonly [learner: string, value: number];

function barsOf(result: Result | undefined): Bar[] {
  return Object.entries(result?.values ?? {}).filter((entry): entry is [string, number] => entry[1] !== null);
}

function panel(
  title: string,
  bars: readonly Bar[],
  x: number,
  y: number,
  colours: ReadonlyMap<string, string>,
): string {
  const most = Math.max(...bars.map(([, value]) => value), Number.MIN_VALUE);
  const room = PANEL - MARGIN - LABEL - VALUE;
  const lines = bars.map(([learner, value], i) => {
    const top = y + TITLE + i * (BAR + GAP);
    const width = Math.max(1, Math.round((value / most) * room));
    const [start, baseline] = [x + LABEL, top + BAR - 4];
    return `<text x="${start - 6}" y="${baseline}" text-anchor="end">${escapeText(learner)}</text>
<rect x="${start}" y="${top}" width="${width}" height="${BAR}" rx="2" fill="${colours.get(learner)}"/>
<text x="${start + width + 6}" y="${baseline}">${formatValue(value)}</text>`;
  });
  return [`<text class="title" x="${x}" y="${y + 18}">${escapeText(title)}</text>`, ...lines].join('\n');
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
