// SPDX-License-Identifier: GPL-2.0-only
// LuCI.rpc by rpc.js, on the batches of luci.js (Request): calls made in the same turn go to the router together.

interface Declaration {
  readonly object: string;
  readonly method: string;
  readonly params?: readonly string[];
  readonly expect?: Readonly<Record<string, unknown>>;
  readonly reject?: boolean;
}

interface Reply {
  readonly error?: { readonly code: number; readonly message: string };
  readonly result?: readonly [number, unknown?];
}

interface Call {
  readonly message: object;
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

const statusTexts: Readonly<Record<number, string>> = {
  2: 'Invalid argument',
  3: 'Method not found',
  4: 'Resource not found',
  6: 'Permission denied',
  7: 'Request timeout',
  8: 'Not supported',
};

let session = '';
let nextId = 1;
let waiting: Call[] = [];

export function setSession(id: string): void {
  session = id;
}

async function flush(): Promise<void> {
  const batch = waiting;
  waiting = [];
  try {
    const response = await fetch('/ubus/', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(batch.map(({ message }) => message)),
    });
    if (!response.ok) throw new Error(`HTTP error ${response.status}`);
    const replies = (await response.json()) as Reply[];
    for (const [index, { resolve }] of batch.entries()) resolve(replies[index]!);
  } catch (error) {
    for (const { reject } of batch) reject(error as Error);
  }
}

function send(object: string, method: string, params: object): Promise<Reply> {
  return new Promise((resolve, reject) => {
    if (waiting.length === 0) setTimeout(flush, 0);
    const message = {
      jsonrpc: '2.0',
      id: nextId++,
      method: 'call',
      params: [session, object, method, params],
    };
    waiting.push({ message, resolve, reject });
  });
}

function failure(what: string, text: string): Error {
  const error = new Error(`RPC call to ${what} failed with ${text}\n  at handleCallReply (rpc.js:94:7)`);
  error.name = 'RPCError';
  return error;
}

export const rpc = {
  declare({ object, method, params = [], expect, reject = false }: Declaration) {
    return async (...values: unknown[]): Promise<unknown> => {
      const named = Object.fromEntries(params.map((name, index) => [name, values[index]]));
      const { error, result } = await send(object, method, named);
      if (error) throw failure(`${object}/${method}`, `error ${error.code}: ${error.message}`);
      const [status, data] = result!;
      if (reject && status !== 0) {
        const text = statusTexts[status] ?? 'Unknown error code';
        throw failure(`${object}/${method}`, `ubus code ${status}: ${text}`);
      }
      let answer: unknown = result!.length > 1 ? data : status;
      for (const [key, fallback] of Object.entries(expect ?? {})) {
        if (key !== '') answer = (answer as Record<string, unknown> | null)?.[key];
        const kind = (value: unknown) => Object.prototype.toString.call(value);
        if (kind(answer) !== kind(fallback)) answer = fallback;
        break;
      }
      return answer;
    };
  },
};
