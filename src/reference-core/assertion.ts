import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { errors, type JWTPayload, jwtVerify } from 'jose';
import { sha256 } from '../lib/bytes.ts';
import { UserError } from '../lib/user-error.ts';
import { allHeaders, HEADER } from '../protocol/headers.ts';
import { keyidOf } from '../protocol/keyid.ts';
import { CoreRefusal } from './answers.ts';

/** What the gateway vouches for about one request. */
export type Assertion = {
  readonly requestId: string;
  readonly merchantNumber: string;
  /** x5t#S256 of the certificate that the gateway saw. */
  readonly certificate: string;
  readonly operationId: string;
  readonly method: string;
  /** Full path and query. */
  readonly target: string;
  /** The Idempotency-Key of a write. */
  readonly derivedKey?: string;
  /** What the gateway calls the key when an outcome is pushed. */
  readonly claim?: string;
  /** base64url of the SHA-256 of the body bytes. */
  readonly bodyDigest: string;
  /** Nothing begins at this moment or later. */
  readonly expiresAtMs: number;
};

/** A request as it arrived. */
export type ReceivedRequest = {
  readonly method: string;
  readonly target: string;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
};

/** The gateway's public keys by key id; two while one replaces the other. */
export type AssertionKeys = ReadonlyMap<string, KeyObject>;

/** Lifetime that an assertion may have, seconds, and what clocks may differ. */
const LIFETIME_SECONDS_MAX = 30;
const CLOCK_ALLOWANCE_SECONDS = 2;

const ISSUER = 'hufu';
const AUDIENCE = 'core';
const CLAIM_FORMS = {
  jti: /^[\x21-\x7e]{1,128}$/,
  merchant: /^[0-9]{15}$/,
  certificate: /^[A-Za-z0-9_-]{43}$/,
  operation: /^[A-Za-z0-9._-]{1,64}$/,
  method: /^[A-Z]{1,16}$/,
  target: /^\/[\x21-\x7e]*$/,
  digest: /^[A-Za-z0-9_-]{43}$/,
} as const;
const DERIVED_KEY = /^[A-Za-z0-9_-]{43}$/;

/** Makes the key map of public keys; each must be P-256. Throws UserError. */
export function toAssertionKeys(publicKeys: readonly KeyObject[]): AssertionKeys {
  for (const key of publicKeys) {
    if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
      throw new UserError(
        `the gateway's assertion key must be a P-256 key, found ${key.asymmetricKeyType}; give the core the gateway's assertion.pub`,
      );
  }
  return new Map(publicKeys.map((key) => [keyidOf(key), key]));
}

