import type { KeyObject } from 'node:crypto';
import { sha256 } from '../lib/bytes.ts';

/**
 * The default keyid of a public key: SHA-256 over its SubjectPublicKeyInfo in DER, lower-case hexadecimal.
 * The same by hand: `openssl pkey -in KEY -pubout -outform DER | openssl dgst -sha256`.
 */
export function keyidOf(publicKey: KeyObject): string {
  return sha256(publicKey.export({ type: 'spki', format: 'der' })).toString('hex');
}
