import { sha256 } from '../lib/bytes.ts';

/**
 * The nonce of a message that has none of its own: whoever sends the same bytes again sends the same nonce. Made of what was signed,
 * never of the signature, which may have a second spelling.
 */
export const nonceOfBytes = (signed: Uint8Array): string => sha256(signed).toString('base64url');
