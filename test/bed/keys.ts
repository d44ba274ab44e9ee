// SPDX-License-Identifier: GPL-2.0-only
// WireGuard keys.

import { generateKeyPairSync } from 'node:crypto';

export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** Of a key in DER, the key itself stands last (RFC 8410). */
const KEY_BYTES = 32;

const base64 = (der: Buffer) => der.subarray(-KEY_BYTES).toString('base64');

/** As wg genkey and wg pubkey make them, without a process in the slow guest. */
export function keyPair(): KeyPair {
  // Encoded at once: a KeyObject that is exported as JWK while another is collected stops Node 20 forever.
  const { privateKey, publicKey } = generateKeyPairSync('x25519', {
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
  return { privateKey: base64(privateKey), publicKey: base64(publicKey) };
}
