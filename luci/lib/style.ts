// SPDX-License-Identifier: GPL-2.0-only
// What the themes do not have. Colours come from the theme (variables of luci-theme-bootstrap), so that it looks right
// in the dark too; others get colours that suit both.

import { element } from './dom.ts';

const rules = `
.wg-slaacer-hint { color: var(--text-color-medium, gray); font-size: 90%; }
.wg-slaacer-state { font-weight: bold; }
.wg-slaacer-state[data-tone="good"] { color: var(--success-color-medium, #009a4c); }
.wg-slaacer-state[data-tone="bad"] { color: var(--error-color-medium, #e8210d); }
.wg-slaacer-tools { display: flex; flex-wrap: wrap; gap: .5em; align-items: center; margin: 1em 0; }
.wg-slaacer-tools[hidden] { display: none; }
.wg-slaacer-tools input { flex: 0 1 22em; margin: 0; }
.wg-slaacer-table { table-layout: fixed; }
.wg-slaacer-table code { overflow-wrap: anywhere; white-space: normal; }
.wg-slaacer-table td { font-variant-numeric: tabular-nums; }
.th.wg-slaacer-peer { width: 25%; }
.th.wg-slaacer-address { width: 26%; }
.th.wg-slaacer-time, .th.wg-slaacer-count { width: 8em; }
.th.wg-slaacer-actions { width: 20em; }
.wg-slaacer-actions > div { flex-wrap: wrap; }
.wg-slaacer-name { overflow-wrap: anywhere; margin-right: .25em; }
.wg-slaacer-group .wg-slaacer-name { font-weight: bold; }
.wg-slaacer-dns-name:not(:empty) { margin-left: .5em; }
.wg-slaacer-toggle { all: unset; cursor: pointer; }
.wg-slaacer-toggle:focus-visible { outline: 2px solid var(--primary-color-high, #1976d2); outline-offset: 2px; }
.wg-slaacer-arrow::before { content: "\\25b8"; display: inline-block; width: 1.1em; }
.wg-slaacer-toggle[aria-expanded="true"] .wg-slaacer-arrow::before { content: "\\25be"; }
.table .tr.wg-slaacer-entry > .td { padding-top: 4px; padding-bottom: 4px; }
.wg-slaacer-client { white-space: pre; overflow-x: auto; max-height: 24em; }
.wg-slaacer-qr { max-width: 100%; background: white; }
.wg-slaacer-denied .th.wg-slaacer-peer { width: 21%; }
.wg-slaacer-denied .th.wg-slaacer-address { width: 23%; }
.wg-slaacer-range[aria-pressed="true"] { background: var(--primary-color-high, #1976d2); border-color: var(--primary-color-high, #1976d2); color: #fff; }
.wg-slaacer-legend span { display: inline-block; margin-right: 1.5em; }
.wg-slaacer-sample { display: inline-block; width: 2em; height: 5px; margin-right: .5em; border-radius: 2px; vertical-align: middle; }
.wg-slaacer-sample-present { background: var(--primary-color-high, #1976d2); }
.wg-slaacer-sample-ended { background: var(--text-color-medium, gray); }
.wg-slaacer-sample-allowed { background: linear-gradient(to right, var(--primary-color-high, #1976d2) 50%, var(--text-color-medium, gray) 50%); opacity: .35; }
.wg-slaacer-head { position: sticky; top: 0; z-index: 1; background: var(--background-color-high, Canvas); border-bottom: 1px solid var(--border-color-high, #ccc); }
.wg-slaacer-detail { margin: 0; padding: .4em 0; min-height: 1.4em; overflow-wrap: anywhere; }
.wg-slaacer-row { padding: 6px 0; border-bottom: 1px solid var(--border-color-medium, #ddd); }
.wg-slaacer-row > div { margin-bottom: 2px; }
.wg-slaacer-timeline svg { display: block; overflow: visible; }
.wg-slaacer-timeline text { fill: var(--text-color-high, currentColor); font: 10px monospace; }
.wg-slaacer-axis text { font: 11px sans-serif; fill: var(--text-color-medium, gray); }
.wg-slaacer-grid { stroke: var(--border-color-medium, #ddd); stroke-width: 1; }
.wg-slaacer-midnight { stroke: var(--border-color-high, #bbb); stroke-width: 2; }
.wg-slaacer-bar { cursor: default; outline: none; fill: var(--text-color-medium, gray); stroke: var(--text-color-medium, gray); }
.wg-slaacer-present { fill: var(--primary-color-high, #1976d2); stroke: var(--primary-color-high, #1976d2); }
.wg-slaacer-bar text { stroke: var(--background-color-high, Canvas); stroke-width: 3px; paint-order: stroke; }
.wg-slaacer-bar { scroll-margin-top: 6em; }
.wg-slaacer-allowed { opacity: .35; }
.wg-slaacer-frame { fill: transparent; stroke: none; }
.wg-slaacer-bar:hover .wg-slaacer-frame { fill: var(--background-color-low, rgba(128, 128, 128, .15)); }
.wg-slaacer-bar:focus-visible .wg-slaacer-frame { stroke: var(--text-color-high, currentColor); stroke-width: 2; }
.wg-slaacer-as-table { margin: 1.5em 0; }
.wg-slaacer-as-table summary { cursor: pointer; margin-bottom: .5em; }
.th.wg-slaacer-date { width: 10em; }
@media screen and (min-width: 601px) {
  .wg-slaacer-row { display: grid; grid-template-columns: 210px minmax(0, 1fr); }
  .wg-slaacer-head > :last-child { margin-left: 210px; }
  .table .tr.wg-slaacer-entry > .td { border-top-style: dotted; }
}
@media screen and (max-width: 600px) {
  .wg-slaacer-minor { display: none; }
  .wg-slaacer-detail { min-height: 4.5em; }
  .wg-slaacer-tools input { flex: 1 1 100%; }
  .table .tr > .td.wg-slaacer-peer, .table .tr > .td.wg-slaacer-address, .table .tr > .td.wg-slaacer-why { flex-basis: 100%; }
  .table .tr > .td.wg-slaacer-peer::before, .table .tr > .td.wg-slaacer-address::before { display: none; }
  .table .tr.wg-slaacer-entry > .td.wg-slaacer-peer, .table .tr > .td.wg-slaacer-first,
  .table .tr.wg-slaacer-group > .td.wg-slaacer-time { display: none; }
  .table .tr.wg-slaacer-entry { border-top-style: dotted; margin-left: 1em; }
}
`;

export function style(): HTMLElement {
  return element('style', { type: 'text/css' }, [rules]);
}
