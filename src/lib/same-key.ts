import type { KeyObject } from 'node:crypto';

/**
 * Whether two asymmetric keys are the same. Never KeyObject.equals alone: for keys of different types OpenSSL leaves an error behind that
 * makes the next key that is read fail (seen with Node 26.10).
 */
export const sameKey = (a: KeyObject, b: KeyObject): boolean => a.asymmetricKeyType === b.asymmetricKeyType && a.equals(b);
