// SPDX-License-Identifier: GPL-2.0-only
// What happens, as the service tells it.

import { type Ubus, UbusError, type UbusTable, ubusStatus } from '../ubus/types.ts';
import { describeNotification } from '../words/describe.ts';
import { parseJsonFlag } from './arguments.ts';
import { clockTime, whenToldToEnd } from './run.ts';
import { connected, explain, notRunning, OBJECT } from './service.ts';
import { exitStatus } from './usage.ts';

/** Resolves when it is interrupted, or nobody reads its output any more. */
export async function watch(
  connect: () => Ubus,
  args: string[],
  ended: Promise<void> = whenToldToEnd(),
): Promise<number> {
  const json = parseJsonFlag(args);
  const print = (event: string, data: UbusTable = {}) => {
    const time = Date.now() / 1000;
    if (json) console.log(JSON.stringify({ event, time, ...data }));
    else console.log(`${clockTime(time)} ${describeNotification(event, data)}`);
  };
  let running: boolean | undefined;
  const tell = (is: boolean) => {
    if (running === is) return;
    running = is;
    print(is ? 'running' : 'stopped');
  };

  const ubus = connect();
  try {
    await connected(ubus);
    ubus.subscribe(OBJECT, (type, data) => print(type.replace(/^address\./, ''), data));
    ubus.listen('ubus.object.*', (event, { path }) => {
      if (path === OBJECT) tell(event === 'ubus.object.add');
    });
    ubus.onConnected((is) => {
      if (is) void isThere(ubus).then(tell, () => {});
      else tell(false);
    });
    tell(await isThere(ubus));
    if (!running) console.error(`wg-slaacer: ${(await notRunning(ubus)).message}`);
    await ended;
    return exitStatus.ok;
  } catch (error) {
    throw await explain(ubus, error, 'status', {});
  } finally {
    ubus.close();
  }
}

/** Whether the service has published its object. */
async function isThere(ubus: Ubus): Promise<boolean> {
  try {
    await ubus.call(OBJECT, 'status');
    return true;
  } catch (error) {
    if (error instanceof UbusError && error.status === ubusStatus.notFound) return false;
    throw error;
  }
}
