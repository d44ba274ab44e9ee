// SPDX-License-Identifier: GPL-2.0-only
// What the engine tells: one object for each thing that happened.

import type { Hook, PeerAddress } from '../model.ts';
import type { Problem } from '../problem.ts';
import type { Denial, ForgetReason } from './learner.ts';

/** Seconds since 1970, with fractions. */
interface At {
  readonly time: number;
}

export interface AddressEvent extends At, PeerAddress {
  readonly interface: string;
}

export type EngineEvent =
  | (At & { readonly event: 'ready'; readonly hook: Hook | null; readonly version: string })
  | (AddressEvent & {
      readonly event: 'learned';
      /** From the packet that revealed the address until the address was allowed, in milliseconds. */
      readonly took: number;
      /** Whether that packet was delivered. */
      readonly delivered: boolean;
    })
  | (AddressEvent & { readonly event: 'restored' })
  | (AddressEvent & { readonly event: 'expired' })
  | (AddressEvent & { readonly event: 'evicted' })
  | (AddressEvent & { readonly event: 'forgotten'; readonly reason: ForgetReason })
  | (At & Denial & { readonly event: 'denied' })
  | (At & Problem & { readonly event: 'problem' })
  | (At & { readonly event: 'solved'; readonly code: string; readonly message: string });
