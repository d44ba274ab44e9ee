// SPDX-License-Identifier: GPL-2.0-only
// The languages of the page.

import { readFileSync } from 'node:fs';
import { encodeLmo } from './lmo.ts';
import { type Catalogue, parsePo } from './po.ts';

export interface Language {
  /** Of its folder in luci/po/, as in LuCI's own. */
  readonly code: string;
  /** As LuCI calls it on the router, and its package. */
  readonly name: string;
  /** As LuCI offers it. */
  readonly title: string;
  /** The rule of gettext, which LuCI wants to know although the page has no plurals. */
  readonly plurals: string;
}

export const languages: readonly Language[] = [
  { code: 'de', name: 'de', title: 'Deutsch (German)', plurals: 'nplurals=2; plural=n != 1;' },
  { code: 'es', name: 'es', title: 'Español (Spanish)', plurals: 'nplurals=2; plural=n != 1;' },
  { code: 'fr', name: 'fr', title: 'Français (French)', plurals: 'nplurals=2; plural=n > 1;' },
  {
    code: 'pt_BR',
    name: 'pt-br',
    title: 'Português do Brasil (Brazilian Portuguese)',
    plurals: 'nplurals=2; plural=n > 1;',
  },
  {
    code: 'ru',
    name: 'ru',
    title: 'Русский (Russian)',
    plurals:
      'nplurals=3; plural=n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2;',
  },
  {
    code: 'zh_Hans',
    name: 'zh-cn',
    title: '简体中文 (Simplified Chinese)',
    plurals: 'nplurals=1; plural=0;',
  },
];

export const poFile = (code: string) => `luci/po/${code}/wg-slaacer.po`;

export const catalogueOf = (code: string): Catalogue => parsePo(readFileSync(poFile(code), 'utf8'));

/** What a language's package installs, by its path: as luci.mk makes it. */
export function filesOf({ code, name, title }: Language): ReadonlyMap<string, Buffer | string> {
  return new Map<string, Buffer | string>([
    [`usr/lib/lua/luci/i18n/wg-slaacer.${name}.lmo`, encodeLmo(catalogueOf(code))],
    [
      `etc/uci-defaults/luci-i18n-wg-slaacer-${name}`,
      `uci set luci.languages.${name.replace('-', '_')}='${title}'; uci commit luci\n`,
    ],
  ]);
}
