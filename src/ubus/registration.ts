// SPDX-License-Identifier: GPL-2.0-only

import type { Connection } from './connection.ts';

/** What is set up anew on each connection. */
export interface Registration {
  /** Rejects with UbusError if ubusd refuses it or the connection ends; then it may be tried again. */
  register(connection: Connection): Promise<void>;
  /** The connection has ended. */
  forget(): void;
}
