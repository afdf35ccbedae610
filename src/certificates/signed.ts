import { type KeyObject, verify } from 'node:crypto';
import { type Element, readChildren, readOid } from './der.ts';

/** Hash by signature algorithm; Ed25519 has its own inside. MD5 and SHA-1 are missing, since what is signed with them can be forged. */
const HASHES: Readonly<Record<string, string | null>> = {
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.3.101.112': null,
};

/** Whether a key signed a body of DER. False for an algorithm that is not known or too weak. Throws CertificateProblem for an algorithm that cannot be read. */
export function isSigned(body: Uint8Array, algorithm: Element, key: KeyObject, signature: Uint8Array): boolean {
  const hash = HASHES[readOid(readChildren(algorithm)[0])];
  if (hash === undefined) return false;
  try {
    return verify(hash, body, key, signature);
  } catch {
    // An algorithm that does not fit the key.
    return false;
  }
}
