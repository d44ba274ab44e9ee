// SPDX-License-Identifier: GPL-2.0-only
// The service as it is installed, on a lab's router with a real kernel, with a bus that the host can call.

import { UbusError, type UbusTable } from '../../src/ubus/types.ts';
import type { Host } from '../bed/client.ts';
import { PROGRAM } from '../bed/daemon.ts';
import type { Process } from '../bed/process.ts';
import { GUEST_BUS } from '../bed/programs.ts';
import { AccessControl } from './acl.ts';
import type { Answer, Setup } from './guest-bus.ts';
import type { Bus } from './uhttpd.ts';

type Pending = { resolve(answer: UbusTable): void; reject(error: Error): void };

export class GuestRouter {
  readonly acl = new AccessControl();
  readonly bus: Bus;
  /** Of a login that may do everything. */
  session = '';
  private nextId = 1;
  private readonly pending = new Map<number, Pending>();

  private constructor(
    private readonly process: Process,
    private readonly service: Process,
  ) {
    this.bus = {
      // None goes before its test ends.
      has: () => true,
      call: (object, method, args) => this.call(object, method, args),
    };
    process.onLine((line) => line.startsWith('{"id"') && this.settle(JSON.parse(line)));
  }

  /** Resolves when the service answers. */
  static async start(host: Host, setup: Setup): Promise<GuestRouter> {
    const process = host.spawn(
      `exec node '${GUEST_BUS}' '${JSON.stringify(setup).replaceAll("'", "'\\''")}'`,
    );
    await process.waitFor(/^\{"ready":true/, 30_000);
    const service = host.spawn(`exec ${PROGRAM} run`);
    await process.waitFor(/^\{"service":true/, 30_000);
    const router = new GuestRouter(process, service);
    const { ubus_rpc_session: id } = await router.call('session', 'create');
    const objects = router.acl.login(id as string, ['read', 'write']);
    await router.call('session', 'grant', { ubus_rpc_session: id!, scope: 'uci', objects });
    router.session = id as string;
    return router;
  }

  async stop(): Promise<void> {
    this.service.kill();
    await this.service.exit;
    this.process.end();
    await this.process.exit;
  }

  call(object: string, method: string, args: UbusTable = {}): Promise<UbusTable> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.process.write(`${JSON.stringify({ id, object, method, args })}\n`);
    });
  }

  private settle(answer: Answer): void {
    const { resolve, reject } = this.pending.get(answer.id)!;
    this.pending.delete(answer.id);
    if ('answer' in answer) resolve(answer.answer);
    else reject(new UbusError(answer.status, `status ${answer.status}`));
  }
}
