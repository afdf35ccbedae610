import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { sha256 } from '../lib/bytes.ts';
import { UserError } from '../lib/user-error.ts';
import { type AlgorithmName, defaultAlgorithm, findKeyProblem } from '../protocol/algorithms.ts';

/** A key that may sign answers. Times are wall-clock milliseconds, inclusive; absent: no bound. */
export type TrustedKey = {
  readonly publicKey: KeyObject;
  readonly algorithm: AlgorithmName;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
};

/** A pinned key: a certificate or public key in PEM, under the keyid that answers name. */
export type PinnedKey = { readonly keyid: string; readonly pem: string; readonly algorithm?: AlgorithmName };

export type TrustedKeys = ReadonlyMap<string, TrustedKey>;

/** Wall-clock milliseconds, both ends included. */
export const validityOf = (certificate: X509Certificate): { readonly notBeforeMs: number; readonly notAfterMs: number } => ({
  notBeforeMs: Date.parse(certificate.validFrom),
  notAfterMs: Date.parse(certificate.validTo),
});

/** SHA-256 over the DER of the first certificate of a PEM text, base64url: what `Hufu-Certificate` must say (x5t#S256 of RFC 8705). */
export function thumbprintOf(certificatePem: string): string {
  return sha256(new X509Certificate(certificatePem).raw).toString('base64url');
}

function readPinnedKey({ keyid, pem, algorithm }: PinnedKey): TrustedKey {
  const certificate = pem.includes('BEGIN CERTIFICATE') ? new X509Certificate(pem) : undefined;
  const publicKey = certificate?.publicKey ?? createPublicKey(pem);
  const problem = algorithm && findKeyProblem(algorithm, publicKey);
  if (problem) throw new UserError(`the trusted key ${keyid}: ${problem}`);
  return { publicKey, algorithm: algorithm ?? defaultAlgorithm(publicKey), ...(certificate && validityOf(certificate)) };
}

/** Reads pinned keys. Throws a UserError that names the keyid when one is no key. */
export function readPinnedKeys(pinned: readonly PinnedKey[]): TrustedKeys {
  const keys = new Map<string, TrustedKey>();
  for (const entry of pinned) {
    if (keys.has(entry.keyid)) throw new UserError(`the trusted key ${entry.keyid} is given twice`);
    try {
      keys.set(entry.keyid, readPinnedKey(entry));
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(`the trusted key ${entry.keyid} is neither a certificate nor a public key in PEM`, { cause: error });
    }
  }
  return keys;
}

/**
 * Whether a certificate may sign answers: issued directly by the platform-signing authority, no authority itself, both within validity.
 * Never "chains to the root": the root also stands above the certificates of servers and of other merchants.
 */
export function isPlatformCertificate(certificate: X509Certificate, authority: X509Certificate, nowMs: number): boolean {
  const isCurrent = [certificate, authority].every((each) => {
    const { notBeforeMs, notAfterMs } = validityOf(each);
    return notBeforeMs <= nowMs && nowMs <= notAfterMs;
  });
  return isCurrent && authority.ca && !certificate.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}
