import { sha256 } from '../lib/bytes.ts';
import { findKeyProblem, verifyBytes } from '../protocol/algorithms.ts';
import { compareDigests, type Digest } from '../protocol/content-digest.ts';
import { Refusal } from '../protocol/errors.ts';
import { findHeader, HEADER } from '../protocol/headers.ts';
import type { RegisteredHandle } from '../protocol/key-handle.ts';
import type { Merchant, MerchantKey } from '../protocol/merchant.ts';
import type { MessageSigner, SignatureFacts } from '../protocol/messages.ts';
import { findFieldValue } from '../protocol/signature-base.ts';
import { checkUncovered } from './coverage.ts';
import { readBytes, readDictionary } from './dictionary.ts';
import { type DoctorOptions, explainDigest, explainKey, explainSignature, explainTime, LONE_DOCTOR, type Patient } from './doctor.ts';
import { nonceOf } from './nonce.ts';
import type { Presented } from './presented.ts';
import type { Scheme, SchemeRequest } from './scheme.ts';
import { chooseScheme } from './schemes.ts';

/** How far `created` may be from our clock, seconds, both ways, inclusive. */
export const WINDOW_SECONDS = 300;

export type VerifyOptions = {
  readonly findKey: (keyid: string) => MerchantKey | undefined;
  /** For schemes whose messages bring certificates (DER, the signer's own first): path, name and revocation are checked. Throws a Refusal. */
  readonly checkSigner: (chain: readonly Uint8Array[]) => Pick<MessageSigner, 'key'>;
  /** The keys of a merchant that fit what a message says about its key. */
  readonly findRegistered: (merchantNumber: string, handle: RegisteredHandle) => readonly MerchantKey[];
  /** Names, lower case and without port, that a Host may carry. */
  readonly hosts: ReadonlySet<string>;
  /** Wall clock, whole milliseconds. */
  readonly nowMs: number;
  /** What a wrong signature is explained with; default: the request alone. */
  readonly doctor?: DoctorOptions;
};

/** As much of a request and of what is known of its sender as a signature is verified with. */
export type Signable = SchemeRequest &
  Pick<Patient, 'routed'>['routed'] & { readonly merchant: Pick<Merchant, 'number' | 'signatures' | 'signatureOptions'> };

/** How many keys are tried for a message that does not say which of the merchant's keys signed it. */
const KEYS_TRIED_MAX = 4;

/**
 * Proves that the merchant signed this very request: method, URI, body and every header that decides something (contract.md section 3).
 * Cheap checks come first, the signature last; the body is hashed but never parsed. Whether the nonce is fresh is for the store to say.
 * Throws a Refusal: HTTP_INVALID, SIGNATURE_*, KEY_UNKNOWN, MERCHANT_MISMATCH, TIMESTAMP_SKEW or DIGEST_MISMATCH.
 */
export function verifySignature<Request extends Signable>(routed: Request, options: VerifyOptions): Request & SignatureFacts {
  const { hosts, nowMs, doctor = LONE_DOCTOR } = options;
  const scheme = chooseScheme(routed, routed.merchant.signatures);
  if (!scheme.coversHeaders) checkUncovered(routed, hosts);
  const presented = scheme.present(routed, hosts);
  const patient: Patient = { routed, scheme: scheme.name, presented, hosts, doctor, nowMs };
  const keys = usableKeys(scheme, patient, options);
  checkTime(patient);
  const bodyDigest = checkDigest(routed, (digests) => explainDigest(patient, keys[0] as MerchantKey, digests));
  const { signed, record, signature, nonce, createdAtSeconds, content, dialect } = presented;
  const key = presented.contradiction ? undefined : keys.find((each) => verifyBytes(each.algorithm, each.publicKey, signed, signature));
  if (!key) throw mismatch(patient, keys[0] as MerchantKey);
  return {
    ...routed,
    key,
    scheme: scheme.name,
    nonce: nonceOf(scheme.name, nonce),
    createdAtSeconds,
    signatureBase: record,
    signedDigest: sha256(signed),
    signature,
    bodyDigest,
    ...(content && { content }),
    ...(dialect !== undefined && { dialect }),
  };
}

function mismatch(patient: Patient, key: MerchantKey): Refusal {
  const { detail, members } = patient.presented.contradiction ?? {};
  return new Refusal('SIGNATURE_MISMATCH', {
    ...(detail !== undefined && { detail }),
    members: { ...members, ...explainSignature(patient, key) },
  });
}

