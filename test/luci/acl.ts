// SPDX-License-Identifier: GPL-2.0-only
// Who may do what, as rpcd decides it (session.c): a login has groups of /usr/share/rpcd/acl.d for reading, and for
// writing too or not; what no list names is denied.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

type Rights = Readonly<Record<string, readonly string[] | Readonly<Record<string, readonly string[]>>>>;
type AccessList = Readonly<Record<string, { readonly read?: Rights; readonly write?: Rights }>>;

/** What luci-base.json of LuCI grants every page, as far as ours uses it. */
const luciBase: AccessList = {
  'luci-base': {
    read: {
      ubus: { file: ['list'], luci: ['getFeatures'], uci: ['changes', 'get'] },
      uci: ['luci', 'system'],
    },
    write: { ubus: { uci: ['add', 'apply', 'confirm', 'delete', 'order', 'rename', 'set'] } },
  },
};

const ours: AccessList = JSON.parse(
  readFileSync(
    fileURLToPath(new URL('../../files/usr/share/rpcd/acl.d/luci-app-wg-slaacer.json', import.meta.url)),
    'utf8',
  ),
);

/** Session ids by what the login may do. */
export const sessions = { admin: 'a'.repeat(32), reader: 'b'.repeat(32) } as const;

export class AccessControl {
  private readonly granted = new Map<string, Set<string>>();

  constructor() {
    this.login(sessions.admin, ['read', 'write']);
    this.login(sessions.reader, ['read']);
  }

  allows(session: string, scope: string, object: string, right: string): boolean {
    return this.granted.get(session)?.has(`${scope} ${object} ${right}`) ?? false;
  }

  private login(session: string, permissions: readonly ('read' | 'write')[]): void {
    const granted = new Set<string>();
    for (const group of [...Object.values(luciBase), ...Object.values(ours)]) {
      for (const permission of permissions) {
        for (const [scope, objects] of Object.entries(group[permission] ?? {})) {
          const rights = Array.isArray(objects)
            ? objects.map((object): [string, string[]] => [object, [permission]])
            : Object.entries(objects);
          for (const [object, list] of rights)
            for (const right of list) granted.add(`${scope} ${object} ${right}`);
        }
      }
    }
    this.granted.set(session, granted);
  }
}
