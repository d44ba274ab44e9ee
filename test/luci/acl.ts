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

export type Permission = 'read' | 'write';

export class AccessControl {
  /** By session: "scope object right". */
  readonly #granted = new Map<string, Set<string>>();

  allows(session: string, scope: string, object: string, right: string): boolean {
    return this.#granted.get(session)?.has(`${scope} ${object} ${right}`) ?? false;
  }

  /** What a session may do with configurations: "session grant" takes it. */
  login(session: string, permissions: readonly Permission[]): [config: string, right: string][] {
    const rights = [luciBase, ours].flatMap((list) =>
      Object.values(list).flatMap((group) =>
        permissions.flatMap((permission) => rightsOf(group[permission] ?? {}, permission)),
      ),
    );
    this.#granted.set(session, new Set(rights.map((right) => right.join(' '))));
    return rights.filter(([scope]) => scope === 'uci').map(([, config, right]) => [config, right]);
  }
}

/** A list without functions grants what its group is called. */
function rightsOf(rights: Rights, permission: Permission): [scope: string, object: string, right: string][] {
  return Object.entries(rights).flatMap(([scope, objects]) =>
    Array.isArray(objects)
      ? objects.map((object: string): [string, string, string] => [scope, object, permission])
      : Object.entries(objects).flatMap(([object, functions]) =>
          (functions as readonly string[]).map((name): [string, string, string] => [scope, object, name]),
        ),
  );
}
