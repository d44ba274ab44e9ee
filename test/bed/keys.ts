// SPDX-License-Identifier: GPL-2.0-only
// WireGuard keys.

import { generateKeyPairSync } from 'node:crypto';

export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** As wg genkey and wg pubkey make them, without a process in the slow guest. */
export function keyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const base64 = (url: string | undefined) => Buffer.from(url ?? '', 'base64url').toString('base64');
  return {
    privateKey: base64(privateKey.export({ format: 'jwk' }).d),
    publicKey: base64(publicKey.export({ format: 'jwk' }).x),
  };
}
