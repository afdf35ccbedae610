import { sha256 } from '../lib/bytes.ts';
import type { SchemeName } from '../protocol/scheme-names.ts';

/**
 * The nonce of a message that has none of its own: whoever sends the same bytes again sends the same nonce. Made of what was signed,
 * never of the signature, which may have a second spelling.
 */
export const nonceOfBytes = (signed: Uint8Array): string => sha256(signed).toString('base64url');

/**
 * The text under which a nonce is remembered: one for each (scheme, nonce). Those of RFC 9421 stand alone; they have no colon.
 */
export const nonceOf = (scheme: SchemeName, nonce: string): string => (scheme === 'rfc9421' ? nonce : `${scheme}:${nonce}`);