/** Reads one PEM public key, or several that follow each other while a key is being replaced. Throws UserError. */
export function readAssertionKeys(file: string): AssertionKeys {
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError(
      `${file}: cannot be read (${error instanceof Error ? error.message : error}); the gateway writes it as assertion.pub`,
    );
  }
  const blocks = pem.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? [];
  if (blocks.length === 0) throw new UserError(`${file}: holds no PEM public key; give the core the gateway's assertion.pub`);
  try {
    return toAssertionKeys(blocks.map((block) => createPublicKey(block)));
  } catch (error) {
    throw new UserError(`${file}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

const invalid = (reason: string): CoreRefusal => new CoreRefusal('ASSERTION_INVALID', `Hufu-Assertion: ${reason}.`);

/** The one value of a header; a refusal when it was sent twice. */
function findOne(request: ReceivedRequest, name: string): string | undefined {
  const values = allHeaders(request.rawHeaders, name);
  if (values.length > 1) throw invalid(`${name} was sent more than once`);
  return values[0];
}

async function verifyToken(token: string, keys: AssertionKeys, nowMs: number): Promise<JWTPayload> {
  const findKey = ({ kid }: { kid?: string }): KeyObject => {
    const key = kid === undefined ? undefined : keys.get(kid);
    if (!key) throw invalid('the key id is not known');
    return key;
  };
  try {
    const verified = await jwtVerify(token, findKey, {
      // Pinned: the header never chooses the algorithm.
      algorithms: ['ES256'],
      typ: 'JWT',
      issuer: ISSUER,
      audience: AUDIENCE,
      requiredClaims: ['iat', 'exp', ...Object.keys(CLAIM_FORMS)],
      currentDate: new Date(nowMs),
    });
    return verified.payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw new CoreRefusal('ASSERTION_EXPIRED');
    if (error instanceof errors.JOSEError) throw invalid('the token does not verify');
    throw error;
  }
}

function checkLifetime(payload: JWTPayload, nowMs: number): number {
  const { iat, exp } = payload;
  if (!Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) throw invalid('iat and exp must be whole seconds');
  const [issuedAt, expiresAt] = [iat as number, exp as number];
  if (expiresAt <= issuedAt || expiresAt - issuedAt > LIFETIME_SECONDS_MAX) throw invalid(`it must live at most ${LIFETIME_SECONDS_MAX} s`);
  if (issuedAt * 1000 > nowMs + CLOCK_ALLOWANCE_SECONDS * 1000) throw invalid('it is from the future');
  return expiresAt * 1000;
}

function readClaims(payload: JWTPayload, expiresAtMs: number): Assertion {
  for (const [name, form] of Object.entries(CLAIM_FORMS)) {
    const value = payload[name];
    if (typeof value !== 'string' || !form.test(value)) throw invalid(`the claim ${name} is malformed`);
  }
  const { jti, merchant, certificate, operation, method, target, digest, key, claim } = payload as Record<string, string>;
  if (key !== undefined && (typeof key !== 'string' || !DERIVED_KEY.test(key))) throw invalid('the claim key is malformed');
  if (claim !== undefined && (typeof claim !== 'string' || !DERIVED_KEY.test(claim))) throw invalid('the claim claim is malformed');
  return {
    requestId: jti as string,
    merchantNumber: merchant as string,
    certificate: certificate as string,
    operationId: operation as string,
    method: method as string,
    target: target as string,
    bodyDigest: digest as string,
    ...(key === undefined ? {} : { derivedKey: key }),
    ...(claim === undefined ? {} : { claim }),
    expiresAtMs,
  };
}

function checkEqual(request: ReceivedRequest, operationId: string, assertion: Assertion): void {
  const requestId = findOne(request, HEADER.hufuRequestId);
  const pairs: readonly (readonly [string, string | undefined, string | undefined])[] = [
    ['the operation', assertion.operationId, operationId],
    ['the method', assertion.method, request.method],
    ['the target', assertion.target, request.target],
    ['the digest of the body', assertion.bodyDigest, sha256(request.body).toString('base64url')],
    ['Hufu-Merchant-Number', assertion.merchantNumber, findOne(request, HEADER.hufuMerchantNumber)],
    ['Idempotency-Key', assertion.derivedKey, findOne(request, HEADER.idempotencyKey)],
    ['Hufu-Request-Id', assertion.requestId, requestId ?? assertion.requestId],
  ];
  for (const [what, vouched, received] of pairs) if (vouched !== received) throw invalid(`${what} is another one`);
}

/**
 * Verifies that the gateway vouches for exactly this request: JWT with ES256 by a pinned key (RFC 7519, RFC 7515), for us,
 * not expired at `nowMs`, living at most 30 s, with the digest of the bytes that arrived and the same method, target,
 * operation, merchant number and Idempotency-Key. Throws CoreRefusal ASSERTION_INVALID or ASSERTION_EXPIRED.
 *
 * `expiresAtMs` is to be checked once more where a write begins, under the write lock.
 */
export async function verifyAssertion(
  request: ReceivedRequest,
  operationId: string,
  keys: AssertionKeys,
  nowMs: number,
): Promise<Assertion> {
  const token = findOne(request, HEADER.hufuAssertion);
  if (token === undefined) throw invalid('it is missing');
  const payload = await verifyToken(token, keys, nowMs);
  const assertion = readClaims(payload, checkLifetime(payload, nowMs));
  checkEqual(request, operationId, assertion);
  return assertion;
}