/** The keys that may have signed, at least one; more than one only where the message cannot say which. */
function usableKeys(scheme: Scheme, patient: Patient, options: VerifyOptions): readonly MerchantKey[] {
  const { presented, routed } = patient;
  const check = (key: MerchantKey | undefined) => checkKey(scheme, patient, key);
  const { key: handle } = presented;
  if (handle.by === 'certificate') return [check(certificateKey(scheme, presented, options.checkSigner(handle.chain).key))];
  if (handle.by === 'keyid') {
    const found = options.findKey(handle.keyid);
    return [check(found?.keyid === handle.keyid ? found : undefined)];
  }
  const found = options.findRegistered(routed.merchant.number, handle);
  if (found.length <= 1) return [check(found[0])];
  const fits = (key: MerchantKey) => scheme.algorithms.includes(key.algorithm) && isOfOneMerchant(scheme, routed, key);
  const usable = found.filter((key) => isValidAt(key, options.nowMs) && fits(key));
  return usable.length === 0 ? [check(undefined)] : usable.slice(0, KEYS_TRIED_MAX).map(check);
}

/** A certificate says what its key is, not which algorithm of the scheme it is for: there the message may choose, among those of the scheme. */
function certificateKey({ algorithms }: Scheme, { algorithm: named }: Presented, key: MerchantKey): MerchantKey {
  const algorithm = algorithms.find((candidate) => candidate === named && findKeyProblem(candidate, key.publicKey) === undefined);
  return algorithm ? { ...key, algorithm } : key;
}

const isValidAt = ({ notBeforeMs, notAfterMs }: MerchantKey, nowMs: number): boolean => nowMs >= notBeforeMs && nowMs <= notAfterMs;

/** The key's record says whose it is, how long it lives and which algorithm it has; the message and its scheme can only agree. */
function checkKey(scheme: Scheme, patient: Patient, key: MerchantKey | undefined): MerchantKey {
  const { presented, routed, nowMs } = patient;
  if (!key) throw new Refusal('KEY_UNKNOWN', { members: explainKey(patient) });
  if (!key.merchantNumbers.includes(routed.merchant.number)) throw new Refusal('MERCHANT_MISMATCH');
  if (!isValidAt(key, nowMs)) throw new Refusal('KEY_UNKNOWN', { members: explainKey(patient) });
  if (presented.algorithm !== undefined && presented.algorithm !== key.algorithm) {
    throw new Refusal('SIGNATURE_INVALID', { detail: 'The parameter alg is not the algorithm the key is registered for.' });
  }
  if (!scheme.algorithms.includes(key.algorithm))
    throw new Refusal('SIGNATURE_INVALID', { detail: 'The key is registered for an algorithm that this scheme does not have.' });
  if (!isOfOneMerchant(scheme, routed, key))
    throw new Refusal('SIGNATURE_COVERAGE', {
      detail:
        'The key may sign for several merchants and the signature names none: send Merchant-Number and cover it, where the scheme can.',
      members: { component: HEADER.merchantNumber },
    });
  return key;
}

/** Whether key and signature leave one merchant only; else the same bytes would be a request of each merchant of the key, once each. */
function isOfOneMerchant(
  { coversMerchant, coversHeaders }: Scheme,
  { rawHeaders }: Pick<Signable, 'rawHeaders'>,
  { merchantNumbers }: MerchantKey,
): boolean {
  return merchantNumbers.length === 1 || coversMerchant || (coversHeaders && findHeader(rawHeaders, HEADER.merchantNumber) !== undefined);
}

/** Compares whole seconds, as `created` has no fractions. `expires` is the first moment at which the signature no longer counts. */
export function checkTime({ presented, nowMs }: Pick<Patient, 'presented' | 'nowMs'>): void {
  const { createdAtSeconds, expiresAtSeconds } = presented;
  const nowSeconds = Math.floor(nowMs / 1000);
  const isExpired = expiresAtSeconds !== undefined && nowSeconds >= expiresAtSeconds;
  if (isExpired || Math.abs(nowSeconds - createdAtSeconds) > WINDOW_SECONDS) {
    throw new Refusal('TIMESTAMP_SKEW', { members: explainTime({ createdAtSeconds, nowSeconds, windowSeconds: WINDOW_SECONDS }) });
  }
}

/**
 * Compares Content-Digest with the body, also one that is sent without need, and gives the body's SHA-256.
 * A body that is not the signed one is SIGNATURE_MISMATCH: what was signed did not arrive. DIGEST_MISMATCH is for a field that proves nothing.
 * @param explain public members about a body that is not the signed one
 */
export function checkDigest(
  { rawHeaders, body }: Pick<Signable, 'rawHeaders' | 'body'>,
  explain: (digests: readonly Digest[]) => Readonly<Record<string, unknown>>,
): Buffer {
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
    const members = explain(digests);
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
