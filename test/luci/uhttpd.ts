// SPDX-License-Identifier: GPL-2.0-only
// What a browser meets on a router: files, LuCI's pages, JSON-RPC at /ubus/ as uhttpd answers it (ubus.c there), and
// Save & Apply as LuCI's dispatcher does it (action_apply_rollback and others in luci-base/ucode/controller/admin/uci.uc).

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Ubus, UbusError, type UbusTable } from '../../src/ubus/types.ts';
import type { AccessControl } from './acl.ts';

/** uhttpd asks ubusd for the object before anything else. */
export interface Bus extends Pick<Ubus, 'call'> {
  has(object: string): boolean;
}

export interface Site {
  /** The text of a file, or nothing. */
  file(path: string): { readonly type: string; readonly text: string | Buffer } | undefined;
  /** The page that shows a view, for a session that may change something or not. */
  page(view: string, session: string, readonly: boolean): string;
}

interface Request {
  readonly jsonrpc: string;
  readonly id: number;
  readonly method: string;
  readonly params: readonly [string, string, string, UbusTable];
}

const errors = {
  parse: { code: -32700, message: 'Parse error' },
  method: { code: -32601, message: 'Method not found' },
  object: { code: -32000, message: 'Object not found' },
  access: { code: -32002, message: 'Access denied' },
} as const;

const PAGE = '/cgi-bin/luci/admin/services/wg-slaacer/';
const UCI = '/cgi-bin/luci/admin/uci/';

export class Web {
  /** Every call that was made: "object method". */
  readonly calls: string[] = [];
  readonly #server: Server;

  readonly #bus: Bus;
  readonly #acl: Pick<AccessControl, 'allows'>;
  readonly #site: Site;

  constructor(bus: Bus, acl: Pick<AccessControl, 'allows'>, site: Site) {
    this.#bus = bus;
    this.#acl = acl;
    this.#site = site;
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch((error: Error) => {
        response.writeHead(500).end(error.message);
      });
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  /** Where a view is for a session. */
  url(view: string, session: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${PAGE}${view}?session=${session}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url!, 'http://router');
    if (request.method === 'POST' && pathname.startsWith('/ubus')) {
      const body = await this.#answer(await textOf(request));
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    } else if (pathname.startsWith(UCI)) {
      await this.#uci(pathname.slice(UCI.length), searchParams);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"token":"t"}');
    } else if (pathname.startsWith(PAGE)) {
      const session = searchParams.get('session') ?? '';
      const readonly = !this.#acl.allows(session, 'uci', 'wg-slaacer', 'write');
      const html = this.#site.page(pathname.slice(PAGE.length), session, readonly);
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(html);
    } else {
      const file = this.#site.file(pathname);
      response.writeHead(file ? 200 : 404, { 'content-type': file?.type ?? 'text/plain' }).end(file?.text);
    }
  }

  /** A batch is answered by a list, in the order of its calls. */
  async #answer(body: string): Promise<unknown> {
    let request: Request | Request[];
    try {
      request = JSON.parse(body);
    } catch {
      return { jsonrpc: '2.0', id: null, error: errors.parse };
    }
    if (!Array.isArray(request)) return this.#one(request);
    const answers: unknown[] = [];
    for (const one of request) answers.push(await this.#one(one));
    return answers;
  }

  async #one({ id, method, params }: Request): Promise<unknown> {
    const reply = (rest: object) => ({ jsonrpc: '2.0', id, ...rest });
    if (method === 'list') return reply({ result: [] });
    if (method !== 'call') return reply({ error: errors.method });
    const [session, object, name, args] = params;
    this.calls.push(`${object} ${name}`);
    if (!this.#bus.has(object)) return reply({ error: errors.object });
    if (!this.#acl.allows(session, 'ubus', object, name)) return reply({ error: errors.access });
    try {
      const answer = await this.#bus.call(object, name, { ...args, ubus_rpc_session: session });
      return reply({ result: Object.keys(answer).length > 0 ? [0, answer] : [0] });
    } catch (error) {
      if (!(error instanceof UbusError)) throw error;
      return reply({ result: [error.status] });
    }
  }

  async #uci(action: string, query: URLSearchParams): Promise<void> {
    const session = { ubus_rpc_session: query.get('sid') ?? '' };
    if (!action.startsWith('apply')) return;
    const { changes } = (await this.#bus.call('uci', 'changes', session)) as { changes: UbusTable };
    for (const config of Object.keys(changes)) await this.#bus.call('uci', 'commit', { ...session, config });
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
