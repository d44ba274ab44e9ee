// SPDX-License-Identifier: GPL-2.0-only
// The files of the router's web server: our views as they are built, a page to hold them (view.ut and the header and
// footer of a theme in LuCI), and the stand-in for LuCI's own modules.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { decodeLmo } from '../../scripts/lmo.ts';
import type { Site } from './uhttpd.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const VIEWS = path('../../dist/rootfs/www/luci-static/resources/view/wg-slaacer/');
const CATALOGUES = path('../../dist/rootfs/usr/lib/lua/luci/i18n/');

const types: Readonly<Record<string, string>> = {
  js: 'text/javascript',
  css: 'text/css',
  svg: 'image/svg+xml',
};

/** `views` may replace what a view is compiled to. */
export async function standInSite(views: Readonly<Record<string, string>> = {}): Promise<Site> {
  const { outputFiles } = await build({
    entryPoints: [path('standin/luci.ts')],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2022',
  });
  const files: Record<string, () => string> = {
    '/luci-static/resources/luci.js': () => outputFiles[0]!.text,
    '/luci-static/theme.css': () => readFileSync(path('standin/theme.css'), 'utf8'),
    '/luci-static/resources/icons/wireguard.svg': () => icon('#88171a'),
    '/luci-static/resources/icons/wireguard_disabled.svg': () => icon('#999'),
    '/favicon.ico': () => '',
  };
  return {
    file(name) {
      const [, language] = /^\/cgi-bin\/luci\/admin\/translations\/([\w-]+)$/.exec(name) ?? [];
      if (language) return { type: types.js!, text: translations(language) };
      const [, view] = /^\/luci-static\/resources\/view\/wg-slaacer\/(\w+)\.js$/.exec(name) ?? [];
      const text = view ? (views[view] ?? readFileSync(`${VIEWS}${view}.js`, 'utf8')) : files[name]?.();
      return text === undefined ? undefined : { type: types[name.split('.').at(-1)!] ?? 'text/plain', text };
    },
    page: (view, session, readonly) => `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${view} | OpenWrt</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/luci-static/theme.css">
<script src="/luci-static/resources/luci.js"></script>
</head>
<body data-page="admin-services-wg-slaacer-${view}">
<header><a class="brand" href="/">OpenWrt</a><div id="indicators"></div></header>
<div id="maincontent" class="container">
<ul class="tabs">${['Status', 'Timeline', 'Settings']
      .map((title) => [title, title.toLowerCase()])
      .map(
        ([title, name]) =>
          `<li class="${name === view ? 'active' : ''}"><a href="${name}?session=${session}">${title}</a></li>`,
      )
      .join('')}</ul>
<div id="view"><div class="spinning">Loading view…</div></div>
</div>
<script>startLuCI(${JSON.stringify({ view, sessionid: session, readonly })});</script>
</body>
</html>`,
  };
}

/** By action_translations of luci-base/ucode/controller/admin/index.uc: what the browser's _() looks texts up in. */
function translations(language: string): string {
  const texts = decodeLmo(readFileSync(`${CATALOGUES}wg-slaacer.${language}.lmo`));
  const byHash = [...texts].map(([hash, text]) => [hash.toString(16).padStart(8, '0'), text]);
  return `window.TR=${JSON.stringify(Object.fromEntries(byHash))};`;
}

function icon(colour: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="14" fill="${colour}"/><path d="M9 20c4-9 10-9 14-6-5-1-9 1-10 8z" fill="#fff"/></svg>`;
}
