import { sha256 } from '../lib/bytes.ts';
import { verifyBytes } from '../protocol/algorithms.ts';
import { compareDigests, type Digest } from '../protocol/content-digest.ts';
import { Refusal } from '../protocol/errors.ts';
import { HEADER } from '../protocol/headers.ts';
import type { MerchantKey } from '../protocol/merchant.ts';
import type { MessageSigner, Routed, Verified } from '../protocol/messages.ts';
import { findFieldValue } from '../protocol/signature-base.ts';
import { readBytes, readDictionary } from './dictionary.ts';
import { explainDigest, explainSignature, explainTime } from './doctor.ts';
import type { Presented } from './presented.ts';
import { presentSignature } from './schemes/rfc9421.ts';

/** How far `created` may be from our clock, seconds, both ways, inclusive. */
export const WINDOW_SECONDS = 300;

export type VerifyOptions = {
  readonly findKey: (keyid: string) => MerchantKey | undefined;
  /** For schemes whose messages bring certificates (DER, the signer's own first): path, name and revocation are checked. Throws a Refusal. */
  readonly checkSigner: (chain: readonly Uint8Array[]) => MessageSigner;
  /** Names, lower case and without port, that a Host may carry. */
  readonly hosts: ReadonlySet<string>;
  /** Wall clock, whole milliseconds. */
  readonly nowMs: number;
};

/**
 * Proves that the merchant signed this very request: method, URI, body and every header that decides something (contract.md section 3).
 * Cheap checks come first, the signature last; the body is hashed but never parsed. Whether the nonce is fresh is for the store to say.
 * Throws a Refusal: HTTP_INVALID, SIGNATURE_*, KEY_UNKNOWN, MERCHANT_MISMATCH, TIMESTAMP_SKEW or DIGEST_MISMATCH.
 */
export function verifySignature(routed: Routed, { findKey, hosts, nowMs }: VerifyOptions): Verified {
  const presented = presentSignature(routed, hosts);
  const key = checkKey(presented, findKey(presented.keyid), routed.merchant.number, nowMs);
  checkTime(presented, nowMs);
  const bodyDigest = checkDigest(routed, presented);
  const { base, signature, nonce, createdAtSeconds } = presented;
  if (!verifyBytes(key.algorithm, key.publicKey, Buffer.from(base, 'latin1'), signature)) {
    throw new Refusal('SIGNATURE_MISMATCH', { members: explainSignature(presented, key) });
  }
  return { ...routed, key, nonce, createdAtSeconds, signatureBase: base, signature, bodyDigest };
}

/** The key's record says whose it is, how long it lives and which algorithm it has; the message can only agree. */
function checkKey(presented: Presented, key: MerchantKey | undefined, merchantNumber: string, nowMs: number): MerchantKey {
  if (!key || key.keyid !== presented.keyid) throw new Refusal('KEY_UNKNOWN');
  if (!key.merchantNumbers.includes(merchantNumber)) throw new Refusal('MERCHANT_MISMATCH');
  if (nowMs < key.notBeforeMs || nowMs > key.notAfterMs) throw new Refusal('KEY_UNKNOWN');
  if (presented.algorithm !== undefined && presented.algorithm !== key.algorithm) {
    throw new Refusal('SIGNATURE_INVALID', { detail: 'The parameter alg is not the algorithm the key is registered for.' });
  }
  return key;
}

/** Compares whole seconds, as `created` has no fractions. `expires` is the first moment at which the signature no longer counts. */
function checkTime({ createdAtSeconds, expiresAtSeconds }: Presented, nowMs: number): void {
  const nowSeconds = Math.floor(nowMs / 1000);
  const isExpired = expiresAtSeconds !== undefined && nowSeconds >= expiresAtSeconds;
  if (isExpired || Math.abs(nowSeconds - createdAtSeconds) > WINDOW_SECONDS) {
    throw new Refusal('TIMESTAMP_SKEW', { members: explainTime(createdAtSeconds, nowSeconds) });
  }
}

/**
 * Compares Content-Digest with the body, also one that is sent without need, and gives the body's SHA-256.
 * A body that is not the signed one is SIGNATURE_MISMATCH: what was signed did not arrive. DIGEST_MISMATCH is for a field that proves nothing.
 */
function checkDigest({ rawHeaders, body }: Routed, presented: Presented): Buffer {
  const bodyDigest = sha256(body);
  const field = findFieldValue(rawHeaders, HEADER.contentDigest);
  // With a body the coverage has made sure that there is one.
  if (field === undefined) return bodyDigest;
  const digests = readDigests(field);
  const result = digests ? compareDigests(digests, body, bodyDigest) : 'unknown';
  if (result === 'unknown' || !digests) {
    throw new Refusal('DIGEST_MISMATCH', { detail: 'Content-Digest has no canonically spelled value for sha-256 or sha-512.' });
  }
  if (result === 'different') {
    const members = explainDigest(presented, digests, body);
    throw new Refusal('SIGNATURE_MISMATCH', { detail: 'The body is not the one that Content-Digest was computed over.', members });
  }
  return bodyDigest;
}

function readDigests(field: string): Digest[] | undefined {
  const digests: Digest[] = [];
  for (const [algorithm, member] of readDictionary(field) ?? []) {
    const value = readBytes(member);
    if (!value) return undefined;
    digests.push({ algorithm, value });
  }
  return digests;
}
