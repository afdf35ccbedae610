import { lengthPrefixed, sha256 } from '../lib/bytes.ts';

/**
 * Names the claim of an Idempotency-Key: base64url(SHA-256) of merchant number and key, nothing else, so that the same key
 * under another path meets its claim and is refused (contract.md section 5). Without a secret, so that a changed secret never frees a key.
 */
export const keyHashOf = (merchantNumber: string, idempotencyKey: string): string =>
  sha256(lengthPrefixed(['claim', merchantNumber, idempotencyKey])).toString('base64url');

/** The Idempotency-Key towards the core: base64url(SHA-256) of merchant number, operation id and key; two merchants' keys never meet (section 6). */
export const derivedKeyOf = (merchantNumber: string, operationId: string, idempotencyKey: string): string =>
  sha256(lengthPrefixed([merchantNumber, operationId, idempotencyKey])).toString('base64url');
