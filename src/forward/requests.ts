import { sha256 } from '../lib/bytes.ts';
import type { CoreCall } from '../ports/core.ts';
import type { ResolveInputs } from '../ports/journal.ts';
import { findHeader, HEADER } from '../protocol/headers.ts';
import type { Opened } from '../protocol/messages.ts';
import type { Operation } from '../protocol/operation.ts';
import { ASSERTION_MS_MAX, type AssertionClaims, type AssertionKey, createAssertion } from './assertion.ts';

/** W3C Trace Context, version 00: neither id may be all zeros. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

const commonHeaders = (merchantNumber: string, requestId: string): string[] => [
  'Accept',
  'application/json',
  'Hufu-Merchant-Number',
  merchantNumber,
  'Hufu-Request-Id',
  requestId,
];

/** A line of the signature base of RFC 9421, the one scheme that can cover it: what nobody signed does not reach the core (contract.md section 3). */
const COVERS_TRACEPARENT = /^"traceparent": /m;

/** Under which key a core may begin a request, and until when, ms. */
export type Permission = Pick<AssertionClaims, 'derivedKey' | 'claim' | 'issuedAtMs' | 'expiresAtMs'>;

/**
 * The call that forwards a request: the very bytes and target that were signed, or what the gateway opened of them. Of the merchant's headers only a well-formed
 * traceparent that it signed passes; everything else the core sees is ours, so that there is one spelling of the media type.
 */
export function forwardCall(key: AssertionKey, request: Opened, { derivedKey, claim, issuedAtMs, expiresAtMs }: Permission): CoreCall {
  const { method, target, rawHeaders, requestId, merchant, operation, scheme, signatureBase } = request;
  const { body, contentType } = request.sealed ?? { body: request.body, contentType: 'application/json' };
  const headers = [...commonHeaders(merchant.number, requestId), 'Hufu-Channel', request.channel];
  if (body.length > 0) headers.unshift('Content-Type', contentType);
  if (derivedKey !== undefined) headers.push('Idempotency-Key', derivedKey);
  const traceparent = findHeader(rawHeaders, HEADER.traceparent);
  const passes =
    traceparent !== undefined && TRACEPARENT.test(traceparent) && scheme === 'rfc9421' && COVERS_TRACEPARENT.test(signatureBase);
  if (passes) headers.push('traceparent', traceparent);
  const assertion = createAssertion(key, {
    requestId,
    merchantNumber: merchant.number,
    certificate: request.peer.thumbprint,
    operationId: operation.id,
    method,
    target,
    ...(derivedKey === undefined ? {} : { derivedKey }),
    ...(claim === undefined ? {} : { claim }),
    bodyDigest: sha256(body),
    issuedAtMs,
    expiresAtMs,
  });
  headers.push('Hufu-Assertion', assertion);
  return { method, target, headers, body, timeoutMs: operation.timeoutMs };
}

/**
 * The call that asks about a claim, under an assertion of its own; undefined when the claim does not hold a parameter of
 * the query. No merchant is present, so the certificate it vouches for is the gateway's own key, by the same kind of thumbprint.
 */
export function questionCall(
  key: AssertionKey,
  query: Operation,
  inputs: ResolveInputs,
  merchantNumber: string,
  nowMs: number,
): CoreCall | undefined {
  const target = fillPath(query.path, inputs.parameters);
  if (target === undefined) return undefined;
  const body = Buffer.alloc(0);
  const assertion = createAssertion(key, {
    requestId: inputs.requestId,
    merchantNumber,
    certificate: Buffer.from(key.keyid, 'hex').toString('base64url'),
    operationId: query.id,
    method: query.method,
    target,
    bodyDigest: sha256(body),
    issuedAtMs: nowMs,
    expiresAtMs: nowMs + ASSERTION_MS_MAX,
  });
  const headers = [...commonHeaders(merchantNumber, inputs.requestId), 'Hufu-Assertion', assertion];
  return { method: query.method, target, headers, body, timeoutMs: query.timeoutMs };
}

/** The path of a query with its parameters; undefined when one is missing or empty. */
function fillPath(path: string, parameters: Readonly<Record<string, string>>): string | undefined {
  let whole = true;
  const filled = path.replace(/\{([^}]+)\}/g, (_, name: string) => {
    const value = Object.hasOwn(parameters, name) ? (parameters[name] as string) : '';
    if (value === '') whole = false;
    return encodeURIComponent(value);
  });
  return whole ? filled : undefined;
}
