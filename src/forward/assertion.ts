import type { KeyObject } from 'node:crypto';
import { signBytes } from '../protocol/algorithms.ts';

/** The key of the gateway's own assertions: P-256; its keyid is that of its public key (protocol/keyid.ts). */
export type AssertionKey = { readonly keyid: string; readonly privateKey: KeyObject };

/** What the gateway vouches for about one request to the core. */
export type AssertionClaims = {
  readonly requestId: string;
  readonly merchantNumber: string;
  /** x5t#S256 of the certificate the merchant showed; for the gateway's own questions the thumbprint of its own key. */
  readonly certificate: string;
  readonly operationId: string;
  readonly method: string;
  /** Full path and query. */
  readonly target: string;
  readonly derivedKey?: string;
  /** What the core calls the key when it pushes an outcome; see listeners/outcomes. */
  readonly claim?: string;
  /** SHA-256 of the forwarded body bytes, raw. */
  readonly bodyDigest: Buffer;
  readonly issuedAtMs: number;
  /** The core must not begin at this moment or later; rounded down to whole seconds. */
  readonly expiresAtMs: number;
};

/** An assertion lives at most this long (contract.md section 6). */
export const ASSERTION_MS_MAX = 30_000;

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** When an assertion expires for the core, ms: `exp` is whole seconds. */
export const expiryOf = (expiresAtMs: number): number => Math.floor(expiresAtMs / 1000) * 1000;

/**
 * Makes a compact JWT with ES256 (RFC 7515 section 3.1, RFC 7518 section 3.4: raw r||s, RFC 7519). Signed in place: the
 * asynchronous library costs four times as much on the hot path, and is the oracle in our tests.
 */
export function createAssertion(key: AssertionKey, claims: AssertionClaims): string {
  const payload = {
    iss: 'hufu',
    aud: 'core',
    iat: Math.floor(claims.issuedAtMs / 1000),
    exp: expiryOf(claims.expiresAtMs) / 1000,
    jti: claims.requestId,
    merchant: claims.merchantNumber,
    certificate: claims.certificate,
    operation: claims.operationId,
    method: claims.method,
    target: claims.target,
    key: claims.derivedKey,
    claim: claims.claim,
    digest: claims.bodyDigest.toString('base64url'),
  };
  const signed = `${encode({ alg: 'ES256', kid: key.keyid, typ: 'JWT' })}.${encode(payload)}`;
  const signature = signBytes('ecdsa-p256-sha256', key.privateKey, Buffer.from(signed, 'ascii'));
  return `${signed}.${signature.toString('base64url')}`;
}
